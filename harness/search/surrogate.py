"""What matters, judged by the trials: importance, marginals, and the order of an ablation path.

A forest stands in for the search: hyper-parameters in, value out. It knows only what was tried, so
everything here comes with the range of resampled trials, which is no confidence interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState, create_trial
from sklearn.ensemble import RandomForestRegressor

from harness import stats
from harness.search.dimension import Dimension, dimensions
from harness.search.plan import Plan
from harness.stats import Array

TREES = 64
RESAMPLES = 40  # of the trials: an interval's ends are then its second lowest and second highest
ENOUGH = 8  # trials, for anything here to mean something

EVALUATORS: dict[str, Callable[[int], Any]] = {
    "PED-ANOVA": lambda seed: PedAnovaImportanceEvaluator(),
    "fANOVA": lambda seed: FanovaImportanceEvaluator(n_trees=TREES, seed=seed),
}


class Share(NamedTuple):
    """How much of the variation a hyper-parameter explains, with its interval."""

    point: float
    low: float
    high: float


def worth(trial: FrozenTrial) -> float:
    """Its value; NaN if it has none."""
    return math.nan if trial.value is None else float(trial.value)


def usable(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those with a value and a place in the space: a default that lies outside has none."""
    told = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    return [trial for trial in told if trial.params]


def resamples(trials: Sequence[FrozenTrial], name: str) -> list[list[FrozenTrial]]:
    """The trials drawn anew, with replacement; the first is the trials as they are."""
    rng = stats.generator(name, "trials")
    drawn = rng.integers(len(trials), size=(RESAMPLES, len(trials)))
    return [list(trials), *([trials[i] for i in row] for row in drawn)]


def importance(plan: Plan, trials: Sequence[FrozenTrial], method: str) -> dict[str, Share]:
    """Of every hyper-parameter that all trials have, the most important first.

    Empty: all trials are worth the same.
    """
    rows: list[dict[str, float]] = []
    for i, sample in enumerate(resamples(trials, plan.name)):
        if len({trial.value for trial in sample}) < 2:
            continue
        study = optuna.create_study(direction="maximize")
        study.add_trials([_plain(trial) for trial in sample])
        rows.append(optuna.importance.get_param_importances(study, evaluator=EVALUATORS[method](i)))
    shares = {}
    for name, point in rows[0].items() if len(rows) > 1 else ():
        low, high = stats.percentile(np.array([row.get(name, 0.0) for row in rows[1:]]))
        shares[name] = Share(point, float(low), float(high))
    return shares


def _plain(trial: FrozenTrial) -> FrozenTrial:
    return create_trial(value=trial.value, params=trial.params, distributions=trial.distributions)


class Marginal(NamedTuple):
    """The value along one hyper-parameter, the others as the trials had them."""

    grid: list[Any]
    point: Array
    low: Array
    high: Array


class Plane(NamedTuple):
    """The value over two hyper-parameters."""

    across: list[Any]
    up: list[Any]
    values: Array  # (up, across)


class Forest:
    """A random forest on the trials, and one on each of their resamples."""

    def __init__(
        self,
        plan: Plan,
        trials: Sequence[FrozenTrial],
        of: Callable[[FrozenTrial], float] = worth,
    ) -> None:
        """:param of: what it learns of a trial; default: its value."""
        self._dimensions = dimensions(plan.space)
        self._trials, self._of = list(trials), of
        self._forests = [
            self._fit(sample, i) for i, sample in enumerate(resamples(trials, plan.name))
        ]

    def _fit(self, sample: Sequence[FrozenTrial], seed: int) -> RandomForestRegressor:
        trees = TREES if seed == 0 else TREES // 4
        return RandomForestRegressor(
            n_estimators=trees, min_samples_leaf=2, random_state=seed, n_jobs=1
        ).fit(self._matrix(trial.params for trial in sample), [self._of(trial) for trial in sample])

    def _matrix(self, params: Iterable[dict[str, Any]]) -> Array:
        """(points, columns)."""
        return np.array([[x for one in self._dimensions for x in one.cells(at)] for at in params])

    def predict(self, params: Iterable[dict[str, Any]], resample: int = 0) -> Array:
        """:param resample: of the trials, by whose forest; 0: the trials as they are."""
        return np.asarray(self._forests[resample].predict(self._matrix(params)))

    def marginal(self, of: Dimension) -> Marginal:
        grid = of.grid()
        x = self._matrix(t.params | {of.key: value} for value in grid for t in self._trials)
        shape = len(grid), len(self._trials)
        rows = np.array([forest.predict(x).reshape(shape).mean(axis=1) for forest in self._forests])
        low, high = stats.percentile(rows[1:])
        return Marginal(grid, rows[0], np.asarray(low), np.asarray(high))

    def plane(self, x: Dimension, y: Dimension) -> Plane:
        """The marginal over two hyper-parameters."""
        across, up = x.grid(), y.grid()
        values = self.predict(
            trial.params | {x.key: right, y.key: high}
            for high in up
            for right in across
            for trial in self._trials
        )
        return Plane(across, up, values.reshape(len(up), len(across), -1).mean(axis=2))
