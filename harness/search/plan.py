"""A search file, and what it says: for each arm, the runs of every trial that may come."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import agents, envs, stats
from harness.agents import Layer
from harness.config.space import Range, order_problems
from harness.config.strict import Document, Problem, Problems, UserError, load, suggest, survey
from harness.config.tree import Place, canonical, get, nested, put
from harness.search.file import MOST_SEEDS, VALUE, Halving, Searched, SearchFile, Wilcoxon
from harness.spec import Anchors, RunSpec
from harness.sweep.arm import Composed
from harness.sweep.request import Request, Source, cards_of, requests
from harness.sweep.resolve import FIRST_TUNING_SEED, resolve

# Seeds by what they are for. All are tuning seeds: what a sweep then reports is unseen once more.
POOL = MOST_SEEDS
TUNING, CONFIRMATION, PATH, NOISE = (FIRST_TUNING_SEED + i * POOL for i in range(4))
# Searches share their tuning seeds, and so their runs. No two have the same test seeds: whoever
# plans a search may have seen what others scored on theirs. See `Plan.first_test_seed`.
FIRST_TEST, TEST_POOLS = 100_000, 10**8
MOST_POINTS = 100_000  # of a grid


class Instance(NamedTuple):
    """One thing that a trial is scored on."""

    env: str
    seed: int


class Stage(NamedTuple):
    """What a trial trains before it is asked whether it may go on."""

    instances: tuple[Instance, ...]
    steps: dict[str, int]  # by environment


class Plan(NamedTuple):
    """One arm's search, with nothing left open but the trials."""

    file: SearchFile
    document: Document
    label: str
    space: dict[str, Range]
    anchors: dict[str, Anchors]
    requests: tuple[tuple[Request, Source], ...]  # the default, for each environment
    base: tuple[RunSpec, ...]  # what comes of them, seed 0

    @property
    def name(self) -> str:
        return f"{self.file.name}.{self.label}"

    @property
    def agent(self) -> str:
        return self.base[0].agent

    @property
    def steps(self) -> dict[str, int]:
        return {spec.env: spec.steps for spec in self.base}

    def instances(self) -> list[Instance]:
        """What every trial is scored on, in the same shuffled order."""
        seeds = range(TUNING, TUNING + self.file.seeds)
        each = [Instance(spec.env, seed) for seed in seeds for spec in self.base]
        order = stats.generator("instances", str(self.file.seed)).permutation(len(each))
        return [each[i] for i in order]

    @property
    def first_test_seed(self) -> int:
        """Of a pool that is this study's own: drawn by all that decides it, its name included.

        The same search draws the same pool again, wherever and whenever: to resume it, or to give
        it a greater budget, is no new test. Two others meet in one pair of 10^8.
        """
        content = canonical({"name": self.name, **self.identity()})
        drawn = int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big")
        return FIRST_TEST + drawn % TEST_POOLS * POOL

    def pool(self, first: int, seeds: int) -> list[Instance]:
        return [Instance(spec.env, first + i) for i in range(seeds) for spec in self.base]

    def stages(self, number: int = 0) -> list[Stage]:
        """The whole life of a trial that nothing stops.

        :param number: the trial's: Hyperband lets some begin with longer runs.
        """
        every, pruner = tuple(self.instances()), self.file.pruner
        if isinstance(pruner, Wilcoxon) and len(every) > pruner.first:
            single = [every[i : i + 1] for i in range(pruner.first, len(every))]
            return [Stage(part, self.steps) for part in [every[: pruner.first], *single]]
        if isinstance(pruner, Halving):
            rungs = self._rungs(pruner)[self.bracket(number) :]
            return [Stage(every, steps) for steps in rungs]
        return [Stage(every, self.steps)]

    def bracket(self, number: int) -> int:
        """How many of the shortest rungs a trial leaves out.

        Hyperband (Li et al. 2018, JMLR 18-185, algorithm 1): a bracket that stops fewer trials gets
        fewer. Successive halving has one bracket, and the default goes through every rung.

        Not Optuna's HyperbandPruner: it stops runs that report while they train, and keeps to
        itself which bracket a trial is in. Here a bracket decides how long the first runs are.
        """
        pruner = self.file.pruner
        if not isinstance(pruner, Halving) or pruner.name != "hyperband" or number == 0:
            return 0
        n = len(self._rungs(pruner))
        sizes = [math.ceil(n * pruner.factor**s / (s + 1)) for s in reversed(range(n))]
        place = zlib.crc32(f"{self.name}/{number}".encode()) % sum(sizes)
        return next(i for i, end in enumerate(itertools.accumulate(sizes)) if place < end)

    def _rungs(self, pruner: Halving) -> list[dict[str, int]]:
        """Parts of the budget, the same for each environment: first, first x factor, ..., all."""
        whole = max(self.steps.values())
        lengths = list(
            itertools.takewhile(
                lambda length: length < whole,
                (pruner.first * pruner.factor**i for i in itertools.count()),
            )
        )
        parts = [length / whole for length in lengths]
        rungs = [{env: max(1, int(n * part)) for env, n in self.steps.items()} for part in parts]
        return [*rungs, self.steps]

    def cost(self) -> int:
        """Environment steps of a trial that nothing stops."""
        return sum(stage.steps[i.env] for stage in self.stages() for i in stage.instances)

    def specs(
        self,
        hparams: Mapping[str, Any],
        instances: Sequence[Instance],
        steps: Mapping[str, int] | None = None,
        label: str = "",
    ) -> list[RunSpec]:
        """One run for each instance.

        :param hparams: what departs from the default, by dotted names.
        :raises UserError: if the agent cannot have them.
        """
        place: Place = ("arms", self.label, "space")
        chosen = Layer("a trial", nested(hparams), self.document, place)
        specs = {}
        for asked, source in self.requests:
            if asked.env in {instance.env for instance in instances}:
                at = (steps or self.steps)[asked.env]
                layers, arm = (*asked.layers, chosen), label or self.label
                asked = asked._replace(steps=at, layers=layers, arm=arm)
                specs[asked.env] = resolve(asked, source)
        return [specs[i.env].model_copy(update={"seed": i.seed}) for i in instances]

    @property
    def statistic(self) -> stats.Statistic:
        """What a value is, but for a penalty for spread."""
        return stats.iqm if self.file.value.startswith("iqm") else stats.mean

    def value(self, scores: Sequence[float], instances: Sequence[Instance]) -> float:
        """What a trial is worth, from its normalised scores on these."""
        match, values = VALUE.match(self.file.value), np.array(scores, dtype=float)
        point = float(self.statistic(values[:, None]))
        if match is None or match["k"] is None:
            return point
        return point - float(match["k"]) * _standard_error(values, [i.env for i in instances])

    def expected_value(self, scores: stats.Array, seeds: int) -> float:
        """What so many of the seeds are worth, on average over all ways to choose them.

        A value depends on the number of its seeds: a standard error does, and the middle half of
        few. So values of unequally many seeds are compared by this, which has no bias.

        :param scores: (seeds, environments).
        """
        rng = stats.generator("expected value", self.name)
        instances = self.pool(0, seeds)
        chosen = stats.subsets(len(scores), seeds, rng)
        return float(np.mean([self.value(scores[rows].ravel(), instances) for rows in chosen]))

    def normalised(self, env: str, score: float) -> float:
        return float(stats.normalise(np.array(score), self.anchors[env]))

    def identity(self) -> dict[str, Any]:
        """All that decides the study: it must not change while the study goes on."""
        keys = {"default", "seeds", "seed", "value", "sampler", "pruner", "batch"}
        facts = self.file.model_dump(mode="json", include=keys)
        facts["space"] = {name: one.model_dump(exclude={"why"}) for name, one in self.space.items()}
        facts["runs"] = {spec.env: spec.key for spec in self.base}
        return facts


