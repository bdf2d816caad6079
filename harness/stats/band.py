"""Lines with bands: learning curves, and performance profiles."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, ndtr, stdtrit
from scipy.stats import kstwo

from harness.stats.aggregate import Array, Statistic, profile
from harness.stats.calibration import (
    CURVE_LINE,
    PROFILE,
    PROFILE_LINE,
    Shows,
    gate,
    has_interval,
    holds_lines,
    name_of,
)
from harness.stats.resample import BAND_RESAMPLES, bootstrap, generator
from harness.stats.uncertainty import (
    LEVEL,
    counts,
    freedom,
    interval,
    smallest_task,
    task_variances,
)


class Band(NamedTuple):
    """A statistic along an axis, with what surrounds it. NaN: there is nothing to show."""

    point: Array
    low: Array
    high: Array
    shows: Shows
    low_all: Array  #: simultaneous: the whole line lies inside at the level; NaN for a range
    high_all: Array


def band(scores: Array, statistic: Statistic, names: tuple[str, ...], joint: bool = True) -> Band:
    """A curve of (runs, tasks, steps) with its bands, or the range of its runs.

    :param joint: false leaves the simultaneous band out.
    """
    n, tasks = smallest_task(scores), scores.shape[1]
    point, shows = statistic(scores), gate(name_of(statistic), n, tasks)
    nothing = np.full_like(point, np.nan)
    if has_interval(shows):
        edges = curve_edges(scores, statistic, generator(*names), BAND_RESAMPLES)
        return _shown(edges, shows, joint and holds_lines(CURVE_LINE, n, tasks))
    if shows == "range":
        each = statistic(scores[:, None])  # every run as an experiment of its own
        return Band(point, each.min(axis=0), each.max(axis=0), shows, nothing, nothing)
    return Band(point, nothing, nothing, shows, nothing, nothing)


def _shown(edges: Band, shows: Shows, joint: bool) -> Band:
    if joint:
        return edges._replace(shows=shows)
    nothing = np.full_like(edges.point, np.nan)
    return edges._replace(shows=shows, low_all=nothing, high_all=nothing)


def curve_edges(
    scores: Array, statistic: Statistic, rng: np.random.Generator, resamples: int
) -> Band:
    """Pointwise expanded percentile intervals, and the studentised maximum over the line.

    The maximum over all points of |resample - line| / its standard deviation has some 95 % quantile
    c. The band is the line +- t s, with the t that leaves as much outside as c does of a normal
    distribution, and s the standard deviation here, with a third of that along the whole line added
    in squares: where all runs tie, the former is nothing, and says nothing. A third is the least of
    those tried (1, 1/2, 1/3, 1/5) that held lines which jump from exactly 0 to 1.
    """
    samples, runs, point = (
        bootstrap(scores, statistic, rng, resamples),
        counts(scores),
        statistic(scores),
    )
    n = int(runs.min())
    df = freedom(task_variances(scores, statistic), runs)
    low, high = interval(samples, n, df)
    spread = samples.std(axis=0)
    moves = spread > 1e-9 * max(1e-300, float(spread.max()))
    if not moves.any():
        nothing = np.full_like(point, np.nan)
        return Band(point, low, high, "interval", nothing, nothing)
    furthest = (np.abs(samples - point)[:, moves] / spread[moves]).max(axis=1)
    outside = max(float(ndtr(-np.quantile(furthest, LEVEL))), 1e-9)
    mean_square = (spread[moves] ** 2).mean()
    spread_of_line = np.sqrt(spread**2 + mean_square / 9)
    half = -stdtrit(df, outside) * math.sqrt(n / (n - 1)) * spread_of_line
    low_all, high_all = np.minimum(low, point - half), np.maximum(high, point + half)
    return Band(point, low, high, "interval", low_all, high_all)


def profile_band(scores: Array, taus: Array, joint: bool = True) -> Band:
    """The fraction of runs above each threshold, with its bands."""
    n, tasks = smallest_task(scores), scores.shape[1]
    shows = gate(PROFILE, n, tasks)
    if has_interval(shows):
        return _shown(
            profile_edges(scores, taus), shows, joint and holds_lines(PROFILE_LINE, n, tasks)
        )
    nothing = np.full(len(taus), np.nan)
    return Band(profile(taus)(scores), nothing, nothing, "point", nothing, nothing)


def profile_edges(scores: Array, taus: Array) -> Band:
    """Limits that need no resampling: Clopper and Pearson's (1934), and Kolmogorov's (1933).

    A mean over tasks of shares varies at most as much as one share of all their runs.
    """
    point = profile(taus)(scores)
    runs = counts(scores)
    n = float(len(runs) ** 2 / (1 / runs).sum())  # M^2 / sum(1 / n): all runs, where n are equal
    above, tail = point * n, (1 - LEVEL) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(above > 0, betaincinv(above, n - above + 1, tail), 0.0)
        high = np.where(above < n, betaincinv(above + 1, n - above, 1 - tail), 1.0)
    off = float(kstwo.ppf(LEVEL, int(n)))
    low_all, high_all = np.maximum(0.0, point - off), np.minimum(1.0, point + off)
    low_all, high_all = np.minimum(low, low_all), np.maximum(high, high_all)
    return Band(point, low, high, "interval", low_all, high_all)
