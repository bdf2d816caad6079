"""rliable's own numbers, which a report sets beside ours, and how often its intervals hold."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from harness.stats.aggregate import AGGREGATES, Array, Statistic, together
from harness.stats.calibration import Coverage, expected
from harness.stats.resample import SEED, bootstrap, generator
from harness.stats.uncertainty import percentile

RESAMPLES = 2_000  # as many as rliable makes in a second or so
AGREE = 1e-12  # points further apart than this are not the same
# Its names of AGGREGATES.
_METRICS = {
    "IQM": "aggregate_iqm",
    "Median": "aggregate_median",
    "Mean": "aggregate_mean",
    "Optimality gap": "aggregate_optimality_gap",
}


class Unusable(Exception):
    """rliable cannot be imported or called here; the message is its own error."""


class Theirs(NamedTuple):
    """What rliable says of one statistic, with its 95 % percentile interval."""

    point: float
    low: float
    high: float


def rliable(scores: Array, *names: str) -> dict[str, Theirs]:
    """rliable's estimates of (runs, tasks) scores, all of them there, by the names of AGGREGATES.

    :param names: what is asked; the resamples depend on nothing else.
    :raises Unusable: with pandas 3 it fails at import, with arch 8 at the first call.
    """
    try:
        from rliable import library, metrics

        asked = [getattr(metrics, name) for name in _METRICS.values()]
        with numpy_seed(SEED, zlib.crc32("/".join(names).encode())):
            points, intervals = library.get_interval_estimates(
                {"it": scores}, lambda drawn: np.array([ask(drawn) for ask in asked]),
                reps=RESAMPLES,
            )  # fmt: skip
    except Exception as error:
        raise Unusable(f"{type(error).__name__}: {error}".splitlines()[0]) from error
    numbers = zip(_METRICS, points["it"], *intervals["it"], strict=True)
    return {name: Theirs(*map(float, values)) for name, *values in numbers}


@contextmanager
def numpy_seed(*seed: int) -> Iterator[None]:
    """rliable 1.2 draws from NumPy's global generator and ignores `random_state`: guard it."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def named() -> str:
    """rliable with its version; it is among our dependencies."""
    return f"rliable {version('rliable')}"


# How often its intervals hold ---------------------------------------------------------------------


def rliable_interval(
    scores: Array, statistic: Statistic, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[Array, Array]:
    """The interval that rliable would give, made a hundred times faster: for simulations."""
    return percentile(bootstrap(scores, statistic, rng, resamples))


def _one_noisy(quantile: Array) -> Array:
    spread = np.ones(quantile.shape[-1])
    spread[0] = 5
    return np.asarray(ndtri(quantile) * spread)


SEEDS = (3, 5, 6, 10, 20)
TASKS = (1, 5)
TRIALS = 1_000  # experiments a row: a coverage near .95 is then known to .007
# How scores are distributed over seeds: the scores at these quantiles, (..., tasks).
SCORES_OF: dict[str, Callable[[Array], Array]] = {
    "normal": lambda quantile: np.asarray(ndtri(quantile)),
    "log-normal": lambda quantile: np.exp(ndtri(quantile)),
    "0 or 1, p = 0.9": lambda quantile: (quantile < 0.9).astype(float),
    "normal, one task 5 times as noisy": _one_noisy,
}
_MANY = 200_000  # seeds, evenly spread over the distribution, say what is true
_OF = "rliable's {}"  # its interval of a statistic, in the table of coverages
_SLACK = 1e-9  # an interval of exactly tied scores holds their value, whatever a sum rounds


def rows(seeds: int, tasks: int, scores: str, trials: int = TRIALS) -> list[Coverage]:
    """Experiments with one arm: how often the interval of each statistic holds the true value."""
    at, rng = SCORES_OF[scores], generator("crosscheck", str(seeds), str(tasks), scores)
    aggregates = together(AGGREGATES.values())
    even = (np.arange(_MANY)[:, None] + 0.5) / _MANY
    truth = aggregates(at(np.broadcast_to(even, (_MANY, tasks))))
    hits = np.zeros(len(AGGREGATES))
    for _ in range(trials):
        low, high = rliable_interval(at(rng.random((seeds, tasks))), aggregates, rng)
        hits += (low <= truth + _SLACK) & (truth - _SLACK <= high)
    return [
        Coverage(_OF.format(name), seeds, tasks, scores, share, 1.0, trials)
        for name, share in zip(AGGREGATES, np.round(hits / trials, 4).tolist(), strict=True)
    ]


def covers(statistic: str, seeds: int, tasks: int) -> list[float]:
    """How often its interval holds, by kind of scores; empty with fewer than 3 seeds."""
    return [row.coverage for row in expected(_OF.format(statistic), seeds, tasks)]