def _standard_error(values: stats.Array, envs: Sequence[str]) -> float:
    """Of the mean, from the spread within each environment: that one is easier is no noise."""
    _, place = np.unique(envs, return_inverse=True)
    counts = np.bincount(place)
    freedom = len(values) - len(counts)
    if freedom < 1:
        return 0.0
    means = np.bincount(place, weights=values) / counts
    variance = float(((values - means[place]) ** 2).sum()) / freedom
    return math.sqrt(variance / len(values))


def read(path: Path, rehearse: bool = False) -> list[Plan]:
    """A search file's plans, one for each arm.

    :param rehearse: as `plans`.
    :raises UserError: with everything that is wrong at once, before anything trains.
    """
    return plans(load(path), rehearse)


def shipped(
    agent: str, env: str, steps: int, trials: int, arm: Mapping[str, Any] | None = None
) -> list[Plan]:
    """The plan of a search that was asked for without a file.

    :param arm: as a search file has it; default: the agent, and nothing else.
    :raises UserError: if there is no such agent or environment, or no space for the agent.
    """
    data = {
        "name": f"{agent}-{env}",
        "envs": [env],
        "steps": steps,
        "evaluation": {"every": steps, "episodes": 1, "final_episodes": 50},
        "arms": {agent: dict(arm or {"agent": agent})},
        "budget": {"trials": trials},
    }
    return plans(Document("harness tune", data, {}))


