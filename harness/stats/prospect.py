"""What a plan of looks can be expected to take, before anything is trained.

As in `power`, scores of both arms are normal with the same spread, and one arm is shifted on every
task. The boundaries of the looks are those of many sweeps of equal arms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from harness.spec import Decide
from harness.stats.aggregate import Array
from harness.stats.calibration import DIFFERENCE, gate, has_interval
from harness.stats.equivalence import SIDES, capitals
from harness.stats.power import chances, lower_end
from harness.stats.sequential import Pair, follow, share

EFFECTS = (0.7, 1.0, 1.4, 2.0)  # standard deviations over seeds
_EXPERIMENTS = 200  # a probability is then known to .035
_RESAMPLES = 1_000  # of each: the ends of intervals lie further out than in `power`
_EQUAL = 20_000  # sweeps of equal arms
_ALIKE = 2_000  # experiments: a probability is then known to .011
_SEED = 20_262

Draw = Callable[[np.random.Generator, tuple[int, int]], Array]


class Prospect(NamedTuple):
    """How one claim with a true difference fares."""

    effect: float  #: in standard deviations over seeds
    decided: float  #: the probability that it is decided by the cap
    seeds: float  #: of each arm, on average
    same: float  #: how often as many seeds, fixed beforehand, decide it
    cap: float  #: and how often as many as the cap


@lru_cache(maxsize=16)
def prospects(plan: Decide, tasks: int, family: int) -> tuple[Prospect, ...]:
    """Of each of `EFFECTS`, at the first step of Holm's correction for the family."""
    rng = np.random.default_rng([_SEED, *plan.looks, tasks])
    equal = _sums(rng.normal(size=(_EQUAL // tasks, 2, plan.last, tasks)), plan)
    bounds, _ = _boundaries(equal, plan, plan.alpha / family)
    _, outside = _boundaries(equal, plan, plan.alpha)
    noise = rng.normal(size=(_EXPERIMENTS, 2, plan.last, tasks))
    decided, seeds = zip(*(_decided(noise, e, plan, bounds, outside) for e in EFFECTS), strict=True)
    same = [chances(round(n), tasks, family, [e])[0] for n, e in zip(seeds, EFFECTS, strict=True)]
    cap = chances(plan.last, tasks, family, EFFECTS)
    return tuple(map(Prospect, EFFECTS, decided, seeds, same, cap))


def certain(plan: Decide, tasks: int, family: int) -> float:
    """The seeds after which claims are decided of which all runs of one arm succeed and all of the
    other fail; infinity: not by the cap.
    """
    ones, span = np.ones((plan.last, tasks)), np.repeat([[0.0], [1.0]], tasks, axis=1)
    alone = plan.model_copy(update={"alpha": plan.alpha / family})  # Holm's first step
    course = follow([Pair(ones, 0 * ones, ("certain",), span=span)], alone)[0]
    return course.seeds if course.decided else math.inf


class Alike(NamedTuple):
    """How two arms fare that are equal, of which a claim says so but for a margin."""

    scores: str  #: of both
    found: float  #: the probability that they are found equivalent by the last look
    seeds: float  #: of each arm, on average, until then or the last look


def _clipped(spread: float) -> Draw:
    return lambda rng, shape: np.clip(rng.normal(0.5, spread, shape), 0, 1)


def _coins(chance: float) -> Draw:
    return lambda rng, shape: np.asarray(rng.random(shape) < chance, dtype=float)


ALIKE: dict[str, Draw] = {
    "all tie": lambda rng, shape: np.ones(shape),
    "SD 0.1": _clipped(0.1),
    "SD 0.2": _clipped(0.2),
    "0.95 succeed": _coins(0.95),
    "0.9 succeed": _coins(0.9),
}


@lru_cache(maxsize=16)
def alike(margin: float, error: float, looks: Sequence[int]) -> tuple[Alike, ...]:
    """Of each of `ALIKE`, one environment, normalised.

    :param error: that is left for the claim.
    :param looks: the seeds at each; of a fixed number, that alone.
    """
    rng, found = np.random.default_rng([_SEED, *looks]), []
    for name, draw in ALIKE.items():
        x, y = (draw(rng, (looks[-1], _ALIKE)) for _ in range(2))
        z, m = (x - y + 1) / 2, (1 + margin) / 2
        grown = np.minimum(*(np.maximum.accumulate(capitals(each, m)) for each in (z, 1 - z)))
        enough = grown[[n - 1 for n in looks]] >= SIDES / error  # (looks, experiments)
        ended = np.where(enough.any(axis=0), np.array(looks)[enough.argmax(axis=0)], looks[-1])
        found.append(Alike(name, float(enough.any(axis=0).mean()), float(ended.mean())))
    return tuple(found)


def _decided(
    noise: Array, effect: float, plan: Decide, bounds: Array, outside: Array
) -> tuple[float, float]:
    """How often a shift is decided, and after how many seeds of each arm it ends on average."""
    scores = noise + np.array([effect, 0.0])[:, None, None]
    crossed = np.maximum.accumulate(_sums(scores, plan) > bounds, axis=1)
    ended = np.full(len(noise), math.inf)
    for look, n in enumerate(plan.looks):
        if not has_interval(gate(DIFFERENCE, n, noise.shape[-1])):
            continue
        for i in np.flatnonzero(crossed[:, look] & np.isinf(ended)):
            x, y = scores[i, :, :n]
            rng = np.random.default_rng([_SEED, int(i), n])
            if lower_end(x, y, rng, 1 - outside[look], _RESAMPLES) > 0:
                ended[i] = n
    return float(np.isfinite(ended).mean()), float(np.minimum(ended, plan.last).mean())


def _sums(scores: Array, plan: Decide) -> Array:
    """The doubled rank sums of the first arm at each look, without ties: (experiments, looks).

    :param scores: (experiments, 2, seeds, tasks).
    """
    sums = []
    for n in plan.looks:
        both = scores[:, :, :n].reshape(len(scores), 2 * n, -1)
        ranks = both.argsort(axis=1).argsort(axis=1) + 1
        ours = 2 * ranks[:, :n].sum(axis=1) - n * (2 * n + 1)
        sums.append(ours.sum(axis=-1))
    return 2 * np.stack(sums, axis=1)  # as signed sums, which have the other arm's too


def _boundaries(sums: Array, plan: Decide, level: float) -> tuple[Array, Array]:
    """By look: how far out a path is stopped, and the share of all paths beyond that."""
    far, stopped = np.abs(sums), np.zeros(len(sums), dtype=bool)
    bounds, outside = [], []
    for look, n in enumerate(plan.looks):
        room = int(level * share(n, plan.cap, plan.reserve) * len(far)) - int(stopped.sum())
        bounds.append(np.sort(far[~stopped, look])[::-1][room])
        beyond = far[:, look] > bounds[-1]
        outside.append(beyond.mean())
        stopped |= beyond
    return np.array(bounds), np.array(outside)
