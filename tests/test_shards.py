"""Shards that know nothing of one another make the runs of the sweep, and no others."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
import traceback
from collections import Counter

import pytest
from command import typed
from typer.testing import CliRunner

from harness.cli.main import app
from harness.config.strict import UserError
from harness.store.bucket import Bucket
from harness.store.published import published
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.sweep.shard import Shard
from harness.train import publisher

SWEEP = """\
name: shards
question: Does it come back?
envs: [DeepSea-8]
seeds: {seeds}
steps: 400
evaluation: {{every: 200, episodes: 2, final_episodes: 3}}
arms:
  random: {{agent: random}}
  learner: {{agent: tabular_q}}
"""
# Tables of times and attempts, which differ by nature.
CIRCUMSTANCE = ("runs.csv", "table_compute.csv", "checklist.csv", "table_equal_cpu")
QUICK = ("--no-figures", "--no-crosscheck")
PATIENCE = 300.0  # seconds: this machine may be busy


def write(folder, seeds=2):
    (folder / "shards.yaml").write_text(SWEEP.format(seeds=seeds))


def train(folder, shard, *words, code=0, results="file://bucket"):
    """:param words: more of the command."""
    results = results.replace("://", f"://{folder}/")
    where = ("--shard", shard, "--results", results, "--executor", "serial")
    return typed("sweep", "shards.yaml", *where, *words, cwd=folder, code=code)


def alone(folder):
    """The sweep without shards, one run after the other."""
    where = ("--results", "alone", "--executor", "serial")
    typed("sweep", "shards.yaml", *where, *QUICK, cwd=folder)


def bucket_of(folder):
    return Bucket(f"file://{folder}/bucket")


# The partition ------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [1, 3, 7, 200])
def test_every_run_is_in_one_shard_and_all_have_equally_many(of, tmp_path):
    write(tmp_path, seeds=5)
    runs = expand(tmp_path / "shards.yaml").sweep.made

    shares = [Shard(number, of).share(runs) for number in range(of)]

    assert sorted(run.key for share in shares for run in share) == sorted(run.key for run in runs)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_share_begins_with_the_first_seeds_whatever_the_order_of_the_arms(tmp_path):
    write(tmp_path, seeds=5)
    runs = expand(tmp_path / "shards.yaml").sweep.made

    share = Shard(1, 3).share(runs)

    assert [run.seed for run in share] == sorted(run.seed for run in share)
    assert Shard(1, 3).share(reversed(runs)) == share
    firsts = [Shard(number, 2).share(runs)[0] for number in range(2)]
    assert {(run.seed, run.arm) for run in firsts} == {(0, "random"), (0, "learner")}


@pytest.mark.parametrize("text", ["0/0", "7/3", "3/3", "-1/3", "3/200/4", "", "a/b", "0/99999999"])
def test_a_shard_that_there_cannot_be_is_one_line(text):
    with pytest.raises(UserError) as error:
        Shard.read(text)

    assert len(str(error.value).splitlines()) == 1
    assert "--shard" in str(error.value)


# The command --------------------------------------------------------------------------------------


def test_shards_and_a_merge_make_the_report_of_the_sweep(tmp_path):
    write(tmp_path)
    alone(tmp_path)
    for number in range(3):
        said = train(tmp_path, f"{number}/3", "--scratch", f"scratch-{number}")
        assert "harness merge file://" in said
        assert not (tmp_path / f"scratch-{number}/sweeps/shards/report").exists()

    said = typed("merge", f"file://{tmp_path}/bucket", cwd=tmp_path)

    assert "4 brought home" in said
    assert "sweep shards: 4 finished" in said
    typed("report", "shards", *QUICK, cwd=tmp_path)
    assert bytes_of(Store(tmp_path / "results")) == bytes_of(Store(tmp_path / "alone"))


def test_a_shard_makes_nothing_that_is_there(tmp_path):
    write(tmp_path)
    train(tmp_path, "0/2", "--scratch", "first")

    said = train(tmp_path, "0/2", "--scratch", "second")

    assert "already: 2 runs" in said
    assert not (tmp_path / "second/runs").exists()
    assert len(published(bucket_of(tmp_path))) == 2


def test_a_shard_publishes_what_its_scratch_has(tmp_path):
    write(tmp_path)
    train(tmp_path, "0/2", "--scratch", "scratch")
    shutil.rmtree(tmp_path / "bucket")
    before = Store(tmp_path / "scratch")
    runs = before.sweep("shards").runs
    attempts = [before.status(run).attempts for run in runs]

    train(tmp_path, "0/2", "--scratch", "scratch")

    assert [before.status(run).attempts for run in runs] == attempts
    assert len(published(bucket_of(tmp_path))) == 2


def test_shards_share_a_results_folder_too(tmp_path):
    write(tmp_path)
    for number in range(2):
        train(tmp_path, f"{number}/2", results="results")

    store = Store(tmp_path / "results")
    assert store.missing(store.sweep("shards").runs) == []
    assert len(store.history("shards").rows) == 1
    assert not store.reported("shards")


def test_a_shard_without_a_run_ends_well(tmp_path):
    write(tmp_path, seeds=1)

    assert "0 of 0 runs" in train(tmp_path, "2/3")


def test_a_bucket_that_refuses_is_told_before_anything_trains(tmp_path):
    write(tmp_path)
    (tmp_path / "bucket").write_text("no folder")

    said = train(tmp_path, "0/2", "--scratch", "scratch", code=2)

    assert "cannot be" in said
    assert not (tmp_path / "scratch/runs").exists()


def test_a_bucket_that_refuses_later_is_told_and_the_runs_are_kept(tmp_path, monkeypatch):
    write(tmp_path)

    def refuse(spec, bucket, store):
        raise UserError.of(bucket.url, "gone")

    with monkeypatch.context() as patch:
        patch.setattr(publisher, "publish", refuse)
        said = train(tmp_path, "0/2", "--scratch", "scratch", code=75)

    assert "gone" in said
    train(tmp_path, "0/2", "--scratch", "scratch")
    assert len(published(bucket_of(tmp_path))) == 2


def test_only_shards_write_into_a_bucket(tmp_path):
    write(tmp_path)
    url = f"file://{tmp_path}/bucket"

    assert "--shard" in typed("sweep", "shards.yaml", "--results", url, cwd=tmp_path, code=2)
    assert "harness merge" in typed("status", "shards", "--results", url, cwd=tmp_path, code=2)
    assert not (tmp_path / "file:").exists()


@pytest.mark.parametrize("words", [["nowhere"], ["results"], ["."], ["memory://none/there"]])
def test_a_merge_of_nothing_is_one_line(words, tmp_path):
    (tmp_path / "results").mkdir()

    assert len(typed("merge", *words, cwd=tmp_path, code=2).splitlines()) == 1


# Killed -------------------------------------------------------------------------------------------


def bytes_of(store):
    """The report's tables, and of every run what it scored and learned."""
    found = {}
    for path in sorted((store.sweep_folder("shards") / "report").rglob("*.csv")):
        if not path.name.startswith(CIRCUMSTANCE):
            found[path.name] = path.read_bytes()
    for spec in store.sweep("shards").runs:
        folder, result = store.folder(spec), store.result(spec)
        found[spec.key] = result["weights"], (folder / "evals.jsonl").read_bytes()
    return found


