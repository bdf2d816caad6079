"""What an executor takes for each run beyond what the run itself takes.

    python -m benchmarks.overhead processes
    python -m benchmarks.overhead ray --runs 100 --warm 20

Short runs of tabular Q-learning, two side by side. The first of them, in which libraries are
imported, are not counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests/support"))

from tiny import tiny

from harness.store.reader import Store
from harness.train.executors import executor
from harness.train.run import Job

WORKERS = 2


class Look(NamedTuple):
    """The state of the work at one moment."""

    wall: float  # seconds
    cpu: float  # seconds of this process and all that it has started
    finished: int


def spent() -> float:
    """CPU seconds of this process and of all below it, those that have ended among them."""
    total = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.Error:  # it has just ended: its parent counts it
            continue
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("executor", help="as `--executor` has it")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--warm", type=int, default=20, help="runs that are not counted")
    parser.add_argument("--steps", type=int, default=2_000, help="of each run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        store, looks = Store(Path(root)), list[Look]()
        specs = [
            tiny("tabular_q", seed, steps=options.steps, env="DeepSea-8")
            for seed in range(options.runs)
        ]

        def tick() -> None:
            finished = len(specs) - len(store.missing(specs))
            looks.append(Look(time.monotonic(), spent(), finished))

        executor(options.executor)(specs, Job(store.root), WORKERS, tick)
        tick()
        first, last = next(look for look in looks if look.finished >= options.warm), looks[-1]
        own = [store.result(spec) for spec in specs[options.warm :]]
    runs = last.finished - first.finished
    for what, each, beside in (
        ("wall", last.wall - first.wall, WORKERS),
        ("cpu", last.cpu - first.cpu, 1),
    ):
        taken, alone = beside * each / runs, np.mean([result[f"{what}_seconds"] for result in own])
        print(f"{what}: {taken:.2f} s a run, of which {alone:.2f} s are its own: "
              f"{taken - alone:.2f} s beyond, over {runs} runs")  # fmt: skip


if __name__ == "__main__":
    main()
