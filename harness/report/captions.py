"""What a figure's caption says: what was measured, what a bar means, and what is wrong with it."""

from __future__ import annotations

from harness import stats
from harness.report.evidence import Evidence
from harness.stats import Shows

_BAR = "a 95 % interval of the stratified bootstrap over the seeds of each environment"
_BAND = "a 95 % interval of the bootstrap over whole runs, stratified by environment"
_JOINT = "pointwise where shaded; between the thin lines lies the whole line at 95 %"
_FEW = f"fewer than {stats.SEEDS_FOR_AN_INTERVAL} seeds"

BAR: dict[Shows, str] = {
    "interval": f"A bar is {_BAR}: how the number would vary with other seeds.",
    "low n": f"A bar is {_BAR}. Low n: it comes from {_FEW} an environment.",
    "range": f"A bar is the range of the single seeds: {_FEW} give no interval.",
    "point": f"There is no bar: {_FEW} give no interval.",
}
COMPARISON: dict[Shows, str] = BAR | {"range": BAR["point"]}
BAND: dict[Shows, str] = {
    "interval": f"The band is {_BAND}, {{edges}}.",
    "low n": f"The band is {_BAND}, {{edges}}. Low n: it comes from {_FEW} an environment.",
    "range": f"The band is the range of the single seeds: {_FEW} give no interval.",
    "point": f"There is no band: {_FEW} give no interval.",
}


def fill(caption: str, evidence: Evidence, score: str, aggregate: bool) -> str:
    """Put what is known of the sweep into a caption, and add what its reader must not miss."""
    tasks = len(evidence.sweep.envs) if aggregate else 1
    shows = stats.gate(min(seed_counts(evidence)), tasks)
    text = caption.format(
        score=describe_score(evidence, score),
        envs="1 environment" if len(evidence.sweep.envs) == 1 else f"{tasks} environments",
        seeds=seeds(evidence),
        baseline=evidence.baseline,
        bar=BAR[shows],
        comparison=COMPARISON[shows],
        band=BAND[shows].format(edges=_JOINT if evidence.joint_bands else "pointwise"),
    )
    if evidence.unequal:
        text += f" **Budgets differ between arms on {', '.join(evidence.unequal)}.**"
    return text + (_gaps(evidence) if aggregate else "")


def describe_score(evidence: Evidence, score: str) -> str:
    if score == "auc":
        return "area under the learning curve (trapezoids from step 0, divided by steps)"
    counts = sorted({run.evaluation.final_episodes for run in evidence.sweep.runs})
    episodes = " or ".join(str(n) for n in counts)
    return f"final score (mean return of {episodes} episodes after training)"


def seed_counts(evidence: Evidence) -> set[int]:
    envs = evidence.sweep.envs
    return {len(evidence.specs(arm, env)) for env in envs for arm in evidence.arms_on(env)}


def seeds(evidence: Evidence) -> str:
    counts = seed_counts(evidence)
    return " or ".join(map(str, sorted(counts))) + (" seed" if counts == {1} else " seeds")


def _gaps(evidence: Evidence) -> str:
    scores = next(iter(evidence.raw.values()))
    counts = {arm: scores.count(arm) for arm in scores.arms}
    gone = [f"{arm} ({have} of {all_} runs)" for arm, (have, all_) in counts.items() if have < all_]
    return f" Not shown, because runs are missing: {', '.join(gone)}." if gone else ""
