"""How often the shipped intervals hold what they promise: the simulation behind the table."""

from __future__ import annotations

import itertools
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from harness.stats import crosscheck
from harness.stats.aggregate import (
    AGGREGATES,
    Array,
    Statistic,
    curve_iqm,
    cvar,
    iqm,
    profile,
    together,
)
from harness.stats.band import curve_edges, profile_edges
from harness.stats.calibration import (
    CLAIM,
    CURVE_LINE,
    DIFFERENCE,
    EFFECT,
    IMPROVEMENT,
    MANY_RUNS,
    ONE_RUN,
    PROFILE,
    PROFILE_LINE,
    WORST_DIFFERENCE,
    Coverage,
)
from harness.stats.improvement import improvement_limits
from harness.stats.permutation import ALPHA, permutation_p
from harness.stats.public import Public, gap
from harness.stats.uncertainty import LEVEL, Limits, Part, contrast_limits, limits

SEEDS = (3, 5, 6, 8, 10, 20, 30)
TASKS = (1, 5)
TRIALS = 1_000  # experiments a row: a coverage near .95 is then known to .007
# Of worst quarters, which are of few runs: more seeds, and fewer experiments.
WORST_SEEDS = (10, 20, 30)
WORST_TRIALS = 250
RESAMPLES = 1_000  # of the bootstrap, instead of the 10,000 of a report
_SEED = 20_262
_MANY = 200_000  # runs that stand for infinitely many

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


# What scores may be ------------------------------------------------------------------------------


def _solved(share: float, noise: float = 0.1) -> Draw:
    """0 or 1, with noise or exactly."""
    return lambda rng, shape: (rng.random(shape) < share) + noise * rng.normal(size=shape)


