"""Runs as SLURM's jobs: by submitit's executor of this machine, and by the script for a cluster."""

from __future__ import annotations

import os
import signal
import stat
import time

import looks
import psutil
import pytest
from command import typed
from tiny import tiny

from harness.store.reader import Store
from harness.train.executors import executor, slurm
from harness.train.run import Job

pytest.importorskip("submitit")

SPECS = [tiny("random", seed) for seed in range(3)]
# What stands for the commands of a cluster: a job is taken, and is in no queue.
COMMANDS = {"srun": "", "sbatch": "echo Submitted batch job 4242", "squeue": "", "scancel": ""}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A machine that submits to a cluster, of which the jobs die at once and without a word."""
    for name, line in COMMANDS.items():
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!/bin/sh\n{line}\n")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "LOOK", 0.0)
    monkeypatch.setattr(slurm, "TICK", 0.01)


def script(root):
    (path,) = root.glob("slurm/*.sh")
    return path.read_text().splitlines()


def test_the_script_asks_for_what_the_options_say(cluster, tmp_path, capsys):
    options = "{partition: cpu, account: me, hours: 8, cpus: 4, memory_gb: 16, gpus: 1, jobs: 2"
    execute = executor(f"{{slurm: {options}, at_once: 1, setup: [module load x]}}}}")

    execute(SPECS, Job(tmp_path / "results"), 1, lambda: None)

    lines = script(tmp_path / "results")
    for flag in (
        "--array=0-1%1", "--partition=cpu", "--account=me", "--time=480", "--cpus-per-task=4",
        "--mem=16384M", "--gpus-per-node=1", "--requeue", "--job-name=harness",
    ):  # fmt: skip
        assert f"#SBATCH {flag}" in lines
    assert "module load x" in lines
    assert any(line.startswith("#SBATCH --signal=USR2@") for line in lines)


def test_jobs_that_are_gone_from_the_queue_without_a_word_are_named(cluster, tmp_path, capsys):
    executor("slurm")(SPECS, Job(tmp_path / "results"), 1, lambda: None)

    said = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in said] == ["4242_0", "4242_1", "4242_2"]


def test_an_array_has_no_more_jobs_than_it_may(cluster, tmp_path):
    executor("{slurm: {jobs: 2}}")(SPECS, Job(tmp_path / "results"), 1, lambda: None)

    assert "#SBATCH --array=0-1%2" in script(tmp_path / "results")


@pytest.mark.slow
def test_runs_are_made_in_jobs_of_this_machine(tmp_path):
    execute = executor("{slurm: {cluster: local, jobs: 2}}")
    ticks = []

    execute(SPECS, Job(tmp_path), 1, lambda: ticks.append(0))

    store = Store(tmp_path)
    assert store.missing(SPECS) == []
    assert ticks


@pytest.mark.slow
def test_a_job_that_runs_out_of_time_is_queued_again_and_goes_on(tmp_path):
    specs = [tiny("tabular_q", seed, steps=150_000, env="DeepSea-8") for seed in range(3)]
    execute, sent = executor("{slurm: {cluster: local, jobs: 1}}"), []

    def time_out():
        store, me = Store(tmp_path), psutil.Process()
        if not sent and len(store.missing(specs)) < len(specs):
            for child in me.children():
                if "submitit.local" in " ".join(child.cmdline()):
                    sent.append(time.monotonic())
                    for job in child.children():
                        job.send_signal(signal.SIGUSR2)

    execute(specs, Job(tmp_path), 1, time_out)

    assert sent
    assert Store(tmp_path).missing(specs) == []


@pytest.mark.slow
def test_blocks_of_seeds_are_decided_as_by_one_process(tmp_path):
    (tmp_path / "sweep.yaml").write_text(looks.SWEEP)
    local = "{slurm: {cluster: local, jobs: 2}}"
    said = typed("sweep", "sweep.yaml", "--executor", local, *looks.OPTIONS, cwd=tmp_path)

    assert looks.LAST in said
    looks.assert_alike(tmp_path / "results", tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{slurm: {partitoin: cpu}}", "partitoin"),
        ("{slurm: {hours: 0}}", "hours"),
        ("{slurm: {jobs: 100000}}", "jobs"),
        ("{serial: {jobs: 1}}", "takes no options"),
        ("{slurm: {}, serial: {}}", "write a name"),
        ("[slurm]", "write a name"),
        ("slurm", "no sbatch"),
    ],
)
def test_options_that_there_are_not_are_told(text, words, monkeypatch):
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ValueError, match=words):
        executor(text)
