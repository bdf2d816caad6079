"""What the runs say about the claims of a sweep: estimates, tests, and what they decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness import stats
from harness.report.document import Outcome
from harness.spec import Claim
from harness.stats import Array, Correction, Course, Equivalence, Estimate, MissingRuns, Scores


@dataclass(frozen=True)
class Finding:
    """What the runs of two arms say, looked at alone."""

    claim: Claim
    # The IQM; by cvar, the mean of the worst quarter; of a claim with a margin, that of clipped
    # normalised scores.
    better: Estimate
    worse: Estimate
    difference: Estimate  # of these
    improvement: Estimate  # P(a run of the better arm scores above one of the worse)
    p: float  # of the permutation test, or of bets; 1 where there was nothing to test
    why: str = ""  # it cannot be tested
    pending: bool = False  # it cannot be tested yet: runs are to come
    equivalence: Equivalence | None = None  # of a claim with a margin


@dataclass(frozen=True)
class Verdict:
    """What is decided about one claim, in its family."""

    finding: Finding
    adjusted: float  # p after the correction for all claims of the sweep
    family: int
    outcome: Outcome
    why: str = ""  # it could not be decided
    bound: bool = False  # claims of the family are pending: `adjusted` is the most it can become
    course: Course | None = None  # look by look, if it is looked at along the way
    correction: Correction = "Holm"

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
    statistic = stats.cvar if claim.of_worst else stats.iqm
    better, worse = (stats.estimate_arm(scores, arm, statistic, envs) for arm in arms)
    for arm, found in zip(arms, (better, worse), strict=True):
        if found.shows == "missing":
            gone = stats.unavailable(found.note)
            why = f"{found.note} of {arm} are finished"
            return Finding(claim, better, worse, gone, gone, 1.0, why)
    x, y = (scores.matrix(arm, envs) for arm in arms)
    gap = stats.difference(x, y, statistic, *arms, *(envs or ()), span=span)
    chance = stats.improvement(x, y)
    if claim.of_worst:
        p = stats.permutation_of(statistic, x, y, stats.generator(*sorted(arms), *(envs or ())))
    else:
        p = stats.permutation_p(x, y)
    return tested(Finding(claim, better, worse, gap, chance, p))


def tested(finding: Finding) -> Finding:
    """As it is, or, where its difference has no interval, with no test: that decides nothing."""
    gap = finding.difference
    if not math.isnan(gap.low):
        return finding
    why = f"{gap.n} seeds give no interval, and decide nothing"
    if gap.shows == "tied":
        why = f"all runs tie, and {gap.n} seeds leave others possible"
    return replace(finding, p=1.0, why=why)


def weigh(claim: Claim, scores: Scores, scale: Callable[[Array], Array], error: float) -> Finding:
    """Estimate and test one claim with a margin.

    :param scale: normalises the scores of its environments.
    :param error: that is left for it.
    """
    found = {}
    for arm in claim.arms:
        try:
            found[arm] = scale(scores.matrix(arm, [claim.env] if claim.env else None))
        except MissingRuns as missing:
            return unexamined(claim, f"{missing} of {arm} are finished")
    return weighed(claim, found[claim.better], found[claim.worse], error)


def weighed(claim: Claim, x: Array, y: Array, error: float) -> Finding:
    """The same of normalised scores, (runs, tasks)."""
    found = stats.equivalence(x, y, claim.margin or 0.0, error)
    chance = stats.improvement(x, y)
    return Finding(claim, *stats.means(found), chance, found.p, equivalence=found)


def unexamined(claim: Claim, why: str, pending: bool = False) -> Finding:
    """:param pending: runs of it are to come."""
    gone = stats.unavailable(why)
    return Finding(claim, gone, gone, gone, gone, 1.0, why, pending)


def decide(family: Sequence[Finding]) -> list[Verdict]:
    """Verdicts that hold together. Not telling two arms apart is "undecided", never "equal".

    A claim is decided when its test is, after the correction for all claims of the sweep, and the
    interval of the difference of the IQMs lies on the same side. One with a margin is when its
    interval lies within the margin, or beyond. What could not be tested counts as a claim of the
    family all the same.

    A claim is pending while runs of it are to come, and while those of others could still change
    its verdict: it is decided now only if it is decided whatever they say.
    """
    by = stats.correction(finding.claim.margin for finding in family)
    most = stats.corrected([finding.p for finding in family], by)
    least = stats.corrected([0.0 if each.pending else each.p for each in family], by)
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
        bound = waits > 0 and by == "Holm"
        verdicts.append(Verdict(finding, high, len(family), outcome, why, bound, correction=by))
    return verdicts


LEFT = "these seeds leave differences within the margin and beyond it"


def _outcome(finding: Finding, adjusted: float) -> tuple[Outcome, str]:
    gap = finding.difference
    if finding.why:
        return "undecided", finding.why
    if finding.equivalence:
        if adjusted > stats.ALPHA:
            return "undecided", LEFT
        return ("equivalent" if finding.equivalence.side > 0 else "not equivalent"), ""
    if adjusted > stats.ALPHA:
        return "undecided", f"the test does not tell them apart at {stats.ALPHA:g}"
    if gap.low <= 0 <= gap.high:
        return "undecided", "the test tells them apart, but the interval of the difference holds 0"
    if not finding.claim.of_worst and (gap.low > 0) != (finding.improvement.point > 0.5):
        return "undecided", "most runs and the IQM point in opposite directions"
    return ("supported" if gap.low > 0 else "contradicted"), ""
