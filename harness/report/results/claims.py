"""The answer: a sentence for each claim, and beside it what it suffers from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness import stats
from harness.report.document import Answer, Caution, Items, Outcome, Section, Text
from harness.report.evidence import Evidence, imported, origin
from harness.report.evidence.verdict import Verdict
from harness.report.evidence.warning import warnings
from harness.report.number import Format, fixed, percent, stamp
from harness.report.results import looks
from harness.spec import WORST_SCORE, Claim, Decide
from harness.store.health import kinds


def section(evidence: Evidence) -> Section:
    verdicts = evidence.verdicts()
    answers = tuple(
        Answer(
            sentence(evidence, verdict),
            verdict.outcome,
            {arm: evidence.keys(arm, verdict.claim.env) for arm in verdict.claim.arms},
        )
        for verdict in verdicts
    )
    none = "The sweep makes no claim; the tables and figures below describe its runs."
    words = notes(verdicts, evidence.sweep.decide) if verdicts else [none]
    listed = [Items(answers)] if answers else []
    cautions = map(Caution, warnings(evidence))
    return Section("Answer", (*listed, *map(Text, words), *cautions))


def sentence(evidence: Evidence, verdict: Verdict) -> str:
    """With its numbers, and with what makes it doubtful."""
    claim = verdict.claim
    number, own = evidence.format(scale(claim), claim.score), claim.score in evidence.measured
    text = answer(verdict, number, own)
    return " ".join([text, *(f"**{doubt}**" for doubt in _doubts(evidence, verdict.claim))])


def scale(claim: Claim) -> str | None:
    """The environment in whose scores its numbers are; None: they are normalised."""
    return None if claim.margin else claim.env


def _doubts(evidence: Evidence, claim: Claim) -> Iterator[str]:
    for standing in evidence.standings:
        if standing.claim == claim:
            yield from standing.doubts
    if why := imported.doubt(evidence, claim.arms):
        yield why
    envs = [claim.env] if claim.env else evidence.sweep.envs
    begin = (evidence.begin_apart.get(env, {}) for env in envs if claim.score == "auc")
    if any(len({first.get(arm) for arm in claim.arms}) > 1 for first in begin):
        yield "Their curves begin at different steps."
    for do in dict.fromkeys(evidence.unequal[env] for env in envs if env in evidence.unequal):
        yield f"Their budgets {do}."
    both = [
        [status for env in envs for status in evidence.statuses_of(arm, env)] for arm in claim.arms
    ]
    for arm, statuses in zip(claim.arms, both, strict=True):
        found = Counter(kind for status in statuses for kind in kinds(status.symptoms))
        if found:
            each = ", ".join(f"{kind} in {n}" for kind, n in found.items())
            yield f"Of {len(statuses)} runs of {arm}, symptoms of a broken learner: {each}."
    apart = origin.apart(*both)
    if apart:
        yield f"The two arms differ in {apart}, and not only in what they compare."


# Of a metric of the user's own nobody has said whether more is better.
OWN_HEADLINES: dict[Outcome, str] = {
    "supported": "**Supported: {better} lies above {worse} {where}** ({score})",
    "contradicted": "**Contradicted: {better} lies below {worse} {where}** ({score})",
}
HEADLINES: dict[Outcome, str] = {
    "supported": "**Supported: {better} beats {worse} {where}** ({score})",
    "contradicted": "**Contradicted: {better} does worse than {worse} {where}** ({score})",
    "undecided": "**Undecided: {better} against {worse} {where}** ({score})",
    "pending": "**Pending: {better} against {worse} {where}** ({score})",
}
# Of a claim with a margin.
_DIFFER = "{better} and {worse} {where} differ by {margin}** ({score})"
MARGIN_HEADLINES: dict[Outcome, str] = {
    "equivalent": f"**Equivalent: {_DIFFER}",
    "not equivalent": f"**Not equivalent: {_DIFFER}",
    "undecided": f"**Undecided: whether {_DIFFER}",
    "pending": f"**Pending: whether {_DIFFER}",
}
SCORE_WORDS = {
    "final": "final score",
    "auc": "area under the curve",
    WORST_SCORE: "worst quarter of the final scores",
}


def answer(verdict: Verdict, number: Format, own: bool = False) -> str:
    """The answer to one claim, with its numbers.

    :param own: it is by a metric of the user's own.
    """
    claim, found = verdict.claim, verdict.finding
    headlines = HEADLINES | (MARGIN_HEADLINES if claim.margin else OWN_HEADLINES if own else {})
    headline = headlines[verdict.outcome].format(
        margin=f"{'more' if verdict.outcome == 'not equivalent' else 'less'} than {claim.margin}",
        better=claim.better,
        worse=claim.worse,
        where=f"on {claim.env}" if claim.env else "over all environments",
        score=SCORE_WORDS.get(claim.score, claim.score) + ("" if scale(claim) else ", normalised"),
    )
    if found.difference.shows == "missing" or verdict.outcome == "pending":
        return f"{headline}: {verdict.why}."
    level, look = looks.words(verdict.course)
    if found.equivalence:
        level = f" ({100 * found.equivalence.level:.1f} % interval)"
    chance = f"P(improvement) {stats.bracket(found.improvement, fixed(2))}, "
    text = (
        f"{headline}: {_middle(claim)} {stats.bracket(found.better, number)} "
        f"against {stats.bracket(found.worse, number)}, "
        f"difference {stats.bracket(found.difference, number)}{level}, "
        f"{'' if claim.margin else chance}{_tested(verdict)}{found.difference.n} seeds{look}"
    )
    return f"{text}; {verdict.why}." if verdict.why else f"{text}."


def _middle(claim: Claim) -> str:
    """What of the runs it compares."""
    if claim.margin:
        return "mean"
    return "mean of the worst quarter" if claim.of_worst else "IQM"


def _tested(verdict: Verdict) -> str:
    if verdict.finding.why:
        return ""
    most = "at most " if verdict.bound else ""
    after = f" ({most}{verdict.adjusted:.2g} after {verdict.correction})"
    kind = "anytime p" if verdict.course or verdict.finding.equivalence else "p"
    return f"{kind} = {verdict.finding.p:.2g}{after if verdict.family > 1 else ''}, "


def notes(verdicts: Sequence[Verdict], plan: Decide | None = None) -> list[str]:
    """What the reader of the answer must know of the verdicts: a paragraph each."""
    outcomes = {verdict.outcome for verdict in verdicts}
    found, margins = [], [each for each in verdicts if each.claim.margin]
    tested = len(margins) < len(verdicts)
    if plan:
        rule = f" {looks.rule(corrected(verdicts), plan)}" if tested else ""
        found.append(looks.method(plan) + rule + _stamps(verdicts))
    elif outcomes - {"pending"} and tested:
        found.append(method(verdicts))
    if any(each.claim.of_worst for each in verdicts):
        found.append(WORST)
    if margins:
        found.append(MARGIN)
    if "undecided" in outcomes:
        found.append("Undecided is not equal: these runs cannot tell the two arms apart.")
    if "pending" in outcomes:
        found.append(looks.PENDING if plan else PENDING)
    return found


WORST = (
    "A claim by `cvar` is about the mean of the worst quarter of runs (conditional value at risk). "
    f"Its p is that of the difference of these means over {stats.DEALS:,} ways to deal the runs to "
    "the two arms, of which what happened is one, and braces are the range of single seeds."
)
MARGIN = (
    "A claim with `~` is about the difference of the means of normalised scores, clipped to "
    "[0, 1], of runs that are paired by their seeds. Equivalent: the interval of the difference "
    "lies within the margin; not equivalent: it lies beyond, on one side. It is an interval of "
    "bets, which holds at any number of seeds and for any distribution of scores "
    "(docs/statistics.md, 'Equivalence')."
)
PENDING = (
    "Pending: planned runs are still to come. No interval and no p-value of such a claim is shown "
    "before they have ended: looking along the way, and stopping when it looks good, would make "
    "both wrong. The same `harness sweep` trains what is missing. This report does not count as a "
    "look as long as nothing that was planned is changed; seeds or claims that are dropped after "
    "it are stamped."
)


def corrected(verdicts: Sequence[Verdict]) -> str:
    """Whose correction their p-values have, in words; empty: none."""
    family, by = len(verdicts), verdicts[0].correction
    return f", after {by}'s correction for all {family} claims," if family > 1 else ""


def method(verdicts: Sequence[Verdict]) -> str:
    """How the verdicts were reached."""
    correction = corrected(verdicts)
    return (
        f"Brackets are {percent(stats.LEVEL)} intervals. A claim is decided when the exact "
        f"permutation test of ranks gives p{correction} of at most {stats.ALPHA:g} and the "
        "interval of the difference lies on the same side of 0. P(improvement) is the chance that "
        "a run of the first arm scores above one of the second, ties counting half."
        f"{_stamps(verdicts)}"
    )


def _difference(claim: Claim) -> str:
    """What it is called in the table of coverages."""
    return stats.WORST_DIFFERENCE if claim.of_worst else stats.DIFFERENCE


def _stamps(verdicts: Sequence[Verdict]) -> str:
    """What `†` says, where it stands."""
    found = {
        text
        for verdict in verdicts
        for statistic, estimate in (
            ("IQM", verdict.finding.better),
            ("IQM", verdict.finding.worse),
            (_difference(verdict.claim), verdict.finding.difference),
        )
        if estimate.shows == "stamped" and (text := stamp(statistic, estimate.n, estimate.tasks))
    }
    return "".join(f" `†` {text}" for text in sorted(found))
