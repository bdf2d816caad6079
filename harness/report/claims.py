"""What the runs say about the claims of a sweep, as verdicts and as sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness import stats
from harness.report.number import Format, bracket
from harness.spec import Claim
from harness.stats import Array, Estimate, Scores

Outcome = Literal["supported", "contradicted", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """What the runs say about one claim."""

    claim: Claim
    outcome: Outcome
    better: Estimate
    worse: Estimate
    difference: Estimate
    level: float  # of the difference's interval
    why: str = ""  # it could not be decided


def family_level(claims: int) -> float:
    """The level of each difference at which all claims of a sweep hold together (Bonferroni)."""
    return 1 - (1 - stats.LEVEL) / max(1, claims)


def judge(claim: Claim, scores: Scores, level: float) -> Verdict:
    """Whether the interval of the difference lies above 0. Not telling them apart is "undecided".

    :param scores: raw for a claim on one environment, normalised for a claim over all.
    """
    envs = [claim.env] if claim.env else None
    arms = (claim.better, claim.worse)
    better, worse = (stats.estimate_arm(scores, arm, stats.iqm, envs) for arm in arms)
    for arm, found in zip(arms, (better, worse), strict=True):
        if found.shows == "missing":
            why = f"{found.note} of {arm} are finished"
            gap = stats.unavailable(found.note)
            return Verdict(claim, "undecided", better, worse, gap, level, why)
    x, y = (scores.matrix(arm, envs) for arm in arms)
    gap = stats.difference(x, y, stats.iqm, level, *arms, *(envs or ()))
    outcome, why = _outcome(gap, x, y, level)
    return Verdict(claim, outcome, better, worse, gap, level, why)


def _outcome(gap: Estimate, x: Array, y: Array, level: float) -> tuple[Outcome, str]:
    if gap.shows == "point":
        return "undecided", f"fewer than {stats.SEEDS_FOR_AN_INTERVAL} seeds give no interval"
    # The smallest two-sided p that a permutation test could reach, were the arms far apart.
    if 2 / math.comb(len(x) + len(y), len(x)) ** x.shape[1] > 1 - level:
        return "undecided", f"{gap.n} seeds cannot decide anything at the level of {percent(level)}"
    if gap.low > 0:
        return "supported", ""
    if gap.high < 0:
        return "contradicted", ""
    return "undecided", f"the {percent(level)} interval of the difference contains 0"


def percent(level: float) -> str:
    return f"{100 * level:.4g} %"


HEADLINES: dict[Outcome, str] = {
    "supported": "**{better} beats {worse} {where}** ({score})",
    "contradicted": "**{better} does not beat {worse} {where}: it does worse** ({score})",
    "undecided": "**Undecided: {better} against {worse} {where}** ({score})",
}
SCORE_WORDS = {"final": "final score", "auc": "area under the curve"}


def sentence(verdict: Verdict, number: Format) -> str:
    """The answer to one claim, with its numbers."""
    claim = verdict.claim
    headline = HEADLINES[verdict.outcome].format(
        better=claim.better,
        worse=claim.worse,
        where=f"on {claim.env}" if claim.env else "over all environments",
        score=SCORE_WORDS.get(claim.score, claim.score) + ("" if claim.env else ", normalised"),
    )
    if verdict.difference.shows == "missing":
        return f"{headline}: {verdict.why}."
    text = (
        f"{headline}: IQM {bracket(verdict.better, number)} against "
        f"{bracket(verdict.worse, number)}, difference {bracket(verdict.difference, number)}, "
        f"{verdict.difference.n} seeds"
    )
    if verdict.difference.shows == "low n":
        text += " (low n)"
    return f"{text}; {verdict.why}." if verdict.why else f"{text}."
