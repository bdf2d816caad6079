"""rliable's own estimates beside ours: where the two part, and how often rliable's hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from harness import stats
from harness.report import captions, drawn
from harness.report.evidence import Evidence, once
from harness.report.number import bracket, fixed
from harness.report.tables import Table
from harness.stats import Estimate, MissingRuns, crosscheck
from harness.stats.crosscheck import AGREE, Theirs

SECTION = "Cross-check with rliable"


class Cell(NamedTuple):
    """One statistic of one arm, twice."""

    arm: str
    statistic: str
    ours: Estimate
    theirs: Theirs

    @property
    def same_point(self) -> bool:
        return abs(self.ours.point - self.theirs.point) <= AGREE


class Check(NamedTuple):
    """What rliable says of a score of every arm that it can take."""

    cells: list[Cell]
    left_out: list[str]  # arms, and why


@once
def check(evidence: Evidence, score: str) -> Check:
    """:raises crosscheck.Unusable: if rliable does not work here."""
    cells, left_out = [], []
    for arm in evidence.sweep.arms:
        try:
            matrix = evidence.normalised[score].matrix(arm)
        except MissingRuns as missing:
            left_out.append(f"{arm} ({missing})")
            continue
        if np.isnan(matrix).any():
            left_out.append(f"{arm} (unequal numbers of runs)")
            continue
        ours = drawn.aggregates(evidence, score, arm)
        theirs = crosscheck.rliable(matrix, arm, score)
        cells += [Cell(arm, name, ours[name], theirs[name]) for name in theirs]
    return Check(cells, left_out)


def table(evidence: Evidence, score: str) -> Table:
    """One statistic of one arm to a row."""
    number = evidence.format(None)
    rows = [
        (
            cell.arm,
            cell.statistic,
            bracket(cell.ours, number),
            _theirs(cell, _covers(evidence, cell)),
            _percent(_covers(evidence, cell)),
        )
        for cell in check(evidence, score).cells
    ]
    return Table(("arm", "statistic", "here", "rliable", "rliable covers"), tuple(rows))


def listed(evidence: Evidence, score: str) -> Table:
    """One number to a cell, for machines."""
    rows = []
    for cell in check(evidence, score).cells:
        ours, theirs, covers = cell.ours, cell.theirs, _covers(evidence, cell)
        ends = ours.shows not in ("point", "missing")
        rows.append(
            (
                *(cell.arm, cell.statistic, score, repr(ours.point)),
                *((repr(ours.low), repr(ours.high)) if ends else ("", "")),
                *(ours.shows, repr(theirs.point)),
                *((repr(theirs.low), repr(theirs.high)) if covers else ("", "")),
                *(map(repr, (min(covers), max(covers))) if covers else ("", "")),
            )
        )
    head = ("arm", "statistic", "score", "point", "low", "high", "shows")
    theirs_head = ("rliable", "rliable_low", "rliable_high", "covers_least", "covers_most")
    return Table((*head, *theirs_head), tuple(rows))


def _theirs(cell: Cell, covers: list[float]) -> str:
    """As ours are written; of fewer runs than were simulated the point alone."""
    shows: stats.Shows = "interval" if covers else "point"
    return bracket(Estimate(*cell.theirs, cell.ours.n, shows), fixed(2))


def _covers(evidence: Evidence, cell: Cell) -> list[float]:
    rows = crosscheck.expected(cell.ours.n, len(evidence.sweep.envs))
    return [row.covers[cell.statistic] for row in rows]


def _percent(covers: list[float]) -> str:
    if not covers:
        return "-"
    least, most = (f"{100 * share:.0f}" for share in (min(covers), max(covers)))
    return f"{least} %" if least == most else f"{least} to {most} %"


# In words ----------------------------------------------------------------------------------------


def method(evidence: Evidence) -> str:
    """What stands in the tables, and how far rliable's intervals can be trusted."""
    return (
        f"{crosscheck.named()}, with its own percentile intervals of {crosscheck.RESAMPLES:,} "
        f"resamples, over the normalised scores of all environments. {_coverage(evidence)}"
    )


def _coverage(evidence: Evidence) -> str:
    rows = crosscheck.expected(min(captions.seed_counts(evidence)), len(evidence.sweep.envs))
    if not rows:
        return "With so few seeds its intervals mean nothing: points alone are shown."
    near, scores = rows[0], "; ".join(row.scores for row in rows)
    where = "one environment" if near.tasks == 1 else f"{near.tasks} environments"
    return (
        "Covers: how often its 95 % interval holds the true value in simulations with "
        f"{near.seeds} seeds on {where}, the least and the most over {len(rows)} kinds of scores "
        f"({scores}; docs/statistics.md)."
    )


def about(evidence: Evidence, score: str) -> str:
    """Where the two part, and why; what was left out."""
    found = check(evidence, score)
    return " ".join([*_parting(found.cells), *_gaps(found)])


def _parting(cells: list[Cell]) -> Iterator[str]:
    apart = [f"{cell.statistic} of {cell.arm}" for cell in cells if not cell.same_point]
    if cells:
        yield (
            f"Points differ by more than {AGREE:g}: {', '.join(apart)}."
            if apart
            else (f"Points are the same to {AGREE:g}.")
        )
    both = [cell for cell in cells if stats.has_interval(cell.ours.shows)]
    if both:
        inside = sum(_width(cell.theirs) < _width(cell.ours) for cell in both)
        yield (
            f"rliable's intervals are narrower in {inside} of {len(both)} rows: ours are widened "
            "for few seeds, rliable's are not."
        )
    if len(both) < len(cells):
        yield (
            f"In {len(cells) - len(both)} of {len(cells)} rows no interval of ours is given, as it "
            "would not cover often enough; rliable gives one all the same."
        )


def _gaps(found: Check) -> Iterator[str]:
    if found.left_out:
        yield f"Left out, because rliable needs every run: {', '.join(found.left_out)}."


def _width(of: Theirs | Estimate) -> float:
    return of.high - of.low
