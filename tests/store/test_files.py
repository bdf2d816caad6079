"""Files are whole or named: what a crash, a full disk or a closed folder leaves misleads nobody."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from pathlib import Path

import fake_store
import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.store import files, run_files, writer
from harness.store.cost import spent
from harness.store.files import Damaged, append_json, read_json, read_lines, replacing, write_json
from harness.store.reader import Store
from harness.store.run_files import final_returns

RUN = fake_store.spec("ppo", "DeepSea-20", 0)
SWEEP = """\
name: disk
question: Is what was finished kept?
envs: [DeepSea-8]
seeds: 2
steps: 120
evaluation: {every: 60, episodes: 2, final_episodes: 3}
arms:
  random: {agent: random}
"""


@pytest.fixture
def store(tmp_path):
    """One run is finished."""
    found = Store(tmp_path)
    fake_store.write_run(found, RUN)
    return found


# Logs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [b'{"started": "20', b"\xc3", b'{"a": 1}', b"{"])
def test_a_line_that_a_crash_tore_is_no_line_before_and_after_the_next_one(torn, tmp_path):
    log = tmp_path / "attempts.jsonl"
    append_json(log, {"n": 1})
    with log.open("ab") as file:
        file.write(torn)
    assert read_lines(log).rows == [{"n": 1}]

    append_json(log, {"n": 2})

    found = read_lines(log)
    assert (found.rows, found.damage) == ([{"n": 1}, {"n": 2}], None)


def test_a_log_that_was_damaged_keeps_its_readable_lines_and_the_damaged_file(tmp_path):
    log = tmp_path / "history.jsonl"
    log.write_bytes(b'{"n": 1}\nno JSON\n{"n": 2}\n')
    found = read_lines(log)
    assert str(found.damage).startswith(f"{log}: line 2: it is not JSON")

    files.mend_lines(log, found)

    assert read_lines(log) == (found.rows, None, False)
    assert log.with_name("history.jsonl.damaged-1").read_bytes().count(b"no JSON") == 1


# Values -------------------------------------------------------------------------------------------


def test_a_value_reads_back_and_a_changed_digit_is_seen(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"final": {"mean": 35.0}, "names": ("a", "b")})
    assert read_json(path, {"final": dict}) == {"final": {"mean": 35.0}, "names": ["a", "b"]}

    path.write_text(path.read_text().replace("35.0", "22.0"))

    with pytest.raises(Damaged, match=r"result\.json: it was altered after it was written"):
        read_json(path, {"final": dict})


def test_a_write_that_the_disk_refuses_leaves_the_old_file_and_no_scratch(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_json(path, {"old": True})

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"old": False})

    assert read_json(path, {}) == {"old": True}
    assert os.listdir(tmp_path) == ["result.json"]


def test_scratch_files_of_processes_that_are_gone_are_cleaned(store):
    folder = store.folder(RUN)
    dead = files._scratch(folder / "result.json").with_suffix(".999999999")
    dead.write_text("half")
    write_json(folder / "result.json", {"whole": True})
    assert not dead.exists()

    foreign = folder / ".evals.jsonl.another-machine.17"
    foreign.write_text("half")
    writer.Record(folder, RUN)
    assert not foreign.exists()


# Locks --------------------------------------------------------------------------------------------


def test_a_look_at_a_lock_at_that_moment_turns_nobody_away_who_takes_or_looks_at_it(tmp_path):
    lock = tmp_path / "lock"
    lock.touch()
    looking = os.open(lock, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)  # as `lock_is_held` does

    assert not files.lock_is_held(lock)
    threading.Timer(0.05, os.close, [looking]).start()
    with writer.claimed(tmp_path):
        assert files.lock_is_held(lock)


# The end of a run ---------------------------------------------------------------------------------


def lines(store):
    return (store.folder(RUN) / "attempts.jsonl").read_text().splitlines(keepends=True)


def test_a_run_killed_after_its_result_was_published_has_finished(store):
    (store.folder(RUN) / "attempts.jsonl").write_text(lines(store)[0])  # and no end

    status = store.status(RUN)

    assert (status.state, [attempt.outcome for attempt in status.tries]) == (
        "finished", ["finished"],
    )  # fmt: skip
    assert status.tries[0].cpu_seconds == status.result["cpu_seconds"]


def test_a_run_killed_before_its_result_was_published_has_not(store, monkeypatch):
    run = fake_store.spec("ppo", "DeepSea-20", 1)
    fake_store.write_run(store, run)
    result = run_files.finished(store.folder(run))[0]
    (store.folder(run) / "result.json").unlink()
    log = writer.Record(store.folder(run), run)
    rows = [{"step": run.steps, "final": True, "returns": [1.0]}]
    (store.folder(run) / "evals.jsonl").write_text(json.dumps(rows[0]) + "\n")

    def killed(*_):
        raise SystemExit

    monkeypatch.setattr(writer, "write_json", killed)
    with pytest.raises(SystemExit):
        log.finish(result)

    assert store.status(run).state == "interrupted"
    assert "finished" not in (store.folder(run) / "attempts.jsonl").read_text().splitlines()[-1]


def test_an_interrupt_after_the_result_is_no_interrupted_run(store):
    before = lines(store)
    log = writer.Record.__new__(writer.Record)
    log.folder = store.folder(RUN)

    log.interrupted()
    log.failed(MemoryError())

    assert lines(store) == before
    assert store.status(RUN).state == "finished"


def test_a_finished_attempt_whose_result_was_set_aside_is_counted_as_lost(store):
    folder = store.folder(RUN)
    (folder / "result.json").write_text("[]")
    assert store.status(RUN).state == "damaged"
    assert [attempt.outcome for attempt in store.status(RUN).tries] == ["lost"]

    said = writer.mend(folder, store.root)
    fake_store.write_run(store, RUN)

    assert said == [
        f"{folder}/result.json: it holds a list where keys and values belong; set aside as "
        "result.json.damaged-1"
    ]
    status = store.status(RUN)
    assert [attempt.outcome for attempt in status.tries] == ["lost", "finished"]
    assert spent([status]).lost.attempts == 1


def test_a_finished_run_whose_log_is_lost_cost_what_its_result_says(store):
    (store.folder(RUN) / "attempts.jsonl").unlink()

    (attempt,) = store.status(RUN).tries

    assert (attempt.outcome, attempt.cpu_seconds) == ("finished", 19.0)


# Scores -------------------------------------------------------------------------------------------


def test_the_final_score_is_the_row_that_is_marked_final_wherever_it_stands(store):
    path = store.folder(RUN) / "evals.jsonl"
    scored = final_returns(store.folder(RUN))
    frame = store.frame([RUN])
    *along, last = path.read_text().splitlines(keepends=True)
    path.write_text(last + "".join(along))
    assert store.status(RUN).state == "damaged"

    fake_store.seal(store.folder(RUN))

    assert final_returns(store.folder(RUN)) == scored
    assert store.frame([RUN]).equals(frame)


def test_the_final_episodes_in_the_other_mode_are_no_part_of_the_score(store):
    path = store.folder(RUN) / "evals.jsonl"
    scored, frame = final_returns(store.folder(RUN)), store.frame([RUN])
    other = {"step": RUN.steps, "final": True, "returns": [-99.0], "other_mode": True}
    path.write_text(json.dumps(other) + "\n" + path.read_text() + json.dumps(other) + "\n")
    fake_store.seal(store.folder(RUN))

    assert final_returns(store.folder(RUN)) == scored
    assert store.frame([RUN]).equals(frame)


@pytest.mark.parametrize(
    ("final", "mark"), [(False, True), (True, False), (True, "yes"), (True, None)]
)
def test_a_mark_of_the_other_mode_that_marks_no_final_evaluation_is_damage(store, final, mark):
    path = store.folder(RUN) / "evals.jsonl"
    row = {"step": RUN.steps, "final": final, "returns": [1.0], "other_mode": mark}
    path.write_text(path.read_text() + json.dumps(row) + "\n")

    with pytest.raises(Damaged, match="'other_mode' marks no final evaluation"):
        run_files.evaluations(store.folder(RUN))


@pytest.mark.parametrize(
    ("name", "score", "why"),
    [
        ("final", {"mean": "much"}, "in 'final', 'mean' is "),
        ("other_mode", {"mean": 1.0}, "in 'other_mode', it has no key 'deterministic'"),
        ("other_mode", {"mean": None, "deterministic": True}, "in 'other_mode', 'mean' is "),
        ("other_mode", "better", "in 'other_mode', it holds a text where keys and values belong"),
        ("test", {}, "in 'test', it has no key 'mean'"),
    ],
)
def test_a_score_that_is_none_is_damage(store, name, score, why):
    fake_store.edit_result(store.folder(RUN), lambda facts: facts.update({name: score}))

    status = store.status(RUN)

    assert status.state == "damaged" and why in status.error


def test_an_agent_that_acts_alike_in_both_ways_is_no_damage(store):
    fake_store.edit_result(store.folder(RUN), lambda facts: facts.update(other_mode=None))

    assert store.status(RUN).state == "finished"


@pytest.mark.parametrize("marks", [(False, False), (True, True)])
def test_a_run_without_one_final_evaluation_is_never_published(marks, store):
    rows = [{"step": 10 * i, "final": mark, "returns": [1.0]} for i, mark in enumerate(marks)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (store.folder(RUN) / "evals.jsonl").write_text(text)

    with pytest.raises(Damaged, match="must be marked final"):
        writer.publish(store.folder(RUN), {"key": RUN.key, "final": {"mean": 1.0}})


def test_what_was_cut_altered_or_swapped_is_told(store):
    other = fake_store.spec("ppo", "DeepSea-20", 1)
    fake_store.write_run(store, other)
    path = store.folder(RUN) / "evals.jsonl"
    content = path.read_bytes()
    for changed, why in {
        content[:-40]: "evals.jsonl: it is cut short: ",
        content.replace(b"final", b"FINAL", 1): "evals.jsonl: it was altered after the run ended",
        (store.folder(other) / "evals.jsonl").read_bytes(): "evals.jsonl: it is swapped: it is "
        f"that of the run {other.key}",
    }.items():
        path.write_bytes(changed)
        assert store.status(RUN).error.startswith(why)
        assert store.frame([RUN]).empty


# Folders as a whole -------------------------------------------------------------------------------


def report(folder, **content):
    with replacing(folder) as new:
        for name, text in content.items():
            (new / name).write_text(text)


def test_what_a_killed_process_left_of_a_folder_is_removed(tmp_path):
    dead = files._scratch(tmp_path / "report").with_suffix(".999999999")
    dead.mkdir()
    (dead / "page").write_text("half")

    report(tmp_path / "report", page="whole")

    assert os.listdir(tmp_path) == ["report"]


def test_a_report_replaces_the_old_one_and_keeps_the_users_files(tmp_path):
    folder = tmp_path / "report"
    report(folder, page="old", gone="old")
    (folder / "drafts").mkdir()
    (folder / "drafts" / "notes.md").write_text("mine")
    (folder / "link").symlink_to("drafts")

    report(folder, page="new")

    assert (folder / "page").read_text() == "new"
    assert not (folder / "gone").exists()
    assert (folder / "drafts" / "notes.md").read_text() == "mine"
    assert (folder / "link").is_symlink()
    assert os.listdir(tmp_path) == ["report"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
def test_a_report_that_does_not_come_to_its_end_leaves_the_old_one(error, tmp_path):
    folder = tmp_path / "report"
    report(folder, page="old")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    with pytest.raises((KeyboardInterrupt, OSError)), replacing(folder) as new:  # noqa: PT012
        (new / "page").write_text("half")
        raise error

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(tmp_path) == ["report"]


def test_where_the_kernel_cannot_exchange_folders_a_killed_swap_is_put_right(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchanged", lambda *_: False)
    folder = tmp_path / "report"
    report(folder, page="old")
    (folder / "notes").write_text("mine")
    report(folder, page="newer")
    folder.rename(tmp_path / ".report.host.1.old")  # killed between the two renames

    report(folder, page="newest")

    assert (folder / "page").read_text() == "newest"
    assert (folder / "notes").read_text() == "mine"


# What a disk refuses ------------------------------------------------------------------------------


def typed(*words):
    more = ["--executor", "serial"] if words[0] == "sweep" else []
    done = CliRunner().invoke(app, [*words, *more])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done.exit_code, done.output.splitlines()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("disk.yaml").write_text(SWEEP)
    return tmp_path


def test_a_full_disk_loses_no_finished_run_and_is_told_in_one_line(here, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "results")

    end_attempt = writer.end_attempt

    def last_words(*args):  # of the first run; then nothing can be written any more
        end_attempt(*args)
        for name in ("write_json", "append_json"):
            monkeypatch.setattr(writer, name, full)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "end_attempt", last_words)
        code, said = typed("sweep", "disk.yaml")
    assert code == 1
    assert [line for line in said if "the disk is full; what was finished is kept" in line]
    monkeypatch.undo()
    monkeypatch.chdir(here)

    code, said = typed("sweep", "disk.yaml")

    assert (code, said[0]) == (0, "1 run is finished already")


def test_results_that_are_no_folder_are_one_line(here):
    Path("results").write_text("a file")
    for words in (["sweep", "disk.yaml"], ["run", "random", "DeepSea-8", "--steps", "60"]):
        code, said = typed(*words)
        assert code == 2
        assert len(said) == 1 and said[0].startswith("results") and "--results" in said[0], said


def test_results_that_may_only_be_read_are_one_line(here, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    code, said = typed("sweep", "disk.yaml")

    assert code == 2
    assert len(said) == 1 and said[0].startswith("results/sweeps/disk: read-only file system: ")


@pytest.mark.parametrize(
    "words", [["status"], ["ls", "runs"], ["report", "disk"], ["verify", "disk"]]
)
def test_results_that_are_missing_are_no_traceback(words, here):
    code, said = typed(*words)
    assert code in (0, 2)
    assert len(said) <= 2
    assert not Path("results").exists()
