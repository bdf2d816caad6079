"""What a middle leaves out: how bad the bad runs are, and how unsteadily a run learns.

An IQM is blind to a failing quarter by design. Across runs: the mean of the worst quarter, what a
next run may be, and how often runs fail. Within a run: how much its score varies from evaluation to
evaluation, and how far it falls below what it had reached. After Chan et al. (2020), "Measuring the
reliability of reinforcement learning algorithms" (arXiv:1912.05663).

Nothing here is resampled: a bootstrap of ten runs draws its worst quarter from two or three. What
has limits has exact ones.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import betaincinv

from harness.stats.aggregate import WORST, cvar
from harness.stats.uncertainty import LEVEL


class Chance(NamedTuple):
    """A share of runs, with the ends of its interval."""

    point: float
    low: float
    high: float


def worst_mean(scores: ArrayLike, share: float = WORST) -> float:
    """The mean of the worst share of runs (runs,): the conditional value at risk.

    A run at the edge of the share counts in part: the share is exact for any number of runs.

    :raises ValueError: if there is no score, or one is missing.
    """
    return float(cvar(np.ravel(scores), share))


def next_within(runs: int) -> float:
    """The chance that a next run lies between the worst and the best of so many.

    (n - 1) / (n + 1): of n + 1 runs each is as likely as any other to be the extreme one. Ties
    only raise it.
    """
    return (runs - 1) / (runs + 1)


def held(runs: int, level: float = LEVEL) -> float:
    """The share of all runs that the range of so many holds, at least, at this confidence.

    Wilks (1941): the range holds a share b with the confidence 1 - n b^(n - 1) + (n - 1) b^n,
    whatever the distribution. 0 for a single run.
    """
    if runs < 2:
        return 0.0

    def above(share: float) -> float:
        return 1 - runs * share ** (runs - 1) + (runs - 1) * share**runs - level

    return float(brentq(above, 0.0, 1.0))


def chance(happened: int, runs: int, level: float = LEVEL) -> Chance:
    """How often something happens, with the exact limits of Clopper and Pearson (1934).

    :raises ValueError: if there is no run.
    """
    if not runs:
        raise ValueError("there is no run")
    tail = (1 - level) / 2
    low = betaincinv(happened, runs - happened + 1, tail) if happened else 0.0
    high = betaincinv(happened + 1, runs - happened, 1 - tail) if happened < runs else 1.0
    return Chance(happened / runs, float(low), float(high))


def drawdown(returns: ArrayLike) -> float:
    """The furthest that a curve (evaluations,) falls below the best before: 0 if it never does."""
    curve = np.asarray(returns, dtype=float)
    return float((np.maximum.accumulate(curve) - curve).max())


def dispersion(returns: ArrayLike) -> float:
    """The interquartile range of the changes from one evaluation to the next (evaluations,).

    Differences take the trend out, so that steady progress counts as none. NaN if there are fewer
    than two of them.
    """
    changes = np.diff(np.asarray(returns, dtype=float))
    if len(changes) < 2:
        return math.nan
    low, high = np.quantile(changes, [0.25, 0.75])
    return float(high - low)
