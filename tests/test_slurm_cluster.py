"""A real SLURM loses a job and the command, and what is decided is what one process decides."""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import looks
import pytest
import ray_nodes
import slurm_nodes
from ray_nodes import wait_for

EXECUTOR = "{slurm: {partition: cpu, hours: 1, jobs: 4}}"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def cluster():
    if find_spec("submitit") is None or not slurm_nodes.possible():
        pytest.skip("needs submitit, slurm-wlm, munge, and root for a network namespace")
    folder = Path(tempfile.mkdtemp(prefix="sl", dir="/tmp"))
    made = slurm_nodes.Cluster(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


class Command:
    """`harness sweep --until-decided` where jobs are submitted."""

    def __init__(self, cluster):
        self.cluster, self.folder = cluster, cluster.folder
        (self.folder / "sweep.yaml").write_text(looks.SWEEP)

    def start(self):
        words = [sys.executable, "-m", "harness", "sweep", "sweep.yaml", "--executor", EXECUTOR]
        words += looks.OPTIONS
        self.process = self.cluster.give(words, "command.log", PYTHONPATH=str(ROOT))
        return self.process

    def said(self):
        return (self.folder / "command.log").read_text()

    def says(self, words):
        wait_for(lambda: words in self.said() or self.process.poll() is not None, every=0.02)
        assert words in self.said()


@pytest.mark.slow
def test_blocks_of_seeds_are_decided_as_by_one_process(cluster):
    """The command is killed between two blocks; then a job is cancelled."""
    command = Command(cluster)
    command.start()
    command.says("look 1, after 6 seeds: p > pi by final: open")
    command.process.kill()
    command.process.wait()
    wait_for(lambda: not cluster.running())
    process = command.start()
    cancelled = wait_for(cluster.running, every=0.05)[0]
    cluster.says("scancel", cancelled)
    assert process.wait(ray_nodes.PATIENCE) == 1, command.said()
    assert f"job {cancelled} did not come to its end" in command.said()
    assert looks.LAST not in command.said()

    assert command.start().wait(ray_nodes.PATIENCE) == 0, command.said()
    assert looks.LAST in command.said()
    looks.assert_alike(command.folder / "results", command.folder)
