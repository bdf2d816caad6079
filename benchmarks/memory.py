"""Does training hold on to memory, and does it slow down? Both by tenth of the run.

    python -m benchmarks.memory --minutes 60
    python -m benchmarks.memory dreamer ppo --minutes 5 --set buffer_size=5000
    python -m benchmarks.memory --engine lockstep
    python -m benchmarks.memory --alarms results

The first trains one learner of each family, each in a process of its own and for so many minutes of
CPU time. Replay buffers are full early, for a buffer that fills is no leak. A world model learns in
stages and once: it is trained again and again. With another engine, those are trained that it can.
The last looks at the finished runs of a results folder, and counts those of which
harness/store/growth.py says that they grow.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from baselines import ENGINES, SB3
from baselines.api import NoProgress, Task
from harness.store.growth import LEAST_SECONDS, SAMPLES, Sample, grown, samples
from harness.store.writer import Clock

ENDLESS = 1_000_000_000  # environment steps: time ends the training
TENTHS = 10


class Family(NamedTuple):
    """A learner that stands for its kind."""

    agent: str
    env: str
    hparams: Mapping[str, Any] = MappingProxyType({})
    steps: int = ENDLESS  # of one training


FAMILIES = {
    "ppo": Family("ppo", "CartPole-v1"),
    "dqn": Family("dqn", "CartPole-v1", {"buffer_size": 5_000}),
    "sac": Family("sac", "Pendulum-v1", {"buffer_size": 5_000}),
    "ppo_rnd": Family("ppo_rnd", "DeepSea-10"),
    "world_model": Family("world_model", "CartPole-v1", steps=10_000),
    "dreamer": Family("dreamer", "CartPole-v1", {"buffer_size": 5_000}),
}


class OutOfTime(Exception):
    """Ends a training that has no other end."""


class Watch(NoProgress):
    """Samples the process as a run does, until the time is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.clock, self.before = seconds, Clock(), 0
        self.samples: list[Sample] = []
        self.episodes = 0

    def begin(self) -> None:
        self.episodes += 1

    def at(self, step: int) -> None:
        spent, every = self.clock.cpu(), self.seconds / (TENTHS * SAMPLES)
        if not self.samples or spent >= self.samples[-1].seconds + every:
            held, begun = self.clock.held(), self.episodes
            self.samples.append(Sample(self.before + step, spent, held, begun))
        if spent >= self.seconds:
            raise OutOfTime


def train(family: Family, seconds: float, engine: str) -> list[Sample]:
    """Train for so many CPU seconds, again and again where one training ends before."""
    import torch

    from harness import agents, envs, setting

    torch.set_num_threads(1)
    card = envs.card(family.env)
    found = setting.resolve(
        family.agent, family.env, [setting.Layer("benchmarks/memory.py", family.hparams)]
    )
    watch = Watch(seconds)
    with contextlib.suppress(OutOfTime):
        while True:
            task = Task(lambda: envs.Counted(envs.make(card), watch.begin), steps=family.steps)
            watch.before += agents.make(family.agent, task, found.hparams, engine).learn(watch)
    return watch.samples


def by_tenth(taken: Sequence[Sample]) -> tuple[list[float], list[float]]:
    """MB at the end of each tenth of the time, and steps per CPU second in it."""
    steps, seconds, held, _ = np.array(taken, dtype=float).T
    marks = np.linspace(seconds[0], seconds[-1], TENTHS + 1)
    rates = np.diff(np.interp(marks, seconds, steps)) / np.diff(marks)
    return list(np.interp(marks[1:], seconds, held)), list(rates)


def shown(name: str, taken: Sequence[Sample]) -> Iterator[str]:
    """Rows of a table, and what grew."""
    held, rates = by_tenth(taken)
    last = taken[-1]
    told = "; ".join(f"{each.kind}: {each}" for each in grown(taken)) or "nothing grows"
    yield f"{name}: {last.seconds / 60:.1f} CPU minutes, {last.step:,} steps; {told}"
    yield f"| {name} | MB | " + " | ".join(f"{value:,.0f}" for value in held) + " |"
    yield f"| {name} | steps/s | " + " | ".join(f"{value:,.3g}" for value in rates) + " |"


def alarms(results: Path) -> Iterator[str]:
    """How many finished runs of a results folder grow, by the samples in their records."""
    from harness.store import run_files

    judged, told = {"time of a step": 0, "memory": 0}, []
    for folder in sorted(results.glob("runs/*/*/*")):
        result, _ = run_files.finished(folder)
        taken = samples((result or {}).get("samples", []))
        if result is None or not taken:
            continue
        spec = run_files.made_here(folder, "measure")
        judged["memory"] += 1
        judged["time of a step"] += taken[-1].seconds >= LEAST_SECONDS
        starts = int(spec.hparams.get("learning_starts") or 0)
        kept = [tuple(row) for row in result["symptoms"] if row[0] == "memory grows"]
        slow = [each for each in grown(taken, starts) if each.kind == "slows down"]
        told += [f"{spec.agent} on {spec.env}, {spec.key}: {each}" for each in [*kept, *slow]]
    yield from told
    judged_in = " and ".join(f"{what} in {n} runs" for what, n in judged.items())
    yield f"{len(told)} alarms; judged: {judged_in}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("family", nargs="*", choices=[[], *FAMILIES], help="default: each")
    parser.add_argument("--minutes", type=float, default=60.0, help="of CPU time for each")
    parser.add_argument("--set", action="append", default=[], help="key=value, as for a sweep")
    parser.add_argument("--engine", default=SB3, choices=ENGINES, help="what trains")
    parser.add_argument("--alarms", type=Path, help="a results folder")
    options = parser.parse_args()
    if options.alarms:
        print("\n".join(alarms(options.alarms)))
        return
    from harness.agents import untrained
    from harness.config.option import assignments

    why = {name: untrained(family.agent, options.engine) for name, family in FAMILIES.items()}
    for name in options.family:
        if why[name]:
            parser.error(why[name])
    changed, context = assignments(options.set), multiprocessing.get_context("spawn")
    print("| learner | | " + " | ".join(f"{10 * i} %" for i in range(1, TENTHS + 1)) + " |")
    print("|---" * 2 + "|---:" * TENTHS + "|", flush=True)
    for name in options.family or [name for name in FAMILIES if not why[name]]:
        family = FAMILIES[name]
        family = family._replace(hparams={**family.hparams, **changed})
        with context.Pool(1) as pool:
            told, *rows = shown(
                name, pool.apply(train, (family, 60 * options.minutes, options.engine))
            )
        print("\n".join(rows), flush=True)
        print(told, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
