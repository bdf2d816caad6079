"""The numbers behind the figures, each made once: for paper by matplotlib, for the page by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from harness import stats
from harness.report.evidence import Evidence, once
from harness.stats import Array, Band, Estimate, MissingRuns, Statistic

_MOST_SIZES = 10  # of studies with fewer seeds: beyond, a line is smooth


class Lines(NamedTuple):
    """One line with its band per arm; an arm with missing runs is named instead."""

    x: Array
    bands: dict[str, Band]
    gaps: dict[str, str]  # arm -> what is missing


@once
def aggregates(evidence: Evidence, score: str, arm: str) -> dict[str, Estimate]:
    try:
        matrix = evidence.normalised[score].matrix(arm)
        return stats.estimates(matrix, stats.AGGREGATES, arm)
    except MissingRuns as missing:
        return dict.fromkeys(stats.AGGREGATES, stats.unavailable(str(missing)))


@once
def improvement(evidence: Evidence, score: str, arm: str) -> Estimate:
    """P(a run of `arm` scores above one of the baseline)."""
    scores, baseline = evidence.normalised[score], evidence.baseline
    try:
        return stats.improvement(scores.matrix(arm), scores.matrix(baseline))
    except MissingRuns as missing:
        return stats.unavailable(str(missing))


@once
def profiles(evidence: Evidence, score: str) -> Lines | None:
    """The fraction of runs above each normalised score; None: there is no run."""
    scores = evidence.normalised[score]
    pooled = np.concatenate([values.ravel() for values in scores.values.values()])
    pooled = pooled[np.isfinite(pooled)]
    if not len(pooled):
        return None
    low, high = min(0.0, float(pooled.min())), max(1.0, float(pooled.max()))
    taus = np.linspace(low - 0.02, high + 0.02, 101)
    joint = evidence.joint_bands
    return _lines(evidence, taus, lambda arm: stats.profile_band(scores.matrix(arm), taus, joint))


@once
def sample_efficiency(evidence: Evidence) -> tuple[Lines, bool]:
    """Along training, over all environments; whether x is steps, not fractions of the budget."""
    budgets = {run.steps for run in evidence.sweep.runs}
    fractions = _common_grid(evidence)
    in_steps = budgets.pop() if len(budgets) == 1 else 0
    x = fractions * in_steps if in_steps else fractions

    def find(arm: str) -> Band:
        return _band(evidence, _along(evidence, arm, fractions), stats.curve_iqm, arm, "curve")

    return _lines(evidence, x, find), bool(in_steps)


def _common_grid(evidence: Evidence) -> Array:
    """Fractions of the budget at which runs were evaluated."""
    seen = [curve.steps / curve.steps[-1] for curve in evidence.curves.values()]
    grid = np.unique(np.concatenate(seen)) if seen else np.linspace(0, 1, 2)
    if len(grid) > 60:  # more evaluations than a figure can show
        grid = np.linspace(0, 1, 51)
    return grid


def _along(evidence: Evidence, arm: str, fractions: Array) -> Array:
    """Normalised returns of an arm, (runs, tasks, steps).

    :raises MissingRuns: when a planned run is not finished.
    """
    scores = next(iter(evidence.normalised.values()))
    scores.matrix(arm)
    tasks = []
    for env in scores.envs:
        runs = [evidence.curves[arm, env, seed] for seed in scores.seeds]
        returns = [np.interp(fractions * c.steps[-1], c.steps, c.returns) for c in runs]
        tasks.append(stats.normalise(np.stack(returns), evidence.sweep.anchors[env]))
    return np.stack(tasks, axis=1)


def _band(evidence: Evidence, scores: Array, statistic: Statistic, *names: str) -> Band:
    return stats.band(scores, statistic, names, joint=evidence.joint_bands)


def _lines(evidence: Evidence, x: Array, find: Callable[[str], Band]) -> Lines:
    bands, gaps = {}, {}
    for arm in evidence.sweep.arms:
        try:
            bands[arm] = find(arm)
        except MissingRuns as missing:
            gaps[arm] = str(missing)
    return Lines(x, bands, gaps)


@once
def learning_curve(evidence: Evidence, arm: str, env: str) -> tuple[Array, Band | None]:
    """Steps, and the IQM of the raw return along them; None: runs are missing."""
    steps, runs = evidence.learning_curves(arm, env)
    try:
        next(iter(evidence.raw.values())).matrix(arm, [env])
    except MissingRuns:
        return steps, None
    stacked = np.stack([runs[seed] for seed in sorted(runs)])[:, None]  # (runs, 1, steps)
    return steps, _band(evidence, stacked, stats.curve_iqm, arm, env, "curve")


@once
def misled(evidence: Evidence, score: str, arm: str, env: str) -> dict[int, float]:
    """By the number of seeds, up to half of them: the share of studies that see the opposite."""
    if arm == evidence.baseline or evidence.baseline not in evidence.arms_on(env):
        return {}
    most = len(evidence.specs(arm, env)) // 2
    sizes = {*range(1, min(most, _MOST_SIZES) + 1)}
    sizes |= {*range(most, _MOST_SIZES, -max(1, most // _MOST_SIZES))}
    try:
        found = [evidence.fewer_seeds(score, arm, env, k) for k in sorted(sizes)]
    except MissingRuns:
        return {}
    return {each.k: each.opposite for each in found if each is not None and each.difference}
