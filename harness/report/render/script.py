"""Hands plots to the page's script as JSON: its numbers, as long as print needs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm, Normalize, to_hex
from numpy.typing import NDArray

from harness.report.plot import (
    FAINT,
    GREY,
    INK,
    Axis,
    Cells,
    Line,
    Look,
    Mark,
    Note,
    Panel,
    Parallel,
    Plot,
    Points,
    Rule,
    Shades,
)
from harness.report.render.plain import plain

MOST_POINTS = 200  # along a line: more than its panel has pixels to spare for
_DIGITS = 8  # of a number whose decimals in print are not known
_COLOURS = {
    INK: "light-dark(#000000, #ffffff)",
    GREY: "light-dark(#555b64, #b4bac2)",
    FAINT: "light-dark(#b0b0b0, #70757d)",
}
Data = dict[str, Any]


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
        panels = [
            self._parallel(panel, plot) if isinstance(panel, Parallel) else self._panel(panel, plot)
            for panel in plot.panels
        ]
        data: Data = {"panels": panels, "n": plot.n, "legend": [*map(self._look, plot.legend)]}
        data |= {k: True for k in ("runs", "wide") if getattr(plot, k)}
        if plot.shades is not None:
            ends = f"{plot.shades.low:.2f} to {plot.shades.high:.2f}"
            ramp = _colours(np.linspace(plot.shades.low, plot.shades.high, 9), plot.shades)
            data["ramp"] = {"colours": ramp, "text": f"{plot.shades.label} {ends}"}
        self.plots[name] = data

    def _panel(self, panel: Panel, plot: Plot) -> Data:
        limits = panel.limits("x"), plot.limits(panel)
        axes = _axis(panel.x, limits[0]), _axis(panel.y, limits[1])
        marks = [self._mark(mark, panel, plot) for mark in panel.marks]
        return _about(panel) | {"x": axes[0], "y": axes[1], "marks": marks}

    def _mark(self, mark: Mark, panel: Panel, plot: Plot) -> Data:
        x, y = panel.x.decimals, panel.y.decimals
        along = x if panel.y.names else y  # intervals are written like values
        look: Data = {}
        if isinstance(mark, Line | Points | Rule | Note):
            look = {"look": self._look(mark.look)} | (
                {"recedes": True} if mark.look.recedes else {}
            )
        match mark:
            case Line():
                kept = _thin(len(mark.x))
                found: Data = {"kind": "line", "x": _numbers(mark.x[kept], x)}
                parts = {"y": mark.y, "low": mark.low, "high": mark.high}
                parts |= {"lowAll": mark.low_all, "highAll": mark.high_all}
                found |= {k: _numbers(v[kept], y) for k, v in parts.items() if v is not None}
                found |= {k: v for k in ("step", "thin", "beneath") if (v := getattr(mark, k))}
                if mark.end is not None:
                    end = {"x": _number(mark.end.x, x)}
                    values = {k: getattr(mark.end, k) for k in ("y", "low", "high")}
                    found["end"] = end | {k: _number(v, y) for k, v in values.items()}
                return found | look | ({"texts": mark.texts} if mark.texts else {})
            case Points():
                found = {"kind": "points", "x": _numbers(mark.x, x), "y": _numbers(mark.y, y)}
                parts = {"low": mark.low, "high": mark.high}
                found |= {k: _numbers(v, along) for k, v in parts.items() if v is not None}
                words = ("ranged", "names", "texts", "links")
                found |= {k: v for k in words if (v := getattr(mark, k))}
                if mark.shades is not None and plot.shades is not None:
                    found["colours"] = _colours(mark.shades, plot.shades)
                return found | look | {"size": mark.look.size}
            case Rule():
                place = (
                    {"x": _number(mark.x, x)} if mark.x is not None else {"y": _number(mark.y, y)}
                )
                return {"kind": "rule", "text": mark.text} | place | look
            case Note():
                return {"kind": "note", "y": mark.y, "text": mark.text} | look
            case Cells():
                assert plot.shades is not None
                rows = [_colours(row, plot.shades) for row in mark.values]
                edges = {"x": _numbers(mark.x, None), "y": _numbers(mark.y, None)}
                return {"kind": "cells", "colours": rows} | edges
            case _:
                raise TypeError(f"the page draws no {type(mark).__name__}")

    def _parallel(self, panel: Parallel, plot: Plot) -> Data:
        traces = [
            {
                "look": self._look(trace.look),
                "heights": _numbers(trace.heights, None),
                "name": trace.name,
                "text": trace.text,
                "link": trace.link,
            }
            | (
                {"colour": _colours([trace.shade], plot.shades)[0]}
                if trace.shade is not None and plot.shades is not None
                else {}
            )
            for trace in panel.marks
        ]
        return _about(panel) | {"axes": panel.axes, "traces": traces}


def _about(panel: Panel | Parallel) -> Data:
    return {k: v for k in ("title", "env", "gaps") if (v := getattr(panel, k))}


def _axis(axis: Axis, limits: tuple[float, float]) -> Data:
    """What differs from an axis of round numbers."""
    found: Data = {"label": axis.label, "ends": _numbers(limits, None)}
    words = ("log", "whole", "least", "include", "ticks", "names", "decimals")
    found |= {k: v for k in words if (v := getattr(axis, k)) not in (None, False, (), 0.0)}
    return (
        found
        | ({"fixed": True} if axis.limits else {})
        | ({"decimals": axis.decimals} if axis.decimals is not None else {})
    )


def _thin(points: int) -> NDArray[np.intp]:
    """Places of as many points as a line needs, the last among them."""
    every = -(-points // MOST_POINTS) or 1
    return np.unique(np.append(np.arange(0, points, every), max(points - 1, 0)))[:points]


def _colours(values: Iterable[float], shades: Shades) -> list[str]:
    norm = (LogNorm if shades.log else Normalize)(shades.low, shades.high)
    colours = matplotlib.colormaps[shades.colours]
    return [to_hex(colours(norm(value))) for value in values]


def _number(value: float | None, decimals: int | None) -> float | None:
    """As short as it may be: printed, it is the same."""
    if value is None or not math.isfinite(value):
        return None
    return plain(value, decimals) if decimals is not None else float(f"{value:.{_DIGITS}g}")


def _numbers(values: Iterable[float], decimals: int | None) -> list[float | None]:
    return [_number(float(value), decimals) for value in values]
