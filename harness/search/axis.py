"""A hyper-parameter as an axis: where its values stand, and how they are written."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from harness.report.plot import Axis
from harness.search.surrogate import Columns
from harness.stats import Array


def axis(columns: Columns, name: str) -> Axis:
    """All of its range, whatever was tried of it."""
    kind = columns.kinds[name]
    if isinstance(kind, CategoricalDistribution):
        return Axis(name, names=tuple(map(short, kind.choices)))
    assert isinstance(kind, FloatDistribution | IntDistribution)
    reach = float(kind.low), float(kind.high)
    if _is_power(name):
        powers = range(int(kind.low), int(kind.high) + 1)
        ticks = tuple((float(n), short(written(name, n))) for n in powers)
        return Axis(bare(name), include=reach, ticks=ticks)
    return Axis(name, log=kind.log, include=reach, whole=isinstance(kind, IntDistribution))


def place(columns: Columns, name: str, value: Any) -> float:
    kind = columns.kinds[name]
    if isinstance(kind, CategoricalDistribution):
        return float(kind.choices.index(value))
    return float(value)


def height(columns: Columns, name: str, params: dict[str, Any]) -> float:
    """Between 0 and 1; NaN where a trial does not have it."""
    kind = columns.kinds[name]
    if name not in params:
        return math.nan
    if isinstance(kind, CategoricalDistribution):
        return kind.choices.index(params[name]) / (len(kind.choices) - 1)
    low, high = (columns.scaled(name, end) for end in ends(columns, name))
    return (columns.scaled(name, params[name]) - low) / (high - low)


def ends(columns: Columns, name: str) -> tuple[Any, Any]:
    kind = columns.kinds[name]
    if isinstance(kind, CategoricalDistribution):
        return kind.choices[0], kind.choices[-1]
    assert isinstance(kind, FloatDistribution | IntDistribution)
    return kind.low, kind.high


def edges(columns: Columns, name: str, values: list[Any]) -> Array:
    """Halfway between neighbouring values on the axis, and as far again at both ends."""
    logarithmic = axis(columns, name).log
    places = np.array([place(columns, name, value) for value in values])
    places = np.log10(places) if logarithmic else places
    inner = [(a + b) / 2 for a, b in pairwise(places)]
    found = np.array([2 * places[0] - inner[0], *inner, 2 * places[-1] - inner[-1]])
    return np.asarray(10**found if logarithmic else found)


def short(value: Any) -> str:
    if value is None:
        return "own"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, int):
        return str(value)
    return str(value).strip("[]").replace(",", "-")  # the widths of a network


def bare(name: str) -> str:
    """A hyper-parameter's own name, without the scale on which it is searched."""
    return name.split(" ")[-1]


def written(name: str, value: Any) -> Any:
    """What stands for it in a file: of an exponent, the power."""
    return int(name.partition(" ")[0][3:]) ** value if _is_power(name) else value


def _is_power(name: str) -> bool:
    return " " in name and name.startswith("log")
