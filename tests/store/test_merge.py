"""Shards publish into a bucket, and what lies there is brought home: compared, or named."""

from __future__ import annotations

import json
import os
import shutil

import fake_store
import pytest

from harness.config.strict import UserError
from harness.store import machines, writer
from harness.store.bucket import Bucket
from harness.store.merge import merge
from harness.store.published import declare, is_finished, publish, published
from harness.store.reader import Store
from harness.sweep import record

SWEEP = fake_store.sweep(("ppo", "rnd"), ("DeepSea-10",), seeds=2)
RUN, OTHER, *_ = SWEEP.runs
FAILED = "torch.OutOfMemoryError: no memory"


@pytest.fixture(params=["memory", "file"])
def bucket(request, tmp_path):
    place = tmp_path / "bucket"
    return Bucket(f"memory:/{place}" if request.param == "memory" else f"file://{place}")


@pytest.fixture
def home(tmp_path):
    return Store(tmp_path / "home")


def shard(tmp_path, name, runs=(), **more):
    """The store of a machine on which these runs have ended."""
    store = Store(tmp_path / name)
    for run in runs:
        fake_store.write_run(store, run, **more)
    return store


def publish_all(store, bucket, runs):
    for run in runs:
        publish(run, bucket, store)


def bring(bucket, home):
    return merge(bucket, home, lambda done, of: None)


