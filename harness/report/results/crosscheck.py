"""rliable's own estimates beside ours: where the two part, and how often rliable's hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness import stats
from harness.report.document import Block, Section, Table, Text, behind
from harness.report.evidence import Evidence, once
from harness.report.number import Format, bracket
from harness.report.results import caption
from harness.report.results.claims import SCORE_WORDS
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


class Check(NamedTuple):
    """What rliable says of a score of every arm that it can take."""

    cells: list[Cell]
    left_out: list[str]  # arms, and why


def section(evidence: Evidence) -> Section:
    """rliable's numbers beside ours, or why there are none."""
    why = impossible(evidence)
    if why:
        return Section(SECTION, (Text(f"Left out, because {why}."),))
    try:
        blocks: Iterable[Block] = [Text(method(evidence)), *_checks(evidence)]
    except Unusable as error:
        blocks = [Text(f"rliable does not work here ({error}), so nothing is checked.")]
    return Section(SECTION, tuple(blocks))


def _checks(evidence: Evidence) -> Iterator[Block]:
    for score in evidence.sweep.report.scores:
        title = SCORE_WORDS.get(score, score).capitalize()
        made, words = table(evidence, score), about(evidence, score)
        if made.rows:
            more = listed(evidence, score)
            name = f"table_crosscheck_{score}"
            yield replace(made, title=title, name=name, about=words, listed=more)
        else:
            yield Section(title, (Text(words),))


def impossible(evidence: Evidence) -> str:
    """Why nothing can be checked; empty: something can."""
    without = [env for env in evidence.sweep.envs if env not in evidence.sweep.anchors]
    return f"no random and reference score is known for {', '.join(without)}" if without else ""


@once
def check(evidence: Evidence, score: str) -> Check:
    """:raises crosscheck.Unusable: if rliable does not work here."""
    cells, left_out = [], []
    for arm in evidence.sweep.arms:
        envs = _envs(evidence, arm)
        try:
            matrix = evidence.normalised[score].matrix(arm, envs)
        except MissingRuns as missing:
            left_out.append(f"{arm} ({missing})")
            continue
        ours = stats.estimates(matrix, stats.AGGREGATES, arm)
        theirs = crosscheck.rliable(matrix, arm, score)
        cells += [
            Cell(arm, name, ours[name], theirs[name], crosscheck.covers(name, *matrix.shape))
            for name in theirs
        ]
    return Check(cells, left_out)


def _envs(evidence: Evidence, arm: str) -> list[str]:
    return [env for env in evidence.sweep.envs if arm in evidence.arms_on(env)]


def table(evidence: Evidence, score: str) -> Table:
    """One statistic of one arm to a row."""
    number = evidence.format(None)
    rows = []
    for cell in check(evidence, score).cells:
        row = (bracket(cell.ours, number), _theirs(cell, number), _percent(cell.covers))
        rows.append((cell.arm, cell.statistic, *behind(row, evidence.keys(cell.arm))))
    return Table(("arm", "statistic", "here", "rliable", "rliable covers"), tuple(rows))


def listed(evidence: Evidence, score: str) -> Table:
    """One number to a cell, for machines."""
    rows = []
    for cell in check(evidence, score).cells:
        ours, theirs, covers = cell.ours, cell.theirs, cell.covers
        ends = stats.has_ends(ours.shows)
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


def _theirs(cell: Cell, number: Format) -> str:
    """Of fewer seeds than were simulated the point alone."""
    point, low, high = map(number, cell.theirs)
    return f"{point} [{low}, {high}]" if cell.covers else point


def _percent(covers: list[float]) -> str:
    if not covers:
        return "-"
    least, most = (f"{100 * share:.0f}" for share in (min(covers), max(covers)))
    return f"{least} %" if least == most else f"{least} to {most} %"


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
    if min(caption.seed_counts(evidence)) < few:
        text += f" Of fewer than {few} seeds its interval means nothing: the point alone is shown."
    fewer = {arm: len(_envs(evidence, arm)) for arm in evidence.sweep.arms}
    apart = [f"{arm} ({n})" for arm, n in fewer.items() if n < len(evidence.sweep.envs)]
    return text + (f" Arms on fewer environments than all: {', '.join(apart)}." if apart else "")


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}"


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
            f"In {len(cells) - len(both)} of {len(cells)} rows no interval of ours is given: it "
            "would not cover often enough, or all runs tie. rliable gives one all the same."
        )


def _gaps(found: Check) -> Iterator[str]:
    if found.left_out:
        yield f"Left out, because rliable needs every run: {', '.join(found.left_out)}."


def _width(of: Theirs | Estimate) -> float:
    return of.high - of.low
