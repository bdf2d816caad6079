"""How often looks along the way decide equal arms, and find unequal ones: simulated.

The rule is that of a report, test and interval, with fewer paths and resamples. Every claim of a
family compares two arms of its own.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.config.name import counted
from harness.spec import Decide
from harness.stats.aggregate import Array, iqm
from harness.stats.calibration import DIFFERENCE, gate
from harness.stats.coverage import EQUAL
from harness.stats.sequential import Pair, follow
from harness.stats.uncertainty import Estimate, Part, contrast_limits, unavailable

TASKS, CLAIMS = (1, 5), (1, 3, 5)
# One look is the rule of claims without `decide`: all of the error spent, an interval at 1 - alpha.
PLANS = {"every block": Decide(), "once, 10 seeds": Decide(first=10, cap=10)}
SHIFTS = (0.7, 1.0, 1.4, 2.0)  # standard deviations
_PATHS = 1_000
_RESAMPLES = 1_000
_SEED = 20_263
_NONE = unavailable("not simulated")

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


def _zero_inflated(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.where(rng.random(shape) < 0.6, 0.0, rng.random(shape))


def _cauchy(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_cauchy(shape)


# Two arms that are equal: in distribution, and with unequal spread in the IQM alone.
NULLS: dict[str, tuple[Draw, Draw]] = {
    **{
        name: EQUAL[name] for name in ("normal", "70:30", "exactly 0 or 1, 0.5 are 1", "log-normal")
    },
    "60 % zeros": (_zero_inflated, _zero_inflated),
    "Cauchy": (_cauchy, _cauchy),
    "normal, spread 1:5": EQUAL["normal, spread 1:5"],
}


class Cell(NamedTuple):
    """Experiments of one row."""

    looks: str  # a key of PLANS
    scores: str  # a key of NULLS
    tasks: int
    claims: int
    shift: float  # of the first arm of every claim, in standard deviations


@dataclass(frozen=True)
class Row:
    """What came of them."""

    looks: str
    scores: str
    shift: float
    tasks: int
    claims: int
    any_decided: float  #: share of the experiments in which any claim is decided
    decided: float  #: share of the claims that are decided
    seeds: float  #: of each arm, on average, when its claim ends
    covered: float  #: share of the intervals, at their last look, that hold the true difference
    trials: int


def cells() -> Iterator[Cell]:
    for looks, scores, tasks, claims in itertools.product(PLANS, NULLS, TASKS, CLAIMS):
        yield Cell(looks, scores, tasks, claims, 0.0)
    for looks, shift in itertools.product(PLANS, SHIFTS):
        yield Cell(looks, "normal", 1, 1, shift)


def summary(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """How often equal arms are decided, by the number of claims: a head and its rows."""
    found: dict[tuple[str, int], list[str]] = {}
    for each in rows:
        if not each.shift:
            found.setdefault((each.scores, each.tasks), []).append(f"{each.any_decided:.3f}")
    columns = [f"{looks}: {counted(n, 'claim')}" for looks in PLANS for n in CLAIMS]
    body = [[scores, str(tasks), *shares] for (scores, tasks), shares in found.items()]
    return ["equal arms", "environments", *columns], body


def row(cell: Cell, trials: int) -> Row:
    """Run a cell's experiments."""
    plan = PLANS[cell.looks]
    rng = np.random.default_rng([_SEED, zlib.crc32(repr(cell).encode())])
    x, y = NULLS[cell.scores]
    decided, seeds, covered = [], [], []
    for trial in range(trials):
        shape = (plan.cap, cell.tasks)
        pairs = [
            Pair(x(rng, shape) + cell.shift, y(rng, shape), (repr(cell), f"{trial}", f"{claim}"))
            for claim in range(cell.claims)
        ]
        simulate = _Look(plan.alpha)
        courses = follow(pairs, plan, _PATHS, np.empty(0), simulate)
        decided.append([course.decided for course in courses])
        seeds.append([course.seeds for course in courses])
        last = courses[0].looks[-1]
        gap = simulate.gap(pairs[0], last.seeds, last.level)
        covered.append(gap.low <= cell.shift <= gap.high)
    each = np.array(decided)
    return Row(
        cell.looks, cell.scores, cell.shift, cell.tasks, cell.claims,
        float(each.any(axis=1).mean()), float(each.mean()), float(np.mean(seeds)),
        float(np.mean(covered)), trials,
    )  # fmt: skip


@dataclass(frozen=True)
class _Look:
    """A look that takes the time for an interval only where one could decide."""

    alpha: float

    def __call__(
        self, pair: Pair, n: int, level: float, adjusted: float
    ) -> tuple[Estimate, Estimate, Estimate, Estimate]:
        crossed = adjusted <= self.alpha * (1 + 1e-9)
        return _NONE, _NONE, self.gap(pair, n, level) if crossed else _NONE, _NONE

    def gap(self, pair: Pair, n: int, level: float) -> Estimate:
        rng = np.random.default_rng([_SEED, n, zlib.crc32("".join(pair.names).encode())])
        parts = [Part("x", 1, pair.x[:n]), Part("y", -1, pair.y[:n])]
        found = contrast_limits(parts, iqm, [rng, rng], _RESAMPLES, None, min(level, 1 - 1e-6))
        point, low, high = map(float, found)
        return Estimate(point, low, high, n, gate(DIFFERENCE, n, pair.x.shape[1]))
