"""Estimates with intervals: of one arm, and of differences between arms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from harness.stats.aggregate import Array, Statistic, together
from harness.stats.calibration import (
    SEEDS_FOR_A_RANGE,
    Shows,
    difference_of,
    gate,
    has_interval,
    name_of,
)
from harness.stats.resample import RESAMPLES, bootstrap, generator, present
from harness.stats.score import MissingRuns, Scores

LEVEL = 0.95  # of every interval that is looked at once: no other was simulated


@dataclass(frozen=True)
class Estimate:
    """A statistic with what can be said about its uncertainty."""

    point: float
    low: float
    high: float
    n: int  #: how many seeds
    shows: Shows  #: what `low` and `high` are
    note: str = ""  #: why there is no estimate
    tasks: int = 1  #: how many environments it is over


def bracket(estimate: Estimate, number: Callable[[float], str]) -> str:
    """`0.93 [0.88, 0.97]` is an interval, with `†` if stamped; `0.93 {0.88, 0.97}` a range."""
    if estimate.shows == "missing":
        return f"- ({estimate.note})"
    point = number(estimate.point)
    if estimate.shows == "point":
        return point
    if estimate.shows == "tied":
        return f"{point} (ties)"
    ends = f"{number(estimate.low)}, {number(estimate.high)}"
    if estimate.shows == "range":
        return f"{point} {{{ends}}}"
    return f"{point} [{ends}]" + ("†" if estimate.shows == "stamped" else "")


class Limits(NamedTuple):
    """A statistic and the ends of its interval; NaN where no resample differs from another."""

    point: Array
    low: Array
    high: Array


# Intervals ---------------------------------------------------------------------------------------


def percentile(samples: Array) -> tuple[Array, Array]:
    """The plain percentile interval of bootstrap samples, as in rliable."""
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def tail(n: int, df: float | Array, level: float = LEVEL) -> Array:
    """Beyond each end of a percentile interval of few runs that covers as often as `level` says.

    The expanded percentile interval, Hesterberg (2015), "What teachers should know about the
    bootstrap", section 4: resamples vary less than samples, by (n - 1) / n in variance, and a
    variance that is itself estimated needs Student's t.

    :param df: the degrees of freedom behind the variance: see `freedom`.
    """
    return np.asarray(ndtr(-stdtrit(df, (1 + level) / 2) * math.sqrt(n / (n - 1))))


def interval(samples: Array, n: int, df: float | Array, level: float = LEVEL) -> Array:
    """The expanded percentile interval of bootstrap samples (resamples, ...): (2, ...).

    :param n: runs on each task, of the smallest task and arm.
    :param df: one number, or one for each statistic.
    """
    ordered = np.sort(samples, axis=0)
    outside = np.broadcast_to(tail(n, df, level), samples.shape[1:])
    last = len(samples) - 1
    return np.stack([_quantile(ordered, at) for at in (outside * last, (1 - outside) * last)])


def _quantile(ordered: Array, place: Array) -> Array:
    """Sorted samples at fractional places, each in its own column, linear in between."""
    below = np.floor(place).astype(int)
    ends = [
        np.take_along_axis(ordered, at[None], axis=0)[0]
        for at in (below, np.minimum(below + 1, len(ordered) - 1))
    ]
    return np.asarray(ends[0] + (place - below) * (ends[1] - ends[0]))


def counts(scores: Array) -> NDArray[np.int64]:
    """The number of runs on each task."""
    return np.asarray(present(scores).sum(axis=0))


def smallest_task(scores: Array) -> int:
    """The number of runs on the task with the fewest."""
    return int(counts(scores).min())


def task_variances(scores: Array, statistic: Statistic) -> Array:
    """How much each task adds to a statistic's variance, by the jackknife: (tasks, ...)."""
    parts = []
    for task in range(scores.shape[1]):
        column = scores[:, task].reshape(len(scores), -1)
        there = np.flatnonzero(~np.isnan(column).all(axis=1))
        without = np.repeat(scores[None], len(there), axis=0)
        without[np.arange(len(there)), there, task] = np.nan
        values = statistic(without)
        spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        parts.append(spread * (len(there) - 1) / len(there))
    return np.stack(parts)


