"""The figures of one run's model: errors, returns, and the dream beside the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from harness.report import style
from harness.report.model_page import POLICIES

Measures = Mapping[str, Any]
Fans = Mapping[str, Any]  # by policy: dreaming.Fan

NUMBERS = 6  # of an observation, that traces show
FRAMES = 7
BAND = (5, 95)  # percent of the dreams
_LOOKS = style.looks(list(POLICIES))
_PERSISTENCE: dict[str, Any] = {"color": style.GREY, "linewidth": 1.0, "linestyle": (0, (4, 2))}
_DREAM = _LOOKS["trained"].colour


def errors(measures: Measures) -> Figure:
    """A panel for each policy: the model, what expects no change, and single numbers, thin."""
    figure = Figure(figsize=(style.venue().text, 2.2), layout="constrained")
    row = figure.subplots(1, len(POLICIES), sharey=True)
    for axes, (name, found) in zip(row, measures["policies"].items(), strict=True):
        ahead = np.arange(1, len(found["error"]) + 1)
        for number in np.array(found["by_number"] or np.zeros((len(ahead), 0))).T:
            axes.plot(ahead, number, color=_LOOKS[name].colour, linewidth=0.5, alpha=0.5)
        axes.plot(ahead, found["persistence"], **_PERSISTENCE)
        axes.plot(ahead, found["error"], **_model(_LOOKS[name].colour, len(ahead)))
        axes.axhline(1.0, color=style.GREY, linewidth=0.8, linestyle=":")
        axes.set(title=f"{name}: {found['starts']} starts", xlabel="steps ahead")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(color="0.9")
    style.log_axis(row[0])  # they share it
    row[0].set_ylabel("error, in deviations")
    handles = [Line2D([], [], label="the model", **_model("black", 1))]
    if measures["policies"]["random"]["by_number"]:
        label = "single numbers of the observation"
        handles.append(Line2D([], [], color="black", linewidth=0.5, alpha=0.6, label=label))
    handles.append(Line2D([], [], label="nothing changes", **_PERSISTENCE))
    handles.append(
        Line2D([], [], color=style.GREY, linewidth=0.8, linestyle=":", label="one deviation")
    )
    style.legend(figure, handles)
    return figure


def _model(colour: Any, steps: int) -> dict[str, Any]:
    every = max(1, steps // 6)
    return {"color": colour, "marker": "o", "markersize": 3, "markevery": (every - 1, every)}


def likelihoods(measures: Measures) -> Figure:
    figure = Figure(figsize=(style.venue().column, 2.3), layout="constrained")
    axes = figure.subplots()
    for place, (name, found) in enumerate(measures["policies"].items()):
        values = np.array(found["log_likelihood"], float)
        ahead = np.arange(1, len(values) + 1)
        marks = (place, max(3, len(ahead) // 6))  # shifted, so that equal lines do not hide them
        axes.plot(ahead, values, **_LOOKS[name].line, markevery=marks)
    axes.set(xlabel="steps ahead", ylabel="log likelihood")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(color="0.9")
    style.legend(figure, [style.handle(name, _LOOKS[name]) for name in POLICIES])
    return figure


def returns(measures: Measures) -> Figure:
    """Dreams by temperature, each a point, beside the same controller awake."""
    found = measures["returns"]
    dreamed = list(found["dreamed"].items())
    figure = Figure(figsize=(style.venue().column, 2.2), layout="constrained")
    axes = figure.subplots()
    columns = [("real", found["real"], "black"), *((t, each, _DREAM) for t, each in dreamed)]
    for x, (_, values, colour) in enumerate(columns):
        each = np.array(values, float)
        places = x + np.linspace(-0.25, 0.25, len(each))
        axes.plot(
            places, np.sort(each), linestyle="", marker="o", markersize=1.8, color=colour,
            alpha=0.5, markeredgewidth=0, clip_on=False,
        )  # fmt: skip
        axes.plot([x - 0.3, x + 0.3], [each.mean()] * 2, color=colour, linewidth=1.6)
    axes.axhline(np.mean(found["real"]), color="black", linewidth=0.7, linestyle=":", zorder=0)
    axes.set_xticks(range(len(columns)), [name for name, _, _ in columns])
    axes.set(xlabel="awake, and asleep by temperature", ylabel="return")
    axes.grid(axis="y", color="0.9")
    return figure


def traces(fans: Fans) -> Figure:
    """Numbers of the observation down, policies across: truth, best guess, and most dreams."""
    shown = min(NUMBERS, fans["random"].truth[0].size)
    figure = Figure(figsize=(style.venue().text, 0.95 * shown + 0.7), layout="constrained")
    grid = figure.subplots(shown, len(fans), squeeze=False, sharex="col")
    for column, (name, fan) in zip(grid.T, fans.items(), strict=True):
        steps = fan.start + np.arange(len(fan.truth))
        truth, guess = _flat(fan.truth), _flat(fan.guess)
        draws = np.stack([_flat(draw) for draw in fan.draws])  # (S, K, D)
        for i, axes in enumerate(column):
            low, high = np.percentile(draws[:, :, i], BAND, axis=0)
            known = truth[:1, i]  # where all of them part
            axes.fill_between(
                steps, np.r_[known, low], np.r_[known, high], color=_DREAM, alpha=0.25, linewidth=0
            )
            axes.plot(steps, truth[:, i], color="black", linewidth=1.4)
            axes.plot(
                steps, np.r_[known, guess[:, i]], color=_DREAM, linewidth=1.2, linestyle=(0, (4, 2))
            )
            axes.locator_params(axis="y", nbins=4)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.grid(color="0.93")
        column[0].set_title(name)
        column[-1].set_xlabel("step of the episode")
    for i, axes in enumerate(grid[:, 0]):
        axes.set_ylabel(f"number {i + 1}")
    handles = [
        Line2D([], [], color="black", linewidth=1.4, label="truth"),
        Line2D([], [], color=_DREAM, linewidth=1.2, linestyle=(0, (4, 2)), label="best guess"),
        Patch(color=_DREAM, alpha=0.25, linewidth=0, label=f"{BAND[1] - BAND[0]} % of the dreams"),
    ]
    style.legend(figure, handles)
    return figure


def _flat(rows: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(rows, float).reshape(len(rows), -1)


def strip(fan: Any) -> Figure:
    """Frames of one episode: the truth, as the model sees it, and as it dreams it."""
    rows = {"truth": fan.truth[1:]}
    if fan.seen is not None:
        rows["seen"] = fan.seen
    missed = np.abs(fan.truth[1:].astype(float) - fan.guess).mean(axis=-1, keepdims=True)
    rows |= {"best guess": fan.guess, "missed": missed, "a dream": fan.draws[0]}
    ahead = np.unique(np.linspace(1, len(fan.guess), FRAMES).round().astype(int))
    side = style.venue().text / FRAMES
    figure = Figure(figsize=(style.venue().text, side * len(rows) + 0.25), layout="compressed")
    grid = figure.subplots(len(rows), len(ahead), squeeze=False)
    for panels, (name, frames) in zip(grid, rows.items(), strict=True):
        for axes, k in zip(panels, ahead, strict=True):
            axes.imshow(_picture(frames[k - 1]), cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_linewidth(0)
        panels[0].set_ylabel(name)
    for axes, k in zip(grid[0], ahead, strict=True):
        axes.set_title(f"+{k}", fontsize=7)
    return figure


def _picture(frame: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey has no axis of colours for matplotlib, and other than 3 colours are shown as grey."""
    image = frame if frame.shape[-1] == 3 else frame.mean(axis=-1)
    found: NDArray[np.uint8] = np.clip(image, 0, 255).astype(np.uint8)
    return found


def learning(measures: Measures) -> Figure:
    """One step ahead, and as far as each policy reaches, over the steps that training had."""
    found = measures["learning"]
    figure = Figure(figsize=(style.venue().text, 2.2), layout="constrained")
    row = figure.subplots(1, 2, sharey=True)
    for name, each in found["error"].items():
        look = _LOOKS[name]
        row[0].plot(found["steps"], [error[0] for error in each], **look.line)
        far = f"{name}, +{len(each[0])}"
        row[1].plot(found["steps"], [error[-1] for error in each], label=far, **look.line)
    for axes, title in zip(row, ("one step ahead", "as far as episodes reach"), strict=True):
        axes.axhline(1.0, color=style.GREY, linewidth=0.8, linestyle=":")
        axes.set(title=title, xlabel="environment steps of training")
        style.steps_axis(axes)
        axes.grid(color="0.9")
    style.log_axis(row[0])  # they share it
    row[0].set_ylabel("error, in deviations")
    style.legend(figure, row[1].get_legend_handles_labels()[0])
    return figure
