"""Whether two arms differ by less than a margin in their mean score, by betting.

Seeds are paired by their number: z = (x - y + 1) / 2 lies in [0, 1], for scores are normalised and
clipped to [0, 1]. Whoever doubts that the mean of z is m or more bets on it, seed after seed, a
fraction of the capital; if it is so, the capital is expected to shrink, and it ever reaches 1 / a
with probability a at most, whatever the scores are distributed like and whenever one looks
(Waudby-Smith and Ramdas, 2024, "Estimating means of bounded random variables by betting",
arXiv:2010.09686; Ville's inequality). The values of m against which no capital has come far enough
are an interval for the mean, valid at every look.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from harness.stats.aggregate import Array

# Of the capital, bet at each seed; the capitals of all of them are averaged. Chosen by simulation.
FRACTIONS = np.array([0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
SIDES = 2  # of a verdict: capitals must reach 2 / a for an error of a
_HALVINGS = 40  # of [0, 1], for an end of an interval


class Equivalence(NamedTuple):
    """What pairs of runs say of the difference of two means."""

    seeds: int  #: of each arm
    x: float  #: the mean of clipped normalised scores
    y: float
    low: float  #: of the interval of x - y
    high: float
    level: float  #: of it
    needed: float  #: the capital that decides
    within: float  #: the largest capital against a difference of the margin, on the side with less
    beyond: float  #: against a difference below the margin, on the side with more

    @property
    def p(self) -> float:
        """Anytime: valid at whichever look one stops, for either verdict."""
        return min(1.0, SIDES / max(self.within, self.beyond))

    @property
    def side(self) -> int:
        """1: what there is of evidence is that they are equivalent; -1: that they are not."""
        return int(np.sign(self.within - self.beyond))


def equivalence(x: Array, y: Array, margin: float, error: float) -> Equivalence:
    """:param x: normalised scores, (runs, tasks), by seed. Of the arm with more, the last are left.
    :param error: of this claim; 1 - error is the level of its interval.
    """
    x, y = (np.clip(arm[: min(len(x), len(y))], 0, 1).mean(axis=1) for arm in (x, y))
    z = (x - y + 1) / 2
    more, less = (1 + margin) / 2, (1 - margin) / 2
    low, high = _interval(z, SIDES / error)
    return Equivalence(
        len(z), float(x.mean()), float(y.mean()), 2 * low - 1, 2 * high - 1, 1 - error,
        SIDES / error,
        within=min(_below(z, more), _above(z, less)),
        beyond=max(_above(z, more), _below(z, less)),
    )  # fmt: skip


@lru_cache(maxsize=256)
def fewest(margin: float, error: float, most: int = 10_000) -> int:
    """The seeds with which pairs that all tie are found equivalent: no others need fewer."""
    grown = capitals(np.full(most, 0.5), (1 + margin) / 2) >= SIDES / error
    return int(grown.argmax()) + 1 if grown.any() else most + 1


def capitals(z: Array, m: float) -> Array:
    """What bets against a mean of m or more have made of 1, after each seed: (seeds, ...).

    :param z: (seeds, ...) numbers from 0 to 1.
    """
    fractions = FRACTIONS.reshape(-1, *[1] * z.ndim)
    with np.errstate(divide="ignore", over="ignore"):  # all may be lost, or beyond measure
        logs = np.log1p(-fractions * (z - m) / (1 - m)).cumsum(axis=1)
        return np.asarray(np.exp(np.logaddexp.reduce(logs, axis=0)) / len(FRACTIONS))


def _below(z: Array, m: float) -> float:
    """The largest capital so far against a mean of m or more."""
    return float(capitals(z, m).max())


def _above(z: Array, m: float) -> float:
    """The largest capital so far against a mean of m or less."""
    return _below(1 - z, 1 - m)


def _interval(z: Array, needed: float) -> tuple[float, float]:
    """The means against which no capital has reached as much as is needed."""
    return 1 - _upper(1 - z, needed), _upper(z, needed)


def _upper(z: Array, needed: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _below(z, middle) >= needed else (middle, high)
    return high
