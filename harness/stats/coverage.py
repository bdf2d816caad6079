"""How often the shipped intervals hold what they promise: a simulation, and its table."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np

from harness.config import shipped
from harness.stats.aggregate import Array, iqm
from harness.stats.permutation import ALPHA, permutation_p
from harness.stats.resample import bootstrap
from harness.stats.uncertainty import Shows, gate, has_interval, interval

SEEDS = (3, 5, 6, 10, 20)
TASKS = (1, 5)
TRIALS = 1_000  # experiments a row: a coverage near .95 is then known to .007
RESAMPLES = 1_000  # of the bootstrap, instead of the 10,000 of a report
_SEED = 20_262

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


def _bimodal(share: float) -> Draw:
    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return (rng.random(shape) < share) + 0.1 * rng.normal(size=shape)

    return draw


# As scores are distributed over seeds: all alike; solved or not (60 of 100, and 70 of 100, where
# the seeds that fail are easily missed altogether); a few far better than the rest; and two arms
# that agree in their middle but not in their spread.
SCORES_OF: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "bimodal 60:40": _bimodal(0.6),
    "bimodal 70:30": _bimodal(0.7),
    "log-normal": lambda rng, shape: rng.lognormal(size=shape),
    "normal, spread 1:5": lambda rng, shape: rng.normal(size=shape),
}
# The other arm's, where they are not the same: equal in their middle all the same.
OTHERS: dict[str, Draw] = {"normal, spread 1:5": lambda rng, shape: 5 * rng.normal(size=shape)}


@dataclass(frozen=True)
class Coverage:
    """One cell of the table."""

    seeds: int
    tasks: int
    scores: str
    shows: Shows  # of such an interval in a report; of a "range" none is printed
    iqm: float  # how often the interval of one arm holds the true IQM
    difference: float  # how often that of the difference of two equal arms holds 0
    wrong: float  # how often a claim about them is decided, one way or the other
    trials: int


def cells() -> list[tuple[int, int, str]]:
    """Seeds, tasks and scores of every row."""
    return list(itertools.product(SEEDS, TASKS, SCORES_OF))


def cell(seeds: int, tasks: int, scores: str, trials: int) -> Coverage:
    """Experiments with two arms whose scores have the same IQM on every task."""
    draw, truth = SCORES_OF[scores], true_iqm(scores)
    draw_other, shows = OTHERS.get(scores, draw), gate(seeds, tasks)
    rng = np.random.default_rng([_SEED, seeds, tasks, list(SCORES_OF).index(scores)])
    hits = np.zeros(3)
    for _ in range(trials):
        x, y = draw(rng, (seeds, tasks)), draw_other(rng, (seeds, tasks))
        ours, theirs = (bootstrap(arm, iqm, rng, RESAMPLES) for arm in (x, y))
        low, high = interval(ours, seeds, tasks)
        gap_low, gap_high = interval(ours - theirs, seeds, tasks, arms=2)
        apart = not gap_low <= 0 <= gap_high
        decided = apart and has_interval(shows) and permutation_p(x, y) <= ALPHA
        hits += [low <= truth <= high, not apart, decided]
    one, two, wrong = (float(share) for share in np.round(hits / trials, 4))
    return Coverage(seeds, tasks, scores, shows, one, two, wrong, trials)


@lru_cache(maxsize=8)
def true_iqm(scores: str) -> float:
    """The IQM of infinitely many seeds, but for an error of about a thousandth."""
    drawn = SCORES_OF[scores](np.random.default_rng(_SEED), (1_000_000, 1))
    return float(iqm(drawn))


# The table ---------------------------------------------------------------------------------------

NAMES = [field.name for field in fields(Coverage)]


def text(table: list[Coverage]) -> str:
    """As CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, NAMES, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in table)
    return file.getvalue()


def shipped_path() -> Path:
    return shipped("configs") / "coverage.csv"


@lru_cache(maxsize=1)
def shipped_table() -> tuple[Coverage, ...]:
    """As `harness calibrate --out configs/coverage.csv` wrote it."""
    with shipped_path().open(newline="", encoding="utf-8") as file:
        return tuple(
            Coverage(
                int(row["seeds"]), int(row["tasks"]), row["scores"], cast(Shows, row["shows"]),
                float(row["iqm"]), float(row["difference"]), float(row["wrong"]),
                int(row["trials"]),
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


def expected(seeds: int, tasks: int) -> list[Coverage]:
    """The rows nearest to a design from below: no more seeds, no more tasks than it has."""
    fit = [row for row in shipped_table() if row.seeds <= seeds and row.tasks <= tasks]
    if not fit or not has_interval(gate(seeds, tasks)):
        return []
    nearest = max((row.tasks, row.seeds) for row in fit)
    return [row for row in fit if (row.tasks, row.seeds) == nearest]
