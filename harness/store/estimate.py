"""What runs will take, judged by runs like them, and how far a list of runs is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pandas as pd

from harness.config.name import as_file, counted
from harness.spec import Claim, Engine, ImportedRun, Run, RunSpec
from harness.store import cost
from harness.store.cost import Cost, Learner, Measured
from harness.store.reader import RunStatus, Store

# Where an estimate comes from, closest first.
ALIKE = "runs like them in this folder"
SAME_TASK = "runs with other settings in this folder"
SHIPPED = "configs/costs.yaml"
UNDER_OWN = f"under the engine {cost.OWN}"  # which the other one replaces because it is slower
RATIO = "times {ratio:.2g}, as {engine} takes in other environments"
UPDATES = "scaled from {was:.3g} to {updates:.3g} updates a step"
ELSEWHERE = "the agent in other environments, and other agents in this one"

# What the last of them is worth: so many of the pairs in configs/costs.yaml are within this factor
# when each is judged by the others.
WITHIN, OF_PAIRS = 2, 0.67

# CPU seconds of 1,000 steps: smaller rates say little about the speed of a processor.
LEAST_COMPARED = 0.05
# The same for each part of a cost: 1,000 steps of training, and one evaluation episode.
LEAST = {"training": LEAST_COMPARED, "episode": 0.0005}


class Known(NamedTuple):
    """What is known of a run's cost, and from where."""

    cost: Cost
    source: str


class Estimate(NamedTuple):
    """What a list of runs will take."""

    cpu_seconds: float
    longest: float  # CPU seconds of the longest run
    memory_mb: float  # of the largest run
    disk_mb: float
    sources: Counter[str]  # how many runs each source speaks for
    unknown: Counter[str]  # agents, and how many runs of them are not counted above

    def wall_seconds(self, workers: int) -> float:
        """With so many runs side by side."""
        return max(self.longest, self.cpu_seconds / workers)