def plans(document: Document, rehearse: bool = False) -> list[Plan]:
    """A plan for each arm.

    :param rehearse: make the learner of each default trial once, too, as before training.
    :raises UserError: with everything that is wrong with the keys, and with what they say.
    """
    file, problems = survey(document, SearchFile, SearchFile.STAND_INS)
    if file is None:
        raise problems.error()
    plans = []
    cards = cards_of(file, problems)
    for label in file.arms:
        with problems.gathered():
            plans.append(_plan(file, document, label, cards, rehearse))
    problems.check()
    return plans


def _plan(
    file: SearchFile,
    document: Document,
    label: str,
    cards: Mapping[str, envs.Card],
    rehearse: bool = False,
) -> Plan:
    arm, place, problems = file.arms[label], ("arms", label), Problems(document.problem)
    composed = Composed(label, place, ((place, arm),))
    asked, base = list[tuple[Request, Source]](), []
    for request, source in requests(file, document, composed, cards, problems):
        if file.default == "own":
            with contextlib.suppress(KeyError):  # no such agent: `resolve` says so
                own = Layer("the agent's own default", agents.own_defaults(request.agent))
                request = request._replace(layers=(own, *request.layers))
        asked.append((request, source))
        with problems.gathered():
            base.append(resolve(request, source, rehearse))
    if problems:
        _add_hidden(file, document, label, cards, problems)
        raise problems.error()
    space = _space(document, label, arm, base[0].agent, cards.values())
    anchors = {name: card.scale() for name, card in cards.items()}
    ranges = {name: one.range for name, one in space.items()}
    plan = Plan(file, document, label, ranges, anchors, tuple(asked), tuple(base))
    for name, message in order_problems(ranges):
        problems.take(space[name].problem(message))
    for name, one in space.items():
        for problem in _refused(plan, name, one):
            problems.take(problem)
    _check_settings(plan, problems)
    problems.check()
    return plan


def _add_hidden(
    file: SearchFile,
    document: Document,
    label: str,
    cards: Mapping[str, envs.Card],
    problems: Problems,
) -> None:
    """What is wrong with the ranges of an arm, beside its own hyper-parameters."""
    arm = file.arms[label]
    if not arm.hparams:
        return
    without = file.arms | {label: arm.model_copy(update={"hparams": {}})}
    known = {problem.key for problem in problems.error().problems}
    try:
        _plan(file.model_copy(update={"arms": without}), document, label, cards)
    except UserError as further:
        for problem in further.problems:
            if problem.key not in known:
                problems.take(problem)


