"""The next trial of a study, and its hyper-parameters."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.config.space import Space
from harness.config.tree import get
from harness.search.cmaes import CMAES
from harness.search.dimension import dimensions
from harness.search.plan import Plan

# Each trial gets a sampler of its own, seeded by its number: so a search that is resumed draws what
# it would have drawn.
SAMPLERS: dict[str, Callable[[Plan, int], BaseSampler]] = {
    "tpe": lambda plan, seed: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda plan, seed: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False),
    "cmaes": lambda plan, seed: CMAES(seed=seed, warn_independent_sampling=False),
    "random": lambda plan, seed: optuna.samplers.RandomSampler(seed=seed),
    # Its seed shuffles the grid, of which every trial takes the point of its number.
    "grid": lambda plan, seed: optuna.samplers.GridSampler(grid(plan.space), seed=plan.file.seed),
}


def grid(space: Space) -> dict[str, list[Any]]:
    """Every value of each hyper-parameter, as the study knows it."""
    return {one.key: one.points() for one in dimensions(space)}


def chosen(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's hyper-parameters by their dotted names, as far as they were searched."""
    own = (one for one in dimensions(space) if one.key in params)
    return {one.name: one.decode(params[one.key]) for one in own}


def default_params(space: Space, hparams: Mapping[str, Any]) -> dict[str, Any] | None:
    """The default as a point of the space; None if it lies outside."""
    params: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for one in dimensions(space):
        if one.range.active(values):
            values[one.name] = get(hparams, one.name)
            try:
                params[one.key] = one.encode(values[one.name])
            except ValueError:
                return None
    return params


def replica(
    plan: Plan, trials: Iterable[FrozenTrial], sampler: BaseSampler | None = None
) -> optuna.Study:
    """A study in memory with these trials: what is drawn or judged there leaves no trace."""
    study = optuna.create_study(study_name=plan.name, direction="maximize", sampler=sampler)
    study.add_trials(trials)
    return study


def draw(plan: Plan, before: Sequence[FrozenTrial]) -> FrozenTrial:
    """The next trial: a function of the plan and the trials before it."""
    number = len(before)
    seed = zlib.crc32(f"{plan.file.seed}/{plan.label}/{number}".encode())
    study = replica(plan, before, SAMPLERS[plan.file.sampler](plan, seed))
    trial = study.ask()
    values: dict[str, Any] = {}
    for one in dimensions(plan.space):
        if one.range.active(values):
            values[one.name] = one.ask(trial)
    return study.trials[-1]


def first(plan: Plan) -> FrozenTrial:
    """Trial 0: the default. A sampler learns from it where it is a point of the space."""
    inside = [default_params(plan.space, spec.hparams) for spec in plan.base]
    params = inside[0] if inside[0] is not None and all(p == inside[0] for p in inside) else {}
    kinds: dict[str, BaseDistribution]
    kinds = {one.key: one.kind for one in dimensions(plan.space) if one.key in params}
    return create_trial(state=TrialState.RUNNING, params=params, distributions=kinds)