def forked(folder, words):
    """A command in a process of its own, which has imported all that this one has."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with contextlib.chdir(folder):
            code = CliRunner().invoke(app, words).exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def killed_shards(folder, of, seed):
    """Kill each shard once, at random; half of them lose their disk. Then start each once more."""
    chance = random.Random(seed)
    seconds, kills = 1.0, Counter()
    for number in range(of):
        words = ["sweep", "shards.yaml", "--shard", f"{number}/{of}", "--executor", "serial"]
        words += ["--results", f"file://{folder}/bucket", "--scratch", f"scratch-{number}"]
        began = time.monotonic()
        pid = forked(folder, words)
        moment = began + chance.uniform(0.0, 1.1) * seconds
        ended = 0
        while not ended and time.monotonic() < moment:
            time.sleep(0.002)
            ended = os.waitpid(pid, os.WNOHANG)[0]
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        kills["early" if ended else "killed"] += 1
        if chance.random() < 0.5:
            shutil.rmtree(folder / f"scratch-{number}", ignore_errors=True)
        began = time.monotonic()
        assert os.waitstatus_to_exitcode(os.waitpid(forked(folder, words), 0)[1]) == 0
        seconds = time.monotonic() - began
    return kills


@pytest.mark.parametrize(
    "shards",
    [pytest.param(6, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.soak)],
)
def test_shards_that_are_killed_once_each_make_the_serial_table(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(publisher, "EVERY", 0.02)
    write(tmp_path, seeds=shards)  # two runs for each shard
    alone(tmp_path)

    kills = killed_shards(tmp_path, shards, seed=0)
    said = typed("merge", f"file://{tmp_path}/bucket", cwd=tmp_path)
    typed("report", "shards", *QUICK, cwd=tmp_path)

    assert kills["killed"] > shards // 3
    assert bytes_of(Store(tmp_path / "results")) == bytes_of(Store(tmp_path / "alone"))
    print(f"{shards} shards: {dict(kills)}; {said}")