def _check_settings(plan: Plan, problems: Problems) -> None:
    """Whether the settings of a search go with one another."""
    file = plan.file
    if file.sampler == "grid":
        points = 1.0
        for name, one in plan.space.items():
            endless = one.points() is None
            if endless or one.when:
                why = "is conditional" if one.when else "has no `step`, whole numbers or `choices`"
                problems.add(("sampler",), f"a grid cannot be made: {name} {why}")
            points *= one.points() or 1.0
        if points > MOST_POINTS:
            message = f"more than {MOST_POINTS:,} points: search less, or with another sampler"
            problems.add(("sampler",), message)
    if isinstance(file.pruner, Halving) and file.pruner.first >= max(plan.steps.values()):
        message = f"the first rung must be shorter than a run of {max(plan.steps.values())} steps"
        problems.add(("pruner", "first"), message)
    least = max(agents.least_steps(spec.agent, spec.hparams) for spec in plan.base)
    if isinstance(file.pruner, Halving) and file.pruner.first < least:
        message = f"{file.pruner.first} steps hold no update of the default, which needs {least}"
        problems.add(("pruner", "first"), message)
    if file.budget.steps is not None and file.budget.steps < plan.cost():
        message = f"not enough for one trial, which takes {plan.cost()} steps"
        problems.add(("budget", "steps"), message)
    if file.confirm.noise_runs and "batch_size" not in plan.space:
        message = "the noise scale is drawn among batch sizes, and batch_size is not searched"
        problems.add(("confirm", "noise_runs"), message)


class _Placed(NamedTuple):
    """A range, and where it stands: in the search's file, or in what ships for the agent."""

    range: Range
    document: Document
    place: Place

    def problem(self, message: str, *inner: str | int) -> Problem:
        return self.document.problem((*self.place, *inner), message)


def _space(
    document: Document, label: str, arm: Searched, agent: str, cards: Iterable[envs.Card]
) -> dict[str, _Placed]:
    """The shipped ranges, replaced and added to by the file's."""
    place, problems = ("arms", label), Problems(document.problem)
    shipped = agents.search_space(agent)
    space = {name: _Placed(one, file, ("search", name)) for name, (one, file) in shipped.items()}
    for name, one in arm.space.items():
        space[name] = _Placed(one, document, (*place, "space", name))
        if not all(name.split(".")):
            message = "no name of a hyper-parameter: policy_kwargs.net_arch"
            problems.take(space[name].problem(message))
    only = list(space) if arm.only is None else arm.only
    for i, name in enumerate(only):
        if name not in space:
            message = f"no range for '{name}'.{suggest(name, space)}"
            problems.add((*place, "only", i), message)
        elif name in only[:i]:
            problems.add((*place, "only", i), f"'{name}' stands there twice: once is enough")
    space = {name: one for name, one in space.items() if name in only}
    searched: dict[str, Any] = {}
    for name, placed in space.items():
        if (other := put(searched, name, None)) is not None:
            message = f"'{other}' is searched as a whole: drop one of the two"
            problems.take(placed.problem(message))
    problems.check()
    kinds = {card.actions for card in cards}
    taken = (None, *kinds) if len(kinds) == 1 else (None,)
    space = {name: one for name, one in space.items() if one.range.actions in taken}
    if not space:
        message = f"nothing to search: give ranges in `space`, or `search:` in {agent}.yaml"
        raise UserError([document.problem(place, message)])
    return space


def _refused(plan: Plan, name: str, placed: _Placed) -> Iterator[Problem]:
    """Why the agent cannot take one end of a range, or any of its values."""
    one = placed.range
    ends: list[Place] = [("low",), ("high",)]
    if one.choices is not None:
        ends = [("choices", i) for i in range(len(one.choices))]
    reasons = [_reason(plan, name, one, value) for value in one.extremes()]
    if placed.document is not plan.document:  # a shipped range: the way out is the user's own file
        out = f"; or give another range in {plan.document.file}: arms.{plan.label}.space"
        reasons = [reason and reason + out for reason in reasons]
    if reasons[0] and len(set(reasons)) == 1:
        yield placed.problem(reasons[0])
        return
    for end, reason in zip(ends, reasons, strict=True):
        if reason:
            yield placed.problem(reason, *end)


def _reason(plan: Plan, name: str, range_: Range, value: Any) -> str | None:
    try:
        specs = plan.specs({name: value}, [Instance(spec.env, 0) for spec in plan.base])
    except UserError as error:
        return "; ".join(dict.fromkeys(problem.message for problem in error.problems))
    if range_.whole and isinstance(get(specs[0].hparams, name), float):
        return f"{name} is a real number: write {range_.low}.0, to search what lies between"
    return None
