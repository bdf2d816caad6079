"""The statistics of a report: scores of shape (..., runs, tasks) in, estimates with intervals out.

A run, that is a seed, is what is resampled; an episode never is. The definitions are those of
rliable (Agarwal et al., 2021, "Deep RL at the edge of the statistical precipice"), whose numbers
the tests compare with ours; the bootstrap is our own, because rliable draws from NumPy's global
generator and resamples every point of a learning curve on its own.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.spec import Anchors, RunSpec

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]  # (..., runs, tasks) -> (...)
RunId = tuple[str, str, int]  # arm, environment, seed

LEVEL = 0.95
SEED = 20_260  # of every bootstrap; any other number would do as well
# An end of the interval is the 2.5 % quantile of the resamples. Its level is uncertain by
# sqrt(.025 * .975 / resamples): .0016 for a number that is printed, .0035 for the edge of a band.
RESAMPLES = 10_000
BAND_RESAMPLES = 2_000
_CHUNK = 1 << 21  # numbers held at once: 16 MiB

# The range of n values covers their median with probability 1 - 2^(1 - n), and no percentile
# bootstrap leaves the range: below 6 seeds it cannot reach 95 % on one task.
SEEDS_FOR_AN_INTERVAL = 6
SEEDS_FOR_A_RANGE = 3
TASKS_THAT_MAKE_UP_FOR_FEW_SEEDS = 5

# The 3 or 5 seeds of a study must be a small part of those by which they are judged.
SEEDS_FOR_SUBSETS = 20
SUBSETS = 10_000  # a share of them is uncertain by .005 at most

Shows = Literal["interval", "low n", "range", "point", "missing"]


class MissingRuns(ValueError):
    """A statistic was asked for over runs of which some have no score."""


class Curve(NamedTuple):
    """The evaluations of one run: from step 0 to its budget, whose evaluation is the final one."""

    steps: Array
    returns: Array  # mean raw return of each evaluation's episodes


@dataclass(frozen=True)
class Scores:
    """One number per run, with its gaps."""

    arms: tuple[str, ...]
    envs: tuple[str, ...]
    seeds: tuple[int, ...]
    values: dict[str, Array]  # arm -> (seeds, envs); NaN: there is no score
    planned: dict[str, NDArray[np.bool_]]  # arm -> (seeds, envs): the sweep asks for the run

    @property
    def shared(self) -> bool:
        """Whether every arm is asked for on every environment, with the same seeds."""
        return all(self.planned[arm].all() for arm in self.arms)

    def count(self, arm: str, envs: Sequence[str] | None = None) -> tuple[int, int]:
        """How many runs of an arm have a score, and how many were planned."""
        columns = self._columns(envs)
        planned = self.planned[arm][:, columns]
        return int(np.isfinite(self.values[arm][:, columns])[planned].sum()), int(planned.sum())

    def matrix(
        self, arm: str, envs: Sequence[str] | None = None, allow_missing: bool = False
    ) -> Array:
        """The scores of an arm, (runs, envs), without gaps.

        :param allow_missing: keep the seeds that are complete instead of raising; say so then.
        :raises MissingRuns: when a planned run has no score.
        """
        columns = self._columns(envs)
        asked = self.planned[arm][:, columns].any(axis=1)
        values = self.values[arm][asked][:, columns]
        whole = np.isfinite(values).all(axis=1)
        if (whole.all() and len(values)) or (allow_missing and whole.any()):
            return values[whole]
        have, planned = self.count(arm, envs)
        raise MissingRuns(f"{have} of {planned} runs")

    def _columns(self, envs: Sequence[str] | None) -> list[int]:
        return [self.envs.index(env) for env in (self.envs if envs is None else envs)]


@dataclass(frozen=True)
class Estimate:
    """A statistic with what can be said about its uncertainty."""

    point: float
    low: float
    high: float
    n: int  # seeds
    shows: Shows  # what `low` and `high` are
    note: str = ""  # why there is no estimate


@dataclass(frozen=True)
class FewerSeeds:
    """What studies with `k` of the `n` seeds say of a difference, and what all seeds say."""

    k: int
    n: int
    difference: float  # with all seeds
    opposite: float  # share of the subsets with the other sign; NaN where there is no sign
    equal: float  # share of the subsets that see no difference
    off: float  # share of the subsets that are wrong by more than the amount given


# From curves to scores ---------------------------------------------------------------------------


def curves(frame: pd.DataFrame) -> dict[RunId, Curve]:
    """The learning curve of every run in `Store.frame`."""
    last = frame.drop_duplicates(["arm", "env", "seed", "step"], keep="last")  # final beats curve
    return {
        cast(RunId, run): Curve(
            rows["step"].to_numpy(dtype=float), rows["mean"].to_numpy(dtype=float)
        )
        for run, rows in last.groupby(["arm", "env", "seed"], sort=False)
    }


def final(curve: Curve) -> float:
    """The evaluation after training."""
    return float(curve.returns[-1])


def auc(curve: Curve) -> float:
    """Area under the curve over [0, steps], by trapezoids, divided by steps: a mean return."""
    return float(np.trapezoid(curve.returns, curve.steps) / curve.steps[-1])


SCORES: dict[str, Callable[[Curve], float]] = {"final": final, "auc": auc}


def normalise(returns: Array, anchors: Anchors) -> Array:
    """0 is the random policy, 1 the reference, whatever was compared: the anchors are fixed."""
    low, high = anchors.random.score, anchors.reference.score
    return (returns - low) / (high - low)


def score_matrix(
    curves_of: Mapping[RunId, Curve],
    runs: Sequence[RunSpec],
    score: str,
    anchors: Mapping[str, Anchors] | None = None,
) -> Scores:
    """The scores of a sweep's runs, raw, or normalised where anchors are given."""
    arms, envs = _unique(run.arm for run in runs), _unique(run.env for run in runs)
    seeds = tuple(sorted({run.seed for run in runs}))
    values = {arm: np.full((len(seeds), len(envs)), np.nan) for arm in arms}
    planned = {arm: np.zeros((len(seeds), len(envs)), dtype=bool) for arm in arms}
    row, column = {s: i for i, s in enumerate(seeds)}, {e: i for i, e in enumerate(envs)}
    for run in runs:
        cell = row[run.seed], column[run.env]
        planned[run.arm][cell] = True
        curve = curves_of.get((run.arm, run.env, run.seed))
        if curve is not None:
            values[run.arm][cell] = SCORES[score](curve)
    if anchors is not None:
        for matrix in values.values():
            for i, env in enumerate(envs):
                matrix[:, i] = normalise(matrix[:, i], anchors[env])
    return Scores(arms, envs, seeds, values, planned)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