class Experience:
    """What finished runs say of others. A folder is read once; `learn` adds to it.

    :param probe: measures this machine, in the unit of configs/costs.yaml; None: it is as fast as
        the one of that file. It is asked only where no run of this folder can be compared.
    """

    def __init__(self, store: Store, probe: Callable[[], float] | None = cost.probe) -> None:
        self._runs = store.root / "runs"
        self._probe = probe
        self._read: dict[Path, list[Measured]] = {}
        self._judged: dict[tuple[str, str, float | None], Cost | None] = {}
        self.learned = 0  # runs, by `learn`

    def of(self, spec: RunSpec) -> Known | None:
        """The closest measurement; None: nobody has measured such an agent."""
        learner, updates = Learner(spec.agent, spec.engine.name), cost.updates(spec.hparams)
        here, same = self._finished(learner, spec.env), cost.settings(spec)
        if alike := [run.cost for run in here if run.settings == same]:
            return Known(cost.middle(alike), ALIKE)
        if here:
            other = cost.middle([run.cost for run in here])
            return self._with_updates(Known(other, SAME_TASK), learner, updates)
        table = self._shipped.agents.get(str(learner), {})
        if spec.env in table:
            source = f"{SHIPPED}, times {self.slowness:.2g} for this machine"
            return self._with_updates(Known(self._here(table[spec.env]), source), learner, updates)
        if learner.engine != cost.OWN:
            own = self.of(spec.model_copy(update={"engine": Engine()}))
            return own and self._under(learner, own, updates)
        case = spec.agent, spec.env, updates
        if case not in self._judged:
            self._judged[case] = self.elsewhere(*case)
        judged = self._judged[case]
        return Known(judged, ELSEWHERE) if judged else None

    def _with_updates(self, known: Known, learner: Learner, updates: float | None) -> Known:
        """As if the runs made so many for each step, and their source says so."""
        made = known.cost.with_updates(updates, self._shipped.price(learner))
        if made == known.cost:
            return known
        said = UPDATES.format(was=known.cost.updates, updates=updates)
        return Known(made, f"{known.source}, {said}")

    def _under(self, learner: Learner, own: Known, updates: float | None) -> Known:
        """What its own engine takes, times what the other takes of that in other environments.

        An update has another price there, so both are compared at as many updates.
        """
        mine = self._measured(learner, updates)
        both = [(mine[env], known)
                for env, known in self._measured(Learner(learner.agent), updates).items()
                if env in mine]  # fmt: skip
        if not both:
            return own._replace(source=f"{own.source}, {UNDER_OWN}")
        times: dict[str, float] = {}
        for field, least in LEAST.items():
            pairs = [(getattr(one, field), getattr(other, field)) for one, other in both]
            ratios = [one / other for one, other in pairs if other >= least]
            times[field] = median(ratios) if ratios else 1.0
        made = {field: getattr(own.cost, field) * ratio for field, ratio in times.items()}
        said = RATIO.format(ratio=times["training"], engine=learner.engine)
        return Known(own.cost.model_copy(update=made), f"{own.source}, {said}")

    def elsewhere(self, agent: str, env: str, updates: float | None) -> Cost | None:
        """A pair that nobody measured: the agent's cost in each other environment, times what other
        agents take here for what they take there.

        Of these the upper quartile, and no less than the agent's middle cost: where settings were
        tuned they are often quicker than an agent's own defaults.

        :param updates: for each step; all are compared as if they made so many, if they can.
        :return: None, if nobody has measured the agent.
        """
        known = self._measured(Learner(agent), updates)
        there = {name: cost for name, cost in known.items() if name != env}
        if not there:
            return None
        names = {*self._shipped.agents, *(folder.name for folder in self._runs.glob("*"))}
        learners = set(map(Learner.named, names)) - {Learner(agent)}
        others = {
            each.agent: self._measured(each, updates)
            for each in learners
            if each.engine == cost.OWN
        }
        estimate = {"memory_mb": max(c.memory_mb for c in there.values())}
        estimate |= {"disk_mb": max(c.disk_mb for c in there.values())}
        for field, least in LEAST.items():
            alone = pd.Series({name: getattr(cost, field) for name, cost in there.items()})
            rates = pd.DataFrame(
                {name: {e: getattr(c, field) for e, c in costs.items()}
                 for name, costs in others.items()}
            ).reindex([env, *there])  # fmt: skip
            rates = rates.where(rates >= least)
            factors = (rates.loc[env] / rates).median(axis=1)  # of each environment to this one
            judged = (alone * factors).dropna()
            quartile = (alone if judged.empty else judged).quantile(0.75)
            estimate[field] = max(float(quartile), float(alone.median()))
        return Cost(**estimate)

    def _measured(self, learner: Learner, updates: float | None) -> dict[str, Cost]:
        """What the agent takes on this machine, by environment.

        :param updates: for each step, if it can make so many; None: one.
        """
        table = self._shipped.agents.get(str(learner), {})
        costs = {env: self._here(known) for env, known in table.items()}
        for folder in sorted((self._runs / learner.agent).glob("*")):
            if runs := self._finished(learner, folder.name):
                costs[folder.name] = cost.middle([run.cost for run in runs])
        price = self._shipped.price(learner)
        wanted = 1.0 if updates is None else updates
        return {env: known.with_updates(wanted, price) for env, known in costs.items()}

    def seconds(self, spec: RunSpec) -> float | None:
        """The CPU time of a run, its evaluations included."""
        known = self.of(spec)
        return known.cost.cpu_seconds(spec) if known else None

    def left(self, spec: RunSpec, store: Store) -> float | None:
        """The same, of a run that may go on from a barrier."""
        seconds, barrier = self.seconds(spec), store.barrier(spec)
        if seconds is None:
            return None
        if barrier.step < spec.steps:
            return seconds * (1 - barrier.step / spec.steps)
        return max(seconds - barrier.cpu_seconds, 0.0)  # a world model learns from all its steps

    def estimate(self, specs: Iterable[RunSpec]) -> Estimate:
        seconds, sources, unknown = [0.0], Counter[str](), Counter[str]()
        memory = disk = 0.0
        for spec in specs:
            known = self.of(spec)
            if known is None:
                unknown[spec.agent] += 1
                continue
            seconds.append(known.cost.cpu_seconds(spec))
            memory = max(memory, known.cost.memory_mb)
            disk += known.cost.disk_mb
            sources[known.source] += 1
        return Estimate(sum(seconds), max(seconds), memory, disk, sources, unknown)

    def learn(self, folder: Path) -> None:
        """Take a run into account that has finished since."""
        self._judged.clear()
        self.learned += 1
        if run := cost.of_run(folder):
            self._read.get(folder.parent, []).append(run)

    def _finished(self, learner: Learner, env: str) -> list[Measured]:
        folder = self._runs / as_file(learner.agent) / as_file(env)
        if folder not in self._read:
            self._read[folder] = cost.finished_in(folder)
        return [run for run in self._read[folder] if run.engine == learner.engine]

    @cached_property
    def _shipped(self) -> cost.CostFile:
        return cost.shipped_costs()

    @cached_property
    def slowness(self) -> float:
        """How many times as long as the machine of configs/costs.yaml this one takes."""
        shipped = {Learner.named(name): envs for name, envs in self._shipped.agents.items()}
        ratios = [
            made.with_updates(known.updates, self._shipped.price(learner)).training / known.training
            for learner, envs in shipped.items()
            for env, known in envs.items()
            if known.training >= LEAST_COMPARED
            and (runs := self._finished(learner, env))
            and (made := cost.middle([run.cost for run in runs]))
        ]
        if ratios:
            return median(ratios)
        return self._probe() / self._shipped.probe if self._probe else 1.0

    def _here(self, known: Cost) -> Cost:
        times = {name: getattr(known, name) * self.slowness for name in ("training", "episode")}
        return known.model_copy(update=times)


