"""Estimates with intervals, and what may be shown of few seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

from harness.stats.aggregate import Array, Statistic
from harness.stats.resample import BAND_RESAMPLES, RESAMPLES, bootstrap, generator, times_drawn
from harness.stats.score import MissingRuns, Scores

LEVEL = 0.95

# The range of n values covers their median with probability 1 - 2^(1 - n), and no percentile
# bootstrap leaves the range: below 6 seeds it cannot reach 95 % on one task.
SEEDS_FOR_AN_INTERVAL = 6
SEEDS_FOR_A_RANGE = 3
TASKS_THAT_MAKE_UP_FOR_FEW_SEEDS = 5

Shows = Literal["interval", "low n", "range", "point", "missing"]


@dataclass(frozen=True)
class Estimate:
    """A statistic with what can be said about its uncertainty."""

    point: float
    low: float
    high: float
    n: int  # seeds
    shows: Shows  # what `low` and `high` are
    note: str = ""  # why there is no estimate


class Band(NamedTuple):
    """A statistic along an axis, with what surrounds it. NaN: there is nothing to show."""

    point: Array
    low: Array
    high: Array
    shows: Shows
    low_all: Array  # simultaneous: the whole line lies inside at the level; NaN for a range
    high_all: Array


def gate(n: int, tasks: int) -> Shows:
    """What may be shown of `n` seeds on each of `tasks` tasks."""
    if n >= SEEDS_FOR_AN_INTERVAL:
        return "interval"
    if n >= SEEDS_FOR_A_RANGE:
        return "low n" if tasks >= TASKS_THAT_MAKE_UP_FOR_FEW_SEEDS else "range"
    return "point"


def has_interval(shows: Shows) -> bool:
    return shows in ("interval", "low n")


# Intervals ---------------------------------------------------------------------------------------


def percentile(samples: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The plain percentile interval of bootstrap samples, as in rliable."""
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def widen(level: float, n: int, df: int) -> float:
    """The level at which a percentile interval of few runs covers as often as `level` says.

    The expanded percentile interval, Hesterberg (2015), "What teachers should know about the
    bootstrap", section 4: resamples vary less than samples, by (n - 1) / n in variance, and a
    variance that is itself estimated needs Student's t. The degrees of freedom are those behind
    the variance, n - 1 for each task and arm: t on one task, nearly normal on many.
    """
    quantile = float(stdtrit(df, (1 + level) / 2)) * math.sqrt(n / (n - 1))
    return 2 * NormalDist().cdf(quantile) - 1


def interval(samples: Array, n: int, tasks: int, level: float = LEVEL, arms: int = 1) -> Array:
    """The expanded percentile interval of bootstrap samples, (2, ...).

    :param n: runs on each task, of the smallest task and arm.
    :param arms: 2 for a comparison.
    """
    return np.stack(percentile(samples, widen(level, n, arms * tasks * (n - 1))))


