"""The figures with one panel per environment, on raw returns; and the marks all figures share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from harness import stats
from harness.report import cpu_time, drawn, style
from harness.report.evidence import Evidence
from harness.stats import Array, Band, Estimate


def _columns(panels: int) -> int:
    """Three abreast fill the width; four stand in a square, where they cannot stand in a row."""
    abreast = style.venue().abreast
    return 2 if panels == 4 > abreast else min(abreast, panels)


def _roomy(panels: int) -> bool:
    """Whether a panel is wide enough for a long name below it, and for five numbers."""
    return _columns(panels) <= 3


def _ticks(panels: int) -> int:
    """The most steps between the numbers along a panel."""
    return 4 if _roomy(panels) else 2


# How many letters fit above an inch of panel at 8 points.
_TITLE_LETTERS = {"DejaVu Sans": 10.4, "STIXGeneral": 13.0}


def title_size(titles: Iterable[str], inches: float) -> float:
    """The size of letters at which all of these fit above panels of that width."""
    longest, venue = max(map(len, titles)), style.venue()
    sizes = (venue.label, venue.tick, venue.small)
    fitting = (size for size in sizes if longest <= _letters(inches, size))
    return next(fitting, venue.small)


def _letters(inches: float, size: float) -> float:
    return _TITLE_LETTERS[style.venue().font] * inches * 8 / size


_ARMS_IN_A_COLUMN = 6  # more make a legend that is higher than its panel
_MARKS = 6  # markers along a line: enough to tell it apart in grey


def line(
    axes: Axes,
    x: Array,
    band: Band,
    look: style.Look,
    place: int,
    joint: bool,
    step: bool = False,
) -> None:
    """A line, its pointwise band shaded, its simultaneous band between thin lines.

    :param place: shifts its markers, so that equal lines do not hide them.
    :param joint: false leaves the simultaneous band out.
    """
    point, low, high = band.point, band.low, band.high
    every = max(1, len(x) // _MARKS)
    axes.plot(
        x, point, **look.line, markevery=(place % every, every),
        drawstyle="steps-post" if step else "default",
    )  # fmt: skip
    if np.isfinite(low).all():
        axes.fill_between(
            x, low, high, color=look.colour, alpha=0.1, linewidth=0,
            step="post" if step else None,
        )  # fmt: skip
        joint = joint and bool(np.isfinite(band.low_all).all())  # of a range there is none
        # Where bands overlap, their edges still tell them apart.
        for edge in (band.low_all, band.high_all) if joint else (low, high):
            axes.plot(
                x, edge, color=look.colour, linewidth=0.4, alpha=0.6, linestyle=look.linestyle,
                drawstyle="steps-post" if step else "default",
            )  # fmt: skip


def bars(axes: Axes, found: dict[str, Estimate], looks: dict[str, style.Look]) -> None:
    """A row per arm, the first on top: its point, its interval as a bar, its range as a line."""
    for y, (arm, estimate) in enumerate(found.items()):
        if estimate.shows == "missing":
            axes.text(
                0.02, y, estimate.note, transform=axes.get_yaxis_transform(), va="center",
                fontsize=style.venue().small, color=style.GREY, style="italic",
            )  # fmt: skip
            continue
        look = looks[arm]
        ends = [estimate.low, estimate.high]
        if estimate.shows == "range":
            axes.plot(ends, [y, y], color=look.colour, linewidth=0.8, linestyle=":")
        elif stats.has_interval(estimate.shows):
            axes.plot(ends, [y, y], color=look.colour, linewidth=6, alpha=0.4,
                      solid_capstyle="butt")  # fmt: skip
        axes.plot(estimate.point, y, **look.line)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9")


def learning_curves(evidence: Evidence, score: str) -> Figure | None:
    """`score` is not used: this is the whole curve."""
    figure, grid = _grid(evidence, 1.55, legend=True)
    for i, (axes, env) in enumerate(grid):
        for arm in evidence.arms_on(env):
            _learning_curve(axes, evidence, arm, env)
        _label(axes, i, len(grid), "environment steps" if _roomy(len(grid)) else "steps")
        _anchors(axes, evidence, env, horizontal=True)
        style.steps_axis(axes, _ticks(len(grid)))
        axes.grid(color="0.9")
    _name_heights(grid, "return")
    looks = style.looks(evidence.sweep.arms)
    handles = [style.handle(arm, looks[arm]) for arm in evidence.sweep.arms]
    style.legend(figure, handles + _anchor_handles(evidence))
    return figure


def _label(axes: Axes, place: int, panels: int, text: str) -> None:
    """Below the lowest panels; a label of the figure would meet the legend."""
    if place + _columns(panels) >= panels:
        axes.set_xlabel(text)


def _name_heights(grid: list[tuple[Axes, str]], text: str) -> None:
    """At the left of every row; a label of the figure would stand beside the legend too."""
    for axes, _ in grid[:: _columns(len(grid))]:
        axes.set_ylabel(text)


def _learning_curve(axes: Axes, evidence: Evidence, arm: str, env: str) -> None:
    look = style.looks(evidence.sweep.arms)[arm]
    steps, band = drawn.learning_curve(evidence, arm, env)
    if band is None:
        for returns in evidence.learning_curves(arm, env)[1].values():
            axes.plot(steps, returns, **look.line | {"marker": "", "linewidth": 0.5})
        return
    line(axes, steps, band, look, evidence.sweep.arms.index(arm), evidence.joint_bands)


def cpu_curves(evidence: Evidence, score: str) -> Figure | None:
    """`score` is not used: this is the whole curve."""
    if not cpu_time.compared(evidence):
        return None
    figure, grid = _grid(evidence, 1.55, legend=True)
    for i, (axes, env) in enumerate(grid):
        for arm in cpu_time.timed(evidence, env):
            _cpu_curve(axes, evidence, arm, env)
        _label(axes, i, len(grid), "CPU seconds of learning")
        _anchors(axes, evidence, env, horizontal=True)
        style.log_axis(axes, "x", 2 * _ticks(len(grid)))
        axes.grid(color="0.9")
    _name_heights(grid, "return")
    looks = style.looks(evidence.sweep.arms)
    handles = [style.handle(arm, looks[arm]) for arm in evidence.sweep.arms]
    style.legend(figure, handles + _anchor_handles(evidence))
    return figure


def _cpu_curve(axes: Axes, evidence: Evidence, arm: str, env: str) -> None:
    look, place = style.looks(evidence.sweep.arms)[arm], evidence.sweep.arms.index(arm)
    seconds, band, end, final = cpu_time.along(evidence, arm, env)
    if band is not None:
        line(axes, seconds, band, look, place, evidence.joint_bands, step=True)
        axes.plot(
            [seconds[-1], end], [band.point[-1], final.point],
            color=look.colour, linewidth=0.8, linestyle=":",
        )  # fmt: skip
    if stats.has_ends(final.shows):
        axes.plot([end, end], [final.low, final.high], color=look.colour, linewidth=0.8)
    hollow = {"markerfacecolor": "white", "markeredgecolor": look.colour, "markeredgewidth": 0.9}
    axes.plot(end, final.point, **look.line | hollow)


def seeds(evidence: Evidence, score: str) -> Figure | None:
    most = max(len(evidence.arms_on(env)) for env in evidence.sweep.envs)
    height = 0.55 + 0.3 * most * style.venue().scale
    figure, grid = _grid(evidence, height, legend=False)
    names = [evidence.arms_on(env) for env in evidence.sweep.envs]
    for i, (axes, env) in enumerate(grid):
        _strip(axes, evidence, env, score)
        _anchors(axes, evidence, env, horizontal=False)
        if i % _columns(len(names)) and names[i] == names[i - 1]:  # its neighbour has said it
            axes.set_yticklabels([])
    what = {"final": "final return"}.get(score, "mean return along training")
    figure.supxlabel(what, fontsize=style.venue().label)
    return figure


def _strip(axes: Axes, evidence: Evidence, env: str, score: str) -> None:
    scores, arms = evidence.raw[score], evidence.arms_on(env)
    column = scores.envs.index(env)
    values = {arm: scores.values[arm][:, column] for arm in arms}
    anchors = evidence.sweep.anchors.get(env)
    ends = np.array([anchors.random.score, anchors.reference.score] if anchors else [])
    shown_range = np.concatenate([ends, *(v[np.isfinite(v)] for v in values.values())])
    width = float(np.ptp(shown_range)) / 30 if len(shown_range) else 0.0
    for y, arm in enumerate(arms):
        look = style.looks(evidence.sweep.arms)[arm]
        shown = np.sort(values[arm][np.isfinite(values[arm])])
        if len(shown):  # an unclipped line without points counts as one in the figure's corner
            axes.plot(
                shown, y + _offsets(shown, width), linestyle="", marker=look.marker,
                markersize=2.8, color=look.colour, alpha=0.75, markeredgewidth=0, clip_on=False,
            )  # fmt: skip
        have, planned = scores.count(arm, [env])
        if have == planned:
            middle = float(stats.iqm(shown[:, None]))
            axes.plot(
                middle, y, marker="|", markersize=16, markeredgewidth=1.2, color="black", zorder=1
            )
        else:
            axes.text(
                0.5, y, f"{have} of {planned} runs", transform=axes.get_yaxis_transform(),
                ha="center", va="center", fontsize=style.venue().small, color=style.GREY,
                style="italic",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    axes.set_yticks(range(len(arms)), list(arms))
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4 if _roomy(len(evidence.sweep.envs)) else 1)


def _offsets(values: Array, width: float) -> Array:
    """Heights that keep points of nearly equal value apart: no randomness, unlike jitter."""
    bins = np.round(values / width) if width else np.zeros(len(values))
    offsets = np.zeros(len(values))
    for value in np.unique(bins):
        here = np.flatnonzero(bins == value)
        spread = np.arange(len(here)) - (len(here) - 1) / 2
        offsets[here] = spread * min(0.15, 0.8 / len(here))
    return offsets


def fewer_seeds(evidence: Evidence, score: str) -> Figure | None:
    found = {
        (arm, env): shares
        for env in evidence.sweep.envs
        for arm in evidence.arms_on(env)
        if (shares := drawn.misled(evidence, score, arm, env))
    }
    if not found:
        return None
    figure, grid = _grid(evidence, 1.55, legend=True)
    looks = style.looks(evidence.sweep.arms)
    for i, (axes, env) in enumerate(grid):
        axes.axvline(3, color=style.GREY, linewidth=0.9, linestyle=_ANCHORS["random"], zorder=0)
        for arm in evidence.arms_on(env):
            if (arm, env) in found:
                sizes, parts = zip(*found[arm, env].items(), strict=True)
                axes.plot(sizes, parts, **looks[arm].line, markevery=2, clip_on=False)
        axes.set_ylim(0, max(0.05, axes.get_ylim()[1]))
        _label(axes, i, len(grid), "seeds of a study")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.xaxis.set_major_locator(MaxNLocator(_ticks(len(grid)) + 1, integer=True))
        axes.grid(color="0.9")
    _name_heights(grid, "opposite of all seeds")
    arms = [arm for arm in evidence.sweep.arms if any(arm == a for a, _ in found)]
    style.legend(figure, [style.handle(arm, looks[arm]) for arm in arms])
    return figure


def _grid(evidence: Evidence, height: float, legend: bool) -> tuple[Figure, list[Any]]:
    envs, arms = evidence.sweep.envs, evidence.sweep.arms
    columns = _columns(len(envs))
    rows = -(-len(envs) // columns)
    narrow = len(envs) == 1 and len(arms) <= _ARMS_IN_A_COLUMN
    venue = style.venue()
    width = venue.column if narrow else venue.text
    below = (
        0.15 * venue.scale * style.legend_rows((*arms, *_ANCHOR_LABELS.values()), width)
        if legend
        else 0
    )
    figure = Figure(figsize=(width, rows * height + 0.35 + below), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells[len(envs) :]:
        axes.remove()
    size = title_size(envs, width / columns)
    most = _letters(width / columns, size)
    for axes, env in zip(cells, envs, strict=False):
        axes.set_title(env if len(env) <= most else _broken(env), fontsize=size)
    return figure, list(zip(cells, envs, strict=False))


def _broken(name: str) -> str:
    """In two lines, at the hyphen that is nearest to its middle."""
    cuts = [place + 1 for place, letter in enumerate(name) if letter == "-"]
    at = min(cuts or [len(name)], key=lambda place: abs(place - len(name) / 2))
    return f"{name[:at]}\n{name[at:]}".rstrip()


_ANCHORS = {"reference": (0, (5, 3)), "random": (0, (1, 2))}
_ANCHOR_LABELS = {name: f"card's {name}" for name in _ANCHORS}  # an arm may be "random"


def _anchors(axes: Axes, evidence: Evidence, env: str, horizontal: bool) -> None:
    anchors = evidence.sweep.anchors.get(env)
    if anchors is None:
        return
    draw = axes.axhline if horizontal else axes.axvline
    for name, style_of_line in _ANCHORS.items():
        draw(
            getattr(anchors, name).score, color=style.GREY, linewidth=0.9,
            linestyle=style_of_line, zorder=0,
        )  # fmt: skip


def _anchor_handles(evidence: Evidence) -> list[Line2D]:
    if not evidence.sweep.anchors:
        return []
    return [
        Line2D(
            [], [], color=style.GREY, linewidth=0.9, linestyle=dashes, label=_ANCHOR_LABELS[name]
        )
        for name, dashes in _ANCHORS.items()
    ]
