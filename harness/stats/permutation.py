"""Tests of a claim: an exact permutation test of ranks, and Holm's correction of a family.

The statistic is that of the probability of improvement: within each task, ranks of the runs of both
arms; over tasks, their sum (Wilcoxon, Mann and Whitney; stratified as van Elteren, 1960). Its
distribution over all ways to deal the runs to the two arms is counted, not sampled, for any number
of runs and tasks and with any ties (Streitberg and Röhmel, 1986). Runs are not paired by seed: the
seeds of two arms share their number and little else, and pairs would forbid small p-values
(docs/statistics.md has both measured).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from harness.stats.aggregate import Array, Statistic

ALPHA = 0.05  # of the family: the chance that any of its claims is decided wrongly


def permutation_p(x: Array, y: Array, weights: Sequence[int] = ()) -> float:
    """The two-sided p-value of "which runs are whose does not matter". (runs, tasks) each.

    :param weights: how often the rank sum of each task counts; empty: all once.
    """
    total, null, reach = 0, np.ones(1), 0
    for task in range(x.shape[1]):
        ours, theirs = (column[~np.isnan(column)] for column in (x[:, task], y[:, task]))
        # Midranks, doubled: whole numbers, however values tie.
        ranks = (2 * rankdata(np.concatenate([ours, theirs]))).astype(int)
        centre = len(ours) * (len(ranks) + 1)  # what the sum of our ranks is expected to be
        of_task, lowest = _rank_sums(tuple(sorted(ranks.tolist())), len(ours))
        weight = weights[task] if weights else 1
        spread = np.zeros(weight * (len(of_task) - 1) + 1)
        spread[::weight] = of_task
        total += weight * (int(ranks[: len(ours)].sum()) - centre)
        null, reach = np.convolve(null, spread), reach + weight * (lowest - centre)
    return _beyond(null, reach, total)


DEALS = 10_000  # of the runs to the two arms, where they are drawn: p is then .0001 at least


def permutation_of(
    statistic: Statistic, x: Array, y: Array, rng: np.random.Generator, deals: int = DEALS
) -> float:
    """The two-sided p-value for the difference of any statistic, by deals that are drawn.

    What happened is one of them, so the test is exact where the arms are equal (Hemerik and Goeman,
    2018).
    """
    both, n = np.concatenate([x, y]), len(x)
    seen = abs(float(statistic(x) - statistic(y)))
    reached = 1
    for start in range(0, deals, 1_000):
        stack = np.repeat(both[None], min(1_000, deals - start), axis=0)
        dealt = rng.permuted(stack, axis=1)
        gaps = np.abs(statistic(dealt[:, :n]) - statistic(dealt[:, n:]))
        reached += int((gaps >= seen - 1e-9 * max(1.0, seen)).sum())
    return reached / (deals + 1)


def smallest_p(x_runs: int, y_runs: int, tasks: int) -> float:
    """The p-value when every run of one arm beats all of the other's on every task."""
    return min(1.0, 2.0 * float(math.comb(x_runs + y_runs, x_runs)) ** -tasks)


def critical_sum(runs: int, tasks: int, alpha: float) -> float:
    """How far the doubled rank sum must lie from its centre for p <= alpha, without ties.

    :return: infinity when no outcome reaches it.
    """
    of_task, lowest = _rank_sums(tuple(range(2, 4 * runs + 1, 2)), runs)
    null, reach = np.ones(1), 0
    for _ in range(tasks):
        null, reach = np.convolve(null, of_task), reach + lowest - runs * (2 * runs + 1)
    far = np.abs(np.arange(len(null)) + reach)
    distances = np.unique(far[null > 0])
    weights = np.bincount(far, weights=null)[distances]
    tails = np.cumsum(weights[::-1])[::-1]  # P(|D| >= distance)
    reached = distances[tails <= alpha * (1 + 1e-9)]
    return float(reached[0]) if len(reached) else math.inf


def _beyond(null: Array, reach: int, total: int) -> float:
    """P(|D| >= |total|), where D = reach, reach + 1, ... with the probabilities `null`."""
    distance = np.abs(np.arange(len(null)) + reach)
    p = float(null[distance >= abs(total)].sum())
    return min(1.0, max(p, np.finfo(float).tiny))


@lru_cache(maxsize=256)
def _rank_sums(ranks: tuple[int, ...], chosen: int) -> tuple[Array, int]:
    """The distribution of the sum of `chosen` of these whole numbers, and its least value."""
    total = len(ranks)
    ways = np.zeros((chosen + 1, sum(ranks[total - chosen :]) + 1))
    ways[0, 0] = 1.0  # ways[k, s]: the share of sum s among all subsets of k of the ranks so far
    for count, rank in enumerate(ranks, 1):
        # Only sizes that can be reached from here, and from which `chosen` can be reached.
        least, most = max(1, chosen - (total - count)), min(count, chosen)
        end = sum(ranks[count - most : count]) + 1
        share = np.arange(least, most + 1)[:, None] / count  # subsets with the newest rank
        before = ways[least - 1 : most, : end - rank].copy()
        ways[least : most + 1, :end] *= 1 - share
        ways[least : most + 1, rank:end] += share * before
    lowest = sum(ranks[:chosen])
    return ways[chosen, lowest:].copy(), lowest


Correction = Literal["Holm", "Bonferroni"]


def correction(margins: Iterable[float | None]) -> Correction:
    """Whose correction for many tests a family of claims has.

    Bonferroni's where a claim of it has a margin: its interval then has the level at which it is
    decided.
    """
    return "Bonferroni" if any(margins) else "Holm"


def corrected(p_values: Sequence[float], by: Correction) -> list[float]:
    """Adjusted p-values of a whole family."""
    if by == "Holm":
        return holm(p_values)
    return [min(1.0, len(p_values) * p) for p in p_values]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: a claim whose own is at most alpha holds, together with all others."""
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1) * np.asarray(p_values, dtype=float)[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(steps) else steps
    return [float(p) for p in adjusted]
