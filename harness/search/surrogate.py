"""What matters, judged by the trials: importance, marginals, and the order of an ablation path.

A forest stands in for the search: hyper-parameters in, value out. It knows only what was tried, so
everything here comes with the range of resampled trials, which is no confidence interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState, create_trial
from sklearn.ensemble import RandomForestRegressor

from harness import stats
from harness.search import suggest
from harness.search.plan import Plan
from harness.stats import Array

TREES = 64
RESAMPLES = 40  # of the trials: an interval's ends are then its second lowest and second highest
GRID = 25  # points of a marginal
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
    """Of every hyper-parameter that all trials have, the most important first."""
    rows: list[dict[str, float]] = []
    for i, sample in enumerate(resamples(trials, plan.name)):
        if len({trial.value for trial in sample}) < 2:
            continue
        study = optuna.create_study(direction="maximize")
        study.add_trials([_plain(trial) for trial in sample])
        rows.append(optuna.importance.get_param_importances(study, evaluator=EVALUATORS[method](i)))
    shares = {}
    for name in rows[0]:
        each = np.array([row.get(name, 0.0) for row in rows[1:]])
        low, high = stats.percentile(each)
        shares[name] = Share(rows[0][name], float(low), float(high))
    return shares


def _plain(trial: FrozenTrial) -> FrozenTrial:
    return create_trial(value=trial.value, params=trial.params, distributions=trial.distributions)


class Columns:
    """The space as columns of numbers: one for a range, one for each choice."""

    def __init__(self, plan: Plan) -> None:
        self.kinds = {
            suggest.parameter(name, one): suggest.distribution(one)
            for name, one in plan.space.items()
        }
        self.names = list(self.kinds)

    def matrix(self, params: Sequence[dict[str, Any]]) -> Array:
        """(points, columns). What is no hyper-parameter at a point stands in the middle."""
        return np.array(
            [[x for name in self.names for x in self._cells(name, one)] for one in params]
        )

    def _cells(self, name: str, params: dict[str, Any]) -> list[float]:
        kind = self.kinds[name]
        if isinstance(kind, CategoricalDistribution):
            given = params.get(name, _ABSENT)
            return [float(choice == given) for choice in kind.choices]
        assert isinstance(kind, FloatDistribution | IntDistribution)
        low, high = self.scaled(name, kind.low), self.scaled(name, kind.high)
        return [self.scaled(name, params[name]) if name in params else (low + high) / 2]

    def scaled(self, name: str, value: float) -> float:
        """On the scale on which it is searched."""
        kind = self.kinds[name]
        logarithmic = isinstance(kind, FloatDistribution | IntDistribution) and kind.log
        return float(np.log10(value)) if logarithmic else float(value)

    def grid(self, name: str) -> list[Any]:
        """Values from one end of a range to the other, or all choices."""
        kind = self.kinds[name]
        if isinstance(kind, CategoricalDistribution):
            return list(kind.choices)
        assert isinstance(kind, FloatDistribution | IntDistribution)
        if kind.log:
            points = np.geomspace(kind.low, kind.high, GRID)
        else:
            points = np.linspace(kind.low, kind.high, GRID)
        if isinstance(kind, IntDistribution):
            return sorted({round(float(point)) for point in points})
        return [float(point) for point in points]


_ABSENT = object()


class Marginal(NamedTuple):
    """The value along one hyper-parameter, the others as the trials had them."""

    grid: list[Any]
    point: Array
    low: Array
    high: Array


class Plane(NamedTuple):
    """The value over two hyper-parameters."""

    x: str
    y: str
    across: list[Any]
    up: list[Any]
    values: Array  # (up, across)


class Forest:
    """A random forest on the trials, and one on each of their resamples."""

    def __init__(self, plan: Plan, trials: Sequence[FrozenTrial]) -> None:
        self.columns = Columns(plan)
        self.trials = list(trials)
        self._forests = [
            self._fit(sample, i) for i, sample in enumerate(resamples(trials, plan.name))
        ]

    def _fit(self, sample: Sequence[FrozenTrial], seed: int) -> RandomForestRegressor:
        x = self.columns.matrix([trial.params for trial in sample])
        y = np.array([worth(trial) for trial in sample])
        trees = TREES if seed == 0 else TREES // 4
        return RandomForestRegressor(
            n_estimators=trees, min_samples_leaf=2, random_state=seed, n_jobs=1
        ).fit(x, y)

    def predict(self, params: Sequence[dict[str, Any]]) -> Array:
        return np.asarray(self._forests[0].predict(self.columns.matrix(params)))

    def marginal(self, name: str) -> Marginal:
        grid = self.columns.grid(name)
        points = [trial.params | {name: value} for value in grid for trial in self.trials]
        x = self.columns.matrix(points)
        shape = len(grid), len(self.trials)
        rows = np.array([forest.predict(x).reshape(shape).mean(axis=1) for forest in self._forests])
        low, high = stats.percentile(rows[1:])
        return Marginal(grid, rows[0], np.asarray(low), np.asarray(high))

    def plane(self, x: str, y: str) -> Plane:
        """The marginal over two hyper-parameters."""
        across, up = self.columns.grid(x), self.columns.grid(y)
        points = [
            trial.params | {x: right, y: high}
            for high in up
            for right in across
            for trial in self.trials
        ]
        values = self.predict(points).reshape(len(up), len(across), -1).mean(axis=2)
        return Plane(x, y, across, up, values)
