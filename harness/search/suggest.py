"""Between a space and Optuna: distributions, the next trial, and its hyper-parameters."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from harness.config.space import Range, Space
from harness.config.tree import canonical, get
from harness.search.cmaes import CMAES
from harness.search.plan import Plan

DIGITS = 4  # of a real number: more than any noise can tell apart, and short to read

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


def parameter(name: str, found: Range) -> str:
    """What the study calls it: the scale on which it is searched."""
    if found.powers_of is not None:
        return f"log{found.powers_of} {name}"
    return f"1 - {name}" if found.one_minus else name


def distribution(found: Range) -> BaseDistribution:
    if found.choices is not None:
        return CategoricalDistribution([_label(choice) for choice in found.choices])
    assert found.low is not None and found.high is not None
    if found.powers_of is not None:
        return IntDistribution(found.power(found.low), found.power(found.high))
    if found.whole:
        return IntDistribution(
            int(found.low), int(found.high), log=found.log, step=int(found.step or 1)
        )
    low, high = float(found.low), float(found.high)
    if found.one_minus:
        low, high = round(1 - high, 12), round(1 - low, 12)
    return FloatDistribution(low, high, log=found.log, step=found.step)


def decode(found: Range, drawn: Any) -> Any:
    """The hyper-parameter's value, from what the sampler drew."""
    if found.choices is not None:
        return next(choice for choice in found.choices if _label(choice) == drawn)
    if found.powers_of is not None:
        return int(found.powers_of**drawn)
    if found.whole:
        return int(drawn)
    short = float(f"{drawn:.{DIGITS}g}")
    return round(1 - short, 12) if found.one_minus else short


def encode(found: Range, value: Any) -> Any:
    """What the sampler would have to draw to get the value.

    :raises ValueError: if it lies outside the range.
    """
    if found.choices is not None:
        if value not in found.choices:
            raise ValueError(value)
        return _label(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)
    drawn: Any = value
    if found.powers_of is not None:
        drawn = found.power(value) if value >= 1 else -1
    elif not found.whole:
        drawn = round(1 - value, 12) if found.one_minus else float(value)
    # Made to ask whether the value is one of the distribution's: it raises ValueError if not.
    create_trial(value=0.0, params={"x": drawn}, distributions={"x": distribution(found)})
    if decode(found, drawn) != value:
        raise ValueError(value)
    return drawn


def _label(choice: Any) -> Any:
    """Optuna's choices are plain: lists are written as text."""
    plain = choice is None or isinstance(choice, bool | int | float | str)
    return choice if plain else canonical(choice)


def grid(space: Space) -> dict[str, list[Any]]:
    """Every value of each hyper-parameter, as the study calls them."""
    return {parameter(name, found): list(_values(found)) for name, found in space.items()}


def _values(found: Range) -> Iterable[Any]:
    kind = distribution(found)
    if isinstance(kind, CategoricalDistribution):
        return kind.choices
    assert isinstance(kind, IntDistribution | FloatDistribution) and kind.step is not None
    count = round((kind.high - kind.low) / kind.step) + 1
    return [kind.low + i * kind.step for i in range(count)]


def chosen(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's hyper-parameters by their dotted names, as far as they were searched."""
    found = {}
    for name, one in space.items():
        if parameter(name, one) in params:
            found[name] = decode(one, params[parameter(name, one)])
    return found


def default_params(space: Space, hparams: Mapping[str, Any]) -> dict[str, Any] | None:
    """The default as a point of the space; None if it lies outside."""
    found: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, one in space.items():
        if one.active(values):
            values[name] = get(hparams, name)
            try:
                found[parameter(name, one)] = encode(one, values[name])
            except ValueError:
                return None
    return found


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
    for name, found in plan.space.items():
        if found.active(values):
            values[name] = decode(found, _suggest(trial, parameter(name, found), found))
    return study.trials[-1]


def first(plan: Plan) -> FrozenTrial:
    """Trial 0: the default. A sampler learns from it where it is a point of the space."""
    inside = [default_params(plan.space, spec.hparams) for spec in plan.base]
    params = inside[0] if inside[0] is not None and all(p == inside[0] for p in inside) else {}
    kinds = {parameter(name, one): distribution(one) for name, one in plan.space.items()}
    return create_trial(
        state=TrialState.RUNNING,
        params=params,
        distributions={name: kinds[name] for name in params},
    )


def _suggest(trial: Trial, name: str, found: Range) -> Any:
    kind = distribution(found)
    if isinstance(kind, CategoricalDistribution):
        return trial.suggest_categorical(name, kind.choices)
    if isinstance(kind, IntDistribution):
        return trial.suggest_int(name, kind.low, kind.high, step=kind.step, log=kind.log)
    assert isinstance(kind, FloatDistribution)
    return trial.suggest_float(name, kind.low, kind.high, step=kind.step, log=kind.log)
