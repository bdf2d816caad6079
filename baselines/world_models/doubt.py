"""How far the members of an ensemble disagree, and whether that tells how wrong they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from baselines.world_models.open_loop import Rollouts


class Doubt(NamedTuple):
    """By horizon: [k] is k + 1 steps ahead."""

    disagreement: np.ndarray  # (K,) about the step that leads there, its mean
    doubt_correlation: np.ndarray  # (K,) with the error, over starts; NaN: one of them is constant


def doubt(rollouts: Rollouts, deviation: np.ndarray) -> Doubt:
    """The error is the root mean square over the numbers of an observation.

    The correlation is of ranks (Spearman): the two have different units, and a few large errors
    would decide it otherwise.

    :param deviation: what an error of 1 is, for each number (D,).
    """
    missed = ((rollouts.predicted - rollouts.observed) / deviation) ** 2  # (K, N, D)
    pairs = zip(rollouts.disagreement, missed.mean(axis=2), strict=True)
    correlations = np.array([_rank_correlation(*pair) for pair in pairs])
    return Doubt(rollouts.disagreement.mean(axis=1), correlations)


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:  # (N,) both
    varied = np.ptp(x) > 0 and np.ptp(y) > 0
    return float(spearmanr(x, y).statistic) if varied else float("nan")
