"""Whether a conclusion hangs on what nobody measured: which tasks there are, and how they count.

An aggregate over tasks has choices in it. A task was put in or left out, every task counts alike,
and 1 on each task's scale is whatever reference was named. Each is made otherwise here, one at a
time. Ranks over resamples are of other seeds, the tasks being as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from harness.spec import Decide
from harness.stats import sequential
from harness.stats.aggregate import Array, Statistic, iqm
from harness.stats.improvement import improvement, improvement_limits
from harness.stats.permutation import permutation_p
from harness.stats.resample import BAND_RESAMPLES, bootstrap, generator
from harness.stats.sequential import Course, Pair
from harness.stats.uncertainty import Estimate, Part, contrast, unavailable

PATHS = 5_000  # of looks along the way: ten times fewer than those that decide
REFERENCE = 2.0  # how many times as far from the random policy, and as near
Change = Literal["left out", "counts double", "reference half as far", "reference twice as far"]
CHANGES: tuple[Change, ...] = (
    "left out",
    "counts double",
    "reference half as far",
    "reference twice as far",
)


@dataclass(frozen=True)
class Variation:
    """One thing about one task made otherwise: scores of shape (..., runs, tasks) become others."""

    change: Change
    task: int  #: its column
    tasks: int

    @property
    def weights(self) -> tuple[int, ...]:
        """How often each task that is left counts."""
        doubled = self.task if self.change == "counts double" else None
        return tuple(1 + (task == doubled) for task in self._left)

    @property
    def columns(self) -> list[int]:
        """Those that are left, as often as each counts."""
        return [i for i, weight in enumerate(self.weights) for _ in range(weight)]

    @property
    def _left(self) -> list[int]:
        return [t for t in range(self.tasks) if (self.change, t) != ("left out", self.task)]

    def scores(self, scores: Array) -> Array:
        """Without what is left out, and on the other scale: 0 stays the random policy."""
        factor = {"reference half as far": REFERENCE, "reference twice as far": 1 / REFERENCE}
        scale = np.ones(self.tasks)
        scale[self.task] = factor.get(self.change, 1.0)
        return np.asarray((scores * scale)[..., self._left])

    def statistic(self, statistic: Statistic) -> Statistic:
        """Of scores that are made otherwise: a task that counts double is there twice."""
        if set(self.weights) == {1}:
            return statistic
        columns = self.columns
        return lambda scores: statistic(scores[..., columns])


def _anchors(tasks: int) -> Array:
    """Of normalised scores, (2, tasks): the random policy's and the reference."""
    return np.repeat([[0.0], [1.0]], tasks, axis=1)


def variations(tasks: int) -> Iterator[Variation]:
    """All that can be made otherwise; of a single task, nothing that could change a comparison."""
    if tasks > 1:
        for task in range(tasks):
            yield from (Variation(change, task, tasks) for change in CHANGES)


class Judged(NamedTuple):
    """Two arms, one thing made otherwise."""

    difference: Estimate
    improvement: Estimate  #: P(a run of the first scores above one of the second): a point
    p: float  #: of the permutation test, a task that counts double with twice its rank sum


def judge(x: Array, y: Array, by: Variation, *names: str, statistic: Statistic = iqm) -> Judged:
    """What decides a claim, with fewer resamples than the claim has.

    :param x: normalised scores, (runs, tasks).
    :param names: of the two arms: they seed the resamples.
    """
    ours, theirs = by.scores(x), by.scores(y)
    parts = [Part("better", 1, ours), Part("worse", -1, theirs)]
    gap = contrast(
        parts, by.statistic(statistic), *names, span=by.scores(_anchors(by.tasks)), like=statistic,
        resamples=BAND_RESAMPLES,
    )  # fmt: skip
    columns = by.columns
    wins = improvement_limits(ours[:, columns], theirs[:, columns]).point
    chance = Estimate(float(wins), math.nan, math.nan, gap.n, "point")
    return Judged(gap, chance, permutation_p(ours, theirs, by.weights))


def follow_otherwise(pairs: Sequence[Pair], plan: Decide, by: Variation) -> list[Course]:
    """What looks along the way would have said, as far as the runs reach.

    :param pairs: of normalised scores on several tasks, which are made otherwise, and of one.
    :raises ValueError: if a task counts double: paths are dealt once on every task.
    """
    if set(by.weights) != {1}:
        raise ValueError("looks have no weights")
    other = [pair if pair.x.shape[1] < by.tasks else _otherwise(pair, by) for pair in pairs]
    return sequential.follow(other, plan, PATHS, np.empty(0), _light)


def _otherwise(pair: Pair, by: Variation) -> Pair:
    return pair._replace(
        x=by.scores(pair.x), y=by.scores(pair.y), span=by.scores(_anchors(by.tasks))
    )


def _light(
    pair: Pair, n: int, level: float, adjusted: float
) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    """Of a look, what decides."""
    parts = [Part("better", 1, pair.x[:n]), Part("worse", -1, pair.y[:n])]
    gap = contrast(parts, iqm, *pair.names, span=pair.span, level=level, resamples=BAND_RESAMPLES)
    nothing = unavailable("")
    return nothing, nothing, gap, improvement(pair.x[:n], pair.y[:n])


def ranks(values: Sequence[float] | Array) -> Array:
    """Places (arms, ...), the highest value first; ties share the best of theirs."""
    ordered = np.asarray(values, dtype=float)
    return np.asarray((ordered[:, None] < ordered[None]).sum(axis=1) + 1)


def rank_shares(scores: Mapping[str, Array], statistic: Statistic, name: str) -> Array:
    """How often each arm has each place, over resamples of its runs: (arms, places).

    Arms that tie in a resample share their places in equal parts.

    :param scores: of each arm, (runs, tasks).
    :param name: with those of the arms, seeds the resamples.
    """
    drawn = np.stack(
        [
            bootstrap(runs, statistic, generator("places", name, arm), BAND_RESAMPLES)
            for arm, runs in scores.items()
        ]
    )  # (arms, resamples)
    first = ranks(drawn)[:, None]  # (arms, 1, resamples)
    level = (drawn[:, None] == drawn[None]).sum(axis=1)[:, None]
    places = np.arange(1, len(scores) + 1)[:, None]
    return np.asarray((((places >= first) & (places < first + level)) / level).mean(axis=-1))
