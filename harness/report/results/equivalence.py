"""Claims with a margin: the evidence that two arms are equal but for it, and that they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness import stats
from harness.report import plot
from harness.report.document import Block, Cell, Section, Table, Text
from harness.report.evidence import Evidence
from harness.report.evidence.verdict import Verdict
from harness.report.number import Format
from harness.report.plot import Axis, Mark, Panel, Plot, Rule
from harness.spec import Claim

SECTION = "Equivalence"
ABOUT = (
    "First, second: the means of normalised scores, clipped to [0, 1]. Within, beyond: the capital "
    "that bets against a difference beyond the margin, and against one within it, have made of 1. "
    "A claim is decided once one of them has reached what is needed."
)
MISLEADS = (
    "The means of clipped scores count failures, which the IQM cuts off, and do not tell how far "
    "beyond the reference an arm is. Equivalent is said of this score and this margin: arms may be "
    "equal at the end and apart along the way."
)


def section(evidence: Evidence, drawn: Callable[[str], Sequence[Block]]) -> Iterator[Section]:
    """Where a claim has a margin.

    :param drawn: draws the figures of a section.
    """
    if any(claim.margin for claim in evidence.sweep.claims):
        shown = table(evidence)
        tables = [shown] if shown.rows else []
        yield Section(SECTION, (*drawn(SECTION), *tables, Text(MISLEADS)))


def weighed(evidence: Evidence) -> Iterator[tuple[Verdict, stats.Equivalence]]:
    """The verdicts on claims with a margin whose runs say something."""
    for verdict in evidence.verdicts():
        if verdict.finding.equivalence:
            yield verdict, verdict.finding.equivalence


def table(evidence: Evidence) -> Table:
    """Claims down."""
    head = (
        "claim", "seeds", "margin", "first", "second", "difference", "level", "within", "beyond",
        "needed", "verdict",
    )  # fmt: skip
    rows, listed = [], []
    for verdict, found in weighed(evidence):
        number, claim = evidence.format(None), verdict.claim
        runs = (key for arm in claim.arms for key in evidence.keys(arm, claim.env))
        rows.append(
            (
                claim.text, str(found.seeds), f"{claim.margin}", number(found.x), number(found.y),
                Cell(stats.bracket(verdict.finding.difference, number), runs),
                f"{100 * found.level:.1f} %", f"{found.within:.3g}", f"{found.beyond:.3g}",
                f"{found.needed:g}", verdict.outcome,
            )
        )  # fmt: skip
        numbers = (
            found.x, found.y, found.x - found.y, found.low, found.high, found.level, found.within,
            found.beyond, found.needed,
        )  # fmt: skip
        exact = (repr(float(each)) for each in numbers)
        listed.append((claim.text, str(found.seeds), f"{claim.margin}", *exact, verdict.outcome))
    of_list = (*head[:6], "low", "high", *head[6:])
    return Table(
        head, tuple(rows), title="Evidence", name="equivalence", about=ABOUT,
        listed=Table(of_list, tuple(listed)),
    )  # fmt: skip


def plot_of(evidence: Evidence, score: str) -> Plot | str:
    """The interval of each claim, a panel for each margin; `score` is not used."""
    found = list(weighed(evidence))
    if not found:
        asked = any(claim.margin for claim in evidence.sweep.claims)
        return "the runs of its claims are still to come" if asked else ""
    number, by_margin = evidence.format(None), dict[float, list[Verdict]]()
    for verdict, _ in found:
        by_margin.setdefault(verdict.claim.margin or 0.0, []).append(verdict)
    panels = tuple(_panel(margin, each, number) for margin, each in sorted(by_margin.items()))
    seeds = sorted({each.seeds for _, each in found})
    most = max(map(len, by_margin.values()))
    note = f"{' or '.join(map(str, seeds))} seeds of each arm"
    return Plot(panels, note, across=1, height=0.2 + 0.15 * most)


_FOUND = plot.Look("difference of the means", "#0173b2", "o", line=False)
_MARGIN = plot.Look("margin", plot.INK, dashes=(4, 1.5))
_NONE = plot.Look("", plot.GREY, dashes=(1, 2))


def _panel(margin: float, verdicts: Sequence[Verdict], number: Format) -> Panel:
    """Claims down."""
    rows = _rows([verdict.claim for verdict in verdicts])
    marks: list[Mark] = [Rule(_NONE, x=0.0), *(Rule(_MARGIN, x=at) for at in (-margin, margin))]
    for place, (row, verdict) in enumerate(zip(rows, verdicts, strict=True)):
        gap = verdict.finding.difference
        text = f"{stats.bracket(gap, number)}, {verdict.outcome}"
        marks.append(plot.estimate(_FOUND, float(place), gap, text, row))
    x = Axis("difference of the means, normalised", include=(-margin, margin))
    return Panel(x, Axis(names=tuple(rows)), tuple(marks), title=f"within {margin}")


def _rows(claims: Sequence[Claim]) -> list[str]:
    """The names of the two arms, and what else sets these claims apart."""
    places = len({claim.env for claim in claims}) > 1
    scores = len({claim.score for claim in claims}) > 1
    return [
        f"{claim.better} - {claim.worse}"
        + (f", {claim.env or 'all environments'}" if places else "")
        + (f", {claim.score}" if scores else "")
        for claim in claims
    ]