# Statistics of (..., runs, tasks) ----------------------------------------------------------------


def iqm(scores: Array) -> Array:
    """Interquartile mean over all runs and tasks, floor(T / 4) cut at each end, as in rliable."""
    flat = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    return np.asarray(flat[..., cut : flat.shape[-1] - cut].mean(axis=-1))


def mean(scores: Array) -> Array:
    return np.asarray(scores.mean(axis=(-2, -1)))


def median(scores: Array) -> Array:
    """The median over tasks of each task's mean."""
    return np.asarray(np.median(scores.mean(axis=-2), axis=-1))


def optimality_gap(scores: Array) -> Array:
    """How far runs stay below the reference, those above it counting as reaching it."""
    return np.asarray(1.0 - np.minimum(scores, 1.0).mean(axis=(-2, -1)))


AGGREGATES: dict[str, Statistic] = {
    "IQM": iqm,
    "Median": median,
    "Mean": mean,
    "Optimality gap": optimality_gap,
}


def profile(taus: Array) -> Statistic:
    """The fraction of runs that score above each threshold: (..., runs, tasks) -> (..., taus)."""
    return lambda scores: (scores[..., None] > taus).mean(axis=(-3, -2))


def curve_iqm(scores: Array) -> Array:
    """IQM at each step: (..., runs, tasks, steps) -> (..., steps)."""
    return iqm(np.moveaxis(scores, -1, -3))


# Bootstrap ---------------------------------------------------------------------------------------


def generator(*names: str) -> np.random.Generator:
    """The bootstrap's randomness, decided by what is asked: a new arm moves no other's interval."""
    return np.random.default_rng([SEED, zlib.crc32("/".join(names).encode())])


