"""Maps of where training went, for environments whose states are cells of a plane."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from harness.report import style
from harness.report.evidence import Evidence
from harness.report.number import short
from harness.stats import Array

COLOURS = "viridis_r"  # lightness falls all along it: safe for the colour-blind, and in grey
_SCALE = 0.9  # inches beside the panels, for the scale of the colours


def visits(evidence: Evidence, env: str) -> Figure | None:
    """A row per arm, a column per quarter of the budget, in each of them shares that sum to 1."""
    known = [found for (_, at, _), found in evidence.visits.items() if at == env]
    rows = _rows(evidence, env) if known else {}
    if not rows:
        return None
    reachable, quarters = known[0].reachable, len(known[0].counts)
    seen = np.concatenate([shares[shares > 0] for shares in rows.values()])
    scale = LogNorm(seen.min(), max(seen.max(), 10 * seen.min()))  # a decade at the least
    height, width = reachable.shape
    across = style.venue().text
    panel = (across - _SCALE) / quarters * height / width + 0.2
    figure = Figure(figsize=(across, len(rows) * panel + 0.3), layout="compressed")
    grid = figure.subplots(len(rows), quarters, squeeze=False)
    for panels, (title, row) in zip(grid, rows.items(), strict=True):
        panels[0].set_title(title, loc="left")
        for axes, shares in zip(panels, row, strict=True):
            _map(axes, shares, reachable, scale)
    for axes, text in zip(grid[-1], _quarters(evidence, env, quarters), strict=True):
        axes.set_xlabel(text, fontsize=style.venue().tick)
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    figure.colorbar(grid[0, 0].images[0], ax=grid, label="share of visits", aspect=30, format=plain)
    return figure


def _rows(evidence: Evidence, env: str) -> dict[str, Array]:
    """By title: shares (quarters, height, width) of the visits of all seeds; NaN without runs.

    An arm that takes no steps in training has no row.
    """
    found = {}
    shape = next(each.counts.shape for (_, at, _), each in evidence.visits.items() if at == env)
    for arm in evidence.arms_on(env):
        runs = [(run.arm, run.env, run.seed) for run in evidence.specs(arm, env)]
        counts = [evidence.visits[run].counts for run in runs if run in evidence.visits]
        if len(counts) < len(runs):
            title = f"{arm} ({len(counts)} of {len(runs)} runs)"
        elif any(each.any() for each in counts):
            title = arm
        else:
            continue
        total = np.sum(counts, axis=0) if counts else np.full(shape, np.nan)
        found[title] = total / np.maximum(total.sum(axis=(1, 2), keepdims=True), 1)
    return found


def _map(axes: Axes, shares: Array, reachable: NDArray[np.bool_], scale: Normalize) -> None:
    shown = np.ma.masked_where(~(shares > 0), shares)
    axes.imshow(shown, cmap=COLOURS, norm=scale, interpolation="nearest")
    never = PathPatch(
        _outline(reachable & (shares == 0)),
        facecolor="none", edgecolor="0.6", linewidth=0, hatch="//////",
    )  # fmt: skip
    axes.add_patch(never)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_linewidth(0)  # seaborn's despine makes the invisible visible again


def _outline(cells: NDArray[np.bool_]) -> Path:
    """All of these cells as one path, so that a hatching goes on from one to the next."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]) - 0.5
    squares = [Path(corners + np.array([x, y]), closed=True) for y, x in np.argwhere(cells)]
    return Path.make_compound_path(*squares)


def _quarters(evidence: Evidence, env: str, quarters: int) -> list[str]:
    """In steps, if all arms have the same budget."""
    budgets = list(evidence.budgets(env))
    if len(budgets) > 1:
        return [f"quarter {i + 1}" for i in range(quarters)]
    ends = [short(budgets[0] * i // quarters) for i in range(quarters + 1)]
    return [f"{ends[i]} to {ends[i + 1]} steps" for i in range(quarters)]
