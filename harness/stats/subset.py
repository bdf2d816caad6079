"""Studies with fewer seeds than there are: how often they would have misled."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.aggregate import Array, Statistic
from harness.stats.resample import generator

# The 3 or 5 seeds of a study must be a small part of those by which they are judged.
SEEDS_FOR_SUBSETS = 20
SUBSETS = 10_000  # a share of them is uncertain by .005 at most


@dataclass(frozen=True)
class FewerSeeds:
    """What studies with `k` of the `n` seeds say of a difference, and what all seeds say."""

    k: int
    n: int
    difference: float  # with all seeds
    opposite: float  # share of the subsets with the other sign; NaN where there is no sign
    equal: float  # share of the subsets that see no difference
    off: float  # share of the subsets that are wrong by more than the amount given


def subsets(n: int, k: int, rng: np.random.Generator, most: int = SUBSETS) -> NDArray[np.intp]:
    """Every subset of k of n, or `most` random ones where there are more: (subsets, k)."""
    if math.comb(n, k) <= most:
        return np.array(list(itertools.combinations(range(n), k)), dtype=np.intp)
    return rng.random((most, n)).argpartition(k - 1, axis=1)[:, :k]


def fewer_seeds(
    x: Array, y: Array, statistic: Statistic, k: int, amount: float, *names: str
) -> FewerSeeds:
    """How often statistic(x) - statistic(y) misleads when k of the n seeds are all that one has.

    Row i of x and of y is the same seed, and a subset has the same seeds of both, as a study would.

    :param amount: an error larger than this counts as `off`.
    """
    whole = float(statistic(x) - statistic(y))
    drawn = subsets(len(x), k, generator(*names, f"{k} seeds"))
    found = statistic(x[drawn]) - statistic(y[drawn])
    return FewerSeeds(
        k=k,
        n=len(x),
        difference=whole,
        opposite=float((np.sign(found) == -np.sign(whole)).mean()) if whole else math.nan,
        equal=float((found == 0).mean()),
        off=float((np.abs(found - whole) > amount).mean()),
    )