def contents(folder):
    """What its files hold, without the lock."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def damage(bucket, where, name, content):
    bucket.write(f"{where}/{name}", content)


# What is published --------------------------------------------------------------------------------


def test_a_finished_run_comes_home_with_every_file(bucket, home, tmp_path):
    there = shard(tmp_path, "shard", SWEEP.runs)
    (there.root / "sacred" / f"{RUN.key}-abc123").mkdir(parents=True)
    (there.root / "sacred" / f"{RUN.key}-abc123" / "run.json").write_text("{}")
    machines.keep(there.root, {"host": "vm", "at": fake_store.STARTED, "findings": []})
    record.keep(SWEEP, there)
    declare(SWEEP, bucket, there)
    publish_all(there, bucket, SWEEP.runs)

    merged = bring(bucket, home)

    assert machines.kept(home.root) == machines.kept(there.root)
    assert sorted(merged.came) == sorted(run.key for run in SWEEP.runs)
    assert merged.is_whole
    for run in SWEEP.runs:
        assert contents(home.folder(run)) == contents(there.folder(run))
        assert home.status(run).state == "finished"
    assert home.sacred_records() == {RUN.key: [f"{RUN.key}-abc123"]}


def test_nothing_that_belongs_to_one_machine_is_published(bucket, tmp_path):
    there = shard(tmp_path, "shard", [RUN])
    folder = there.folder(RUN)
    for name in ("progress.json", ".result.json.vm.12", "spec.json.damaged-1"):
        (folder / name).write_text("{}")
    (folder / "secret").symlink_to("/etc/passwd")

    publish(RUN, bucket, there)

    (attempt,) = published(bucket)
    assert sorted(attempt.names) == ["attempts.jsonl", "evals.jsonl", "result.json", "spec.json"]


def test_a_run_that_is_being_trained_is_not_published(bucket, tmp_path):
    there = shard(tmp_path, "shard", [RUN])

    with writer.claimed(there.folder(RUN)), pytest.raises(writer.Busy):
        publish(RUN, bucket, there)

    assert published(bucket) == []


def test_a_run_is_there_once_its_last_file_is_and_not_before(bucket, tmp_path, monkeypatch):
    there, written = shard(tmp_path, "shard", [RUN]), []

    def write(name, content):
        assert not is_finished(RUN, bucket, there)
        written.append(name.rpartition("/")[2])
        Bucket.write(bucket, name, content)

    monkeypatch.setattr(bucket, "write", write)
    publish(RUN, bucket, there)

    assert written[-1] == "result.json"
    assert is_finished(RUN, bucket, there)
    assert not is_finished(OTHER, bucket, there)


def test_what_was_published_before_is_not_sent_again(bucket, tmp_path, monkeypatch):
    there = shard(tmp_path, "shard", [RUN])
    publish(RUN, bucket, there)
    monkeypatch.setattr(bucket, "write", lambda name, content: pytest.fail(name))

    publish(RUN, bucket, there)


def test_an_upload_that_was_killed_is_gone_on_with(bucket, home, tmp_path, monkeypatch):
    there, left = shard(tmp_path, "shard", [RUN]), [2]

    def write(name, content):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        Bucket.write(bucket, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(bucket, "write", write)
        with pytest.raises(KeyboardInterrupt):
            publish(RUN, bucket, there)
    assert len(bring(bucket, home).lost) == 1
    publish(RUN, bucket, there)

    assert bring(bucket, home).came == [RUN.key]


@pytest.mark.parametrize("name", ["result.json", "evals.jsonl"])
def test_a_run_of_which_a_file_is_cut_short_is_trained_again(name, bucket, tmp_path):
    there = shard(tmp_path, "shard", [RUN])
    publish(RUN, bucket, there)
    (attempt,) = published(bucket)
    damage(bucket, attempt.where, name, b"{")

    assert not is_finished(RUN, bucket, there)


# What is brought home -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["result.json", "evals.jsonl", "spec.json"])
def test_a_run_whose_bytes_were_altered_is_named_and_stays_out(name, bucket, home, tmp_path):
    there = shard(tmp_path, "shard", [RUN, OTHER])
    publish_all(there, bucket, [RUN, OTHER])
    attempt = next(each for each in published(bucket) if each.key == RUN.key)
    content = bucket.read(f"{attempt.where}/{name}")
    damage(bucket, attempt.where, name, content.replace(b"0", b"1"))  # of the same size

    merged = bring(bucket, home)

    assert merged.came == [OTHER.key]
    assert [attempt.where in line and name in line for line in merged.damaged] == [True]
    assert not merged.is_whole
    assert home.missing([RUN, OTHER]) == [RUN]
    assert not list(home.root.rglob(".*"))


def test_another_attempt_takes_the_place_of_one_that_is_damaged(bucket, home, tmp_path):
    for name, result in ("first", {}), ("second", {"ended": "2026-01-02T00:00:00+00:00"}):
        publish(RUN, bucket, shard(tmp_path, name, [RUN], result=result))
    first, second = published(bucket)
    damage(bucket, first.where, "evals.jsonl", b"")

    merged = bring(bucket, home)

    assert merged.came == [RUN.key]
    assert len(merged.damaged) == 1
    assert merged.is_whole
    assert second.is_same(home.folder(RUN))


def test_a_run_made_twice_to_the_same_bits_is_one_run(bucket, home, tmp_path):
    for name, result in ("first", {}), ("second", {"wall_seconds": 99.0}):
        publish(RUN, bucket, shard(tmp_path, name, [RUN], result=result))

    merged = bring(bucket, home)

    assert (merged.came, len(merged.twice), merged.is_whole) == ([RUN.key], 1, True)


def test_every_attempt_at_a_run_is_counted(bucket, home, tmp_path):
    for number, name in enumerate(("first", "second", "third")):
        there = shard(tmp_path, name)
        start = f"2026-01-01T00:00:0{number}+00:00"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fake_store, "STARTED", start)
            fake_store.write_run(there, RUN)
        publish(RUN, bucket, there)

    bring(bucket, home)

    status = home.status(RUN)
    assert [each.outcome for each in status.tries] == ["lost", "lost", "finished"]
    assert all(each.wall_seconds == 20.0 for each in status.tries)


def test_a_run_made_to_other_bits_is_named_and_not_brought_home(bucket, home, tmp_path):
    for name, weights in ("first", "1"), ("second", "2"):
        machine = {"cpu": name}
        result = {"weights": weights * 64, "machine": machine}
        publish(RUN, bucket, shard(tmp_path, name, [RUN], result=result))
    publish(OTHER, bucket, shard(tmp_path, "third", [OTHER]))

    merged = bring(bucket, home)

    assert merged.came == [OTHER.key]
    (line,) = merged.apart
    assert all(each.where in line for each in published(bucket) if each.key == RUN.key)
    assert "machine" in line
    assert not merged.is_whole
    assert home.missing([RUN, OTHER]) == [RUN]


def test_a_run_that_is_here_with_other_bits_stays_as_it_is(bucket, home, tmp_path):
    fake_store.write_run(home, RUN)
    before = contents(home.folder(RUN))
    publish(RUN, bucket, shard(tmp_path, "shard", [RUN], result={"weights": "1" * 64}))

    merged = bring(bucket, home)

    assert len(merged.apart) == 1
    assert contents(home.folder(RUN)) == before


def test_the_same_merge_again_fetches_nothing(bucket, home, tmp_path, monkeypatch):
    publish_all(shard(tmp_path, "shard", SWEEP.runs), bucket, SWEEP.runs)
    bring(bucket, home)
    monkeypatch.setattr(bucket, "fetch", lambda names: pytest.fail(str(names)))

    merged = bring(bucket, home)

    assert (len(merged.were), merged.came, merged.twice) == (len(SWEEP.runs), [], [])


def test_a_merge_that_was_killed_goes_on(bucket, home, tmp_path, monkeypatch):
    publish_all(shard(tmp_path, "shard", SWEEP.runs), bucket, SWEEP.runs)
    replace = os.replace
    for moves in range(1, 40):  # killed at each of its moves
        left = [moves]

        def killed(*names, left=left, **more):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return replace(*names, **more)

        try:
            with monkeypatch.context() as patch:
                patch.setattr(os, "replace", killed)
                bring(bucket, home)
        except KeyboardInterrupt:
            states = {home.status(run).state for run in SWEEP.runs}
            assert states <= {"finished", "missing", "interrupted"}
    bring(bucket, home)

    assert home.missing(SWEEP.runs) == []
    assert all(home.status(run).attempts == 1 for run in SWEEP.runs)


def test_a_failure_comes_home_until_an_attempt_finishes(bucket, home, tmp_path):
    there = shard(tmp_path, "first")
    writer.write_failure(there.folder(RUN), FAILED)
    publish(RUN, bucket, there)

    assert bring(bucket, home).failed == [RUN.key]
    assert home.status(RUN).error == FAILED
    assert bring(bucket, home).failed == [RUN.key]

    publish(RUN, bucket, shard(tmp_path, "second", [RUN]))
    assert bring(bucket, home).came == [RUN.key]
    assert home.status(RUN).state == "finished"
    assert home.status(RUN).error is None


def test_a_failure_takes_the_place_of_no_run_that_is_here(bucket, home, tmp_path):
    fake_store.write_run(home, RUN)
    there = shard(tmp_path, "first")
    writer.write_failure(there.folder(RUN), FAILED)
    publish(RUN, bucket, there)

    bring(bucket, home)

    assert home.status(RUN).state == "finished"


def test_a_run_that_is_being_trained_here_is_left_alone(bucket, home, tmp_path):
    publish(RUN, bucket, shard(tmp_path, "shard", [RUN]))

    with writer.claimed(home.folder(RUN)):
        merged = bring(bucket, home)

    assert (merged.came, len(merged.busy), merged.is_whole) == ([], 1, False)


def test_a_results_folder_is_read_like_a_bucket(home, tmp_path):
    there = shard(tmp_path, "shard", SWEEP.runs)
    record.keep(SWEEP, there)

    merged = bring(Bucket(str(there.root)), home)

    assert len(merged.came) == len(SWEEP.runs)
    assert home.sweep(SWEEP.name) == SWEEP
    assert home.history(SWEEP.name) == there.history(SWEEP.name)
    again = bring(Bucket(str(there.root)), home)
    assert (len(again.were), again.came, again.twice) == (len(SWEEP.runs), [], [])


def test_what_belongs_to_one_machine_stays_in_its_results_folder(home, tmp_path):
    there = shard(tmp_path, "shard", [RUN])
    for name in ("progress.json", "spec.json.damaged-1", "lock"):
        (there.folder(RUN) / name).write_text("theirs")
    bucket = Bucket(str(there.root))

    bring(bucket, home)

    assert (home.folder(RUN) / "lock").read_text() == ""
    assert sorted(contents(home.folder(RUN))) == sorted(published(bucket)[0].names)
    assert "progress.json" not in published(bucket)[0].names


# What is not believed -----------------------------------------------------------------------------


def test_the_run_of_another_key_is_not_brought_home(bucket, home, tmp_path):
    there = shard(tmp_path, "shard", [RUN, OTHER])
    shutil.rmtree(there.folder(RUN))
    shutil.copytree(there.folder(OTHER), there.folder(RUN))
    fake_store.edit_result(there.folder(RUN), lambda facts: facts.update(key=RUN.key))
    publish(RUN, bucket, there)

    merged = bring(bucket, home)

    assert merged.came == []
    assert OTHER.key in merged.damaged[0]


def test_the_failure_of_another_key_is_not_brought_home(bucket, home, tmp_path):
    there = shard(tmp_path, "shard", [OTHER])
    shutil.copytree(there.folder(OTHER), there.folder(RUN))
    (there.folder(RUN) / "result.json").unlink()
    writer.write_failure(there.folder(RUN), FAILED)
    publish(RUN, bucket, there)

    merged = bring(bucket, home)

    assert (merged.failed, merged.is_whole) == ([], False)
    assert not home.folder(RUN).exists()


@pytest.mark.parametrize("name", ["../../outside", "a/../../../outside", ".hidden", "a\\b"])
def test_no_object_is_written_beside_the_run(name, home, tmp_path):
    bucket = Bucket(f"memory:/{tmp_path}/bucket")
    publish(RUN, bucket, shard(tmp_path, "shard", [RUN]))
    (attempt,) = published(bucket)
    path = f"{bucket._root}/{attempt.where}/{name}"
    bucket._fs.store[path] = type(next(iter(bucket._fs.store.values())))(bucket._fs, path, b"x")

    bring(bucket, home)

    assert sorted(contents(home.folder(RUN))) == sorted(attempt.names)
    assert not list(tmp_path.rglob("*outside*"))


def test_a_link_out_of_the_other_results_folder_is_not_followed(home, tmp_path):
    there = shard(tmp_path, "shard", [RUN])
    (tmp_path / "secret").write_text("secret")
    (there.folder(RUN) / "output.txt").symlink_to(tmp_path / "secret")
    (there.folder(RUN) / "model").symlink_to(tmp_path)

    bring(Bucket(str(there.root)), home)

    assert home.status(RUN).state == "finished"
    assert not list(home.folder(RUN).rglob("*secret*"))
    assert not (home.folder(RUN) / "output.txt").exists()


# What was declared --------------------------------------------------------------------------------


def test_a_sweep_comes_home_as_it_was_first_declared(bucket, home, tmp_path, monkeypatch):
    for number in (2, 1, 3):
        there = Store(tmp_path / str(number))
        monkeypatch.setattr(record, "now", lambda at=number: f"2026-01-0{at}T00:00:00+00:00")
        record.keep(SWEEP, there)
        declare(SWEEP, bucket, there)

    merged = bring(bucket, home)

    assert merged.sweeps == [SWEEP.name]
    assert home.sweep(SWEEP.name) == SWEEP
    assert [row["at"] for row in home.history(SWEEP.name).rows] == ["2026-01-02T00:00:00+00:00"]


def test_of_a_sweep_that_is_here_only_what_was_declared_earlier_comes(
    bucket, home, tmp_path, monkeypatch
):
    there = Store(tmp_path / "shard")
    monkeypatch.setattr(record, "now", lambda: "2026-01-01T00:00:00+00:00")
    record.keep(SWEEP, there)
    declare(SWEEP, bucket, there)
    changed = SWEEP.model_copy(update={"question": "Does it?"})
    monkeypatch.setattr(record, "now", lambda: "2026-01-02T00:00:00+00:00")
    record.keep(changed, home)

    bring(bucket, home)
    bring(bucket, home)

    assert home.sweep(SWEEP.name) == changed
    times = [row["at"][:10] for row in home.history(SWEEP.name).rows]
    assert times == ["2026-01-01", "2026-01-02"]


def test_a_sweep_that_was_altered_stays_out(bucket, home, tmp_path):
    there = Store(tmp_path / "shard")
    record.keep(SWEEP, there)
    declare(SWEEP, bucket, there)
    name = next(name for name in bucket.names("sweeps") if name.endswith("sweep.json"))
    facts = json.loads(bucket.read(name))
    bucket.write(name, json.dumps(facts | {"question": "Another?"}).encode())

    merged = bring(bucket, home)

    assert (merged.sweeps, merged.is_whole) == ([], False)
    assert home.sweeps() == []


# Where there is nothing ---------------------------------------------------------------------------


def test_a_place_without_runs_is_named(bucket, home):
    with pytest.raises(UserError, match="no runs are there"):
        bring(bucket, home)


@pytest.mark.parametrize("url", ["nothing://bucket", "memory://", "file://"])
def test_an_address_that_names_no_bucket_is_one_line(url):
    with pytest.raises(UserError) as error:
        Bucket(url)

    assert len(error.value.problems) == 1


def test_a_bucket_that_takes_nothing_is_one_line(tmp_path):
    (tmp_path / "bucket").write_text("no folder")
    bucket, there = Bucket(f"file://{tmp_path}/bucket/results"), shard(tmp_path, "shard", [RUN])

    with pytest.raises(UserError, match="cannot be written"):
        publish(RUN, bucket, there)
