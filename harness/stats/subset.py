"""Studies with fewer seeds than there are: how often they would have misled."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.stats.aggregate import Array, Statistic
from harness.stats.resample import generator

# The 3 or 5 seeds of a study must be a small part of those by which they are judged.
SEEDS_FOR_SUBSETS = 20
SUBSETS = 10_000  # a share of them is uncertain by .005 at most


class Studies(NamedTuple):
    """What all subsets of k of n seeds say of one arm."""

    k: int
    n: int
    whole: float  #: with all seeds
    found: Array  #: (subsets,)


@dataclass(frozen=True)
class FewerSeeds:
    """What studies with `k` of the `n` seeds say of a difference, and what all seeds say."""

    k: int
    n: int
    difference: float  #: with all seeds
    opposite: float  #: share of the subsets with the other sign; NaN where there is no sign
    equal: float  #: share of the subsets that see no difference
    off: float  #: share of the subsets that are wrong by more than the amount given


def subsets(n: int, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Every subset of k of n, or `SUBSETS` random ones where there are more: (subsets, k)."""
    if math.comb(n, k) <= SUBSETS:
        return np.array(list(itertools.combinations(range(n), k)), dtype=np.intp)
    return rng.random((SUBSETS, n)).argpartition(k - 1, axis=1)[:, :k]


@lru_cache(maxsize=32)  # 25 sizes of study of 50 seeds take 25 MB
def _drawn(n: int, k: int) -> NDArray[np.intp]:
    """The same subsets whatever is asked of them: those of two arms must have the same seeds."""
    return subsets(n, k, generator(f"{k} of {n} seeds")).astype(np.int32)


def studies(scores: Array, statistic: Statistic, k: int) -> Studies:
    """What studies with k of the n seeds, the rows of `scores`, say of one arm."""
    found = statistic(scores[_drawn(len(scores), k)])
    return Studies(k, len(scores), float(statistic(scores)), found)


def fewer_seeds(x: Studies, y: Studies, amount: float) -> FewerSeeds:
    """How often the difference of two arms misleads when k of the n seeds are all that one has.

    A study has the same seeds of both arms.

    :param amount: an error larger than this counts as `off`.
    """
    whole, found = x.whole - y.whole, x.found - y.found
    return FewerSeeds(
        k=x.k,
        n=x.n,
        difference=whole,
        opposite=float((np.sign(found) == -np.sign(whole)).mean()) if whole else math.nan,
        equal=float((found == 0).mean()),
        off=float((np.abs(found - whole) > amount).mean()),
    )
