"""What tuning on each environment gains over one setting for all of them.

With Gamma(e, h) the expected normalised score of a setting h of the hyper-parameters on an
environment e, and means over environments:

    one setting   max over h of the mean over e of Gamma(e, h)
    tuned         the mean over e of the max over h of Gamma(e, h)
    sensitivity   Phi = tuned - one setting

Phi is the sensitivity of Adkins, Bowling and White (2024), "A method for evaluating hyperparameter
sensitivity in reinforcement learning" (arXiv:2412.07165); one setting for all environments is what
Patterson et al. (2024), "The cross-environment hyperparameter setting benchmark" (CHS,
arXiv:2407.18840), compare agents by. The definitions are written down from what is known of both
papers, and agree with their abstracts; the equations were not compared symbol by symbol. One thing
differs for certain: both papers normalise by quantiles of what was compared, and here Gamma is the
normalised score of the environments' cards, which does not move when another agent is added.

The maximum of noisy means is too high. So a setting is chosen by all seeds but one and scored by
that one, in turn, which is too low by what few seeds choose wrongly. An interval reaches from the
lower end of the one, by Student's t over seeds, to the upper end of the other: the truth lies
between them. Its halves are at least
as long as the seeds of all settings together say. docs/tuning.md has its simulated coverage.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from harness.stats.aggregate import Array
from harness.stats.uncertainty import LEVEL, Estimate

FEWEST_SEEDS = 3  # that have an interval; 2 have a point


class Sensitivity(NamedTuple):
    """Of an agent, over the settings that were tried."""

    one: Estimate  #: with the same setting on all environments
    each: Estimate  #: with a setting for each of them
    gain: Estimate  #: Phi, the difference; never below 0


def sensitivity(scores: Array) -> Sensitivity:
    """:param scores: normalised, (settings, seeds, environments); the seeds are the same for all.

    :raises ValueError: if there is a single seed, or no setting.
    """
    settings, seeds, _ = scores.shape
    if seeds < 2 or not settings:
        raise ValueError("a setting is chosen by some seeds and scored by others: two are needed")
    everything = _scored(scores.mean(axis=1), scores)  # (seeds, 3), too high
    rest = (scores.sum(axis=1, keepdims=True) - scores) / (seeds - 1)
    apart = np.concatenate(
        [_scored(rest[:, s], scores[:, s : s + 1]) for s in range(seeds)]
    )  # (seeds, 3), too low
    least = _halves(scores)
    one, each, gain = (_between(apart[:, i], everything[:, i], least[i]) for i in range(3))
    floor = {name: max(0.0, value) for name, value in gain._asdict().items()}
    return Sensitivity(*(_estimate(ends, seeds) for ends in (one, each, _Ends(**floor))))


class _Ends(NamedTuple):
    point: float
    low: float
    high: float


def _scored(means: Array, scores: Array) -> Array:
    """By each seed, of the settings that are chosen by `means`: one, each, gain (seeds, 3).

    :param means: (settings, environments).
    :param scores: (settings, seeds, environments).
    """
    one = scores[means.mean(axis=1).argmax()].mean(axis=-1)
    best = means.argmax(axis=0)
    each = scores[best, :, np.arange(len(best))].mean(axis=0)
    return np.stack([one, each, each - one], axis=-1)


def _quantile(freedom: float) -> float:
    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def _halves(scores: Array) -> Array:
    """Of intervals of one, each and gain, by what seeds do to all settings together: (3,).

    The few seeds of a setting that was chosen may happen to have no failure; those of all settings
    have some. What a seed does to all settings alike cancels in the gain.
    """
    settings, seeds, envs = scores.shape
    noise = scores - scores.mean(axis=1, keepdims=True)  # (settings, seeds, environments)
    own = noise - noise.mean(axis=0)
    freedom = settings * (seeds - 1)
    together = (noise.mean(axis=-1) ** 2).sum() / freedom
    alone = (noise**2).sum() / freedom / envs**2
    apart = 2 * (own**2).sum() / max(1, freedom - seeds + 1) / envs**2
    # Scores that fail now and then are skewed, and their differences hardly.
    quantiles = np.array([_quantile(seeds - 1)] * 2 + [_quantile(math.inf)])
    return np.asarray(quantiles * np.sqrt(np.array([together, alone, apart]) / seeds))


def _between(apart: Array, everything: Array, least: float) -> _Ends:
    """From the lower end of what is too low to the upper end of what is too high.

    :param apart: (seeds,) each.
    :param least: half of the length of an interval, at least.
    """
    ends = []
    for values in (apart, everything):
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        half = max(_quantile(len(values) - 1) * error, least)
        ends += [float(values.mean()) - half, float(values.mean()) + half]
    return _Ends(float(apart.mean()), min(ends), max(ends))


def _estimate(ends: _Ends, seeds: int) -> Estimate:
    if seeds < FEWEST_SEEDS:
        return Estimate(ends.point, math.nan, math.nan, seeds, "point")
    return Estimate(*ends, seeds, "interval")
