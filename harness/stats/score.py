"""From learning curves to scores: one number per run, with its gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.spec import Anchors, Run
from harness.stats.aggregate import Array

RunId = tuple[str, str, int]  # arm, environment, seed


class MissingRuns(ValueError):
    """A statistic was asked for over runs of which some have no score."""


class Curve(NamedTuple):
    """The evaluations of one run: from step 0 to its budget, whose evaluation is the final one.

    What was imported begins where its file begins, and may be a single score.
    """

    steps: Array
    returns: Array  #: mean raw return of each evaluation's episodes


@dataclass(frozen=True)
class Scores:
    """One number per run, with its gaps."""

    arms: tuple[str, ...]
    envs: tuple[str, ...]
    seeds: tuple[int, ...]
    values: dict[str, Array]  #: arm -> (seeds, envs); NaN: there is no score
    planned: dict[str, NDArray[np.bool_]]  #: arm -> (seeds, envs): the sweep asks for the run

    def complete(self, arms: Iterable[str]) -> bool:
        """Whether these arms are asked for on every environment, each with as many seeds."""
        asked = [self.planned[arm][self.planned[arm].any(axis=1)] for arm in arms]
        return all(each.all() for each in asked) and len({len(each) for each in asked}) == 1

    def count(self, arm: str, envs: Sequence[str] | None = None) -> tuple[int, int]:
        """How many runs of an arm have a score, and how many were planned."""
        columns = self._columns(envs)
        planned = self.planned[arm][:, columns]
        return int(np.isfinite(self.values[arm][:, columns])[planned].sum()), int(planned.sum())

    def matrix(self, arm: str, envs: Sequence[str] | None = None) -> Array:
        """The scores of an arm, (runs, envs). NaN stands only where no run was ever planned.

        :raises MissingRuns: when a planned run has no score, or an environment has none at all.
        """
        columns = self._columns(envs)
        planned = self.planned[arm][:, columns]
        asked = planned.any(axis=1)
        values = np.where(planned, self.values[arm][:, columns], np.nan)[asked]
        known = np.isfinite(values)
        if (known | ~planned[asked]).all() and known.any(axis=0).all() and len(values):
            return values
        have, wanted = self.count(arm, envs)
        raise MissingRuns(f"{have} of {wanted} runs")

    def _columns(self, envs: Sequence[str] | None) -> list[int]:
        return [self.envs.index(env) for env in (self.envs if envs is None else envs)]


def curves(frame: pd.DataFrame) -> dict[RunId, Curve]:
    """The learning curve of every run in `Store.frame`, whatever the order of its rows.

    :raises ValueError: unless exactly one evaluation of a run is marked final, at its last step.
    """
    ordered = frame.sort_values(["step", "final"], kind="stable")
    last = ordered.drop_duplicates(["arm", "env", "seed", "step"], keep="last")  # final beats curve
    ends = ordered.groupby(["arm", "env", "seed"], sort=False)["final"].agg(["sum", "last"])
    if len(wrong := ends[(ends["sum"] != 1) | ~ends["last"].astype(bool)]):
        raise ValueError(f"no single final evaluation at the end of {wrong.index[0]}")
    return {
        cast(RunId, run): Curve(
            rows["step"].to_numpy(dtype=float), rows["mean"].to_numpy(dtype=float)
        )
        for run, rows in last.groupby(["arm", "env", "seed"], sort=False)
    }


def final(curve: Curve) -> float:
    """The evaluation after training."""
    return float(curve.returns[-1])


def auc(curve: Curve) -> float:
    """Area under the curve over [0, steps], by trapezoids, divided by steps: a mean return.

    Of a curve that begins later, over the steps that it has; NaN where that is a single one.
    """
    steps = curve.steps[-1] - curve.steps[0]
    return float(np.trapezoid(curve.returns, curve.steps) / steps) if steps else np.nan


SCORES: dict[str, Callable[[Curve], float]] = {"final": final, "auc": auc}


def normalise(returns: Array, anchors: Anchors) -> Array:
    """0 is the random policy, 1 the reference, whatever was compared: the anchors are fixed."""
    low, high = anchors.random.score, anchors.reference.score
    return (returns - low) / (high - low)


def score_matrix(
    numbers: Mapping[RunId, float],
    runs: Sequence[Run],
    anchors: Mapping[str, Anchors] | None = None,
) -> Scores:
    """A number of each of a sweep's runs, raw, or normalised where anchors are given."""
    arms, envs = _unique(run.arm for run in runs), _unique(run.env for run in runs)
    seeds = tuple(sorted({run.seed for run in runs}))
    values = {arm: np.full((len(seeds), len(envs)), np.nan) for arm in arms}
    planned = {arm: np.zeros((len(seeds), len(envs)), dtype=bool) for arm in arms}
    row, column = {s: i for i, s in enumerate(seeds)}, {e: i for i, e in enumerate(envs)}
    for run in runs:
        cell = row[run.seed], column[run.env]
        planned[run.arm][cell] = True
        values[run.arm][cell] = numbers.get((run.arm, run.env, run.seed), np.nan)
    if anchors is not None:
        for matrix in values.values():
            for i, env in enumerate(envs):
                matrix[:, i] = normalise(matrix[:, i], anchors[env])
    return Scores(arms, envs, seeds, values, planned)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
