"""Whether arms that are compared have settings that were tuned on the same environments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.config.name import joined
from harness.config.tree import grouped
from harness.spec import ResolvedSweep

NOWHERE = "none"


def compared(sweep: ResolvedSweep) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Pairs of arms, and the environments on which they meet.

    The two arms of each claim; an arm that no claim names, and the baseline.
    """
    runs = {(run.arm, run.env) for run in sweep.runs}
    claimed = {arm for claim in sweep.claims for arm in claim.arms}
    pairs = [(*claim.arms, claim.env) for claim in sweep.claims]
    baseline = sweep.report.baseline or sweep.arms[0]
    pairs += [(arm, baseline, None) for arm in sweep.arms if arm not in claimed | {baseline}]
    for first, second, env in pairs:
        asked = sweep.envs if env is None else (env,)
        yield first, second, tuple(e for e in asked if {(first, e), (second, e)} <= runs)


def warnings(sweep: ResolvedSweep) -> list[str]:
    """For environments where it is not so: which arm was tuned on what. Each once."""
    apart: dict[str, dict[str, frozenset[str]]] = {}  # by environment and arm
    for first, second, envs in compared(sweep):
        for env in envs:
            each = {
                arm: frozenset(sweep.tuned_on[arm][env])
                for arm in (first, second)
                if env in sweep.tuned_on.get(arm, {})
            }
            if len(set(each.values())) == 2:
                apart.setdefault(env, {}).update(each)
    places = grouped((_told(sweep, where), env) for env, where in apart.items())
    return [
        f"Arms that are compared on {joined(envs)} were not tuned on the same environments: "
        f"{told}. Tune all of them on the same, or say why not."
        for told, envs in places.items()
    ]


def _told(sweep: ResolvedSweep, tuned_on: Mapping[str, frozenset[str]]) -> str:
    """`ppo on A; count and rnd on A and B`, in the sweep's order."""
    parts = grouped((tuned_on[arm], arm) for arm in sweep.arms if arm in tuned_on)
    return "; ".join(
        f"{joined(arms)} on {joined(sorted(where)) or NOWHERE}" for where, arms in parts.items()
    )