def _capped(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The most that there is in 8 runs of 10, as on CartPole, and anything below in the others."""
    return np.where(rng.random(shape) < 0.8, 1.0, rng.random(shape))


def _normal(mean: float = 0.0, spread: float = 1.0) -> Draw:
    return lambda rng, shape: rng.normal(mean, spread, size=shape)


def _log_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.lognormal(size=shape)


def _tasks(*draws: Draw) -> Draw:
    """Tasks that are unlike: each has its own."""
    return lambda rng, shape: np.stack([draw(rng, shape[:-1]) for draw in draws], axis=-1)


# As scores are distributed over seeds: all alike; solved or not, with noise and exactly (in 90 runs
# of 100; in 70; and in 72, the hardest case of an IQM: a seventh of all experiments with 6 seeds
# sees none that fails); a few far better than the rest; heavy tails; mostly the most there is.
SCORES: dict[str, Draw] = {
    "normal": _normal(),
    "90:10": _solved(0.9),
    "70:30": _solved(0.7),
    "72:28, little noise": _solved(0.72, 0.03),
    **{
        f"exactly 0 or 1, {share:g} are 1": _solved(share, 0) for share in (0.1, 0.3, 0.5, 0.7, 0.9)
    },
    "log-normal": _log_normal,
    "Student's t, 3 degrees": lambda rng, shape: rng.standard_t(3, size=shape),
    "capped, 0.8 at the top": _capped,
}
UNLIKE: dict[str, Draw] = {
    "one noisy task": _tasks(_normal(0, 10), *[_normal()] * 4),
    "one task solved or not": _tasks(_solved(0.7, 0), *[_normal(0.8, 0.05)] * 4),
    "five unlike tasks": _tasks(
        _normal(0.2, 0.1), _solved(0.5, 0), _solved(0.7), _capped,
        lambda rng, shape: 0.3 * _log_normal(rng, shape),
    ),
}  # fmt: skip
QUIET = _normal(0, 0.1)  # an arm that hardly varies: the other's spread decides


class Pair(NamedTuple):
    """Two arms whose probability of improvement is known."""

    x: Draw
    y: Draw
    truth: float


def _shifted(truth: float, spread: float) -> Pair:
    """Normal, the second with `spread` times the first's."""
    shift = float(ndtri(truth)) * float(np.hypot(1, spread))
    return Pair(_normal(shift), _normal(0, spread), truth)


def _against_a_constant(truth: float) -> Pair:
    return Pair(_normal(0.5, 0), _solved(1 - truth, 0), truth)


PAIRS: dict[str, Pair] = {
    **{f"normal, P = {p:g}": _shifted(p, 1) for p in (0.5, 0.7, 0.9, 0.97)},
    **{f"normal, spread 1:5, P = {p:g}": _shifted(p, 5) for p in (0.5, 0.9, 0.97)},
    **{f"0 or 1 against a constant, P = {p:g}": _against_a_constant(p) for p in (0.7, 0.9, 0.97)},
    "0 or 1, 0.9 against 0.1": Pair(_solved(0.9, 0), _solved(0.1, 0), 0.9),
}
EQUAL: dict[str, tuple[Draw, Draw]] = {  # in their IQM
    **{name: (draw, draw) for name, draw in (SCORES | UNLIKE).items()},
    "normal, spread 1:5": (_normal(), _normal(0, 5)),
}


# Curves: (rng, (runs, points)) -> (runs, points), by what they do along training.


def _sigmoid(noise: float, steep: float = 15.0) -> Draw:
    """Runs that take off at different times."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        runs, points = shape
        x = np.linspace(0, 1, points) - rng.normal(0.5, 0.15, size=(runs, 1))
        top = rng.normal(1, 0.1 if noise else 0, size=(runs, 1))
        rise = 1 / (1 + np.exp(-np.clip(steep * x, -500, 500)))
        return np.asarray(top * rise + noise * rng.normal(size=shape))

    return draw


def _some_learn(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    learns = rng.random((shape[0], 1)) < 0.7
    x = np.linspace(0, 1, shape[1]) - 0.4
    return np.asarray(learns / (1 + np.exp(-15 * x)) + 0.03 * rng.normal(size=shape))


def _walk(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.normal(size=shape).cumsum(axis=1) / np.sqrt(shape[1]))


CURVES: dict[str, Draw] = {
    "sigmoids": _sigmoid(0.05),
    "steps from exactly 0 to 1": _sigmoid(0.0, steep=1e6),
    "70 of 100 learn": _some_learn,
    "random walks": _walk,
    "nothing but noise": _normal(),
    "skewed": lambda rng, shape: np.exp(_sigmoid(0.3)(rng, shape)),
}
POINTS = (21, 101)


# Experiments -------------------------------------------------------------------------------------


RLIABLE = "rliable"  # its intervals instead of ours


class Cell(NamedTuple):
    """Experiments of one kind, which fill a row of the table or several."""

    kind: str  # a key of KINDS, or RLIABLE
    seeds: int
    tasks: int
    scores: str
    points: int = 0


def cells() -> Iterator[Cell]:
    for seeds, tasks in itertools.product(SEEDS, TASKS):
        alike = SCORES if tasks == 1 else SCORES | UNLIKE
        yield from (Cell("arms", seeds, tasks, name) for name in alike)
        yield Cell("arms", seeds, tasks, "normal, spread 1:5")
        yield from (Cell("pair", seeds, tasks, name) for name in PAIRS)
        if tasks == 1:
            yield from (Cell("public", seeds, tasks, name) for name in SCORES)
        yield Cell("profile", seeds, tasks, "normal")
        yield Cell("profile", seeds, tasks, "exactly 0 or 1, 0.7 are 1")
    for seeds, points in itertools.product((6, 10, 20), POINTS):
        yield from (Cell("curve", seeds, 1, name, points) for name in CURVES)
    designs = itertools.product(crosscheck.SEEDS, crosscheck.TASKS, crosscheck.SCORES_OF)
    yield from (Cell(RLIABLE, *design) for design in designs)
    for seeds in WORST_SEEDS:
        yield from (Cell("worst", seeds, 1, name) for name in SCORES)


class Held(NamedTuple):
    """What came of one experiment."""

    statistic: str
    printed: bool
    holds: bool  # the truth
    against: str = ""  # what kind of second arm, where there are several


def rows(cell: Cell, trials: int = TRIALS) -> list[Coverage]:
    """Run a cell's experiments."""
    if cell.kind == RLIABLE:
        return crosscheck.rows(cell.seeds, cell.tasks, cell.scores, trials)
    trials = min(trials, WORST_TRIALS) if cell.kind == "worst" else trials
    rng = np.random.default_rng([_SEED, zlib.crc32(repr(cell).encode())])
    name = f"{cell.scores}, {cell.points} points" if cell.points else cell.scores
    printed: dict[tuple[str, str], int] = defaultdict(int)
    held: dict[tuple[str, str], int] = defaultdict(int)
    for _ in range(trials):
        for one in KINDS[cell.kind](cell, rng):
            row = one.statistic, name + one.against
            printed[row] += one.printed
            held[row] += one.printed and one.holds
    return [
        Coverage(
            statistic, cell.seeds, cell.tasks, scores,
            round(held[statistic, scores] / n, 4) if n else 1.0, round(n / trials, 4), trials,
        )
        for (statistic, scores), n in printed.items()
    ]  # fmt: skip


def _holds(found: Limits, truth: Array, at: int | tuple[()] = ()) -> tuple[bool, bool]:
    low, high = float(found.low[at]), float(found.high[at])
    return low <= high, bool(low - 1e-9 <= float(truth) <= high + 1e-9)


_aggregates = together(AGGREGATES.values())


def _arms(cell: Cell, rng: np.random.Generator) -> Iterator[Held]:
    """One arm, two and four whose IQMs are equal, and one against an arm that hardly varies."""
    draws, shape = EQUAL[cell.scores], (cell.seeds, cell.tasks)
    arms = [draw(rng, shape) for draw in (*draws, *draws)]
    zero = np.zeros(())
    if draws[0] is draws[1]:
        truth = _truth(cell.scores, cell.tasks)
        found = limits(arms[0], _aggregates, rng, RESAMPLES)
        for at, statistic in enumerate(AGGREGATES):
            yield Held(statistic, *_holds(found, truth[at], at))
        apart = _gap([1, -1], [arms[0], QUIET(rng, shape)], rng)
        yield Held(DIFFERENCE, *_holds(apart, truth[_IQM]), ", the other hardly varies")
    gap = _holds(_gap([1, -1], arms[:2], rng), zero)
    yield Held(DIFFERENCE, *gap)
    decided = gap == (True, False) and permutation_p(arms[0], arms[1]) <= ALPHA
    yield Held(CLAIM, True, not decided)
    yield Held(EFFECT, *_holds(_gap([0.5, -0.5, 0.5, -0.5], arms, rng), zero))


_IQM = list(AGGREGATES).index("IQM")


def _worst(cell: Cell, rng: np.random.Generator) -> Iterator[Held]:
    """Two arms that are equal, and one against an arm that hardly varies."""
    draw, shape = EQUAL[cell.scores][0], (cell.seeds, cell.tasks)
    x, y, quiet = (each(rng, shape) for each in (draw, draw, QUIET))
    yield Held(WORST_DIFFERENCE, *_holds(_gap([1, -1], [x, y], rng, cvar), np.zeros(())))
    truth = _true_worst(cell.scores, cell.tasks)
    apart = _gap([1, -1], [x, quiet], rng, cvar)
    yield Held(WORST_DIFFERENCE, *_holds(apart, truth), ", the other hardly varies")


@lru_cache(maxsize=64)
def _true_worst(scores: str, tasks: int) -> Array:
    """The difference of infinitely many seeds and as many of an arm that hardly varies."""
    shape = _MANY, tasks
    many, quiet = (
        cvar(draw(np.random.default_rng(_SEED), shape)) for draw in (EQUAL[scores][0], QUIET)
    )
    return np.asarray(many - quiet)


def _gap(
    weights: Sequence[float],
    arms: Sequence[Array],
    rng: np.random.Generator,
    statistic: Statistic = iqm,
) -> Limits:
    parts = [Part("", weight, arm) for weight, arm in zip(weights, arms, strict=True)]
    span = np.tile([[0.0], [1.0]], (1, arms[0].shape[1]))
    return contrast_limits(parts, statistic, [rng] * len(parts), RESAMPLES, span=span)


@lru_cache(maxsize=64)
def _truth(scores: str, tasks: int) -> Array:
    """What AGGREGATES of infinitely many seeds are."""
    draw, _ = EQUAL[scores]
    return _aggregates(draw(np.random.default_rng(_SEED), (_MANY, tasks)))


def _pair(cell: Cell, rng: np.random.Generator) -> Iterator[Held]:
    pair, shape = PAIRS[cell.scores], (cell.seeds, cell.tasks)
    found = improvement_limits(pair.x(rng, shape), pair.y(rng, shape))
    yield Held(IMPROVEMENT, *_holds(found, np.asarray(pair.truth)))


_PUBLIC_SEEDS = 10


def _public(cell: Cell, rng: np.random.Generator) -> Iterator[Held]:
    """Public scores of the same learner: of one run, and the mean of ten."""
    draw = SCORES[cell.scores]
    ours, theirs = (draw(rng, (n, 1))[:, 0] for n in (cell.seeds, _PUBLIC_SEEDS))
    shown = float(np.ptp(ours)) > 0
    for statistic, public in (
        (ONE_RUN, Public(float(theirs[0]), 0.0, 1, 1)),
        (MANY_RUNS, Public(float(theirs.mean()), float(theirs.std(ddof=1)), _PUBLIC_SEEDS, 1)),
    ):
        found = gap(ours, public, LEVEL)
        yield Held(statistic, shown, found.low <= 0 <= found.high)


def _profile(cell: Cell, rng: np.random.Generator) -> Iterator[Held]:
    taus = np.linspace(-2, 2, 21)
    edges = profile_edges(SCORES[cell.scores](rng, (cell.seeds, cell.tasks)), taus)
    truth = _true_profile(cell.scores)
    middle = len(taus) // 2 + 3
    yield Held(PROFILE, True, bool(edges.low[middle] <= truth[middle] <= edges.high[middle]))
    whole = (edges.low_all <= truth + 1e-9) & (truth - 1e-9 <= edges.high_all)
    yield Held(PROFILE_LINE, True, bool(whole.all()))


@lru_cache(maxsize=8)
def _true_profile(scores: str) -> Array:
    drawn = SCORES[scores](np.random.default_rng(_SEED), (_MANY, 1))
    return profile(np.linspace(-2, 2, 21))(drawn)


_LINE_RESAMPLES = 500


def _curve(cell: Cell, rng: np.random.Generator) -> Iterator[Held]:
    runs = CURVES[cell.scores](rng, (cell.seeds, cell.points))
    edges = curve_edges(runs[:, None], curve_iqm, rng, _LINE_RESAMPLES)
    truth = _true_curve(cell.scores, cell.points)
    inside = (edges.low_all - 1e-9 <= truth) & (truth <= edges.high_all + 1e-9)
    yield Held(CURVE_LINE, True, bool(inside.all()))


@lru_cache(maxsize=16)
def _true_curve(scores: str, points: int) -> Array:
    runs = CURVES[scores](np.random.default_rng(_SEED), (_MANY // 4, points))
    return curve_iqm(runs[:, None])


KINDS: dict[str, Callable[[Cell, np.random.Generator], Iterator[Held]]] = {
    "arms": _arms, "worst": _worst, "pair": _pair, "public": _public, "profile": _profile,
    "curve": _curve,
}  # fmt: skip
