"""One arm's search: the runs of every trial that may come, and what their scores are worth."""

from __future__ import annotations

import hashlib
import itertools
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness import stats
from harness.config.space import Range
from harness.config.strict import Document
from harness.config.tree import Place, canonical, nested
from harness.search.file import MOST_SEEDS, VALUE, Halving, SearchFile, Wilcoxon
from harness.setting import Layer
from harness.spec import Anchors, RunSpec
from harness.sweep.request import Request
from harness.sweep.resolve import FIRST_TUNING_SEED, resolve

# Seeds by what they are for. All are tuning seeds: what a sweep then reports is unseen once more.
POOL = MOST_SEEDS
TUNING, CONFIRMATION, PATH, NOISE = (FIRST_TUNING_SEED + i * POOL for i in range(4))
# Searches share their tuning seeds, and so their runs. No two have the same test seeds: whoever
# plans a search may have seen what others scored on theirs. See `Plan.first_test_seed`.
FIRST_TEST, TEST_POOLS = 100_000, 10**8


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
    requests: tuple[Request, ...]  # the default, for each environment
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
        whole, rungs = max(self.steps.values()), list[dict[str, int]]()
        while (length := pruner.first * pruner.factor ** len(rungs)) < whole:
            rungs.append({env: max(1, int(n * (length / whole))) for env, n in self.steps.items()})
        return [*rungs, self.steps]

    def cost(self) -> int:
        """Environment steps of a trial that nothing stops."""
        return sum(stage.steps[i.env] for stage in self.stages() for i in stage.instances)

    def cost_after(self) -> int:
        """Environment steps of all that follows the search, at most."""
        wanted = self.file.confirm
        seeds = 2 * wanted.test_seeds + (wanted.top * wanted.seeds if wanted.top > 1 else 0)
        seeds += (1 + len(self.space)) * wanted.path_seeds + wanted.noise_runs
        return seeds * sum(self.steps.values())

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
        for asked in self.requests:
            if asked.env in {instance.env for instance in instances}:
                at = (steps or self.steps)[asked.env]
                layers, arm = (*asked.layers, chosen), label or self.label
                asked = asked._replace(steps=at, layers=layers, arm=arm)
                specs[asked.env] = resolve(asked)
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
        """Raw where an environment, the only one, has no anchors."""
        anchors = self.anchors.get(env)
        return score if anchors is None else float(stats.normalise(np.array(score), anchors))

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
