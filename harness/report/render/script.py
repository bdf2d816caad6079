"""Hands plots to the page's script as JSON: its numbers, as long as print needs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from harness.report.plot import FAINT, GREY, INK, Line, Look, Panel, Plot, Shades
from harness.report.render import style

MOST_POINTS = 200  # along a line: more than its panel has pixels to spare for
_DIGITS = 8  # of a number whose decimals in print are not known
_EXTRA = 2  # digits beyond the printed ones: a pixel is more than that
_COLOURS = {
    INK: "light-dark(#000000, #ffffff)",
    GREY: "light-dark(#555b64, #b4bac2)",
    FAINT: "light-dark(#b0b0b0, #70757d)",
}
Data = dict[str, Any]
Digits = dict[str, int | None]
_SHADED = ("shades", "shade", "values")  # fields whose numbers stand for colours


class Script:
    """The figures of one page.

    :param arms: what the page can take out and put back; they are the first of `looks`.
    """

    def __init__(self, arms: Iterable[Look] = ()) -> None:
        self.plots: dict[str, Data] = {}
        self._looks: dict[Look, Look] = {}
        for look in arms:
            self._look(look)

    @property
    def looks(self) -> list[Data]:
        """All that figures tell apart."""
        return [
            {
                "name": look.name,
                "colour": _COLOURS.get(look.colour, look.colour),
                "marker": look.marker,
                "dashes": list(look.dashes),
                **{k: True for k in ("line", "hollow") if getattr(look, k)},
            }
            for look in self._looks.values()
        ]

    def _look(self, look: Look) -> int:
        """Its place: an arm is the same arm at any size."""
        same = replace(look, line=True, size=0.0, recedes=False)
        self._looks.setdefault(same, look)
        return list(self._looks).index(same)

    def add(self, name: str, plot: Plot) -> None:
        """A figure, under its name."""
        data: Data = {"n": plot.n, "legend": [*map(self._look, plot.legend)]}
        data["panels"] = [self._panel(panel, plot) for panel in plot.panels]
        data |= {k: True for k in ("runs", "wide") if getattr(plot, k)}
        if plot.shades is not None:
            ends = plot.shades.low, plot.shades.high
            data["ramp"] = {"colours": _colours(np.linspace(*ends, 9), plot.shades)}
            data["ramp"]["text"] = f"{plot.shades.label} {ends[0]:.2f} to {ends[1]:.2f}"
        self.plots[name] = data

    def _panel(self, panel: Panel, plot: Plot) -> Data:
        x, y = panel.x.decimals, panel.y.decimals
        values = x if panel.y.names else y  # intervals are written like them
        digits = {"x": x, "y": y, "low": values, "high": values, "low_all": y, "high_all": y}
        data = self._data(panel, plot, digits)
        for name, ends in (("x", panel.limits("x")), ("y", plot.limits(panel))):
            data[name]["ends"] = [_number(end, None) for end in ends]
        return data

    def _data(self, part: Any, plot: Plot, digits: Digits) -> Data:
        """All that is said of a part, by the names of its fields; what goes without saying is not.

        :param digits: by field: the decimals of its numbers in print.
        """
        data: Data = {"kind": type(part).__name__.lower()}
        for field in fields(part):
            value, shades = getattr(part, field.name), plot.shades
            if not isinstance(value, np.ndarray) and value == field.default:
                continue
            if field.name in _SHADED and shades is not None:
                value = _colours(value, shades)
            elif isinstance(part, Line) and isinstance(value, np.ndarray):
                value = value[_thin(len(value))]
            data[field.name] = self._plain(value, plot, digits, digits.get(field.name))
        if isinstance(getattr(part, "look", None), Look):
            data |= {"size": part.look.size} | ({"recedes": True} if part.look.recedes else {})
        return data

    def _plain(self, value: Any, plot: Plot, digits: Digits, decimals: int | None) -> Any:
        if isinstance(value, Look):
            return self._look(value)
        if is_dataclass(value):
            return self._data(value, plot, digits)
        if isinstance(value, np.ndarray):
            return [_number(each, decimals) for each in value.tolist()]
        if isinstance(value, tuple):
            return [self._plain(each, plot, digits, decimals) for each in value]
        return _number(value, decimals) if isinstance(value, float) else value


def _thin(points: int) -> NDArray[np.intp]:
    """Places of as many points as a line needs, the last among them."""
    every = -(-points // MOST_POINTS) or 1
    return np.unique(np.append(np.arange(0, points, every), max(points - 1, 0)))[:points]


def _colours(values: Any, shades: Shades) -> Any:
    """One for each value, in the same order: numbers, or rows of numbers."""
    if np.ndim(values):
        return [_colours(value, shades) for value in values]
    norm, colours = style.shading(shades)
    return to_hex(colours(norm(values)))


def _number(value: float, decimals: int | None) -> float | None:
    """As short as it may be: printed, it is the same."""
    if decimals is not None or not math.isfinite(value):
        return plain(value, decimals or 0)
    return float(f"{value:.{_DIGITS}g}")


def plain(value: float, digits: int) -> float | None:
    """As few digits as give the same text with `digits` decimals; None for what is no number."""
    if not math.isfinite(value):
        return None
    short = round(float(value), digits + _EXTRA)
    same = f"{short:.{digits}f}" == f"{value:.{digits}f}"
    kept = short if same else float(value)
    return int(kept) if kept == int(kept) else kept
