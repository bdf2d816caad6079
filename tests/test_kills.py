"""Killed at any moment, a sweep goes on to the same bytes; a report is the old or the new one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from harness.store.reader import Store

SWEEP = """\
name: kills
question: Does it come back?
envs: [DeepSea-8]
seeds: 2
steps: 20_000
evaluation: {every: 2_000, episodes: 2, final_episodes: 5}
arms:
  random: {agent: random}
  learner: {agent: tabular_q}
"""
PATIENCE = 300.0  # seconds: this machine may be busy
# Tables of times and attempts, which differ by nature.
CIRCUMSTANCE = ("runs.csv", "table_compute.csv", "checklist.csv", "table_equal_cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the sweep's file, where it was made once without a disturbance."""
    folder = tmp_path_factory.mktemp("kills")
    (folder / "kills.yaml").write_text(SWEEP)
    began = time.monotonic()
    finish(start(folder, "sweep", "unbroken"), 0)
    (folder / "seconds").write_text(str(time.monotonic() - began))
    return folder


def start(folder, verb, results):
    """A process group of its own, so that a kill meets the command alone."""
    words = [verb, "kills.yaml" if verb == "sweep" else "kills", "--results", results]
    more = ["--workers", "2", "--no-crosscheck"] if verb == "sweep" else ["--no-crosscheck"]
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *words, *more],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def finish(process, *codes):
    out, _ = process.communicate(timeout=PATIENCE)
    assert not codes or process.returncode in codes, out.decode()
    return out.decode()


def bytes_of(store):
    """The report's tables, and of every run what it scored and learned."""
    found = {}
    for path in sorted((store.sweep_folder("kills") / "report").rglob("*.csv")):
        if not path.name.startswith(CIRCUMSTANCE):
            found[path.name] = path.read_bytes()
    for spec in store.sweep("kills").runs:
        result = store.result(spec)
        kept = {name: facts["sha256"] for name, facts in result["files"].items()}
        kept.pop("train.jsonl", None)  # it tells CPU seconds
        found[spec.key] = result["weights"], result["final"], kept
    return found


def scratch(store):
    """Files that only a killed writer leaves."""
    return [path for path in store.root.rglob(".*.*") if path.name != ".written.json"]


def sweep_killed(home, moment, number):
    """Kill a sweep after a share of its time, make it again, and compare."""
    results = f"killed-{number}-{moment:.4f}"
    process = start(home, "sweep", results)
    time.sleep(moment * float((home / "seconds").read_text()))
    process.send_signal(number)
    said = finish(process)
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert process.returncode in (0, 130, 128 + number, -number), said
    assert "Traceback" not in finish(start(home, "sweep", results), 0)
    store = Store(home / results)
    assert bytes_of(store) == bytes_of(Store(home / "unbroken"))
    states = {store.status(spec).state for spec in store.sweep("kills").runs}
    assert states == {"finished"}
    assert not scratch(store)


def moments(n, seed):
    rng = random.Random(seed)
    return [rng.uniform(0.0, 1.1) for _ in range(n)]


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.3, 0.6, 0.8, 0.95])
def test_a_sweep_killed_at_some_moments_goes_on_to_the_same_bytes(moment, home):
    sweep_killed(home, moment, signal.SIGKILL)


@pytest.mark.soak
@pytest.mark.parametrize("moment", moments(96, seed=0))
def test_a_sweep_killed_at_any_moment_goes_on_to_the_same_bytes(moment, home):
    sweep_killed(home, moment, signal.SIGKILL)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", moments(16, seed=1))
def test_a_sweep_that_is_asked_to_end_at_any_moment_ends_without_a_traceback(number, moment, home):
    sweep_killed(home, moment, number)


# Reports ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reported(home):
    """Seconds that a report takes, and what its pages hold."""
    began = time.monotonic()
    finish(start(home, "report", "unbroken"), 0)
    return time.monotonic() - began, pages(home)


def pages(home):
    folder = Store(home / "unbroken").sweep_folder("kills") / "report"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def report_killed(home, reported, moment, number):
    """Kill a report that replaces another: the page of before, or the new one, is there whole."""
    seconds, truth = reported
    folder = Store(home / "unbroken").sweep_folder("kills") / "report"
    (folder / "notes.txt").write_text("the user's own")
    page = folder / "report.md"
    page.write_text("the old page")
    old = pages(home)
    process = start(home, "report", "unbroken")
    time.sleep(moment * seconds)
    process.send_signal(number)
    said = finish(process)
    assert "Traceback" not in said
    now = pages(home)
    assert now in (old, truth | {"notes.txt": b"the user's own"})
    (folder / "notes.txt").unlink()
    finish(start(home, "report", "unbroken"), 0)
    assert pages(home) == truth
    assert not scratch(Store(home / "unbroken"))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.5, 0.9])
def test_a_killed_report_is_the_old_or_the_new_one(moment, home, reported):
    report_killed(home, reported, moment, signal.SIGKILL)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("moment", moments(24, seed=2))
def test_a_report_killed_at_any_moment_is_the_old_or_the_new_one(moment, number, home, reported):
    report_killed(home, reported, moment, number)


# While the command starts -------------------------------------------------------------------------


def test_ctrl_c_while_modules_are_imported_leaves_no_traceback():
    code = (
        "import os, signal; from harness.__main__ import end_silently; end_silently(); "
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_nothing_is_imported_before_ctrl_c_is_silent():
    code = "import sys; old = {*sys.modules}; import harness.__main__; print(*{*sys.modules} - old)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"harness", "harness.__main__", "_signal"}


def ended_early(home, number, after):
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "status", "kills", "--results", "unbroken"],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    time.sleep(after)
    process.send_signal(number)
    said = finish(process)
    assert "Traceback" not in said and "Exception ignored" not in said, said
    assert process.returncode in (0, 130, -number), said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", [0.2, 0.5, 0.8])
def test_a_command_that_is_asked_to_end_while_it_starts_ends_without_a_traceback(
    number, after, home
):
    ended_early(home, number, after)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", [1.5 * moment for moment in moments(50, seed=3)])
def test_a_command_that_is_asked_to_end_at_any_moment_ends_without_a_traceback(number, after, home):
    ended_early(home, number, after)
