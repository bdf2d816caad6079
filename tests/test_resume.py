"""Whatever dies, the same command ends with the same table, and trains nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from command import typed

from harness.store.reader import Store

SWEEP = """\
name: resume
question: Does it come back?
envs: [DeepSea-8]
seeds: 2
steps: 60_000
evaluation: {every: 30_000, episodes: 2, final_episodes: 5}
base: {agent: tabular_q}
arms:
  long: {hparams: {gamma: 0.99}}
  short: {hparams: {gamma: 0.5}}
"""
PATIENCE = 300.0  # seconds: this machine may be busy


@pytest.fixture(scope="module")
def sweep_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "resume.yaml"
    path.write_text(SWEEP)
    return path


def words(sweep_file, root):
    return "sweep", str(sweep_file), "--results", str(root), "--workers", "2", "--no-crosscheck"


def start(sweep_file, root):
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *words(sweep_file, root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A shell's background job ignores Ctrl-C, and hands that on to whatever it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(process):
    out, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, out.decode()


def again(sweep_file, root):
    """The same command, to its end: here, where nothing disturbs it."""
    typed(*words(sweep_file, root), cwd=root)


def tables(root):
    """The report's tables, and every run's outcome: bytes that a disturbance must not change."""
    report = root / "sweeps" / "resume" / "report"
    found = {path.name: path.read_bytes() for path in sorted(report.glob("**/*.csv"))}
    for of_attempts in ("runs.csv", "table_compute.csv", "checklist.csv"):
        del found[of_attempts]
    for spec in Store(root).sweep("resume").runs:
        folder = Store(root).folder(spec)
        found[spec.key] = (folder / "evals.jsonl").read_bytes()
        found[spec.key] += json.loads((folder / "result.json").read_text())["weights"].encode()
    return found


def outcomes(root):
    """How the attempts at each run ended."""
    found = {}
    for spec in Store(root).sweep("resume").runs:
        lines = (Store(root).folder(spec) / "attempts.jsonl").read_text().splitlines()
        found[spec.key] = [json.loads(line).get("outcome", "started") for line in lines]
    return found


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise TimeoutError(condition)


def started_runs(root):
    """Process ids of the runs that have begun to train and are not finished."""
    found = []
    for path in root.glob("runs/*/*/*/evals.jsonl"):
        run = path.parent
        if (run / "progress.json").exists() and not (run / "result.json").exists():
            lines = (run / "attempts.jsonl").read_text().splitlines()
            found.append(json.loads([line for line in lines if "pid" in line][-1])["pid"])
    return found


@pytest.fixture(scope="module")
def undisturbed(sweep_file, tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed")
    again(sweep_file, root)
    return tables(root)


def test_a_killed_worker_fails_its_own_run_and_the_same_command_repairs_it(
    sweep_file, tmp_path, undisturbed
):
    process = start(sweep_file, tmp_path)
    victim = wait_for(lambda: started_runs(tmp_path))[0]
    os.kill(victim, signal.SIGKILL)
    code, out = finish(process)
    assert code == 1
    assert "SIGKILL" in out
    found = [Store(tmp_path).status(spec) for spec in Store(tmp_path).sweep("resume").runs]
    assert sorted(status.state for status in found) == ["failed"] + ["finished"] * 3
    (killed,) = next(status.tries for status in found if status.state == "failed")
    assert killed.outcome == "failed"
    assert killed.cpu_seconds > 0 and killed.peak_memory_mb > 10  # of its last beat

    again(sweep_file, tmp_path)

    assert tables(tmp_path) == undisturbed
    assert sorted(outcomes(tmp_path).values()) == [
        *[["started", "failed", "started", "finished"]],
        *[["started", "finished"]] * 3,
    ]


@pytest.mark.slow
def test_a_killed_sweep_leaves_no_process_behind_and_resumes(sweep_file, tmp_path, undisturbed):
    process = start(sweep_file, tmp_path)
    workers = wait_for(lambda: started_runs(tmp_path))
    family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(True))]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in [*workers, *family]))
    again(sweep_file, tmp_path)

    assert tables(tmp_path) == undisturbed
    assert all(ends.count("finished") == 1 for ends in outcomes(tmp_path).values())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_or_a_polite_kill_ends_at_once_and_loses_only_what_was_unfinished(
    number, sweep_file, tmp_path, undisturbed
):
    process = start(sweep_file, tmp_path)
    wait_for(lambda: started_runs(tmp_path))
    process.send_signal(number)

    code, out = finish(process)

    assert code == 130
    assert "the same command resumes" in out
    assert not started_alive(tmp_path)
    again(sweep_file, tmp_path)
    assert tables(tmp_path) == undisturbed
    assert ["started", "interrupted", "started", "finished"] in outcomes(tmp_path).values()


def started_alive(root):
    return [pid for pid in started_runs(root) if psutil.pid_exists(pid)]


@pytest.mark.slow
def test_two_identical_commands_share_the_work(sweep_file, tmp_path, undisturbed):
    first, second = start(sweep_file, tmp_path), start(sweep_file, tmp_path)

    codes = [finish(first), finish(second)]

    assert [code for code, _ in codes] == [0, 0], codes
    assert tables(tmp_path) == undisturbed
    assert all(ends == ["started", "finished"] for ends in outcomes(tmp_path).values())