# How far planned runs are -------------------------------------------------------------------------

ENDED = ("finished", "failed")


class Progress(NamedTuple):
    """Counts of planned runs. A failed run has ended, and will not be waited for."""

    planned: int
    finished: int
    failed: int
    missing: int
    seconds: float  # of CPU time, for those of the missing runs that can be estimated
    unknown: Counter[str]  # agents of the others, and how many

    def __str__(self) -> str:
        """21 of 60 runs are finished, 1 failed; 38 missing, about 2 h of CPU time."""
        ended = f"{self.finished} of {self.planned} runs are finished"
        if self.failed:
            ended += f", {self.failed} failed"
        if not self.missing:
            return ended
        known = self.missing - self.unknown.total()
        parts = [f"about {duration(self.seconds)} of CPU time"] if known else []
        parts += [not_counted(self.unknown)] if self.unknown else []
        return f"{ended}; {self.missing} missing, {'; '.join(parts)}"


def to_come(status: RunStatus) -> bool:
    return status.state not in ENDED


def behind(claim: Claim, statuses: Iterable[RunStatus]) -> list[RunStatus]:
    """The runs that a claim is about."""
    arms = (claim.better, claim.worse)
    return [
        status
        for status in statuses
        if status.spec.arm in arms and claim.env in (None, status.spec.env)
    ]


def progress(statuses: Iterable[RunStatus], seconds: Mapping[str, float | None]) -> Progress:
    """:param seconds: what runs to come are expected to take, by key; None: nobody knows."""
    runs = {status.spec.key: status for status in statuses}
    states = Counter(status.state for status in runs.values())
    missing = [status.spec for status in runs.values() if to_come(status)]
    known = [time for spec in missing if (time := seconds.get(spec.key)) is not None]
    unknown = Counter(_whose(spec) for spec in missing if seconds.get(spec.key) is None)
    return Progress(
        len(runs), states["finished"], states["failed"], len(missing), sum(known), unknown
    )


def _whose(run: Run) -> str:
    if isinstance(run, ImportedRun):
        return f"what is damaged of the import {run.origin.name}"
    return run.agent


def not_counted(unknown: Counter[str]) -> str:
    """Agents that nobody measured, and how many runs of them an estimate leaves out."""
    each = (f"{agent} ({counted(n)})" for agent, n in unknown.items())
    return f"no estimate for {', '.join(each)}"


def duration(seconds: float) -> str:
    """42 s, 7 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
