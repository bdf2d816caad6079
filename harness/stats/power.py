"""What a design can show, before anything is trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from harness.spec import Claim, Decide, ResolvedSweep
from harness.stats.aggregate import Array, iqm
from harness.stats.calibration import (
    DIFFERENCE,
    WORST_DIFFERENCE,
    gate,
    has_interval,
    seeds_needed,
)
from harness.stats.equivalence import equivalence, fewest
from harness.stats.permutation import (
    ALPHA,
    DEALS,
    Correction,
    corrected,
    correction,
    critical_sum,
    smallest_p,
)
from harness.stats.resample import bootstrap
from harness.stats.sequential import attainable
from harness.stats.uncertainty import LEVEL, counts, freedom, interval, task_variances

POWER = 0.8
EXPERIMENTS = 500  # simulated at once; power at .8 is then known to .018
_RESAMPLES = 400  # of each
_SEED = 20_261
_LARGEST = 64.0  # standard deviations: more is not to be hoped for
_MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Ability:
    """What the runs of a sweep can say about one claim, whatever they score."""

    claim: Claim
    seeds: int  # of the arm with fewer
    tasks: int
    # When every run of one arm beats all of the other's; of a claim with a margin, when all tie.
    smallest_p: float
    adjusted: float  # the same after the correction, when all claims of the family come out so well
    impossible: str  # why no outcome could support or contradict it; empty: some can


def abilities(sweep: ResolvedSweep) -> list[Ability]:
    """What the design can say about each claim."""
    found = [_runs(sweep, claim) for claim in sweep.claims]
    plan = sweep.decide

    def least(claim: Claim, n: int, tasks: int) -> float:
        if claim.margin:
            ties = np.zeros((n, 1))
            return equivalence(ties, ties, claim.margin, ALPHA).p
        if claim.of_worst:
            return max(smallest_p(n, n, tasks), 1 / (DEALS + 1))
        return attainable(plan, tasks) if plan else smallest_p(n, n, tasks)

    each = zip(sweep.claims, found, strict=True)
    p_values = [least(claim, n, tasks) if n else 1.0 for claim, (n, tasks, _) in each]
    by = correction(claim.margin for claim in sweep.claims)
    adjusted = corrected(p_values, by)
    family = Family(len(found), by, plan)
    return [
        Ability(
            claim, n, tasks, p_values[i], adjusted[i],
            why or _impossible(claim, n, tasks, p_values[i], adjusted[i], family),
        )
        for i, (claim, (n, tasks, why)) in enumerate(zip(sweep.claims, found, strict=True))
    ]  # fmt: skip


def _runs(sweep: ResolvedSweep, claim: Claim) -> tuple[int, int, str]:
    """Seeds on each task, tasks, and what is missing for a comparison."""
    wanted = [claim.env] if claim.env else list(sweep.envs)
    arms = claim.better, claim.worse
    seeds = Counter((run.arm, run.env) for run in sweep.runs)
    for arm in arms:
        gone = [env for env in wanted if not seeds[arm, env]]
        if gone:
            where = "" if claim.env else "; say on which environment: 'A > B on ENV by ...'"
            return 0, len(wanted), f"{arm} is not trained on {', '.join(gone)}{where}"
    return min(seeds[arm, env] for arm in arms for env in wanted), len(wanted), ""


class Family(NamedTuple):
    """The claims of a sweep, as far as each of them is judged by all."""

    size: int
    correction: Correction
    plan: Decide | None

    @property
    def alpha(self) -> float:
        return self.plan.alpha if self.plan else ALPHA


def _uncertain(n: int, margin: float, family: Family) -> str:
    """Why so many seeds cannot certify a margin; empty: they can."""
    error = family.alpha / family.size
    needed = fewest(margin, error)
    if n >= needed:
        return ""
    key = "`decide.cap`" if family.plan else "`seeds`"
    wider = next((m / 100 for m in range(1, 51) if fewest(m / 100, error) <= n), None)
    margins = f", or the margin to {wider:g}" if wider else ""
    among = f" as one of {family.size} claims" if family.size > 1 else ""
    return (
        f"with {n} seeds not even arms whose runs all tie are found equal but for {margin:g}{among}"
        f": raise {key} to {needed} or more{margins}"
    )


def _impossible(claim: Claim, n: int, tasks: int, p: float, adjusted: float, family: Family) -> str:
    if claim.margin:
        return _uncertain(n, claim.margin, family)
    where = "one environment" if tasks == 1 else f"{tasks} environments"
    correction = f"{family.correction}'s correction for {family.size} claims"
    if family.plan is not None:
        if adjusted <= family.alpha:
            return ""
        return (
            f"with looks up to {n} seeds on {where} the smallest p is {p:.2g}, and {adjusted:.2g} "
            f"after {correction}, so no outcome could support it: raise `decide.cap`, or drop "
            "claims"
        )
    difference = WORST_DIFFERENCE if claim.of_worst else DIFFERENCE
    if not has_interval(gate(difference, n, tasks)):
        enough = seeds_needed(difference, n, tasks)
        of = " of the worst quarter" if claim.of_worst else ""
        return (
            f"{n} seeds on {where} give no interval{of}, so no outcome could support it: raise "
            f"`seeds` to {enough} or more, or drop the claim"
        )
    if adjusted <= ALPHA:
        return ""
    enough = next(
        k for k in range(n, _MOST_SEEDS) if family.size * smallest_p(k, k, tasks) <= ALPHA
    )  # fmt: skip
    return (
        f"with {n} seeds on {where} the smallest p is {p:.2g}, and {adjusted:.2g} after "
        f"{correction}, so no outcome could support it: raise `seeds` to {enough} or more, or drop "
        "claims"
    )


@lru_cache(maxsize=64)
def detectable(runs: int, tasks: int, family: int) -> float:
    """The smallest shift, in standard deviations, that is decided with probability `POWER`.

    The whole decision is simulated, test and interval. Scores of both arms are normal with the same
    spread, and one arm is shifted by as many of its standard deviations on every task. The claim is
    tested at the first step of Holm's correction, as if no other of the family were true. Infinity:
    no shift is found.
    """
    if not has_interval(gate(DIFFERENCE, runs, tasks)):
        return math.inf
    noise, limit, needed = _design(runs, tasks, family)
    low, high = 0.0, _LARGEST
    if _power(noise, high, limit, needed) < POWER:
        return math.inf
    while high - low > 0.01:
        middle = (low + high) / 2
        enough = _power(noise, middle, limit, needed) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high


def chances(runs: int, tasks: int, family: int, shifts: Sequence[float]) -> list[float]:
    """How often such shifts are decided, in the same simulation."""
    if not has_interval(gate(DIFFERENCE, runs, tasks)):
        return [0.0] * len(shifts)
    noise, limit, needed = _design(runs, tasks, family)
    return [_power(noise, shift, limit, needed) for shift in shifts]


def _design(runs: int, tasks: int, family: int) -> tuple[Array, float, Array]:
    """Equal arms, the rank sum that decides, and the shifts that their intervals need."""
    rng = np.random.default_rng([_SEED, runs, tasks])
    noise = rng.normal(size=(EXPERIMENTS, 2 * runs, tasks))
    # The interval of the difference moves with the shift, so its lower end is looked for once.
    needed = -np.array([lower_end(each[:runs], each[runs:], rng) for each in noise])
    return noise, critical_sum(runs, tasks, ALPHA / max(1, family)), needed


def lower_end(
    x: Array,
    y: Array,
    rng: np.random.Generator,
    level: float = LEVEL,
    resamples: int = _RESAMPLES,
) -> float:
    """Of the interval of the difference of the IQMs."""
    samples = bootstrap(x, iqm, rng, resamples) - bootstrap(y, iqm, rng, resamples)
    variances = np.concatenate([task_variances(arm, iqm) for arm in (x, y)])
    runs = np.concatenate([counts(arm) for arm in (x, y)])
    return float(interval(samples, len(x), freedom(variances, runs), level)[0])


def _power(noise: Array, shift: float, limit: float, needed: Array) -> float:
    """How often the first half of the runs, shifted, is decided to be better.

    :param limit: that the doubled rank sum must reach.
    :param needed: the shift beyond which the interval of the difference leaves 0 behind.
    """
    runs = noise.shape[1] // 2
    scores = noise.copy()
    scores[:, :runs] += shift
    ranks = scores.argsort(axis=1).argsort(axis=1) + 1  # (experiments, runs of both, tasks)
    centre = runs * (2 * runs + 1)
    sums = (2 * ranks[:, :runs].sum(axis=1) - centre).sum(axis=-1)
    return float(((sums >= limit) & (shift > needed)).mean())
