"""Statistics of scores of shape (..., runs, tasks), or (runs,) of one task.

NaN marks a run that was never asked for: tasks may have unequal numbers of runs. A run that failed
is no such run, and must not be averaged away. The definitions are those of rliable (Agarwal et al.,
2021, "Deep RL at the edge of the statistical precipice").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]  # (..., runs, tasks) -> (...): one matrix to one number


def _tasks(scores: ArrayLike) -> Array:
    """(..., runs, tasks); (runs,) are the runs of one task.

    :raises ValueError: if there is no score, or one of (runs,) is missing.
    """
    array = np.asarray(scores, dtype=float)
    if not array.size:
        raise ValueError("there is no score")
    if array.ndim > 1:
        return array
    if np.isnan(array).any():
        raise ValueError("a score is missing: none is averaged over")
    return array.reshape(-1, 1)


def iqm(scores: ArrayLike) -> Array:
    """Interquartile mean over all runs and tasks, floor(T / 4) cut at each end, as in rliable."""
    flat, count = _pooled(_tasks(scores))
    cut = count // 4
    return _number(flat[..., cut : count - cut].mean(axis=-1))


def _number(values: Any) -> Array:
    """Of a single matrix NumPy's number, which is a float, and no array without axes."""
    number: Array = np.asarray(values)[()]
    return number


def _pooled(scores: Array) -> tuple[Array, int]:
    """All runs in ascending order, and how many there are: NaN is sorted to the end."""
    flat = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    gaps = np.isnan(flat[(0,) * (flat.ndim - 1)]).sum()  # the same in every resample
    return flat, flat.shape[-1] - int(gaps)


def mean(scores: ArrayLike) -> Array:
    """The mean over tasks of each task's mean."""
    return _number(_task_means(_tasks(scores)).mean(axis=-1))


def median(scores: ArrayLike) -> Array:
    """The median over tasks of each task's mean."""
    return _number(np.median(_task_means(_tasks(scores)), axis=-1))


def optimality_gap(scores: ArrayLike) -> Array:
    """How far runs stay below the reference, those above it counting as reaching it."""
    return _number(1.0 - _task_means(np.minimum(_tasks(scores), 1.0)).mean(axis=-1))


WORST = 0.25  # the share of runs whose mean is shown


def cvar(scores: ArrayLike, share: float = WORST) -> Array:
    """The mean over tasks of the mean of each task's worst share of runs: conditional value at
    risk.

    A run at the edge of the share counts in part: the share is exact for any number of runs.
    """
    ordered = np.sort(_tasks(scores), axis=-2)  # NaN is sorted to the end
    gaps = np.isnan(ordered[(0,) * (ordered.ndim - 2)]).sum(axis=0)
    wanted = share * (ordered.shape[-2] - gaps)  # (tasks,), the same in every resample
    weights = np.clip(wanted - np.arange(ordered.shape[-2])[:, None], 0.0, 1.0)
    worst = np.where(weights > 0, ordered, 0.0) * weights
    return _number((worst.sum(axis=-2) / wanted).mean(axis=-1))


def _task_means(scores: Array) -> Array:
    """(..., runs, tasks) -> (..., tasks)."""
    means = scores.mean(axis=-2)
    return np.nanmean(scores, axis=-2) if np.isnan(means).any() else np.asarray(means)


AGGREGATES: dict[str, Statistic] = {
    "IQM": iqm,
    "Median": median,
    "Mean": mean,
    "Optimality gap": optimality_gap,
}


def together(statistics: Iterable[Statistic]) -> Statistic:
    """Several statistics of the same scores: (..., runs, tasks) -> (..., statistics)."""
    each = tuple(statistics)
    return lambda scores: np.stack([statistic(scores) for statistic in each], axis=-1)


def profile(taus: Array) -> Statistic:
    """The fraction of runs that score above each threshold: (..., runs, tasks) -> (..., taus)."""

    def fraction(scores: Array) -> Array:
        above = scores[..., None] > taus  # (..., runs, tasks, taus)
        gaps = np.isnan(scores)
        if not gaps.any():
            return np.asarray(above.mean(axis=(-3, -2)))
        known = np.where(gaps[..., None], np.nan, above)
        return np.asarray(np.nanmean(known, axis=-3).mean(axis=-2))

    return fraction


def curve_iqm(scores: Array) -> Array:
    """IQM at each step: (..., runs, tasks, steps) -> (..., steps)."""
    return iqm(np.moveaxis(scores, -1, -3))
