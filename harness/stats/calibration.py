"""What the shipped simulation knows of each interval, and so what a report may print of it.

One rule for every statistic, by the least coverage that was simulated for it with as many runs
and environments: from `LEAST` on its interval is printed, from `LEAST_STAMPED` on with a stamp that
says so, and elsewhere there are the point and the range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import pandas as pd

from harness.config.shipped import shipped
from harness.stats.aggregate import AGGREGATES, Statistic, curve_iqm, cvar, iqm

LEAST = 0.90  # simulated coverage of a 95 % interval that is printed
LEAST_STAMPED = 0.80  # and of one that is printed with a stamp
LEAST_OF_LINES = 0.93  # and of a band that is said to hold the whole line

SEEDS_FOR_A_RANGE = 3
# No percentile interval leaves the range of n values, which covers their median with probability
# 1 - 2^(1 - n): on one task 0.94 at n = 5, and 0.97 at 6. Fewer give none, or a stamp where there
# are many tasks.
FEW_SEEDS = 6
TASKS_THAT_MAKE_UP_FOR_FEW_SEEDS = 5

Shows = Literal["interval", "stamped", "range", "point", "tied", "missing"]

# The names of what is simulated, beside those of AGGREGATES.
DIFFERENCE, EFFECT = "difference of IQMs", "effect (four arms)"
WORST_DIFFERENCE = "difference of worst quarters"
IMPROVEMENT, CLAIM = "P(improvement)", "claim"
ONE_RUN, MANY_RUNS = "public score of one run", "public score over seeds"
PROFILE, PROFILE_LINE, CURVE_LINE = "profile", "profile, whole line", "curve, whole line"
_WITHOUT_RESAMPLES = {IMPROVEMENT, PROFILE, PROFILE_LINE}


@dataclass(frozen=True)
class Coverage:
    """One cell of the table."""

    statistic: str
    seeds: int
    tasks: int
    scores: str
    coverage: float  #: share of the printed intervals that hold the truth
    printed: float  #: share of the experiments with an interval: none where no resample differs
    trials: int  #: experiments


def text(table: Sequence[Coverage]) -> str:
    """As CSV."""
    return pd.DataFrame(table).to_csv(index=False, lineterminator="\n")


def shipped_path() -> Path:
    return shipped("configs") / "coverage.csv"


@lru_cache(maxsize=1)
def shipped_table() -> tuple[Coverage, ...]:
    """As `harness calibrate --out configs/coverage.csv` wrote it."""
    return tuple(Coverage(*row) for row in pd.read_csv(shipped_path()).itertuples(index=False))


def name_of(statistic: Statistic) -> str:
    """What a statistic is called in the table; empty: it was never simulated."""
    if statistic is curve_iqm:
        return "IQM"
    return next((name for name, known in AGGREGATES.items() if known is statistic), "")


def difference_of(statistic: Statistic, arms: int) -> str:
    """What its difference of two arms, or effect of more, is called; empty: never simulated."""
    if statistic is cvar and arms == 2:
        return WORST_DIFFERENCE
    if statistic is not iqm:
        return ""
    return DIFFERENCE if arms == 2 else EFFECT


@lru_cache(maxsize=1024)
def expected(statistic: str, seeds: int, tasks: int) -> tuple[Coverage, ...]:
    """The rows nearest to a design from below: no more seeds, no more tasks than it has."""
    fit = [
        row
        for row in shipped_table()
        if row.statistic == statistic and row.seeds <= seeds and row.tasks <= tasks
    ]
    nearest = max(((row.tasks, row.seeds) for row in fit), default=None)
    return tuple(row for row in fit if (row.tasks, row.seeds) == nearest)


def worst(statistic: str, seeds: int, tasks: int) -> Coverage | None:
    """The least coverage that could be a design's own; None: it was not simulated."""
    return min(expected(statistic, seeds, tasks), key=lambda row: row.coverage, default=None)


def gate(statistic: str, seeds: int, tasks: int) -> Shows:
    """What may be shown of a statistic of `seeds` runs on each of `tasks` tasks.

    :param statistic: a name of the table.
    """
    if seeds < SEEDS_FOR_A_RANGE:
        return "point"
    least = worst(statistic, seeds, tasks)
    few = seeds < FEW_SEEDS and statistic not in _WITHOUT_RESAMPLES
    if least is None or least.coverage < LEAST_STAMPED:
        return "range"
    if few and tasks < TASKS_THAT_MAKE_UP_FOR_FEW_SEEDS:
        return "range"
    return "stamped" if few or least.coverage < LEAST else "interval"


def has_interval(shows: Shows) -> bool:
    return shows in ("interval", "stamped")


def has_ends(shows: Shows) -> bool:
    """Whether an estimate has a `low` and a `high`, of whatever kind."""
    return has_interval(shows) or shows == "range"


def holds_lines(statistic: str, seeds: int, tasks: int) -> bool:
    """Whether a band may be drawn that is said to hold the whole line."""
    least = worst(statistic, seeds, tasks)
    return least is not None and least.coverage >= LEAST_OF_LINES


def seeds_needed(statistic: str, seeds: int, tasks: int) -> int | None:
    """The fewest seeds, from `seeds` on, that give an interval; None: no simulated number does."""
    simulated = {row.seeds for row in shipped_table() if row.statistic == statistic}
    enough = (n for n in sorted({seeds, FEW_SEEDS, *simulated}) if n >= seeds)
    return next((n for n in enough if has_interval(gate(statistic, n, tasks))), None)


def summary(table: Sequence[Coverage]) -> tuple[list[str], list[list[str]]]:
    """The least coverage of each statistic, seeds across: a head and its rows."""
    cells = pd.DataFrame(table).pivot_table(
        "coverage", index=["statistic", "tasks"], columns="seeds", aggfunc="min", sort=False
    )
    least = cells.sort_index(axis="columns")
    body = [
        [name, str(tasks), *("" if math.isnan(share) else f"{share:.3f}" for share in shares)]
        for (name, tasks), *shares in least.itertuples()
    ]
    return ["statistic", "environments", *(f"n = {n}" for n in least.columns)], body
