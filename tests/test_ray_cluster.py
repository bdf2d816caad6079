"""A Ray cluster loses workers, nodes and the command itself, and the runs are those of one process.

Each node is a network namespace of this machine, so one can be cut off without a word.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import looks
import pytest
import ray_nodes
from command import typed
from looks import evaluations
from ray_nodes import Nodes, attempts, interrupt, wait_for

from harness.store.reader import Store

SWEEP = """\
name: cluster
question: Does it come back?
envs: [DeepSea-8]
seeds: {seeds}
steps: {steps}
evaluation: {{every: 1000, episodes: 2, final_episodes: 3}}
arms:
  random: {{agent: random}}
  learner: {{agent: tabular_q}}
"""
QUICK = ("--no-figures", "--no-crosscheck")
MOVED_IN = 40.0  # seconds after which a run is made elsewhere whose node went silent
ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder():
    """Of a short name, for the names of Ray's sockets."""
    if find_spec("ray") is None or not ray_nodes.possible():
        pytest.skip("needs ray, and root for network namespaces")
    made = Path(tempfile.mkdtemp(prefix="rn", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def cluster(folder, request):
    """The head and two nodes, or as many as are asked for, a core each."""
    nodes = Nodes(folder, [1] * getattr(request, "param", 3))
    yield nodes
    nodes.close()


class Command:
    """`harness sweep` on the head."""

    def __init__(self, cluster, sweep, runs, options=QUICK):
        self.cluster, self.folder = cluster, cluster.study
        (self.folder / "sweep.yaml").write_text(sweep)
        self.store, self.runs, self.options = Store(self.folder / "results"), runs, options

    def start(self):
        address = f"{{ray: {{address: '{self.cluster.address}'}}}}"
        words = [sys.executable, "-m", "harness", "sweep", "sweep.yaml", *self.options]
        env = {"PYTHONPATH": str(ROOT)}
        self.process = self.cluster.give(0, [*words, "--executor", address], "command.log", env)
        return self.process

    @property
    def finished(self):
        return len(list(self.store.root.glob("runs/*/*/*/result.json")))

    def comes_to(self, part):
        wait_for(lambda: self.finished >= part * self.runs or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def seen_on(self, node):
        """The folders of the runs that are seen to be made on a node."""
        pids = {process.pid for process in self.cluster.processes(node)}
        folders = (path.parent for path in self.store.root.glob("runs/*/*/*/attempts.jsonl"))
        logs = ((folder, attempts(folder)) for folder in folders)
        return [f for f, log in logs if log and "ended" not in log[-1] and log[-1]["pid"] in pids]

    def lost(self, folder):
        return any(line.get("outcome") == "lost" for line in attempts(folder))

    def said(self):
        return (self.cluster.folder / "command.log").read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()


def two_arms(cluster, seeds, steps):
    return Command(cluster, SWEEP.format(seeds=seeds, steps=steps), 2 * seeds)


@pytest.mark.parametrize(
    ("seeds", "steps"),
    [
        pytest.param(15, 12_000, marks=pytest.mark.slow),
        pytest.param(250, 2_000, marks=pytest.mark.soak),
    ],
)
def test_a_cluster_that_loses_what_it_can_makes_the_serial_runs(cluster, seeds, steps, capsys):
    command = two_arms(cluster, seeds, steps)
    process, told = command.start(), []

    command.comes_to(0.1)
    wait_for(lambda: cluster.workers(1))[0].kill()
    command.comes_to(0.25)
    at = wait_for(lambda: command.seen_on(2), every=0.02)
    cluster.cut_off(2)
    cut = time.monotonic()
    wait_for(lambda: all(map(command.lost, at)), every=0.1)
    told.append(f"a node that went silent: its run was made elsewhere after "
                f"{time.monotonic() - cut:.0f} s")  # fmt: skip
    command.comes_to(0.5)
    command.kill()
    before = {path: path.stat().st_mtime_ns for path in command.store.root.rglob("result.json")}
    process = command.start()
    command.comes_to(0.7)
    wait_for(lambda: command.seen_on(1), every=0.02)
    cluster.kill(1)
    killed = time.monotonic()

    assert process.wait(ray_nodes.PATIENCE) == 0
    told.append(f"from the death of a second node to the end: {time.monotonic() - killed:.0f} s")
    after = {path: path.stat().st_mtime_ns for path in before}
    assert after == before
    assert "attempts were lost with their workers or nodes" in command.said()
    assert "Traceback" not in command.said()
    assert "state-dump" not in command.said()
    typed("sweep", "sweep.yaml", "--results", "alone", "--executor", "serial", *QUICK,
          cwd=command.folder)  # fmt: skip
    assert len(evaluations(command.store.root)) == command.runs
    assert evaluations(command.store.root) == evaluations(command.folder / "alone")
    with capsys.disabled():
        print("", *told, sep="\n")
    assert float(told[0].split()[-2]) < MOVED_IN


@pytest.mark.slow
def test_a_command_that_is_interrupted_leaves_no_task_behind(cluster):
    command = two_arms(cluster, 15, 20_000)
    process = command.start()
    wait_for(lambda: cluster.workers(1) or cluster.workers(2))

    assert interrupt(process) == 130
    wait_for(lambda: not any(cluster.workers(i) for i in range(3)), 30.0)
    assert "What was finished is kept" in command.said()
    assert "Traceback" not in command.said()


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_blocks_of_seeds_are_decided_as_by_one_process(cluster):
    """The command is killed between two blocks, then in the middle of one."""
    command = Command(cluster, looks.SWEEP, looks.RUNS, looks.OPTIONS)
    command.start()
    wait_for(lambda: "look 1, after 6 seeds: p > pi by final: open" in command.said(), every=0.02)
    command.kill()
    assert command.finished == 4 * 6
    command.start()
    wait_for(lambda: command.finished > 4 * 6 + 3, every=0.02)
    command.kill()
    assert command.finished < looks.RUNS

    assert command.start().wait(ray_nodes.PATIENCE) == 0, command.said()
    assert looks.LAST in command.said()
    looks.assert_alike(command.store.root, command.folder)
