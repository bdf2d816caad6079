"""Between a space and Optuna: distributions, the next trial, and its hyper-parameters."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from harness.config.space import Range, Space
from harness.config.tree import canonical, get
from harness.search.cmaes import CMAES
from harness.search.plan import Plan

Distribution = CategoricalDistribution | FloatDistribution | IntDistribution
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


def parameter(name: str, range_: Range) -> str:
    """What the study calls it: the scale on which it is searched."""
    if range_.powers_of is not None:
        return f"log{range_.powers_of} {name}"
    return f"1 - {name}" if range_.one_minus else name


def distribution(range_: Range) -> Distribution:
    if range_.choices is not None:
        return CategoricalDistribution([_label(choice) for choice in range_.choices])
    assert range_.low is not None and range_.high is not None
    if range_.powers_of is not None:
        return IntDistribution(range_.power(range_.low), range_.power(range_.high))
    if range_.whole:
        return IntDistribution(
            int(range_.low), int(range_.high), log=range_.log, step=int(range_.step or 1)
        )
    low, high = float(range_.low), float(range_.high)
    if range_.one_minus:
        low, high = round(1 - high, 12), round(1 - low, 12)
    return FloatDistribution(low, high, log=range_.log, step=range_.step)


def decode(range_: Range, drawn: Any) -> Any:
    """The hyper-parameter's value, from what the sampler drew."""
    if range_.choices is not None:
        return next(choice for choice in range_.choices if _label(choice) == drawn)
    if range_.powers_of is not None:
        return int(range_.powers_of**drawn)
    if range_.whole:
        return int(drawn)
    short = float(f"{drawn:.{DIGITS}g}")
    return round(1 - short, 12) if range_.one_minus else short


def encode(range_: Range, value: Any) -> Any:
    """What the sampler would have to draw to get the value.

    :raises ValueError: if it lies outside the range.
    """
    if range_.choices is not None:
        if value not in range_.choices:
            raise ValueError(value)
        return _label(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)
    drawn: Any = value
    if range_.powers_of is not None:
        drawn = range_.power(value) if value >= 1 else -1
    elif not range_.whole:
        drawn = round(1 - value, 12) if range_.one_minus else float(value)
    # Made to ask whether the value is one of the distribution's: it raises ValueError if not.
    create_trial(value=0.0, params={"x": drawn}, distributions={"x": distribution(range_)})
    if decode(range_, drawn) != value:
        raise ValueError(value)
    return drawn


def _label(choice: Any) -> Any:
    """Optuna's choices are plain: lists are written as text."""
    plain = choice is None or isinstance(choice, bool | int | float | str)
    return choice if plain else canonical(choice)


def grid(space: Space) -> dict[str, list[Any]]:
    """Every value of each hyper-parameter, as the study calls them."""
    return {parameter(name, range_): list(_values(range_)) for name, range_ in space.items()}


def _values(range_: Range) -> Iterable[Any]:
    kind = distribution(range_)
    if isinstance(kind, CategoricalDistribution):
        return kind.choices
    assert kind.step is not None
    count = round((kind.high - kind.low) / kind.step) + 1
    return [kind.low + i * kind.step for i in range(count)]


def chosen(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's hyper-parameters by their dotted names, as far as they were searched."""
    values = {}
    for name, range_ in space.items():
        if parameter(name, range_) in params:
            values[name] = decode(range_, params[parameter(name, range_)])
    return values


def default_params(space: Space, hparams: Mapping[str, Any]) -> dict[str, Any] | None:
    """The default as a point of the space; None if it lies outside."""
    params: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, range_ in space.items():
        if range_.active(values):
            values[name] = get(hparams, name)
            try:
                params[parameter(name, range_)] = encode(range_, values[name])
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
    for name, range_ in plan.space.items():
        if range_.active(values):
            values[name] = decode(range_, _suggest(trial, parameter(name, range_), range_))
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


def _suggest(trial: Trial, name: str, range_: Range) -> Any:
    kind = distribution(range_)
    if isinstance(kind, CategoricalDistribution):
        return trial.suggest_categorical(name, kind.choices)
    if isinstance(kind, IntDistribution):
        return trial.suggest_int(name, kind.low, kind.high, step=kind.step, log=kind.log)
    return trial.suggest_float(name, kind.low, kind.high, step=kind.step, log=kind.log)
