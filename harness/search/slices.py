"""The figures with a hyper-parameter along an axis, and how such an axis looks."""

from __future__ import annotations

import math
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from harness.report import style
from harness.search import loop, surrogate
from harness.search.evidence import Evidence
from harness.search.surrogate import worth

COLOURS = "viridis"
WINNER, DEFAULT = "#d55e00", "0.25"  # seaborn's colour-blind safe vermilion; dark grey
VALUE = "value (normalised)"
PANEL = 1.45  # inches, the height of a small panel
BLUE = style.looks(["x"])["x"].colour


def parallel(found: Evidence) -> Figure | None:
    """One axis for each hyper-parameter, the value last."""
    shown, columns = found.shown, surrogate.Columns(found.plan)
    if len(shown) < 2:
        return None
    names = [*columns.names, "value"]
    figure = Figure(figsize=(style.venue().text, 3.1), layout="constrained")
    axes = figure.subplots()
    low_value, high_value = value_range(found)
    scale, colours = Normalize(low_value, high_value), matplotlib.colormaps[COLOURS]
    for trial in sorted(shown, key=lambda trial: worth(trial)):
        points = [height(columns, name, trial.params) for name in columns.names]
        points.append((worth(trial) - low_value) / (high_value - low_value))
        special = trial.number in (0, found.best_number)
        colour: Any = colours(scale(worth(trial)))
        colour = (WINNER if trial.number else DEFAULT) if special else colour
        axes.plot(
            range(len(names)), points, color=colour, linewidth=1.8 if special else 0.8,
            linestyle="--" if trial.number == 0 else "-", zorder=3 if special else 2,
        )  # fmt: skip
    for i, name in enumerate(names):
        axes.axvline(i, color="0.6", linewidth=0.7, zorder=1)
        low, high = f"{low_value:.2f}", f"{high_value:.2f}"
        if name != "value":
            low, high = (short(written(name, end)) for end in ends(columns, name))
        for y, text in ((-0.03, low), (1.03, high)):
            axes.text(i, y, text, ha="center", va="top" if y < 0 else "bottom",
                      fontsize=6)  # fmt: skip
    labels = [bare(name, scale=name.startswith("log")) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="x", length=0, pad=12)
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_visible(False)
    axes.spines[:].set_color("none")
    style.legend(figure, special_handles(line=True))
    return figure


def slices(found: Evidence) -> Figure | None:
    return _panels(found, marginals=False)


def sensitivity(found: Evidence) -> Figure | None:
    return _panels(found, marginals=True) if found.forest is not None else None


