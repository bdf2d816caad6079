"""What the runs say about the claims of a sweep, as verdicts and as sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness import stats
from harness.report.number import Format, bracket, fixed, stamp
from harness.spec import Claim
from harness.stats import Array, Estimate, Scores

Outcome = Literal["supported", "contradicted", "undecided", "pending"]


@dataclass(frozen=True)
class Finding:
    """What the runs of two arms say, looked at alone."""

    claim: Claim
    better: Estimate
    worse: Estimate
    difference: Estimate  # of the IQMs
    improvement: Estimate  # P(a run of the better arm scores above one of the worse)
    p: float  # of the permutation test; 1 where there was nothing to test
    why: str = ""  # it cannot be tested
    pending: bool = False  # it cannot be tested yet: runs are to come


@dataclass(frozen=True)
class Verdict:
    """What is decided about one claim, in its family."""

    finding: Finding
    adjusted: float  # p after Holm's correction for all claims of the sweep
    family: int
    outcome: Outcome
    why: str = ""  # it could not be decided
    bound: bool = False  # claims of the family are pending: `adjusted` is the most it can become

    @property
    def claim(self) -> Claim:
        return self.finding.claim


def examine(claim: Claim, scores: Scores, span: Array | None = None) -> Finding:
    """Estimate and test one claim.

    :param scores: raw for a claim on one environment, normalised for a claim over all.
    :param span: the scores between which each environment's are expected, (2, tasks).
    """
    envs = [claim.env] if claim.env else None
    arms = (claim.better, claim.worse)
    better, worse = (stats.estimate_arm(scores, arm, stats.iqm, envs) for arm in arms)
    for arm, found in zip(arms, (better, worse), strict=True):
        if found.shows == "missing":
            gone = stats.unavailable(found.note)
            why = f"{found.note} of {arm} are finished"
            return Finding(claim, better, worse, gone, gone, 1.0, why)
    x, y = (scores.matrix(arm, envs) for arm in arms)
    gap = stats.difference(x, y, stats.iqm, *arms, *(envs or ()), span=span)
    chance = stats.improvement(x, y)
    if math.isnan(gap.low):
        why = f"{gap.n} seeds give no interval, and decide nothing"
        if gap.shows == "tied":
            why = f"all runs tie, and {gap.n} seeds leave others possible"
        return Finding(claim, better, worse, gap, chance, 1.0, why)
    return Finding(claim, better, worse, gap, chance, stats.permutation_p(x, y))


def unexamined(claim: Claim, why: str, pending: bool = False) -> Finding:
    """:param pending: runs of it are to come."""
    gone = stats.unavailable(why)
    return Finding(claim, gone, gone, gone, gone, 1.0, why, pending)


def decide(family: Sequence[Finding]) -> list[Verdict]:
    """Verdicts that hold together. Not telling two arms apart is "undecided", never "equal".

    A claim is decided when its test is, after Holm's correction for all claims of the sweep, and
    the interval of the difference of the IQMs lies on the same side. What could not be tested
    counts as a claim of the family all the same.

    A claim is pending while runs of it are to come, and while those of others could still change
    its verdict: it is decided now only if it is decided whatever they say.
    """
    most = stats.holm([finding.p for finding in family])
    least = stats.holm([0.0 if finding.pending else finding.p for finding in family])
    waits = sum(finding.pending for finding in family)
    verdicts = []
    for finding, high, low in zip(family, most, least, strict=True):
        outcome, why = _outcome(finding, high)
        if finding.pending:
            outcome = "pending"
        elif waits and outcome != _outcome(finding, low)[0]:
            others = "another claim" if waits == 1 else f"{waits} other claims"
            outcome, why = (
                "pending",
                f"its runs have ended, but Holm's correction waits for {others}",
            )
        verdicts.append(Verdict(finding, high, len(family), outcome, why, bound=waits > 0))
    return verdicts


def _outcome(finding: Finding, adjusted: float) -> tuple[Outcome, str]:
    gap = finding.difference
    if finding.why:
        return "undecided", finding.why
    if adjusted > stats.ALPHA:
        return "undecided", f"the test does not tell them apart at {stats.ALPHA:g}"
    if gap.low <= 0 <= gap.high:
        return "undecided", "the test tells them apart, but the interval of the difference holds 0"
    if (gap.low > 0) != (finding.improvement.point > 0.5):
        return "undecided", "most runs and the IQM point in opposite directions"
    return ("supported" if gap.low > 0 else "contradicted"), ""


def percent(level: float) -> str:
    return f"{100 * level:.4g} %"


HEADLINES: dict[Outcome, str] = {
    "supported": "**Supported: {better} beats {worse} {where}** ({score})",
    "contradicted": "**Contradicted: {better} does worse than {worse} {where}** ({score})",
    "undecided": "**Undecided: {better} against {worse} {where}** ({score})",
    "pending": "**Pending: {better} against {worse} {where}** ({score})",
}
SCORE_WORDS = {"final": "final score", "auc": "area under the curve"}


def sentence(verdict: Verdict, number: Format) -> str:
    """The answer to one claim, with its numbers."""
    claim, found = verdict.claim, verdict.finding
    headline = HEADLINES[verdict.outcome].format(
        better=claim.better,
        worse=claim.worse,
        where=f"on {claim.env}" if claim.env else "over all environments",
        score=SCORE_WORDS.get(claim.score, claim.score) + ("" if claim.env else ", normalised"),
    )
    if found.difference.shows == "missing" or verdict.outcome == "pending":
        return f"{headline}: {verdict.why}."
    text = (
        f"{headline}: IQM {bracket(found.better, number)} against "
        f"{bracket(found.worse, number)}, difference {bracket(found.difference, number)}, "
        f"P(improvement) {bracket(found.improvement, fixed(2))}, {_tested(verdict)}"
        f"{found.difference.n} seeds"
    )
    return f"{text}; {verdict.why}." if verdict.why else f"{text}."


def _tested(verdict: Verdict) -> str:
    if verdict.finding.why:
        return ""
    most = "at most " if verdict.bound else ""
    holm = f" ({most}{verdict.adjusted:.2g} after Holm)" if verdict.family > 1 else ""
    return f"p = {verdict.finding.p:.2g}{holm}, "


def notes(verdicts: Sequence[Verdict]) -> list[str]:
    """What the reader of the answer must know of the verdicts: a paragraph each."""
    outcomes = {verdict.outcome for verdict in verdicts}
    found = []
    if outcomes - {"pending"}:
        found.append(method(verdicts))
    if "undecided" in outcomes:
        found.append("Undecided is not equal: these runs cannot tell the two arms apart.")
    if "pending" in outcomes:
        found.append(PENDING)
    return found


PENDING = (
    "Pending: planned runs are still to come. No interval and no p-value of such a claim is shown "
    "before they have ended: looking along the way, and stopping when it looks good, would make "
    "both wrong. The same `harness sweep` trains what is missing. This report does not count as a "
    "look as long as nothing that was planned is changed; seeds or claims that are dropped after "
    "it are stamped."
)


def method(verdicts: Sequence[Verdict]) -> str:
    """How the verdicts were reached."""
    family = len(verdicts)
    correction = f", after Holm's correction for all {family} claims," if family > 1 else ""
    return (
        f"Brackets are {percent(stats.LEVEL)} intervals. A claim is decided when the exact "
        f"permutation test of ranks gives p{correction} of at most {stats.ALPHA:g} and the "
        "interval of the difference lies on the same side of 0. P(improvement) is the chance that "
        "a run of the first arm scores above one of the second, ties counting half."
        f"{_stamps(verdicts)}"
    )


def _stamps(verdicts: Sequence[Verdict]) -> str:
    """What `†` says, where it stands."""
    found = {
        text
        for verdict in verdicts
        for statistic, estimate in (
            ("IQM", verdict.finding.better),
            ("IQM", verdict.finding.worse),
            (stats.DIFFERENCE, verdict.finding.difference),
        )
        if estimate.shows == "stamped" and (text := stamp(statistic, estimate.n, estimate.tasks))
    }
    return "".join(f" `†` {text}" for text in sorted(found))
