"""What runs cost: what was spent on them, and the measurements that others are judged by.

`python -m harness.store.cost results` writes what a results folder measured into
configs/costs.yaml.
"""

from __future__ import annotations

import json
import math
import sys
import time
import timeit
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import median, mode
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from harness.config.model import Strict
from harness.config.shipped import shipped
from harness.config.strict import UserError, read
from harness.config.tree import canonical
from harness.spec import Engine, RunSpec
from harness.store import run_files
from harness.store.reader import Attempt, RunStatus

OWN = Engine().name  # the engine that is not named
MOST_READ = 100  # finished runs to look at for one agent in one environment


# What was measured --------------------------------------------------------------------------------


class Cost(Strict):
    """Median costs of the runs of one agent in one environment."""

    training: float = Field(
        description="CPU seconds per 1,000 training steps; if an agent has `learning_starts`, "
        "after those."
    )
    episode: float = Field(description="CPU seconds per evaluation episode.")
    memory_mb: float = Field(description="Peak memory of one run, in MB.")
    disk_mb: float = Field(description="Disk space of one run, in MB.")
    updates: float | None = Field(
        None, description="Gradient updates for each training step, if an agent may choose them."
    )

    def cpu_seconds(self, spec: RunSpec) -> float:
        """What a run will take, its evaluations included."""
        training = self.training * learning_steps(spec.steps, spec.hparams) / 1000
        return training + self.episode * evaluation_episodes(spec)

    def with_updates(self, updates: float | None, price: float) -> Cost:
        """As if a run made so many updates for each step.

        :param price: CPU time of a step without an update, in that of an update.
        """
        if updates is None or self.updates is None:
            return self
        ratio = (price + updates) / (price + self.updates)
        return self.model_copy(update={"training": self.training * ratio, "updates": updates})


class Learner(NamedTuple):
    """An agent and what trains it; in configs/costs.yaml `ppo`, or `ppo (lockstep)`."""

    agent: str
    engine: str = OWN

    @classmethod
    def named(cls, name: str) -> Learner:
        agent, _, engine = name.removesuffix(")").partition(" (")
        return cls(agent, engine or OWN)

    def __str__(self) -> str:
        return self.agent if self.engine == OWN else f"{self.agent} ({self.engine})"


class CostFile(Strict):
    """configs/costs.yaml: costs measured on one machine, shipped as estimates."""

    measured_on: str = Field(description="The machine on which it was measured.")
    probe: float = Field(
        description="CPU seconds of a fixed benchmark on that machine, to scale estimates for "
        "another one."
    )
    prices: dict[str, float] = Field(
        description="CPU time of a step without an update, in that of a gradient update, by the "
        "agent, with its engine if that is not its own."
    )
    agents: dict[str, dict[str, Cost]] = Field(
        description="By the agent, with its engine if that is not its own, then the environment."
    )

    def price(self, learner: Learner) -> float:
        """Of what a learner descends from, if not of itself: of `dqn` for `dqn_rnd`."""
        line = learner._replace(agent=learner.agent.partition("_")[0])
        known = (self.prices.get(str(each)) for each in (learner, line))
        return next((price for price in known if price is not None), median(self.prices.values()))


class Measured(NamedTuple):
    """What one finished run took."""

    engine: str
    settings: str  # equal for runs that differ in nothing but seed, budget and protocol
    cost: Cost


def settings(spec: RunSpec) -> str:
    return canonical([spec.hparams, spec.wrappers, spec.engine.model_dump()])


def learning_steps(steps: int, hparams: Mapping[str, Any]) -> int:
    """The steps that cost: before `learning_starts` an agent acts and does not learn."""
    starts = hparams.get("learning_starts")
    return steps - starts if isinstance(starts, int) and 0 < starts < steps else steps


