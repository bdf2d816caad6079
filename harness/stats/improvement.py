"""The probability that a run of one arm scores above a run of another, with limits that hold."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit

from harness.stats.aggregate import Array
from harness.stats.calibration import IMPROVEMENT, gate, has_interval
from harness.stats.uncertainty import LEVEL, Estimate, Limits, smallest_task


def improvement(x: Array, y: Array) -> Estimate:
    """P(a run of x scores above a run of y), ties counting half, averaged over tasks."""
    n = min(smallest_task(x), smallest_task(y))
    found = improvement_limits(x, y)
    shows = gate(IMPROVEMENT, n, x.shape[1])
    if not has_interval(shows):
        return Estimate(float(found.point), math.nan, math.nan, n, "point")
    return Estimate(float(found.point), float(found.low), float(found.high), n, shows)


def improvement_limits(x: Array, y: Array) -> Limits:
    """Its score interval, which keeps a width where one arm beats the other throughout.

    On one task of n and m runs the variance of the estimate is at most P (1 - P) / min(n, m),
    whatever the scores (van Dantzig, 1951; Birnbaum and Klose, 1957); over M tasks, P (1 - P) being
    concave, at most P (1 - P) / (M min(n, m)). The interval is all P from which the estimate is at
    most t of those standard deviations away, as Wilson's (1927) for a share, with Student's t.
    """
    columns = [[_present(scores[:, task]) for scores in (x, y)] for task in range(x.shape[1])]
    point = float(np.mean([_wins(*pair) for pair in columns]))
    runs = len(columns) * min(len(column) for pair in columns for column in pair)
    df = sum(len(ours) + len(theirs) - 2 for ours, theirs in columns)
    square = float(stdtrit(max(1, df), (1 + LEVEL) / 2)) ** 2 / runs
    centre = (point + square / 2) / (1 + square)
    half = math.sqrt(square * point * (1 - point) + square**2 / 4) / (1 + square)
    return Limits(np.asarray(point), np.asarray(centre - half), np.asarray(centre + half))


def _present(column: Array) -> Array:
    return column[~np.isnan(column)]


def _wins(x: Array, y: Array) -> float:
    """The share of pairs in which x scores above y, ties counting half."""
    return float(((x[:, None] > y) + 0.5 * (x[:, None] == y)).mean())
