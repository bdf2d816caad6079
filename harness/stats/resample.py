"""The stratified bootstrap: whole runs are drawn, within each task on its own.

It is our own, because rliable draws from NumPy's global generator and resamples every point of a
learning curve on its own.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from harness.stats.aggregate import Array, Statistic

SEED = 20_260  # of every bootstrap; any other number would do as well
# An end of a 95 % interval of 10 runs is the 0.9 % quantile of the resamples (`uncertainty.tail`).
# Its level is uncertain by sqrt(.009 * .991 / resamples): .0009 for a number that is printed,
# .0021 for the edge of a band.
RESAMPLES = 10_000
BAND_RESAMPLES = 2_000
_CHUNK = 1 << 16  # numbers held at once: 512 KiB, which stay in the processor's cache


def generator(*names: str) -> np.random.Generator:
    """The bootstrap's randomness, decided by what is asked: a new arm moves no other's interval."""
    return np.random.default_rng([SEED, zlib.crc32("/".join(names).encode())])


def bootstrap(
    scores: Array, statistic: Statistic, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Array:
    """The statistic of resampled scores: (resamples, ...).

    `scores` is (runs, tasks) or (runs, tasks, steps); then a run is drawn with all its steps, and
    what is made of a curve, such as the area under it, is resampled with its run. Where tasks have
    unequal numbers of runs, as many are drawn in each as it has.
    """
    runs, tasks = scores.shape[:2]
    gaps = ~present(scores)
    order = np.argsort(gaps, axis=0, kind="stable")  # (runs, tasks): those that are there first
    packed = scores[order, np.arange(tasks)] if gaps.any() else scores
    counts = runs - gaps.sum(axis=0)
    size = max(1, _CHUNK // scores.size)
    parts = []
    for start in range(0, resamples, size):
        shape = (min(size, resamples - start), runs, tasks)
        drawn = rng.integers(counts if gaps.any() else runs, size=shape)
        taken = packed[drawn, np.arange(tasks)]
        if gaps.any():
            taken[:, np.sort(gaps, axis=0)] = np.nan
        parts.append(statistic(taken))
    return np.concatenate(parts)


def present(scores: Array) -> NDArray[np.bool_]:
    """The runs that were asked for: (runs, tasks)."""
    return np.asarray(~np.isnan(scores.reshape(*scores.shape[:2], -1)).all(axis=-1))