def updates(hparams: Mapping[str, Any]) -> float | None:
    """Gradient updates for each training step; None: no such rhythm is set, or it follows episodes.

    With `gradient_steps: -1` an agent makes as many as it took steps.
    """
    if not {"train_freq", "gradient_steps"} <= hparams.keys():
        return None
    steps, every = hparams["gradient_steps"], hparams["train_freq"]
    if steps == -1:
        return 1.0
    count, unit = (every, "step") if isinstance(every, int) else every
    return steps / (count * hparams.get("n_envs", 1)) if unit == "step" else None


def evaluation_episodes(spec: RunSpec) -> int:
    """All that is played: see `run_files.Evaluated`.

    As if every agent were played in both ways. Of those that act alike in both, an episode counts
    for less in what is measured and for as much less in what is estimated.
    """
    protocol = spec.evaluation
    along = math.ceil(spec.steps / protocol.every) * protocol.episodes
    test = bool(spec.card.get("variants"))
    return along + (2 + test) * protocol.final_episodes


def finished_in(folder: Path) -> list[Measured]:
    """What the finished runs of one agent in one environment took; the damaged say nothing."""
    runs = map(of_run, islice(folder.glob("*"), MOST_READ))
    return [run for run in runs if run is not None]


def of_run(folder: Path) -> Measured | None:
    """What a finished run took; None: it is not finished, or its files do not say it."""
    result, _ = run_files.finished(folder)
    if result is None:
        return None
    try:
        spec = run_files.made_here(folder, "measure")
        evaluation = float(result["evaluation_seconds"])
        training = max(0.0, result["cpu_seconds"] - evaluation)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        cost = Cost(
            training=training * 1000 / learning_steps(spec.steps, spec.hparams),
            episode=evaluation / evaluation_episodes(spec),
            memory_mb=result["peak_memory_mb"],
            disk_mb=size / 2**20,
            updates=updates(spec.hparams),
        )
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return None
    return Measured(spec.engine.name, settings(spec), cost)


def middle(costs: Sequence[Cost]) -> Cost:
    """Medians, over runs with as many updates as most of them make."""
    often = mode(cost.updates for cost in costs)
    alike = [cost.model_dump(exclude_none=True) for cost in costs if cost.updates == often]
    return Cost(**{name: round(median(each[name] for each in alike), 5) for name in alike[0]})


def measured(root: Path) -> dict[str, dict[str, Cost]]:
    """Learner -> environment -> what its finished runs in this results folder took."""
    costs: dict[str, dict[str, Cost]] = defaultdict(dict)
    for folder in sorted((root / "runs").glob("*/*")):
        runs = finished_in(folder)
        for engine in {run.engine for run in runs}:
            name = str(Learner(folder.parent.name, engine))
            costs[name][folder.name] = middle([run.cost for run in runs if run.engine == engine])
    return costs


def probe() -> float:
    """CPU seconds of a fixed piece of work, like that of a run: small products, and plain Python.

    The least of three: other work on the machine can only add. The values stay near 1: some
    processors take fifty times as long for subnormal numbers, which a run does not compute with.
    """
    return round(min(timeit.repeat(probed, timer=time.process_time, repeat=3, number=1)), 4)


def probed() -> np.ndarray:
    """The piece of work; what it computes last, (32, 64)."""
    weights, total, layer = np.full((64, 64), 0.02), 0, np.ones((32, 64))
    for i in range(4_000):
        layer = np.tanh(layer @ weights)
        total += sum(j * i for j in range(20))
    return layer


# What was spent -----------------------------------------------------------------------------------


class Account(NamedTuple):
    """What attempts took, as far as it was recorded."""

    attempts: int
    wall_seconds: float
    cpu_seconds: float
    peak_memory_mb: float | None
    no_wall: int  # attempts whose time was not recorded: they count as 0 above
    no_cpu: int

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> Account:
        walls, cpus, peaks = (
            [value for each in attempts if (value := getattr(each, field)) is not None]
            for field in ("wall_seconds", "cpu_seconds", "peak_memory_mb")
        )
        n = len(attempts)
        return cls(
            n, sum(walls), sum(cpus), max(peaks, default=None), n - len(walls), n - len(cpus)
        )


