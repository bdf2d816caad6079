"""Draws a plot for paper: the sizes are the venue's, the numbers the plot's."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from harness.report.number import short
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
    Picture,
    Plot,
    Points,
    Rule,
)  # fmt: skip
from harness.report.render import style

_COLOURS = {INK: "black", GREY: "0.4", FAINT: "0.75"}
_PANEL, _ROW = 1.35, 0.2  # inches high
_ABREAST = 3  # panels in a row, at most
_LETTERS = {"DejaVu Sans": 10.4, "STIXGeneral": 13.0}  # above an inch of panel, at 8 points
_NAME = 18  # letters that leave a column room for its bars
_BAR = 0.9  # inches that the scale of colours takes at the right
USUAL = ("pdf", "png")  # formats of a figure
_LABEL = 0.26  # inches below the last row of pictures and maps,
_LINE = 0.13  # and for each line of the labels of another row
_SLIM = 8  # a scale of colours is so many times slimmer than its height in inches
_MARKS = 6  # markers along a line: enough to tell it apart in grey


def save(plot: Plot, path: FilePath, formats: Sequence[str] = USUAL, venue: str = "plain") -> float:
    """Draw the plot in the style of a venue, in files of all these formats; how wide, inches."""
    with style.applied(style.VENUES[venue]):
        figure = draw(plot)
        style.save(figure, path, formats)
    return float(figure.get_figwidth())


def draw(plot: Plot) -> Figure:
    """The plot as a figure in the style of the current venue."""
    venue, places = style.venue(), _places(plot)
    columns = 1 + max(column for _, column in places)
    rows = 1 + max(row for row, _ in places)
    longest = max((len(name) for panel in plot.panels for name in panel.y.names), default=0)
    width = venue.text if plot.wide or columns > 1 or longest > _NAME else venue.column
    names = 0.075 * venue.scale * longest
    inches = (width - names - _BAR * (plot.shades is not None)) / columns
    handles = [handle(look) for look in plot.legend]
    handles += [Line2D([], [], linestyle="", label=gap) for gap in _gaps(plot)]
    labels = [str(each.get_label()) for each in handles]
    bare = not plot.drawn_by_script
    firsts = [panel for panel, at in zip(plot.panels, places, strict=True) if at[1] == 0]
    high = [_height(plot, panel, inches) for panel in firsts]
    height = sum(high) + 0.17 * venue.scale + _below(plot, places, inches)
    height += 0.15 * venue.scale * style.legend_rows(labels, width) if labels else 0
    figure = Figure(figsize=(width, height), layout="compressed" if bare else "constrained")
    cells = figure.subplots(rows, columns, squeeze=False, height_ratios=high)
    size = _size([panel.title for panel in plot.panels], inches * (columns if bare else 1))
    for panel, place in zip(plot.panels, places, strict=True):
        axes = cells[place]
        title = _fitted(panel.title, inches, size)
        if bare and title:  # it may reach over the pictures beside it: only its height counts
            axes.annotate(
                panel.title, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points",
                fontsize=size, in_layout=False,
            )  # fmt: skip
            title = " "
        axes.set_title(title, fontsize=size)
        for order, mark in enumerate(panel.marks):
            _mark(axes, mark, panel, plot, order)
        _axes(axes, panel, plot, inches)
    for place in set(np.ndindex(rows, columns)) - set(places):
        cells[place].remove()
    _name_once(cells, plot, places)
    if plot.shades is not None:
        norm, colours = style.shading(plot.shades)
        used = [cells[place] for place in places]
        bar = figure.colorbar(
            ScalarMappable(norm, colours),
            ax=used,
            label=plot.shades.label,
            aspect=max(30, _SLIM * height),
        )
        if plot.shades.log:
            style.log_axis(bar.ax)
    figure.suptitle(f"n = {plot.n}", x=0.995, ha="right", fontsize=venue.small, color="0.35")
    if labels:
        style.legend(figure, handles)
    return figure


def _gaps(plot: Plot) -> list[str]:
    """What is not drawn, or not as a whole, and where if there are several panels."""
    found = [(panel.env, gap) for panel in plot.panels for gap in panel.gaps]
    return list(dict.fromkeys(f"{gap} on {env}" if env else gap for env, gap in found))


# Where panels stand -------------------------------------------------------------------------------


def _places(plot: Plot) -> list[tuple[int, int]]:
    """Row and column of each panel: those that belong together begin a row of their own."""
    count = len(plot.panels)
    together = plot.across or count
    columns = together if _named(plot) and plot.across else min(_ABREAST, together)
    if not plot.drawn_by_script:
        columns = together
    elif count == 4 and not plot.across:
        columns = 2  # four stand in a square
    rows_of_each = -(-together // columns)
    return [
        (i // together * rows_of_each + i % together // columns, i % together % columns)
        for i in range(count)
    ]


def _named(plot: Plot) -> bool:
    return all(panel.y.names for panel in plot.panels)


def _height(plot: Plot, panel: Panel, width: float) -> float:
    """Of the row of a panel with its title and what is written below it, inches."""
    scale = style.venue().scale
    fitted = (_fitted(panel.x.label, width, style.venue().label) for panel in plot.panels)
    lines = 1 + max(label.count("\n") for label in fitted)
    around = (0.2 * any(panel.title for panel in plot.panels) + 0.13 * lines) * scale
    if panel.bare:
        first = panel.marks[0]
        values = first.pixels if isinstance(first, Picture) else next(panel.of(Cells)).values
        title = 0.2 * any(each.title for each in plot.panels) * scale
        return width * float(values.shape[0] / values.shape[1]) + title
    if _named(plot):
        most = max(len(each.y.names) for each in plot.panels)
        return (0.3 + (plot.height or _ROW) * most) * scale + around
    return (plot.height or _PANEL) + around


def _below(plot: Plot, places: Sequence[tuple[int, int]], width: float) -> float:
    """What is written below rows of pictures and maps, inches; of others it is in their height."""
    if not plot.panels[0].bare:
        return 0.0
    lines: dict[int, int] = {}
    for panel, (row, _) in zip(plot.panels, places, strict=True):
        text = _fitted(panel.x.label, width, style.venue().tick)
        lines[row] = max(lines.get(row, 0), text.count("\n") + 1 if text else 0)
    last = lines.pop(max(lines))
    return style.venue().scale * (max(_LABEL, _LINE * last) + _LINE * sum(lines.values()))


def _size(titles: Iterable[str], inches: float) -> float:
    """The size of letters at which all of these fit above panels of that width, if one does."""
    longest, venue = max(map(len, titles), default=0), style.venue()
    sizes = (venue.label, venue.tick, venue.small)
    return next((size for size in sizes if longest <= _letters(inches, size)), venue.small)


def _letters(inches: float, size: float) -> float:
    return _LETTERS[style.venue().font] * inches * 8 / size


def _fitted(text: str, inches: float, size: float) -> str:
    width = max(8, int(_letters(inches, size)))
    return textwrap.fill(text, width, break_long_words=False)


# Axes ---------------------------------------------------------------------------------------------


def _axes(axes: Axes, panel: Panel, plot: Plot, width: float) -> None:
    height = _height(plot, panel, width)
    size = style.venue().label if not panel.bare else style.venue().tick
    axes.set_xlabel(_fitted(panel.x.label, width, size), fontsize=size)
    axes.set_ylabel(_fitted(panel.y.label, height, size), fontsize=size)
    _axis(axes, "x", panel.x, panel.limits("x"), width - 0.35)
    _axis(axes, "y", panel.y, plot.limits(panel), height)
    if panel.bare:
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.spines[:].set_linewidth(0)  # seaborn's despine makes the invisible visible again
        return
    axes.grid(visible=True, axis="x" if panel.y.names else "y" if panel.x.names else "both",
              color="0.9")  # fmt: skip


def _axis(
    axes: Axes,
    along: Literal["x", "y"],
    described: Axis,
    limits: tuple[float, float],
    inches: float,
) -> None:
    """Its ends, and the numbers along it."""
    axis = axes.xaxis if along == "x" else axes.yaxis
    axes.set(**{f"{along}lim": limits})
    if described.hidden:
        axis.set_visible(False)
        axes.spines[:].set_color("none")
    elif described.names and along == "x":
        _name(axes, described.names, inches / len(described.names))
    elif described.names or described.ticks:
        ticks = described.ticks or tuple(enumerate(described.names))
        ticks = _fitting(ticks, inches) if along == "x" else ticks
        axis.set_ticks([place for place, _ in ticks], [text for _, text in ticks])
        axis.set_minor_locator(NullLocator())
        if described.names:
            axes.tick_params(axis=along, length=0)
    elif described.log:
        style.log_axis(axes, along, int(inches / (0.42 if along == "x" else 0.2)))
    else:
        most = max(1, min(5 if along == "x" else 4, int(inches / 0.38)))
        axis.set_major_locator(MaxNLocator(most, integer=described.whole))
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(float(f"{value:.6g}"))))


def _name(axes: Axes, names: Sequence[str], inches: float) -> None:
    """Names along the lower axis, on a slant where they have no room side by side."""
    size = style.venue().tick
    slant: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    lines = [_fitted(name, inches, size) for name in names]
    if max(len(word) for line in lines for word in line.split("\n")) > _letters(inches, size):
        axes.set_xticks(range(len(names)), names, **slant)
    else:
        axes.set_xticks(range(len(names)), lines)
    axes.tick_params(axis="x", length=0)


def _fitting(ticks: tuple[tuple[float, str], ...], inches: float) -> tuple[Any, ...]:
    """Every one of the given numbers, or every second, ..., as there is room."""
    wanted = sum(len(text) + 1 for _, text in ticks)
    every = max(1, math.ceil(wanted / _letters(inches, style.venue().tick)))
    return ticks[::every]


def _name_once(cells: NDArray[Any], plot: Plot, places: list[tuple[int, int]]) -> None:
    """Leave out what the panel at the left, or the one below, has said already."""
    at = dict(zip(places, plot.panels, strict=True))
    for (row, column), panel in at.items():
        below, left = at.get((row + 1, column)), at.get((row, column - 1))
        if below and below.x.label == panel.x.label and not (panel.x.names or panel.bare):
            cells[row, column].set_xlabel("")
        if left and left.y.label == panel.y.label:
            cells[row, column].set_ylabel("")
        if left and (plot.level or (left.y.names and left.y.names == panel.y.names)):
            cells[row, column].set_yticklabels([])


# Marks --------------------------------------------------------------------------------------------


def handle(look: Look) -> Line2D:
    """Of a legend."""
    drawn = _drawn(look) if look.line else _drawn(look) | {"linestyle": ""}
    return Line2D([], [], label=look.name, **drawn)


def _drawn(look: Look) -> dict[str, Any]:
    colour = _COLOURS.get(look.colour, look.colour)
    width, alpha = (0.8, 0.6) if look.recedes else (1.3, 1.0)
    if look.colour in _COLOURS:
        width = 0.9
    return {
        "color": colour,
        "marker": look.marker or "none",
        "markersize": look.size,
        "linestyle": (0, look.dashes) if look.dashes else "-",
        "linewidth": width,
        "alpha": alpha,
        "markerfacecolor": "white" if look.hollow else colour,
        "markeredgecolor": colour if look.hollow or look.marker in ("|", "x") else "white",
        "markeredgewidth": 1.2 if look.marker == "|" else 0.9 if look.hollow else 0.4,
    }


def _mark(axes: Axes, mark: Mark, panel: Panel, plot: Plot, order: int) -> None:
    match mark:
        case Line():
            _line(axes, mark, plot, order)
        case Points():
            _points(axes, mark, bool(panel.y.names), plot)
        case Rule():
            line = {k: v for k, v in _drawn(mark.look).items() if not k.startswith("marker")}
            for draw_rule, place in ((axes.axvline, mark.x), (axes.axhline, mark.y)):
                if place is not None:
                    draw_rule(place, zorder=0.9, **line)
            axes.text(
                mark.x or 0, 1.01, mark.text, transform=axes.get_xaxis_transform(), ha="center",
                va="bottom", fontsize=style.venue().small,
            )  # fmt: skip
        case Note():
            across = axes.get_yaxis_transform() if mark.x is None else axes.transData
            axes.text(
                0.5 if mark.x is None else mark.x, mark.y, mark.text, transform=across, ha="center",
                va="center", fontsize=style.venue().small, color="0.4", style="italic",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
        case Cells():
            _cells(axes, mark, plot)
        case Picture():
            axes.imshow(mark.pixels)


def _line(axes: Axes, line: Line, plot: Plot, order: int) -> None:
    """A line, its pointwise band shaded, its simultaneous band between thin lines."""
    look, drawn = line.look, _drawn(line.look)
    if line.shade is not None:
        norm, colours = style.shading(plot.shades)
        drawn |= {"color": colours(norm(line.shade)), "linewidth": 0.8}
    elif plot.shades is not None:  # it stands out from those with a shade
        drawn |= {"linewidth": 1.8}
    stepped: dict[str, Any] = {"drawstyle": "steps-post" if line.step else "default"}
    if line.thin:
        drawn |= {"linewidth": 0.5, "marker": "none"}
    if line.beneath:  # what lies on it leaves its edges in sight
        wide = drawn["linewidth"] + 2 * min(line.beneath, 3)
        axes.plot(line.x, line.y, color=drawn["color"], linewidth=wide, alpha=0.4, **stepped)
    every = max(1, len(line.x) // _MARKS)
    axes.plot(line.x, line.y, **drawn, **stepped, markevery=(order % every, every))
    if line.low is not None and line.high is not None:
        axes.fill_between(
            line.x, line.low, line.high, color=drawn["color"], linewidth=0,
            alpha=0.06 if look.recedes else 0.12, step="post" if line.step else None,
        )  # fmt: skip
        for edge in line.edges:
            axes.plot(
                line.x, edge, color=drawn["color"], linewidth=0.4, alpha=0.6 * drawn["alpha"],
                linestyle=drawn["linestyle"], **stepped,
            )  # fmt: skip
    if line.end is not None:
        end, plain = line.end, {"color": drawn["color"], "linewidth": 0.8}
        if len(line.x):
            axes.plot([line.x[-1], end.x], [line.y[-1], end.y], linestyle=":", **plain)
        axes.plot([end.x] * len(end.values), sorted(end.values), **plain)
        hollow = {"markerfacecolor": "white", "markeredgecolor": drawn["color"]}
        axes.plot(end.x, end.y, **drawn | hollow | {"markeredgewidth": 0.9, "linewidth": 0})


def _points(axes: Axes, points: Points, across: bool, plot: Plot) -> None:
    drawn = _drawn(points.look) | {"linestyle": "", "clip_on": False}
    if points.low is not None and points.high is not None:
        for x, y, low, high in zip(points.x, points.y, points.low, points.high, strict=True):
            thick: dict[str, Any] = {"linewidth": 6, "alpha": 0.4, "solid_capstyle": "butt"}
            line = {"linewidth": 0.8, "linestyle": ":"} if points.ranged else thick
            ends = ([low, high], [y, y]) if across else ([x, x], [low, high])
            axes.plot(*ends, color=drawn["color"], zorder=1.9, **line)
    if points.shades is not None:
        norm, colours = style.shading(plot.shades)
        axes.scatter(
            points.x, points.y, c=colours(norm(points.shades)), marker=points.look.marker,
            s=points.look.size**2, edgecolor="black", linewidth=0.5, zorder=3,
        )  # fmt: skip
    elif len(points.x):  # an unclipped line without points counts as one in the figure's corner
        axes.plot(points.x, points.y, zorder=3 if points.look.marker != "|" else 1.5, **drawn)


def _cells(axes: Axes, cells: Cells, plot: Plot) -> None:
    norm, colours = style.shading(plot.shades)
    axes.pcolormesh(
        cells.x, cells.y, np.ma.masked_invalid(cells.values), cmap=colours, norm=norm,
        alpha=0.55 if cells.pale else 1.0, linewidth=0, rasterized=True,
    )  # fmt: skip
    if cells.hatched is not None:
        never = PathPatch(
            _outline(cells.hatched), facecolor="none", edgecolor="0.6", linewidth=0, hatch="//////"
        )
        axes.add_patch(never)


def _outline(cells: NDArray[np.bool_]) -> Path:
    """All of these cells as one path, so that a hatching goes on from one to the next."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]) - 0.5
    squares = [Path(corners + np.array([x, y]), closed=True) for y, x in np.argwhere(cells)]
    return Path.make_compound_path(*squares)
