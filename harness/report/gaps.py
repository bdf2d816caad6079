"""Failed and missing runs: what a reader must know before the first figure."""

from __future__ import annotations

from collections import Counter

from harness.report.evidence import Evidence

SECTION = "Failed and missing runs"
RULE = (
    "An estimate that would need one of them is left out: nothing here averages over the runs that "
    "happen to be there."
)


def lines(evidence: Evidence) -> list[str]:
    """The section's paragraphs and list, in Markdown; empty when every run is finished."""
    found = evidence.progress()
    if found.finished == found.planned:
        return []
    parts = [f"{found}. {RULE}"]
    for state in ("failed", "damaged"):
        reasons = Counter(
            (status.spec.arm, status.spec.env, status.error or "no reason was recorded")
            for status in evidence.unique
            if status.state == state
        )
        parts += [f"{state.capitalize()}:"] if reasons else []
        parts += [f"- {n} of {arm} on {env}: `{why}`" for (arm, env, why), n in reasons.items()]
    return parts
