"""Runs of which a metric of visits (harness/coverage.py) has no number, known before they train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import agents, coverage, envs
from harness.config.name import joined
from harness.spec import Claim, Metric, ResolvedSweep, RunSpec


def asks(metric: Metric) -> bool:
    """Whether a metric asks which cells training visited."""
    return metric.target.partition(":")[0] == coverage.__name__


def unvisited(run: RunSpec) -> str:
    """Why training visits no cells; empty: it does."""
    if not agents.entry(run.agent).learns:
        return f"{run.agent} takes no steps in training, so it visits nothing"
    return "" if envs.card(run.env).cells else f"{run.env} has no cells"


def refused(claim: Claim, metrics: Sequence[Metric], runs: Sequence[RunSpec]) -> str:
    """Why a claim has nothing to compare, with the way out; empty: it has."""
    if not any(asks(metric) for metric in metrics if metric.name == claim.score):
        return ""
    behind = (run for run in runs if run.arm in claim.arms and claim.env in (None, run.env))
    why = next(filter(None, map(unvisited, behind)), "")
    return why and f"{why}: drop the claim, or compare runs that train where cells are counted"


def warnings(sweep: ResolvedSweep) -> Iterator[str]:
    """Of metrics that no claim needs: the report shows a gap in their place."""
    names = [metric.name for metric in sweep.metrics if asks(metric)]
    for (arm, _), run in {(run.arm, run.env): run for run in sweep.made}.items():
        if names and (why := unvisited(run)):
            yield f"{arm} on {run.env} will have no {joined(names)}: {why}."
