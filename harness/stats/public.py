"""The mean of our runs beside a public score: an interval of their difference."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.special import nctdtrinc, stdtrit

from harness.stats.aggregate import Array
from harness.stats.power import POWER


class Gap(NamedTuple):
    """A difference of means."""

    low: float
    high: float
    detectable: float  #: a true difference of this size leaves 0 out with probability POWER


class Public(NamedTuple):
    """A published mean and its spread."""

    score: float
    sd: float  #: over seeds, or over the episodes of one run
    seeds: int  #: 1: what other seeds would have done is not known
    episodes: int  #: of one run


def gap(ours: Array, public: Public, level: float) -> Gap:
    """Our mean less the public score, with Student's interval of that difference.

    Of one public run it is asked whether it could be one more of ours: a prediction interval, with
    the variance s^2 (1 + 1 / n) + sd^2 / episodes. Over k seeds: Welch's, s^2 / n + sd^2 / k.

    :param ours: final scores (runs,), of which two at least differ.
    """
    variance, freedom = _variance(ours, public)
    error, quantile = math.sqrt(variance), float(stdtrit(freedom, (1 + level) / 2))
    difference, half = float(ours.mean()) - public.score, quantile * error
    detectable = float(nctdtrinc(freedom, 1 - POWER, quantile)) * error
    return Gap(difference - half, difference + half, detectable)


def _variance(ours: Array, public: Public) -> tuple[float, float]:
    """Of the difference, and its degrees of freedom."""
    n, own = len(ours), float(ours.var(ddof=1))
    parts: tuple[tuple[float, float], ...]  # variances with their degrees of freedom
    if public.seeds > 1:
        parts = (own / n, n - 1), (public.sd**2 / public.seeds, public.seeds - 1)
    else:
        parts = (own * (1 + 1 / n), n - 1), (public.sd**2 / public.episodes, math.inf)
    variance = sum(part for part, _ in parts)
    inverse = sum((part / variance) ** 2 / df for part, df in parts) if variance else 0.0
    return variance, 1 / inverse if inverse else 1e9  # Welch and Satterthwaite; none: normal