def simultaneous(samples: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The band within which `level` of the resampled lines lie along their whole length.

    It is what the most central lines cover, a line being as central as its most extreme point.

    :param samples: (resamples, points).
    """
    count, order = len(samples), np.sort(samples, axis=0)
    depth = np.ones(count)  # of a line: its most extreme rank, counted from the nearer end
    for line, ascending in zip(samples.T, order.T, strict=True):
        below = np.searchsorted(ascending, line, side="right")  # ties count for both sides, so a
        above = count - np.searchsorted(ascending, line, side="left")  # point that never varies
        depth = np.minimum(depth, np.minimum(below, above) / count)  # is in the middle
    kept = samples[depth >= np.quantile(depth, 1 - level, method="lower")]
    return kept.min(axis=0), kept.max(axis=0)


def smallest_task(scores: Array) -> int:
    """The number of runs on the task with the fewest."""
    there = ~np.isnan(scores.reshape(*scores.shape[:2], -1)).all(axis=-1)
    return int(there.sum(axis=0).min())


def band(
    scores: Array,
    statistic: Statistic,
    names: tuple[str, ...],
    resamples: int = BAND_RESAMPLES,
    joint: bool = True,
) -> Band:
    """A statistic with its intervals, or the range of its runs, as `gate` allows.

    :param joint: false leaves the simultaneous band out: it takes as long as all the rest.
    """
    n, tasks = smallest_task(scores), scores.shape[1]
    point, shows = statistic(scores), gate(n, tasks)
    nothing = np.full_like(point, np.nan)
    if has_interval(shows):
        samples = bootstrap(scores, statistic, generator(*names), resamples)
        low, high = interval(samples, n, tasks)
        if not joint:
            return Band(point, low, high, shows, nothing, nothing)
        level = widen(LEVEL, n, tasks * (n - 1))
        flat = samples.reshape(len(samples), -1)
        low_all, high_all = (end.reshape(point.shape) for end in simultaneous(flat, level))
        return Band(point, low, high, shows, np.minimum(low, low_all), np.maximum(high, high_all))
    if shows == "range":
        each = statistic(scores[:, None])  # every run as an experiment of its own
        return Band(point, each.min(axis=0), each.max(axis=0), shows, nothing, nothing)
    return Band(point, nothing, nothing, shows, nothing, nothing)


# Estimates ---------------------------------------------------------------------------------------


def estimate(scores: Array, statistic: Statistic, *names: str) -> Estimate:
    """:param names: what is asked, for `generator`."""
    return estimates(scores, {"it": statistic}, *names)["it"]


def estimates(
    scores: Array, statistics: Mapping[str, Statistic], *names: str
) -> dict[str, Estimate]:
    """Several statistics of the same resamples."""

    def each(values: Array) -> Array:
        return np.stack([statistic(values) for statistic in statistics.values()], axis=-1)

    point, low, high, shows, *_ = band(scores, each, names, RESAMPLES, joint=False)
    n = smallest_task(scores)
    return {
        name: Estimate(float(point[i]), float(low[i]), float(high[i]), n, shows)
        for i, name in enumerate(statistics)
    }


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


def contrast(
    parts: Sequence[tuple[str, float, Array]],
    statistic: Statistic,
    *names: str,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The sum of weight * statistic(scores) over arms, whose runs are resampled independently.

    :param parts: for each arm a name, which decides its resamples, its weight and its scores.
    """
    n = min(smallest_task(scores) for _, _, scores in parts)
    tasks = parts[0][2].shape[1]
    point = sum(weight * float(statistic(scores)) for _, weight, scores in parts)
    shows = gate(n, tasks)
    if not has_interval(shows):
        return Estimate(point, math.nan, math.nan, n, "point")
    samples = np.zeros(resamples)
    for part, weight, scores in parts:
        samples += weight * bootstrap(scores, statistic, generator(*names, part), resamples)
    low, high = interval(samples, n, tasks, level, arms=len(parts))
    return Estimate(point, float(low), float(high), n, shows)


def difference(
    x: Array, y: Array, statistic: Statistic, *names: str, level: float = LEVEL
) -> Estimate:
    """statistic(x) - statistic(y)."""
    return contrast([("better", 1, x), ("worse", -1, y)], statistic, *names, level=level)


def improvement(x: Array, y: Array, *names: str) -> Estimate:
    """P(a run of x scores above a run of y), ties counting half, averaged over tasks."""
    wins = [_wins(*(_present(scores[:, task]) for scores in (x, y))) for task in range(x.shape[1])]
    point = float(np.mean([task.mean() for task in wins]))
    n, tasks = min(smallest_task(x), smallest_task(y)), len(wins)
    shows = gate(n, tasks)
    if not has_interval(shows):
        return Estimate(point, math.nan, math.nan, n, "point")
    rng = generator(*names, "improvement")
    samples = np.mean([_resampled_mean(task, rng) for task in wins], axis=0)
    low, high = interval(samples, n, tasks, arms=2)
    return Estimate(point, float(low), float(high), n, shows)


def _present(column: Array) -> Array:
    return column[~np.isnan(column)]


def _wins(x: Array, y: Array) -> Array:
    """(runs x, runs y): 1 where x scores above y, one half where they tie."""
    return np.asarray((x[:, None] > y) + 0.5 * (x[:, None] == y))


def _resampled_mean(wins: Array, rng: np.random.Generator) -> Array:
    """The mean of a matrix whose rows and columns are resampled, by how often each is drawn."""
    rows, columns = (times_drawn(n, rng, RESAMPLES) for n in wins.shape)
    return np.asarray(((rows @ wins) * columns).sum(axis=1) / wins.size)
