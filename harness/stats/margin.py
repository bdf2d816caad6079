"""How often arms are found equivalent: that are, and that lie apart by just the margin. Simulated.

Beside the bets, Student's two one-sided tests (Schuirmann, 1987), which the bets replace: the 90 %
interval of Welch lies within the margin.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from harness.spec import Decide
from harness.stats.aggregate import Array
from harness.stats.equivalence import SIDES, capitals
from harness.stats.permutation import ALPHA

MARGINS = (0.1, 0.2)
SEEDS = (6, 10, 30, 60)
_SEED = 20_264
_LOOKS = range(Decide().first, SEEDS[-1] + 1, Decide().block)

Draw = Callable[[np.random.Generator, tuple[int, int], float], Array]


def _coins(chance: float) -> Draw:
    return lambda rng, shape, lower: np.asarray(rng.random(shape) < chance - lower, dtype=float)


def _normal(spread: float) -> Draw:
    return lambda rng, shape, lower: np.asarray(rng.normal(0.6 - lower, spread, shape))


def _uniform(rng: np.random.Generator, shape: tuple[int, int], lower: float) -> Array:
    return 0.6 - lower + 0.2 * 3**0.5 * rng.uniform(-1, 1, size=shape)


# Of both arms, the second lower by what they are apart; all scores lie between 0 and 1.
SCORES: dict[str, tuple[Draw, Draw]] = {
    "all 1, the other 0 or 1": (_coins(1.0), _coins(1.0)),
    "0 or 1, 0.95 are 1": (_coins(0.95), _coins(0.95)),
    "0 or 1, 0.75 are 1": (_coins(0.75), _coins(0.75)),
    "normal, SD 0.1": (_normal(0.1), _normal(0.1)),
    "normal, SD 0.02 and 0.1": (_normal(0.02), _normal(0.1)),
    "uniform, SD 0.2": (_uniform, _uniform),
}


class Cell(NamedTuple):
    """Experiments of some rows, one for each number of seeds."""

    scores: str  # a key of SCORES
    margin: float
    apart: float  # the true difference


@dataclass(frozen=True)
class Row:
    """How often they are found equivalent."""

    scores: str
    margin: float
    apart: float
    seeds: int
    found: float  #: by bets
    student: float  #: by Student's two tests, looked at once
    student_looks: float  #: and at any of the looks of the default plan up to here
    covered: float  #: share of the intervals of bets that hold the true difference at all looks
    trials: int


def cells() -> Iterator[Cell]:
    for scores, margin in itertools.product(SCORES, MARGINS):
        yield from (Cell(scores, margin, apart) for apart in (0.0, margin))


def rows(cell: Cell, trials: int) -> list[Row]:
    """Run a cell's experiments."""
    rng = np.random.default_rng([_SEED, zlib.crc32(repr(cell).encode())])
    shape, draws = (SEEDS[-1], trials), SCORES[cell.scores]
    x, y = draws[0](rng, shape, 0.0), draws[1](rng, shape, cell.apart)
    z = (np.clip(x, 0, 1) - np.clip(y, 0, 1) + 1) / 2
    found = np.minimum(_largest(z, (1 + cell.margin) / 2), _largest(1 - z, (1 + cell.margin) / 2))
    true = (1 + cell.apart) / 2
    missed = np.maximum(_largest(z, true), _largest(1 - z, 1 - true))
    student = {n: _student(x[:n], y[:n], cell.margin) for n in sorted({*SEEDS, *_LOOKS})}
    return [
        Row(
            *cell, n, float((found[n - 1] >= SIDES / ALPHA).mean()), float(student[n].mean()),
            float(np.any([student[k] for k in _LOOKS if k <= n], axis=0).mean()),
            float((missed[n - 1] < SIDES / ALPHA).mean()), trials,
        )
        for n in SEEDS
    ]  # fmt: skip


def _largest(z: Array, m: float) -> Array:
    return np.asarray(np.maximum.accumulate(capitals(z, m), axis=0))


def _student(x: Array, y: Array, margin: float) -> Array:
    """Whether two one-sided tests at 0.05 both reject: (trials,)."""
    n = len(x)
    parts = np.stack([x.var(axis=0, ddof=1), y.var(axis=0, ddof=1)]) / n
    variance, squares = parts.sum(axis=0), (parts**2).sum(axis=0)
    df = np.where(squares > 0, variance**2 * (n - 1) / np.where(squares > 0, squares, 1), n - 1)
    reach = stdtrit(df, 1 - ALPHA) * np.sqrt(variance)
    return np.asarray(np.abs(x.mean(axis=0) - y.mean(axis=0)) + reach < margin)


def summary(table: Sequence[Row]) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Arms that lie apart by the margin, and equal ones: a head and its rows each."""
    head = ["margin", "bets, n = 30", "n = 60", "Student, n = 6", "n = 10", "n = 30", "looks to 30"]
    for apart, title in ((True, "apart by the margin"), (False, "equal")):
        mine = (row for row in table if bool(row.apart) == apart)
        body = []
        for (scores, margin), found in itertools.groupby(mine, lambda r: (r.scores, r.margin)):
            six, ten, thirty, sixty = found
            shares = (
                thirty.found, sixty.found, six.student, ten.student, thirty.student,
                thirty.student_looks,
            )  # fmt: skip
            body.append([scores, f"{margin:g}", *(f"{share:.3f}" for share in shares)])
        yield [title, *head], body