def _panels(found: Evidence, marginals: bool) -> Figure | None:
    """A panel for each hyper-parameter: the trials, or what the forest makes of them."""
    names = surrogate.Columns(found.plan).names
    if not found.shown:
        return None
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(style.venue().text, 0.35 + PANEL * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, name in zip(grid.ravel(), names, strict=False):
        kind = surrogate.Columns(found.plan).kinds[name]
        if marginals and found.forest is not None:
            _marginal(axes, found.marginals[name], kind)
            _mark(axes, found, name, kind)
        else:
            _scatter(axes, found, name, kind)
        _axis(axes, name, kind)
        axes.grid(axis="y", color="0.9")
    for axes in grid.ravel()[len(names) :]:
        axes.set_visible(False)
    figure.supylabel(VALUE, fontsize=8)
    style.legend(figure, special_handles(line=marginals))
    return figure


def _scatter(axes: Axes, found: Evidence, name: str, kind: Any) -> None:
    for trial in found.shown:
        if name in trial.params:
            look = _look(found, trial)
            axes.plot(_place(kind, trial.params[name]), worth(trial), **look)


def _look(found: Evidence, trial: FrozenTrial) -> dict[str, Any]:
    if trial.number == found.best_number:
        return {"marker": "*", "color": WINNER, "markersize": 8, "zorder": 4}
    if trial.number == 0:
        return {"marker": "D", "color": DEFAULT, "markersize": 4.5, "zorder": 3}
    full = bool(trial.user_attrs.get(loop.FULL))
    return {"marker": "o", "color": BLUE, "mfc": BLUE if full else "white", "zorder": 2}


def _marginal(axes: Axes, marginal: surrogate.Marginal, kind: Any) -> None:
    x = [_place(kind, value) for value in marginal.grid]
    if isinstance(kind, CategoricalDistribution):
        errors = [marginal.point - marginal.low, marginal.high - marginal.point]
        axes.errorbar(x, marginal.point, np.maximum(errors, 0), fmt="o", color=BLUE, linewidth=1)
    else:
        axes.plot(x, marginal.point, color=BLUE)
        axes.fill_between(x, marginal.low, marginal.high, color=BLUE, alpha=0.15, linewidth=0)


def _mark(axes: Axes, found: Evidence, name: str, kind: Any) -> None:
    """Where the default and the winner stand."""
    for trial, colour, dashes in (
        (found.trials[0], DEFAULT, "--"),
        (found.trials[found.best_number], WINNER, "-"),
    ):
        if name in trial.params:
            place = _place(kind, trial.params[name])
            axes.axvline(place, color=colour, linestyle=dashes, linewidth=1, zorder=0)


def batch_map(found: Evidence) -> Figure | None:
    """Batch size against learning rate, with the noise scale where it was measured."""
    plane = found.batch_plane
    if plane is None:
        return None
    x, y = plane.x, plane.y
    columns = surrogate.Columns(found.plan)
    figure = Figure(figsize=(style.venue().column + 0.6, 2.7), layout="constrained")
    axes = figure.subplots()
    scale, colours = _colours(found)
    kinds = columns.kinds[x], columns.kinds[y]
    at_x, at_y = (
        [_place(kind, v) for v in vs]
        for kind, vs in zip(kinds, (plane.across, plane.up), strict=True)
    )
    axes.pcolormesh(at_x, at_y, plane.values, cmap=colours, norm=scale, shading="nearest",
                    alpha=0.55, linewidth=0, rasterized=True)  # fmt: skip
    rng = np.random.default_rng(0)  # trials with equal batches would hide one another
    for trial in found.shown:
        if x in trial.params and y in trial.params:
            look = _look(found, trial)
            colour = colours(scale(worth(trial)))
            look |= {"markeredgecolor": "black", "markeredgewidth": 0.5}
            look |= {} if trial.number in (0, found.best_number) else {"mfc": colour}
            wide = rng.uniform(-0.12, 0.12)
            axes.plot(_place(kinds[0], trial.params[x]) + wide, trial.params[y], **look)
    _axis(axes, x, kinds[0])
    _axis(axes, y, kinds[1], vertical=True)
    axes.set_ylabel(y)
    _noise(axes, found, kinds[0])
    figure.colorbar(ScalarMappable(scale, colours), ax=axes, label=VALUE, aspect=30)
    handles = special_handles(line=False)
    if found.noise is not None:
        handles.append(
            Line2D([], [], color="black", linestyle=":", label="noise scale, by quarter")
        )
    style.legend(figure, handles)
    return figure


def _noise(axes: Axes, found: Evidence, kind: Any) -> None:
    low, high = axes.get_xlim()
    for names, place in noise_places(found, kind, low, high):
        axes.axvline(place, color="black", linestyle=":", linewidth=1)
        axes.text(place, 1.01, names, transform=axes.get_xaxis_transform(), fontsize=6,
                  ha="center", va="bottom")  # fmt: skip
    axes.set_xlim(low, high)


def noise_places(found: Evidence, kind: Any, low: float, high: float) -> list[tuple[str, float]]:
    """The quarters of training with one noise scale, and where it stands among batch sizes."""
    places: dict[float, list[str]] = {}
    for i, scale in enumerate(found.noise.quarters if found.noise else ()):
        if math.isfinite(scale) and scale > 0:
            place = math.log2(scale) if isinstance(kind, IntDistribution) else scale
            places.setdefault(round(min(max(place, low), high), 2), []).append(f"Q{i + 1}")
    return [(",".join(names), place) for place, names in places.items()]


def _place(kind: Any, value: Any) -> float:
    if isinstance(kind, CategoricalDistribution):
        return float(kind.choices.index(value))
    return float(value)


def _axis(axes: Axes, name: str, kind: Any, vertical: bool = False) -> None:
    """Name it, and put its ticks where its values are."""
    axis = axes.yaxis if vertical else axes.xaxis
    if not vertical:
        axes.set_xlabel(name)
    if isinstance(kind, CategoricalDistribution):
        labels = [short(choice) for choice in kind.choices]
        small = 5.5 if sum(map(len, labels)) > 17 else 6.5
        axis.set_ticks(range(len(labels)), labels, fontsize=small)
        axes.set_xlim(-0.5, len(labels) - 0.5)
    elif kind.log:
        (axes.set_yscale if vertical else axes.set_xscale)("log")
        axis.set_minor_locator(NullLocator())
    elif isinstance(kind, IntDistribution):
        axis.set_major_locator(MaxNLocator(5, integer=True))
        if name.startswith("log") and " " in name:
            ticks = list(range(kind.low, kind.high + 1, 1 + (kind.high - kind.low) // 5))
            axis.set_ticks(ticks, [short(written(name, tick)) for tick in ticks])
            if not vertical:
                axes.set_xlabel(bare(name))
    else:
        axis.set_major_locator(MaxNLocator(4))


def height(columns: surrogate.Columns, name: str, params: dict[str, Any]) -> float:
    """Between 0 and 1; what a trial does not have is left out of its line."""
    kind = columns.kinds[name]
    if name not in params:
        return math.nan
    if isinstance(kind, CategoricalDistribution):
        return kind.choices.index(params[name]) / (len(kind.choices) - 1)
    assert isinstance(kind, FloatDistribution | IntDistribution)
    low, high = columns.scaled(name, kind.low), columns.scaled(name, kind.high)
    return (columns.scaled(name, params[name]) - low) / (high - low)


def ends(columns: surrogate.Columns, name: str) -> tuple[Any, Any]:
    kind = columns.kinds[name]
    if isinstance(kind, CategoricalDistribution):
        return kind.choices[0], kind.choices[-1]
    assert isinstance(kind, FloatDistribution | IntDistribution)
    return kind.low, kind.high


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


def bare(name: str, scale: bool = True) -> str:
    """A hyper-parameter's own name, without the scale on which it is searched."""
    return name.split(" ")[-1] if scale else name


def written(name: str, value: Any) -> Any:
    """What stands for it in a file: of an exponent, the power."""
    base, space, _ = name.partition(" ")
    return int(base[3:]) ** value if space and base.startswith("log") else value


def _colours(found: Evidence) -> tuple[Normalize, Colormap]:
    return Normalize(*value_range(found)), matplotlib.colormaps[COLOURS]


def value_range(found: Evidence) -> tuple[float, float]:
    values = [worth(trial) for trial in found.shown]
    low, high = min(values), max(values)
    return low, high if high > low else low + 1


def special_handles(line: bool) -> list[Line2D]:
    if line:
        return [
            Line2D([], [], color=WINNER, label="winner"),
            Line2D([], [], color=DEFAULT, linestyle="--", label="default"),
        ]
    return [
        Line2D([], [], marker="*", color=WINNER, linestyle="", markersize=8, label="winner"),
        Line2D([], [], marker="D", color=DEFAULT, linestyle="", label="default"),
    ]
