"""A small sweep that looks at its claims: one is decided at the first look, one at the third.

For the executors, of which each must come to the looks and the evaluations of one process.
"""

from __future__ import annotations

from pathlib import Path

from command import typed

SWEEP = """\
name: looks
question: Which controller is better, and how soon is that known?
envs: [CartPole-v1]
decide: {first: 6, block: 4, cap: 18}
steps: 500
evaluation: {every: 500, final_episodes: 1}
arms:
  random: {agent: random}
  pid: {agent: pid}
  p: {agent: pid, hparams: {kd: 0, kp_position: 0, kd_position: 0}}
  pi: {agent: pid, hparams: {kd: 0, kp_position: 0, kd_position: 0, ki: 20}}
claims: [pid > random by final, p > pi by final]
"""
RUNS = 2 * 6 + 2 * 14  # of 4 arms with 18 seeds
LAST = "look 3, after 14 seeds: p > pi by final: supported"
OPTIONS = ("--until-decided", "--no-figures", "--no-crosscheck")


def alone(folder: Path) -> Path:
    """The results of one process."""
    (folder / "sweep.yaml").write_text(SWEEP)
    words = ("--executor", "serial", "--results", "alone", *OPTIONS)
    assert LAST in typed("sweep", "sweep.yaml", *words, cwd=folder)
    return folder / "alone"


def evaluations(root: Path) -> dict[Path, bytes]:
    """What every run scored, by its folder."""
    paths = root.glob("runs/*/*/*/evals.jsonl")
    return {path.parent.relative_to(root): path.read_bytes() for path in paths}


def looks(root: Path) -> str:
    """What the report says of each claim at each look."""
    return (root / "sweeps/looks/report/looks.csv").read_text()


def assert_alike(root: Path, folder: Path) -> None:
    """The results are those of one process."""
    serial = alone(folder)
    assert len(evaluations(root)) == RUNS
    assert evaluations(root) == evaluations(serial)
    assert looks(root) == looks(serial)
