"""What a design can show, before anything is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from harness.spec import Claim, ResolvedSweep
from harness.stats.aggregate import Array
from harness.stats.permutation import ALPHA, critical_sum, holm, smallest_p
from harness.stats.uncertainty import (
    SEEDS_FOR_A_RANGE,
    SEEDS_FOR_AN_INTERVAL,
    TASKS_THAT_MAKE_UP_FOR_FEW_SEEDS,
    gate,
    has_interval,
)

POWER = 0.8
EXPERIMENTS = 2_000  # simulated at once; power at .8 is then known to .009
_SEED = 20_261
_LARGEST = 64.0  # standard deviations: more is not to be hoped for
_MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Ability:
    """What the runs of a sweep can say about one claim, whatever they score."""

    claim: Claim
    seeds: int  # of the arm with fewer
    tasks: int
    smallest_p: float  # when every run of one arm beats all of the other's
    adjusted: float  # the same after Holm, when all claims of the family come out so well
    impossible: str  # why no outcome could support or contradict it; empty: some can


def abilities(sweep: ResolvedSweep) -> list[Ability]:
    """What the design can say about each claim."""
    found = [_runs(sweep, claim) for claim in sweep.claims]
    p_values = [smallest_p(n, n, tasks) if n else 1.0 for n, tasks, _ in found]
    adjusted = holm(p_values)
    family = len(found)
    return [
        Ability(
            claim, n, tasks, p_values[i], adjusted[i],
            why or _impossible(n, tasks, p_values[i], adjusted[i], family),
        )
        for i, (claim, (n, tasks, why)) in enumerate(zip(sweep.claims, found, strict=True))
    ]  # fmt: skip


def _runs(sweep: ResolvedSweep, claim: Claim) -> tuple[int, int, str]:
    """Seeds on each task, tasks, and what is missing for a comparison."""
    wanted = [claim.env] if claim.env else list(sweep.envs)
    least = math.inf
    for arm in (claim.better, claim.worse):
        seeds = {env: 0 for env in wanted}
        for run in sweep.runs:
            if run.arm == arm and run.env in seeds:
                seeds[run.env] += 1
        gone = [env for env, n in seeds.items() if not n]
        if gone:
            where = "" if claim.env else "; say on which environment: 'A > B on ENV by ...'"
            return 0, len(wanted), f"{arm} is not trained on {', '.join(gone)}{where}"
        least = min(least, *seeds.values())
    return int(least), len(wanted), ""


def _impossible(n: int, tasks: int, p: float, adjusted: float, family: int) -> str:
    where = "one environment" if tasks == 1 else f"{tasks} environments"
    if not has_interval(gate(n, tasks)):
        many = tasks >= TASKS_THAT_MAKE_UP_FOR_FEW_SEEDS
        enough = SEEDS_FOR_A_RANGE if many else SEEDS_FOR_AN_INTERVAL
        return (
            f"{n} seeds on {where} give no interval, so no outcome could support it: raise `seeds` "
            f"to {enough} or more, or drop the claim"
        )
    if adjusted <= ALPHA:
        return ""
    enough = next(
        k for k in range(n, _MOST_SEEDS) if family * smallest_p(k, k, tasks) <= ALPHA
    )  # fmt: skip
    return (
        f"with {n} seeds on {where} the smallest p is {p:.2g}, and {adjusted:.2g} after Holm's "
        f"correction for {family} claims, so no outcome could support it: raise `seeds` to "
        f"{enough} or more, or drop claims"
    )


@lru_cache(maxsize=64)
def detectable(runs: int, tasks: int, family: int) -> float:
    """The smallest shift, in standard deviations, that the test finds with probability `POWER`.

    Simulated: scores of both arms are normal with the same spread, and one arm is shifted by as
    many of its standard deviations on every task. The claim is tested at the first step of Holm's
    correction, as if no other of the family were true. Infinity: no shift is found.
    """
    limit = critical_sum(runs, tasks, ALPHA / max(1, family))
    noise = np.random.default_rng([_SEED, runs, tasks]).normal(size=(EXPERIMENTS, 2 * runs, tasks))
    low, high = 0.0, _LARGEST
    if _power(noise, high, limit) < POWER:
        return math.inf
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if _power(noise, middle, limit) >= POWER else (middle, high)
    return high


def _power(noise: Array, shift: float, limit: float) -> float:
    """How often the doubled rank sum of the first half of the runs, shifted, is beyond `limit`."""
    runs = noise.shape[1] // 2
    scores = noise.copy()
    scores[:, :runs] += shift
    ranks = scores.argsort(axis=1).argsort(axis=1) + 1  # (experiments, runs of both, tasks)
    centre = runs * (2 * runs + 1)
    sums = (2 * ranks[:, :runs].sum(axis=1) - centre).sum(axis=-1)
    return float((np.abs(sums) >= limit).mean())
