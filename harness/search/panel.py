"""What the figures of a study's page are made of: looks, points and axes, as data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import matplotlib
from matplotlib.colors import to_hex
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from harness.report.number import NORMALISED_DECIMALS, fixed
from harness.search import loop, slices
from harness.search.evidence import Evidence
from harness.search.slices import VALUE
from harness.search.surrogate import Columns, worth

Chart = dict[str, Any]
DIGITS = NORMALISED_DECIMALS + 1  # as the text has values

# Greys turn with the page's light and dark; the rest are the colours of the printed figures.
_GREY, _FAINT = "light-dark(#404040, #d0d0d0)", "light-dark(#b0b0b0, #70757d)"
_BLUE, _RED = to_hex(slices.BLUE), slices.WINNER
# What figures tell apart: [name, colour, marker, dashes, what else].
_LOOKS: dict[str, tuple[str, str, str | None, list[int], dict[str, Any]]] = {
    "full": ("all seeds", _BLUE, "o", [], {"line": False}),
    "stopped": ("stopped early", _BLUE, "o", [], {"line": False, "hollow": True}),
    "seed": ("one seed", _FAINT, "o", [], {"line": False, "size": 1.8}),
    "crashed": ("crashed", _RED, "X", [], {"line": False}),
    "best": ("best so far", _BLUE, None, [], {}),
    "winner": ("winner", _RED, "*", [], {"line": False, "size": 4.5}),
    "default": ("default", _GREY, "D", [], {"line": False}),
    "winner line": ("winner", _RED, None, [], {}),
    "default line": ("default", _GREY, None, [2, 1], {}),
    "winner both": ("winner", _RED, "*", [], {}),
    "default both": ("default", _GREY, "D", [2, 1], {}),
    "other": ("other good trials", _BLUE, "o", [], {}),
    "noise": ("noise scale, by quarter", _GREY, None, [1, 1], {}),
}
LOOK = {name: i for i, name in enumerate(_LOOKS)}


def looks() -> list[dict[str, Any]]:
    return [
        {"name": name, "colour": colour, "marker": marker, "dashes": dashes, **more}
        for name, colour, marker, dashes, more in _LOOKS.values()
    ]


def row_id(found: Evidence, number: int) -> str:
    """Under which the page's table shows a trial."""
    return f"{found.plan.label}-{number}"


# Points, lines and axes --------------------------------------------------------------------------


def scatter(panels: list[Chart], legend: list[str], **more: Any) -> Chart:
    return {"kind": "scatter", "panels": panels, "legend": [LOOK[n] for n in legend]} | more


def look_of(found: Evidence, trial: FrozenTrial) -> str:
    if trial.number == found.best_number:
        return "winner" if trial.number else "default"
    if trial.number == 0:
        return "default"
    return "full" if trial.user_attrs.get(loop.FULL) else "stopped"


def is_special(found: Evidence, trial: FrozenTrial) -> bool:
    """Whether it is the default or the winner: these stand above the others."""
    return trial.number in (0, found.best_number)


def point_of(found: Evidence, trial: FrozenTrial, x: float, y: float, **more: Any) -> Chart:
    """:param more: what differs from a trial's own look and words."""
    look = more.pop("look", None) or look_of(found, trial)
    told = more.pop("tip", None) or said(found, trial)
    point = {"x": short(x), "y": short(y), "look": LOOK[look], "trial": row_id(found, trial.number)}
    return point | {"tip": [name_of(found, trial), told]} | more


def name_of(found: Evidence, trial: FrozenTrial) -> str:
    if trial.number == 0:
        return "Trial 0, the default"
    return f"Trial {trial.number}" + (", the winner" if trial.number == found.best_number else "")


def said(found: Evidence, trial: FrozenTrial) -> str:
    return f"{text(worth(trial))}, {state(trial)}"


def state(trial: FrozenTrial) -> str:
    """What became of it, in the words of the report."""
    if loop.ERROR in trial.user_attrs:
        return "crashed"
    if trial.user_attrs.get(loop.FULL):
        return "all seeds"
    return "stopped early" if trial.state.is_finished() else "running"


def text(value: float) -> str:
    return "-" if math.isnan(value) else fixed(DIGITS)(value)


def short(value: float) -> float | None:
    """With more digits than a pixel can tell; None for what is no number."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def value_axis(numbers: list[float], name: str = VALUE) -> Chart:
    return {"name": name, "ends": around(numbers)}


def around(numbers: list[float]) -> list[float]:
    low, high = min(numbers), max(numbers)
    room = 0.05 * (high - low or 1.0)
    return [low - room, high + room]


def axis_of(columns: Columns, name: str) -> Chart:
    """A hyper-parameter's: its numbers are given where places are not the values themselves."""
    kind = columns.kinds[name]
    if isinstance(kind, CategoricalDistribution):
        ticks = [[i, slices.short(choice)] for i, choice in enumerate(kind.choices)]
        return {"name": name, "ends": [-0.5, len(ticks) - 0.5], "ticks": ticks, "categories": True}
    assert isinstance(kind, FloatDistribution | IntDistribution)
    low, high = columns.scaled(name, kind.low), columns.scaled(name, kind.high)
    axis: Chart = {"name": name, "ends": around([low, high])}
    if kind.log:
        return axis | {"ticks": list(_powers(low, high))}
    if isinstance(kind, IntDistribution):
        if slices.written(name, 1) != 1:
            ticks = [
                [n, slices.short(slices.written(name, n))] for n in range(kind.low, kind.high + 1)
            ]
            return axis | {"name": slices.bare(name), "ticks": ticks}
        return axis | {"whole": True}
    return axis


def _powers(low: float, high: float) -> Iterator[list[Any]]:
    """Round numbers between two powers of ten."""
    decades = high - low
    factors = (1,) if decades >= 2 else (1, 3) if decades >= 1 else (1, 2, 5)
    for power in range(math.floor(low), math.ceil(high) + 1):
        for factor in factors:
            place = power + math.log10(factor)
            if low - 1e-9 <= place <= high + 1e-9:
                yield [place, f"{factor * 10.0**power:g}"]


def place_of(columns: Columns, name: str, value: Any) -> float:
    kind = columns.kinds[name]
    if isinstance(kind, CategoricalDistribution):
        return float(kind.choices.index(value))
    return columns.scaled(name, value)


def level(panels: list[Chart]) -> list[Chart]:
    """Give all panels one axis of values, so that they can be compared."""
    parts = ("y", "low", "high")
    reach = [p[part] for panel in panels for p in panel["points"] for part in parts if part in p]
    for panel in panels:
        reach += [v for line in panel.get("lines", []) for p in parts for v in line.get(p, [])]
    return [panel | {"y": value_axis(reach)} for panel in panels]


def edges(places: list[float]) -> list[float]:
    """Halfway between neighbours, and as far again at both ends."""
    inner = [(a + b) / 2 for a, b in pairwise(places)]
    first, last = 2 * places[0] - inner[0], 2 * places[-1] - inner[-1]
    return [first, *inner, last]


def ramp(found: Evidence) -> Chart:
    """The colours of values, from low to high."""
    colours = matplotlib.colormaps[slices.COLOURS]
    low, high = slices.value_range(found)
    text = f"value {fixed(2)(low)} to {fixed(2)(high)}"
    return {"colours": [to_hex(colours(i / 8)) for i in range(9)], "text": text}
