"""rliable's own estimates beside ours: where the two part, and how often rliable's hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness import stats
from harness.report.document import Block, Section, Table, Text, behind
from harness.report.evidence import Evidence
from harness.report.number import parts
from harness.report.results.claims import SCORE_WORDS
from harness.report.results.table import Rows
from harness.stats import Estimate, MissingRuns, crosscheck
from harness.stats.crosscheck import AGREE, Theirs, Unusable

SECTION = "Cross-check with rliable"


class Cell(NamedTuple):
    """One statistic of one arm, twice."""

    arm: str
    statistic: str
    ours: Estimate
    theirs: Theirs
    covers: list[float]  # how often their interval does, by kind of scores; empty: not simulated

    @property
    def same_point(self) -> bool:
        return abs(self.ours.point - self.theirs.point) <= AGREE


def section(evidence: Evidence) -> Section:
    """rliable's numbers beside ours, or why there are none."""
    if evidence.no_anchors:
        return Section(SECTION, (Text(f"Left out, because {evidence.no_anchors}."),))
    try:
        tables = [_checked(evidence, score) for score in evidence.sweep.report.scores]
    except Unusable as error:
        words = f"rliable does not work here ({error}), so nothing is checked."
        return Section(SECTION, (Text(words),))
    return Section(SECTION, (Text(method(evidence)), *tables))


def _checked(evidence: Evidence, score: str) -> Block:
    """:raises crosscheck.Unusable: if rliable does not work here."""
    cells, left_out = check(evidence, score)
    title, words = SCORE_WORDS.get(score, score).capitalize(), about(cells, left_out)
    if not cells:
        return Section(title, (Text(words),))
    name, more = f"table_crosscheck_{score}", listed(cells, score)
    return Table(_HEAD, table(evidence, cells), title, name, words, listed=more)


def check(evidence: Evidence, score: str) -> tuple[list[Cell], list[str]]:
    """Every statistic of the arms that rliable can take; the other arms, and why.

    :raises crosscheck.Unusable: if rliable does not work here.
    """
    cells, left_out = [], []
    for arm in evidence.sweep.arms:
        try:
            matrix = evidence.normalised[score].matrix(arm, _envs(evidence, arm))
        except MissingRuns as missing:
            left_out.append(f"{arm} ({missing})")
            continue
        ours = stats.estimates(matrix, stats.AGGREGATES, arm)
        for name, theirs in crosscheck.rliable(matrix, arm, score).items():
            covers = crosscheck.covers(name, *matrix.shape)
            cells.append(Cell(arm, name, ours[name], theirs, covers))
    return cells, left_out


def _envs(evidence: Evidence, arm: str) -> list[str]:
    return [env for env in evidence.sweep.envs if arm in evidence.arms_on(env)]


_HEAD = ("arm", "statistic", "here", "rliable", "rliable covers")


def table(evidence: Evidence, cells: Sequence[Cell]) -> Rows:
    """One statistic of one arm to a row; of fewer seeds than were simulated the point alone."""
    number, rows = evidence.format(None), []
    for arm, statistic, ours, theirs, covers in cells:
        point, low, high = map(number, theirs)
        if covers:
            shares = dict.fromkeys(f"{100 * share:.0f}" for share in (min(covers), max(covers)))
            row = (f"{point} [{low}, {high}]", f"{' to '.join(shares)} %")
        else:
            row = (point, "-")
        rows.append(
            (arm, statistic, *behind((stats.bracket(ours, number), *row), evidence.keys(arm)))
        )
    return tuple(rows)


def listed(cells: Sequence[Cell], score: str) -> Table:
    """One number to a cell, for machines."""
    rows = []
    for arm, statistic, ours, theirs, covers in cells:
        more = (theirs.low, theirs.high, min(covers), max(covers)) if covers else ()
        known = (*map(repr, more), *[""] * (4 - len(more)))
        rows.append((arm, statistic, score, *parts(ours, repr), repr(theirs.point), *known))
    head = ("arm", "statistic", "score", "point", "low", "high", "shows")
    theirs_head = ("rliable", "rliable_low", "rliable_high", "covers_least", "covers_most")
    return Table((*head, *theirs_head), tuple(rows))


# In words ----------------------------------------------------------------------------------------


def method(evidence: Evidence) -> str:
    """What stands in the tables, and how far rliable's intervals can be trusted."""
    few = min(crosscheck.SEEDS)
    text = (
        f"{crosscheck.named()}, with its own percentile intervals of {crosscheck.RESAMPLES:,} "
        "resamples, over the normalised scores of all environments of an arm. Covers: how often "
        "its 95 % interval holds the true value in simulations with as many seeds and "
        f"environments, or the next fewer of {_listed(crosscheck.SEEDS)} seeds on "
        f"{_listed(crosscheck.TASKS)} environments; the least and the most over "
        f"{len(crosscheck.SCORES_OF)} kinds of scores ({'; '.join(crosscheck.SCORES_OF)}; "
        "docs/statistics.md)."
    )
    if evidence.fewest_seeds < few:
        text += f" Of fewer than {few} seeds its interval means nothing: the point alone is shown."
    fewer = {arm: len(_envs(evidence, arm)) for arm in evidence.sweep.arms}
    apart = [f"{arm} ({n})" for arm, n in fewer.items() if n < len(evidence.sweep.envs)]
    return text + (f" Arms on fewer environments than all: {', '.join(apart)}." if apart else "")


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}"


def about(cells: Sequence[Cell], left_out: Sequence[str]) -> str:
    """Where the two part, and why; what was left out."""
    sentences = []
    apart = [f"{cell.statistic} of {cell.arm}" for cell in cells if not cell.same_point]
    if apart:
        sentences.append(f"Points differ by more than {AGREE:g}: {', '.join(apart)}.")
    elif cells:
        sentences.append(f"Points are the same to {AGREE:g}.")
    both = [cell for cell in cells if stats.has_interval(cell.ours.shows)]
    if both:
        inside = sum(_width(cell.theirs) < _width(cell.ours) for cell in both)
        sentences.append(
            f"rliable's intervals are narrower in {inside} of {len(both)} rows: ours are widened "
            "for few seeds, rliable's are not."
        )
    if len(both) < len(cells):
        sentences.append(
            f"In {len(cells) - len(both)} of {len(cells)} rows no interval of ours is given: it "
            "would not cover often enough, or all runs tie. rliable gives one all the same."
        )
    if left_out:
        sentences.append(f"Left out, because rliable needs every run: {', '.join(left_out)}.")
    return " ".join(sentences)


def _width(of: Theirs | Estimate) -> float:
    return of.high - of.low
