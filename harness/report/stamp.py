"""A claim as a reader meets it: its sentence, and beside it what it suffers from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.report import claims, origin
from harness.report.evidence import Evidence
from harness.spec import Claim
from harness.store.health import kinds


def sentence(evidence: Evidence, verdict: claims.Verdict) -> str:
    text = claims.sentence(verdict, evidence.format(verdict.claim.env))
    return " ".join([text, *(f"**{stamp}**" for stamp in _stamps(evidence, verdict.claim))])


def _stamps(evidence: Evidence, claim: Claim) -> Iterator[str]:
    for standing in evidence.standings:
        if standing.claim == claim:
            yield from standing.doubts
    envs = [claim.env] if claim.env else evidence.sweep.envs
    if set(envs) & set(evidence.unequal):
        yield "Their budgets differ."
    sides = [
        [status for env in envs for status in evidence.statuses_of(arm, env)]
        for arm in (claim.better, claim.worse)
    ]
    for arm, statuses in zip((claim.better, claim.worse), sides, strict=True):
        found = Counter(kind for status in statuses for kind in kinds(status.symptoms))
        if found:
            each = ", ".join(f"{kind} in {n}" for kind, n in found.items())
            yield f"Of {len(statuses)} runs of {arm}, symptoms of a broken learner: {each}."
    apart = origin.apart(*sides)
    if apart:
        yield f"The two arms differ in {apart}, and not only in what they compare."
