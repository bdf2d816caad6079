"""Whether a conclusion over several environments hangs on one of them, or on a reference score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from harness import stats
from harness.config.name import joined
from harness.config.tree import grouped
from harness.report import plot
from harness.report.document import Block, Items, Section, Table, Text, behind, captioned
from harness.report.evidence import Evidence, once, sequential, verdict
from harness.report.evidence.verdict import Verdict
from harness.report.number import Format, fixed, share
from harness.report.plot import Axis, Look, Mark, Note, Panel, Plot, Points, Rule
from harness.report.results import caption
from harness.stats import Array, Change, MissingRuns, Variation

SECTION = "Stability"
WORDS: dict[Change, str] = {
    "left out": "without {env}",
    "counts double": "with {env} counting double",
    "reference half as far": "with the reference of {env} half as far",
    "reference twice as far": "with the reference of {env} twice as far",
}
_METHOD = (
    "Which environments there are, that each counts alike, and which score is 1 on each were "
    "chosen and not measured. Here one of these choices is made otherwise at a time, and all "
    "claims are judged again{how}. A reference is moved to half and to twice its distance from the "
    "random policy. A verdict that changes rests on that choice: say so beside it. What would be "
    "decided otherwise is no result, as it is looked for after the runs. A verdict that stands "
    "says nothing of environments that are not here."
)
_BY_LOOKS = (
    " by the same looks, as far as the runs reach (counting double, which looks do not know, is "
    "left out)"
)
_RANKS = (
    "Places are by the IQM over all environments. First: the share of resamples of the seeds in "
    "which the arm is first; mean place: over the same. Neither is the chance that the arm is the "
    "best: of arms that are equally good, resamples favour the one that was luckier. The other "
    "columns are the best and the worst place of the arm while each environment in turn is left "
    "out, counts double, or has its reference moved."
)


def section(evidence: Evidence, drawn: Callable[[str], Sequence[Block]]) -> Iterator[Section]:
    """Where there are several environments over which scores are averaged.

    :param drawn: draws the figures of a section.
    """
    if len(evidence.sweep.envs) < 2 or evidence.no_aggregates:
        return
    how = _BY_LOOKS if evidence.sweep.decide else ""
    blocks: list[Block] = [Text(_METHOD.format(how=how))]
    if varied(evidence):
        blocks.append(Items(tuple(sentences(evidence))))
    if apart := sum(claim.env is not None for claim in evidence.sweep.claims):
        blocks.append(Text(_single(apart)))
    blocks += [*(figures := drawn(SECTION)), *captioned(figures)]
    tables = (ranks(evidence, score) for score in evidence.sweep.report.scores)
    if shown := [table for table in tables if table.rows]:
        blocks += [*shown, Text(_RANKS)]
    yield Section(SECTION, tuple(blocks))


def _single(claims: int) -> str:
    them = "it" if claims == 1 else "them"
    what = "One claim is" if claims == 1 else f"{claims} claims are"
    about = "one environment" if claims == 1 else "one environment each"
    return f"{what} about {about}: no weight, and no other environment or reference, enters {them}."


# Verdicts -----------------------------------------------------------------------------------------


def varied(evidence: Evidence) -> dict[int, Verdict]:
    """The verdicts over all environments that there is something to vary of, by their place."""
    return {
        i: each
        for i, each in enumerate(evidence.verdicts())
        if each.claim.env is None and each.finding.difference.shows != "missing"
    }


@once
def otherwise(evidence: Evidence) -> dict[Variation, list[Verdict]]:
    """The verdicts on all claims, in their order, with each thing made otherwise."""
    found = {}
    for by in stats.variations(len(evidence.sweep.envs) if varied(evidence) else 0):
        if (plan := evidence.sweep.decide) is None:
            found[by] = verdict.decide(_again(evidence, by))
        elif by.change != "counts double":
            pairs = [course.pair for course in evidence.courses()]
            courses = stats.follow_otherwise(pairs, plan, by)
            found[by] = [
                sequential.decide(one.claim, course, plan, len(courses)) if course.looks else one
                for one, course in zip(evidence.verdicts(), courses, strict=True)
            ]
    return found


def _again(evidence: Evidence, by: Variation) -> list[verdict.Finding]:
    """What the runs of all claims say then."""
    findings = [each.finding for each in evidence.verdicts()]
    for i, one in varied(evidence).items():
        x, y = map(evidence.normalised[one.claim.score].matrix, one.claim.arms)
        if one.claim.margin:
            ours, theirs = (by.scores(each)[:, by.columns] for each in (x, y))
            findings[i] = verdict.weighed(one.claim, ours, theirs, stats.ALPHA / len(findings))
            continue
        gap, improvement, p = stats.judge(x, y, by, *one.claim.arms)
        other = replace(findings[i], difference=gap, improvement=improvement, p=p, why="")
        findings[i] = verdict.tested(other)
    return findings


def sentences(evidence: Evidence) -> Iterator[str]:
    """Of each claim whether its verdict stands, and what it hangs on."""
    for i, one in varied(evidence).items():
        others = {by: verdicts[i] for by, verdicts in otherwise(evidence).items()}
        changed = [(each.outcome, by) for by, each in others.items() if each.outcome != one.outcome]
        begin = f"`{one.claim.text}` is {STATES.get(one.outcome, one.outcome)}"
        if not changed:
            yield f"{begin}, and stays so in all {len(others)} variations."
            continue
        to = " ".join(
            f"It would be {STATES.get(outcome, outcome)} {'; '.join(_words(evidence, each))}."
            for outcome, each in grouped(changed).items()
        )
        stays = len(others) - len(changed)
        yield f"{begin}, and stays so in {stays} of {len(others)} variations. **{to}**"


STATES = {"pending": "open"}  # looks along the way would go on


def _words(evidence: Evidence, changes: Sequence[Variation]) -> Iterator[str]:
    """`without A`, `with A or B counting double`."""
    for change, tasks in grouped((by.change, by.task) for by in changes).items():
        envs = joined([evidence.sweep.envs[task] for task in tasks], "or")
        yield WORDS[change].format(env=envs)


# Places -------------------------------------------------------------------------------------------


def ranks(evidence: Evidence, score: str) -> Table:
    """The place of each arm by the IQM, and how far it moves; no row: there are no two arms."""
    known = {}
    for arm in evidence.sweep.arms:
        with suppress(MissingRuns):
            known[arm] = evidence.normalised[score].matrix(arm)
    each, rows, shares = list(known.values()), [], np.empty((0, 0))
    if len(known) > 1:
        shares = stats.rank_shares(known, stats.iqm, score)
    places = stats.ranks([float(stats.iqm(matrix)) for matrix in each])
    moved = {
        change: np.stack([_places(each, by) for by in found])
        for change, found in grouped(
            (by.change, by) for by in stats.variations(len(evidence.sweep.envs))
        ).items()
    }
    for i, arm in enumerate(known if len(known) > 1 else ()):
        mean = float(shares[i] @ np.arange(1, len(known) + 1))
        ends = (_ends(values[:, i]) for values in moved.values())
        cells = (f"{places[i]}", share(shares[i, 0]), fixed(1)(mean), *ends)
        rows.append((arm, *behind(cells, evidence.keys(arm))))
    head = ("arm", "place", "first", "mean place", *moved)
    title = f"Places: {caption.describe_score(evidence, score)}"
    listed = Table(
        (*head, *(f"share of place {place}" for place in range(1, len(known) + 1))),
        tuple((*row, *map(repr, map(float, of))) for row, of in zip(rows, shares, strict=True)),
    )
    return Table(head, tuple(rows), title, f"table_places_{score}", listed=listed)


def _places(scores: Sequence[Array], by: Variation) -> Array:
    statistic = by.statistic(stats.iqm)
    return stats.ranks([float(statistic(by.scores(matrix))) for matrix in scores])


def _ends(places: Array) -> str:
    low, high = int(places.min()), int(places.max())
    return f"{low}" if low == high else f"{low} to {high}"


# The figure ---------------------------------------------------------------------------------------

_AS_IS = Look("as it is", plot.INK, "o", line=False)
_OF_CHANGE = {
    change: replace(look, line=False, dashes=())
    for change, look in plot.looks(stats.CHANGES).items()
}
_CHANGED = Look("another verdict", "#d55e00", "o", line=False, hollow=True, size=8.5)
_NONE = Look("", plot.GREY, dashes=(1, 2))
_APART = 0.21  # of a row, between its marks


def plot_of(evidence: Evidence, score: str) -> Plot | str:
    """A panel for each claim over all environments, a row for each environment; `score` is not
    used.
    """
    if len(evidence.sweep.envs) < 2 or not varied(evidence):
        return ""
    panels = tuple(_panel(evidence, i, one) for i, one in varied(evidence).items())
    return Plot(panels, caption.over(evidence), height=0.5)


def _panel(evidence: Evidence, place: int, one: Verdict) -> Panel:
    envs, number = evidence.sweep.envs, evidence.format(None)
    margin = one.claim.margin
    rules = [Rule(_NONE, x=at) for at in ((-margin, margin) if margin else (0.0,))]
    marks: list[Mark] = [*rules, _mark(_AS_IS, 0.0, one, number, "as it is")]
    changed = []
    for by, verdicts in otherwise(evidence).items():
        other = verdicts[place]
        row = 1 + by.task + _APART * (stats.CHANGES.index(by.change) - 1.5)
        name = WORDS[by.change].format(env=envs[by.task])
        marks.append(_mark(_OF_CHANGE[by.change], row, other, number, name))
        if other.outcome != one.outcome:
            changed.append((other.finding.difference.point, row))
    if changed:
        x, y = np.array(changed).T
        marks.insert(0, Points(_CHANGED, x, y))
    axis = Axis(f"difference of the {'means' if margin else 'IQMs'}", least=plot.LEAST)
    return Panel(axis, Axis(names=("as it is", *envs)), tuple(marks), title=one.claim.text)


def _mark(look: Look, row: float, one: Verdict, number: Format, name: str) -> Points | Note:
    found = one.finding.difference
    return plot.estimate(look, row, found, f"{stats.bracket(found, number)}, {one.outcome}", name)
