"""Claims that are looked at after every block of seeds: what each look showed, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness import stats
from harness.report import plot
from harness.report.document import Block, Cell, Section, Table, Text
from harness.report.evidence import Evidence
from harness.report.number import Format, fixed, percent
from harness.report.plot import Axis, Line, Panel, Plot, Points, Rule
from harness.spec import Claim, Decide
from harness.stats import Array, Course, Look

SECTION = "Looks"
STATES = {"open": "open", "given up": "given up", "undecided": "undecided, at the cap"}
PENDING = (
    "Pending: the claim is open, and its next look waits for the runs of a block. The looks so far "
    "are accounted for. The same `harness sweep --until-decided` trains what is missing."
)


def method(plan: Decide) -> str:
    """When claims are looked at."""
    return (
        f"Claims are looked at after {plan.first} seeds of each arm and after every "
        f"{plan.block} more, up to {plan.last}: all in the same blocks, which no score decides. "
        f"The error of all claims and looks together is kept at {plan.alpha:g} "
        "(docs/statistics.md, 'Looks along the way')."
    )


def rule(correction: str, plan: Decide) -> str:
    """How the verdicts on claims without a margin were reached.

    :param correction: for many claims, in words.
    """
    return (
        "A claim is decided once its anytime p, of a test of ranks over all looks so far"
        f"{correction} is at most {plan.alpha:g} and the interval of the difference, at the level "
        "of the look, lies on the same side of 0. The other intervals are of "
        f"{percent(stats.LEVEL)}. P(improvement) is the chance that a run of the first arm scores "
        "above one of the second, ties counting half."
    )


def level(look: Look) -> str:
    """Of the interval of the difference; empty: there is none."""
    known = stats.has_interval(look.difference.shows)
    return f"{100 * look.level:.1f} %" if known else ""


def words(course: Course | None) -> tuple[str, str]:
    """What the answer to a claim says of its last look: behind the interval, and at the end."""
    if course is None or not course.looks:
        return "", ""
    at = level(course.looks[-1])
    return f" ({at} interval)" if at else "", f", look {len(course.looks)} of {course.planned}"


def section(evidence: Evidence, drawn: Callable[[str], Sequence[Block]]) -> Iterator[Section]:
    """Where claims are looked at along the way.

    :param drawn: draws the figures of a section.
    """
    plan = evidence.sweep.decide
    if plan is None:
        return
    words = [Text(spent(evidence, plan))]
    stopped = (c for c in evidence.courses() if c.decided and c.seeds < plan.last)
    if any(not course.pair.margin for course in stopped):
        words.append(Text(BIAS))
    shown = table(evidence, plan)
    yield Section(SECTION, (*([shown] if shown.rows else []), *words, *drawn(SECTION)))


BIAS = (
    "Estimates after an early stop lean outward: a claim is decided where its difference happens "
    "to be large, so the differences above are larger than they would be at the cap, on average "
    "by 5 to 15 % for true differences of 2 to 0.7 standard deviations. The direction is not "
    "affected."
)


def spent(evidence: Evidence, plan: Decide) -> str:
    """The runs that were asked for, against all that the cap allows."""
    made = {run.key for run in evidence.sweep.made}
    pairs = {run.model_copy(update={"seed": 0, "arm": ""}).key for run in evidence.sweep.made}
    most = len(pairs) * plan.last
    text = f"{len(made)} runs were asked for, of {most} up to the cap of {plan.last} seeds"
    saved = most - len(made)
    return f"{text}: {saved} fewer ({100 * saved / most:.0f} %)." if saved else f"{text}."


def table(evidence: Evidence, plan: Decide) -> Table:
    """Claims down, each look by look."""
    rows = []
    for claim, course in zip(evidence.sweep.claims, evidence.courses(), strict=True):
        rows += [
            (claim.text if i == 1 else "", *_cells(evidence, claim, course, i, look))
            for i, look in enumerate(course.looks, 1)
        ]
    by = stats.correction(claim.margin for claim in evidence.sweep.claims)
    head = (
        "claim", "look", "seeds", "anytime p", f"after {by}", "error spent", "difference", "level",
        "P(improvement)", "then",
    )  # fmt: skip
    return Table(
        head,
        tuple(rows),
        title=f"Every look, of up to {len(plan.looks)}",
        name="looks",
        about="Error spent: the share of the allowed error that looks may have used by then; a "
        "claim with a margin spends none. "
        "Level: of the interval of the difference. Then: what the claim was after the look.",
        listed=_listed(evidence),
    )


def _cells(
    evidence: Evidence, claim: Claim, course: Course, i: int, look: Look
) -> tuple[Cell | str, ...]:
    number = evidence.format(None if claim.margin else claim.env, claim.score)
    runs = [
        run.key
        for run in evidence.sweep.made
        if run.arm in claim.arms and claim.env in (None, run.env) and run.seed < look.seeds
    ]
    return (
        str(i), str(look.seeds), f"{look.p:.2g}", f"{look.adjusted:.2g}", _spent(look, percent),
        Cell(stats.bracket(look.difference, number), runs), level(look),
        stats.bracket(look.improvement, fixed(2)), _then(course, i),
    )  # fmt: skip


def _spent(look: Look, number: Format) -> str:
    """Empty where nothing is: of bets."""
    return "" if math.isnan(look.spent) else number(look.spent)


def _then(course: Course, i: int) -> str:
    return STATES.get(course.state, course.state) if i == len(course.looks) else "open"


def _listed(evidence: Evidence) -> Table:
    """The same numbers, one to a cell."""
    head = (
        "claim", "look", "seeds", "p", "adjusted", "spent", "difference", "low", "high", "level",
        "improvement", "then",
    )  # fmt: skip
    rows = tuple(
        (
            claim.text, str(i), str(look.seeds), repr(look.p), repr(look.adjusted),
            _spent(look, repr), repr(look.difference.point), repr(look.difference.low),
            repr(look.difference.high), repr(look.level), repr(look.improvement.point),
            _then(course, i),
        )
        for claim, course in zip(evidence.sweep.claims, evidence.courses(), strict=True)
        for i, look in enumerate(course.looks, 1)
    )  # fmt: skip
    return Table(head, rows)


# The figure ---------------------------------------------------------------------------------------

_BLUE, _ORANGE = (look.colour for look in plot.looks("ab").values())
_PATH = plot.Look("all runs so far", _BLUE, "o", line=False)
_WAY = plot.Look("", _BLUE)
_BOUNDARY = plot.Look("boundary", plot.INK, "D", (4, 1.5), hollow=True, size=2.5)
_FIRST_STEP = plot.Look(
    "boundary at Holm's first step", plot.GREY, "s", (1, 1), hollow=True, size=2.5
)
_EQUAL = plot.Look("", plot.GREY, dashes=(1, 2))
_CAP = plot.Look("cap", plot.GREY)
_MARGIN = plot.Look("margin", plot.INK, dashes=(4, 1.5))
_ENDED = plot.Look("decided", _ORANGE, "o", line=False, hollow=True, size=7.5)


def plot_of(evidence: Evidence, score: str) -> Plot | str:
    """A panel for each claim: its P(improvement), look by look; `score` is not used."""
    plan, claims = evidence.sweep.decide, evidence.sweep.claims
    if plan is None:
        return ""
    pairs = zip(claims, evidence.courses(), strict=True)
    panels = tuple(_panel(claim, course, plan, len(claims)) for claim, course in pairs)
    alike = not any(claim.margin for claim in claims)
    return Plot(panels, f"up to {plan.last} seeds of each arm", level=alike, height=1.7)


def _panel(claim: Claim, course: Course, plan: Decide, family: int) -> Panel:
    """For a claim with a margin, the difference, its interval and the margin."""
    seeds = np.array([float(look.seeds) for look in course.looks])
    gaps = [look.difference for look in course.looks]
    found = gaps if claim.margin else [look.improvement for look in course.looks]
    value = np.array([each.point for each in found])
    way = Line(_WAY, seeds, value)
    marks: list[plot.Mark] = [Rule(_CAP, x=float(plan.last))]
    if claim.margin:
        marks += [Rule(_MARGIN, y=at) for at in (-claim.margin, claim.margin)]
        low, high = (np.array(ends) for ends in ([g.low for g in gaps], [g.high for g in gaps]))
        way = Line(_WAY, seeds, value, low, high)
        y = Axis("difference", limits=(-1.03, 1.03), decimals=2)
    else:
        marks.append(Rule(_EQUAL, y=0.5))
        marks += _bounds(course, seeds, family)
        y = Axis("P(improvement)", limits=(-0.03, 1.03), decimals=2)
    if course.decided:
        marks.append(Points(_ENDED, seeds[-1:], value[-1:]))
    names = tuple(f"look {i}, {look.seeds} seeds" for i, look in enumerate(course.looks, 1))
    after = f"after {course.correction}"
    told = (f"p = {look.p:.2g} ({look.adjusted:.2g} {after})" for look in course.looks)
    marks += [way, Points(_PATH, seeds, value, names=names, texts=(*told,))]
    x = Axis("seeds of each arm", include=(0.0, float(plan.last)), whole=True)
    return Panel(x, y, tuple(marks), title=claim.text)


def _bounds(course: Course, seeds: Array, family: int) -> Iterator[Line]:
    """Where paths are stopped; by Bonferroni's correction always as at Holm's first step."""
    first = np.array([look.first_step for look in course.looks])
    bounds = {_BOUNDARY: np.array([look.boundary for look in course.looks])}
    if course.correction == "Bonferroni":
        bounds = {_BOUNDARY: first}
    elif family > 1:
        bounds[_FIRST_STEP] = first
    for look, at in bounds.items():
        yield from (Line(look, seeds, up) for up in (at, 1 - at))