class Spent(NamedTuple):
    """What every attempt took together, and what those took that left no result."""

    total: Account
    lost: Account

    @property
    def unknown(self) -> str:
        """What was not recorded, so that the sums say less than was spent."""
        counts = {"wall time": self.total.no_wall, "CPU time": self.total.no_cpu}
        parts = " and ".join(f"{name} of {n:,}" for name, n in counts.items() if n)
        of = f"of {self.total.attempts:,} attempts"
        return f"Not recorded, and counted as 0: {parts} {of}." if parts else ""

    @property
    def sentence(self) -> str:
        lost = f"{self.lost.attempts:,} left no result"
        if self.lost.attempts:
            lost += f" and took {_hours(self.lost)}"
        each = f"{self.total.attempts:,} attempts took {_hours(self.total)}; {lost}."
        return f"{each} {self.unknown}".rstrip()


def spent(statuses: Iterable[RunStatus]) -> Spent:
    """On these runs, each of which must stand there once: failed and killed attempts included."""
    attempts = [attempt for status in statuses for attempt in status.tries]
    lost = [attempt for attempt in attempts if attempt.outcome not in ("finished", "running")]
    return Spent(Account.of(attempts), Account.of(lost))


def _hours(account: Account) -> str:
    unit, name = (3600.0, "h") if account.cpu_seconds > 3600 else (1.0, "s")
    wall, cpu = account.wall_seconds / unit, account.cpu_seconds / unit
    return f"{wall:,.1f} {name} of wall time and {cpu:,.1f} {name} of CPU time"


# What configs/costs.yaml holds --------------------------------------------------------------------


def shipped_costs() -> CostFile:
    return read(shipped("configs") / "costs.yaml", CostFile)


def text(root: Path, before: CostFile) -> str:
    """configs/costs.yaml with the measurements of a results folder of this machine in it.

    :param before: what it held. Its times are those of the machine that it names, and so are the
        new ones, by what its `probe` takes on this one. Pairs that the folder has not are kept;
        memory and disk are the larger of both, for a short run does not fill a replay buffer.
    """
    speed = before.probe / probe()
    agents = {agent: dict(envs) for agent, envs in before.agents.items()}
    for agent, envs in measured(root).items():
        for env, cost in envs.items():
            old = agents.setdefault(agent, {}).get(env, cost)
            there = {
                "training": round(speed * cost.training, 5),
                "episode": round(speed * cost.episode, 5),
                "memory_mb": max(old.memory_mb, cost.memory_mb),
                "disk_mb": max(old.disk_mb, cost.disk_mb),
            }
            agents[agent][env] = cost.model_copy(update=there)
    lines = [
        "# yaml-language-server: $schema=schema/costs.json",
        "# Medians over finished runs, made by `python -m harness.store.cost results`: CPU",
        "# seconds of 1,000 steps of training and of one evaluation episode; MB.",
        "# Where `episode` is 0, `training` includes evaluation.",
        f"measured_on: {json.dumps(before.measured_on)}",
        "# CPU seconds of a fixed piece of work there: another machine is judged by its own.",
        f"probe: {before.probe}",
        "# CPU time of a step without an update, in that of a gradient update, by `python -m",
        "# benchmarks.update_price`: so a time is scaled to other `updates` for each step.",
        f"prices: {json.dumps(before.prices)}",
        "agents:",
    ]
    for agent, envs in sorted(agents.items()):
        lines.append(f"  {agent}:")
        lines += [
            f"    {env}: {cost.model_dump_json(exclude_none=True)}"
            for env, cost in sorted(envs.items())
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = shipped("configs") / "costs.yaml"
    path.write_text(text(Path(sys.argv[1]), shipped_costs()), encoding="utf-8")