def freedom(variances: Array, runs: NDArray[np.int64]) -> Array:
    """Degrees of freedom of a sum of variances, Satterthwaite (1946): (...).

    M (n - 1) where M tasks of n runs vary alike, and n - 1 where one of them does nearly all.

    :param variances: (tasks of all arms, ...).
    :param runs: behind each of them.
    """
    each = (runs - 1).reshape(-1, *[1] * (variances.ndim - 1))
    total, squares = variances.sum(axis=0), (variances**2 / each).sum(axis=0)
    known = squares > 0
    df = np.where(known, total**2 / np.where(known, squares, 1.0), each.sum())
    return np.asarray(np.clip(df, each.min(), each.sum()))


def limits(
    scores: Array, statistic: Statistic, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Limits:
    """A statistic, which may be several, with the expanded percentile interval of each."""
    samples = bootstrap(scores, statistic, rng, resamples)
    runs = counts(scores)
    df = freedom(task_variances(scores, statistic), runs)
    low, high = interval(samples, int(runs.min()), df)
    tied = high - low <= 0
    return Limits(statistic(scores), np.where(tied, np.nan, low), np.where(tied, np.nan, high))


# Estimates ---------------------------------------------------------------------------------------


def estimate(scores: Array, statistic: Statistic, *names: str) -> Estimate:
    """:param names: what is asked, for `generator`."""
    return estimates(scores, {name_of(statistic): statistic}, *names)[name_of(statistic)]


def estimates(
    scores: Array, statistics: Mapping[str, Statistic], *names: str
) -> dict[str, Estimate]:
    """Several statistics of the same resamples, each with what may be shown of it.

    :param statistics: by their names in the table of coverages.
    """

    n, tasks = smallest_task(scores), scores.shape[1]
    each, nothing = together(statistics.values()), np.full(len(statistics), math.nan)
    allowed = [gate(name, n, tasks) for name in statistics]
    with_interval = [has_interval(shows) for shows in allowed]
    found = Limits(each(scores), nothing, nothing)
    if any(with_interval):
        found = limits(scores, each, generator(*names))
    ranged = _range(scores, each) if n >= SEEDS_FOR_A_RANGE else (nothing, nothing)
    ends = np.where(with_interval, found[1:], ranged)  # (2, statistics)
    made = {}
    for name, shows, point, low, high in zip(statistics, allowed, found.point, *ends, strict=True):
        apart = low < high  # False for NaN too
        low, high = (float(low), float(high)) if apart else (math.nan, math.nan)
        kind: Shows = shows if apart or shows == "point" else "tied"
        made[name] = Estimate(float(point), low, high, n, kind, tasks=tasks)
    return made


def _range(scores: Array, statistic: Statistic) -> tuple[Array, Array]:
    """The range of single seeds, each as an experiment of its own, that has all tasks."""
    whole = scores[~np.isnan(scores).any(axis=1)]
    if not len(whole):
        nothing = np.full_like(statistic(scores), math.nan)
        return nothing, nothing
    each = statistic(whole[:, None])
    return each.min(axis=0), each.max(axis=0)


def unavailable(note: str) -> Estimate:
    return Estimate(math.nan, math.nan, math.nan, 0, "missing", note)


def estimate_arm(
    scores: Scores, arm: str, statistic: Statistic, envs: Sequence[str] | None = None
) -> Estimate:
    """The estimate of an arm, or the reason why there is none."""
    try:
        matrix = scores.matrix(arm, envs)
    except MissingRuns as missing:
        return unavailable(str(missing))
    return estimate(matrix, statistic, arm, *(envs or ()))


# Differences -------------------------------------------------------------------------------------


class Part(NamedTuple):
    """An arm in a sum."""

    name: str  #: decides its resamples
    weight: float
    scores: Array  #: (runs, tasks)


def contrast(
    parts: Sequence[Part],
    statistic: Statistic,
    *names: str,
    span: Array | None = None,
    level: float = LEVEL,
    like: Statistic | None = None,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The sum of weight * statistic(scores) over arms, whose runs are resampled independently.

    :param span: the least and the greatest score that each task may have, (2, tasks), as far as
        they are known: see `contrast_limits`.
    :param level: of the interval; 1: there is none.
    :param like: the statistic by whose coverage it may be shown; default: itself.
    """
    n = min(smallest_task(part.scores) for part in parts)
    tasks = parts[0].scores.shape[1]
    shows = gate(difference_of(like or statistic, len(parts)), n, tasks)
    if not has_interval(shows) or level >= 1:
        point = sum(part.weight * float(statistic(part.scores)) for part in parts)
        return Estimate(point, math.nan, math.nan, n, "point")
    rngs = [generator(*names, part.name) for part in parts]
    found = contrast_limits(parts, statistic, rngs, resamples, span, level)
    point, low, high = float(found.point), float(found.low), float(found.high)
    if math.isnan(low):
        shows = "tied"
        low = high = point if _settled(parts, statistic) else math.nan
    return Estimate(point, low, high, n, shows, tasks=tasks)


def contrast_limits(
    parts: Sequence[Part],
    statistic: Statistic,
    rngs: Sequence[np.random.Generator],
    resamples: int,
    span: Array | None = None,
    level: float = LEVEL,
) -> Limits:
    """The same, whatever may be printed of it.

    Where all runs of an arm tie, none of its resamples differs, and yet its next run may. The
    interval then allows for the share of other runs that n equal ones leave possible,
    1 - ((1 - LEVEL) / 2)^(1 / n) as in Clopper and Pearson (1934), at the far end of what was seen
    in any arm, or of `span`. NaN where that is nothing either. That share stays the same at every
    `level`.
    """
    point = np.asarray(sum(part.weight * statistic(part.scores) for part in parts))
    edges = _edges(parts, span)
    samples, variances, runs = np.zeros(resamples), [], []
    beyond = np.zeros(2)
    for part, rng in zip(parts, rngs, strict=True):
        drawn = part.weight * bootstrap(part.scores, statistic, rng, resamples)
        if np.ptp(drawn) <= 0:
            beyond += _unseen(part, statistic, edges)
        samples += drawn
        variances.append(part.weight**2 * task_variances(part.scores, statistic))
        runs.append(counts(part.scores))
    behind = np.concatenate(runs)
    df = freedom(np.concatenate(variances), behind)
    low, high = interval(samples, int(behind.min()), df, level) + beyond
    if high <= low:
        low = high = np.asarray(math.nan)
    return Limits(point, low, high)


def _edges(parts: Sequence[Part], span: Array | None) -> Array:
    """The least and the greatest score of each task, of those seen and those known: (2, tasks)."""
    pooled = np.concatenate([part.scores for part in parts])
    edges = np.stack([np.nanmin(pooled, axis=0), np.nanmax(pooled, axis=0)])
    if span is not None:
        edges = np.stack([np.fmin(edges[0], span[0]), np.fmax(edges[1], span[1])])
    return edges


_ROWS = 400  # of a mixture of what was seen and what was not
_ROUNDING = 1e-9  # of the scores: means of so many equal numbers differ in their last digits


def _unseen(part: Part, statistic: Statistic, edges: Array) -> Array:
    """How far an arm whose runs tie may be below and above what it shows: (2,)."""
    share = 1 - ((1 - LEVEL) / 2) ** (1 / smallest_task(part.scores))
    mixed = np.tile(np.nanmax(part.scores, axis=0), (2, _ROWS, 1))
    mixed[:, : round(share * _ROWS)] = edges[:, None]
    moved = part.weight * (statistic(mixed) - statistic(part.scores))
    moved[np.abs(moved) <= _ROUNDING * np.abs(edges).max()] = 0.0
    return np.array([min(0.0, moved.min()), max(0.0, moved.max())])


def _settled(parts: Sequence[Part], statistic: Statistic) -> bool:
    """Whether so many runs tie that no unseen ones, wherever they are, would move the statistic.

    Of an IQM from 13 runs on: then at most a quarter of all runs may differ.
    """
    moved = []
    for part in parts:
        seen = np.nanmax(part.scores, axis=0)
        moved.append(_unseen(part, statistic, np.stack([seen - 1, seen + 1])))
    return not np.any(moved)


def difference(
    x: Array,
    y: Array,
    statistic: Statistic,
    *names: str,
    span: Array | None = None,
    level: float = LEVEL,
) -> Estimate:
    """statistic(x) - statistic(y)."""
    parts = [Part("better", 1, x), Part("worse", -1, y)]
    return contrast(parts, statistic, *names, span=span, level=level)