def bootstrap(
    scores: Array, statistic: Statistic, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Array:
    """The statistic of resampled scores: (resamples, ...).

    Runs are drawn within each task on its own (stratified). `scores` is (runs, tasks) or
    (runs, tasks, steps); then a run is drawn with all its steps.
    """
    runs, tasks = scores.shape[:2]
    size = max(1, _CHUNK // scores.size)
    parts = []
    for start in range(0, resamples, size):
        drawn = rng.integers(runs, size=(min(size, resamples - start), runs, tasks))
        parts.append(statistic(scores[drawn, np.arange(tasks)]))
    return np.concatenate(parts)


def interval(samples: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The percentile interval of bootstrap samples."""
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def gate(n: int, tasks: int) -> Shows:
    """What may be shown of `n` seeds on each of `tasks` tasks."""
    if n >= SEEDS_FOR_AN_INTERVAL:
        return "interval"
    if n >= SEEDS_FOR_A_RANGE:
        return "low n" if tasks >= TASKS_THAT_MAKE_UP_FOR_FEW_SEEDS else "range"
    return "point"


def band(
    scores: Array, statistic: Statistic, names: tuple[str, ...], resamples: int = BAND_RESAMPLES
) -> tuple[Array, Array, Array, Shows]:
    """A statistic with its pointwise interval or the range of its runs, as `gate` allows."""
    point, shows = statistic(scores), gate(*scores.shape[:2])
    if shows in ("interval", "low n"):
        low, high = interval(bootstrap(scores, statistic, generator(*names), resamples))
        return point, low, high, shows
    each = statistic(scores[:, None])  # every run as an experiment of its own
    if shows == "range":
        return point, each.min(axis=0), each.max(axis=0), shows
    return point, np.full_like(point, np.nan), np.full_like(point, np.nan), shows


def estimate(scores: Array, statistic: Statistic, *names: str) -> Estimate:
    """:param names: what is asked, for `generator`."""
    return estimates(scores, {"it": statistic}, *names)["it"]


def estimates(
    scores: Array, statistics: Mapping[str, Statistic], *names: str
) -> dict[str, Estimate]:
    """Several statistics of the same resamples."""

    def each(values: Array) -> Array:
        return np.stack([statistic(values) for statistic in statistics.values()], axis=-1)

    point, low, high, shows = band(scores, each, names, RESAMPLES)
    return {
        name: Estimate(float(point[i]), float(low[i]), float(high[i]), len(scores), shows)
        for i, name in enumerate(statistics)
    }


def unavailable(note: str) -> Estimate:
    return Estimate(math.nan, math.nan, math.nan, 0, "missing", note)


def estimate_arm(
    scores: Scores, arm: str, statistic: Statistic, envs: Sequence[str] | None = None
) -> Estimate:
    """The estimate of an arm, or the reason why there is none."""
    try:
        matrix = scores.matrix(arm, envs)
    except MissingRuns as missing:
        return unavailable(str(missing))
    return estimate(matrix, statistic, arm, *(envs or ()))


def difference(x: Array, y: Array, statistic: Statistic, level: float, *names: str) -> Estimate:
    """statistic(x) - statistic(y), the runs of the two being resampled independently."""
    n, shows = min(len(x), len(y)), gate(min(len(x), len(y)), x.shape[1])
    low = high = math.nan
    if shows in ("interval", "low n"):
        ours = bootstrap(x, statistic, generator(*names, "better"))
        theirs = bootstrap(y, statistic, generator(*names, "worse"))
        low, high = map(float, interval(ours - theirs, level))
    else:
        shows = "point"
    return Estimate(float(statistic(x) - statistic(y)), low, high, n, shows)


def improvement(x: Array, y: Array, *names: str) -> Estimate:
    """P(a run of x scores above a run of y), ties counting half, averaged over tasks."""
    wins = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])  # (runs x, runs y, tasks)
    n, shows = min(len(x), len(y)), gate(min(len(x), len(y)), x.shape[1])
    low = high = math.nan
    if shows in ("interval", "low n"):
        rng = generator(*names, "improvement")
        samples = np.mean(
            [_resampled_mean(wins[:, :, task], rng) for task in range(wins.shape[2])], axis=0
        )
        low, high = map(float, interval(samples))
    else:
        shows = "point"
    return Estimate(float(wins.mean()), low, high, n, shows)


def _resampled_mean(wins: Array, rng: np.random.Generator) -> Array:
    """The mean of a matrix whose rows and columns are resampled, by how often each is drawn."""
    rows, columns = (_times_drawn(n, rng) for n in wins.shape)
    return np.asarray(((rows @ wins) * columns).sum(axis=1) / wins.size)


def _times_drawn(n: int, rng: np.random.Generator) -> Array:
    """How often each of n runs is in each resample: (resamples, n)."""
    drawn = rng.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * RESAMPLES).reshape(-1, n).astype(float)


# Fewer seeds -------------------------------------------------------------------------------------


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
