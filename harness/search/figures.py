"""The figures of one study, and the table of them all."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from harness import stats
from harness.report import style
from harness.search import loop, slices
from harness.search.evidence import Evidence
from harness.search.slices import BLUE, DEFAULT, VALUE, WINNER, special_handles
from harness.search.surrogate import worth


@dataclass(frozen=True)
class Plot:
    """A figure, and what its caption says of it."""

    title: str
    caption: str
    draw: Callable[[Evidence], Figure | None]  # None: there is nothing to show


def history(found: Evidence) -> Figure | None:
    figure = Figure(figsize=(style.venue().text, 2.3), layout="constrained")
    axes = figure.subplots()
    for trial in found.trials:
        scores = [] if trial.value is None else trial.user_attrs.get(loop.SCORES, [])
        axes.plot([trial.number] * len(scores), scores, ".", color="0.78", markersize=2.5, zorder=1)
    full = [t for t in found.trials if t.user_attrs.get(loop.FULL)]
    stopped = [t for t in found.trials if t not in full and t.value is not None]
    failed = [t.number for t in found.trials if t.value is None]
    axes.plot([t.number for t in full], [worth(t) for t in full], "o", color=BLUE, zorder=3)
    axes.plot(
        [t.number for t in stopped], [worth(t) for t in stopped],
        "o", color=BLUE, markerfacecolor="white", zorder=3,
    )  # fmt: skip
    if failed:
        axes.plot(
            failed, [0.02] * len(failed), "x", color=WINNER, transform=axes.get_xaxis_transform()
        )
    best = np.maximum.accumulate([worth(t) if t in full else -math.inf for t in found.trials])
    numbers = [trial.number for trial in found.trials]
    axes.plot(numbers, best, color=BLUE, drawstyle="steps-post", linewidth=1, zorder=2)
    default = found.trials[0].value
    if default is not None:
        axes.axhline(default, color=DEFAULT, linestyle="--", linewidth=0.9, zorder=0)
    axes.set(xlabel="trial", ylabel=VALUE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="0.9")
    handles = [
        Line2D([], [], marker="o", color=BLUE, linestyle="", label="all seeds"),
        Line2D([], [], marker="o", color=BLUE, linestyle="", mfc="white", label="stopped early"),
        Line2D([], [], marker=".", color="0.7", linestyle="", label="one seed"),
        Line2D([], [], color=BLUE, label="best so far"),
        Line2D([], [], color=DEFAULT, linestyle="--", label="default (trial 0)"),
    ]
    if failed:
        handles.append(Line2D([], [], marker="x", color=WINNER, linestyle="", label="crashed"))
    style.legend(figure, handles)
    return figure


def reruns(found: Evidence) -> Figure | None:
    """What became of the best trials on fresh seeds."""
    confirmed = found.confirmation
    if confirmed is None:
        return None
    figure = Figure(figsize=(style.venue().column + 0.6, 2.4), layout="constrained")
    axes = figure.subplots()
    for one in confirmed.candidates:
        colour = WINNER if one.trial.number == found.best_number else BLUE
        axes.plot([0, 1], [worth(one.trial), one.value], "-o", color=colour, linewidth=1, zorder=2)
    last = 2 if confirmed.candidates else 1
    for one, colour, mark in ((confirmed.default, DEFAULT, "D"), (confirmed.winner, WINNER, "*")):
        estimate = found.estimate(one)
        before = worth(one.trial)
        if colour == WINNER and confirmed.candidates:
            before = next(c.value for c in confirmed.candidates if c.trial == one.trial)
        start = last - 1 if colour == WINNER else 0
        axes.plot([start, last], [before, estimate.point], "--", color=colour, linewidth=1)
        if estimate.low is not None and estimate.high is not None:
            axes.plot([last, last], [estimate.low, estimate.high], color=colour, linewidth=6,
                      alpha=0.35, solid_capstyle="butt")  # fmt: skip
        axes.plot(last, estimate.point, mark, color=colour, markersize=7, zorder=3)
    labels = ["tuning seeds", "fresh seeds\n(choose)", "further seeds\n(test)"]
    if not confirmed.candidates:
        labels = ["tuning seeds", "further seeds\n(test)"]
    axes.set_xticks(range(last + 1), labels)
    axes.set_xlim(-0.25, last + 0.25)
    axes.set_ylabel(VALUE)
    axes.grid(axis="y", color="0.9")
    others = [Line2D([], [], color=BLUE, marker="o", label="other good trials")]
    style.legend(figure, special_handles(line=False) + (others if confirmed.candidates else []))
    return figure


def importance(found: Evidence) -> Figure | None:
    if not found.importance:
        return None
    names = max(map(list, found.importance.values()), key=len)
    figure = Figure(figsize=(style.venue().text, 0.9 + 0.19 * len(names)), layout="constrained")
    row = figure.subplots(1, len(found.importance), sharey=True, squeeze=False)[0]
    for axes, (method, shares) in zip(row, found.importance.items(), strict=True):
        for y, name in enumerate(names):
            if name not in shares:
                axes.text(0.02, y, "conditional: not asked", fontsize=6, va="center", color="0.5")
                continue
            share = shares[name]
            axes.plot([share.low, share.high], [y, y], color=BLUE, linewidth=6, alpha=0.4,
                      solid_capstyle="butt")  # fmt: skip
            axes.plot(share.point, y, "o", color=BLUE)
        axes.set_title(method)
        axes.set_xlim(-0.02, 1.02)
        axes.grid(axis="x", color="0.9")
    row[0].set_yticks(range(len(names)), [slices.bare(name) for name in names])
    row[0].set_ylim(len(names) - 0.5, -0.5)
    figure.supxlabel("importance (shares of 1)", fontsize=8)
    return figure


def path(found: Evidence) -> Figure | None:
    if not found.path:
        return None
    figure = Figure(
        figsize=(style.venue().text, 0.8 + 0.22 * len(found.path)), layout="constrained"
    )
    axes = figure.subplots()
    points = []
    for y, (step, estimate) in enumerate(zip(found.path, found.along_path, strict=True)):
        scores = step.outcome.scores
        if stats.has_interval(estimate.shows):
            axes.plot([estimate.low, estimate.high], [y, y], color=BLUE, linewidth=6, alpha=0.4,
                      solid_capstyle="butt")  # fmt: skip
        axes.plot(scores, np.full(len(scores), y), "|", color="0.5", markersize=5)
        points.append(estimate.point)
    axes.plot(points, range(len(points)), "-o", color=BLUE, linewidth=1)
    labels = [step.change or "default" for step in found.path]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(VALUE)
    axes.grid(axis="x", color="0.9")
    return figure


FIGURES: dict[str, Plot] = {
    "history": Plot(
        "The search",
        "Every trial, in the order in which it was asked for. A trial that was stopped early has "
        "the value that it would have if it went on to trail the best by as much as so far.",
        history,
    ),
    "reruns": Plot(
        "What the winner is worth",
        "The best trials on the seeds that they were chosen by, and again on seeds that are new to "
        "them; the winner of these, and the default, on seeds that chose nothing, with 95 % "
        "intervals where so many seeds have one that covers. A line that falls is optimism: values "
        "on fresh seeds are of as many of them as "
        "the search had, on average over all choices. Where a value has a penalty for spread, the "
        "last ones are shown without it.",
        reruns,
    ),
    "parallel": Plot(
        "All trials at once",
        "A line for each trial, the brighter the better; broken where a hyper-parameter does not "
        "apply.",
        slices.parallel,
    ),
    "slices": Plot(
        "Each hyper-parameter",
        "Every trial's value against each of its hyper-parameters; hollow: stopped early.",
        slices.slices,
    ),
    "importance": Plot(
        "What matters",
        "The share of each hyper-parameter in the differences between trials. PED-ANOVA: how much "
        "the better half stands out along it (Watanabe et al. 2023). fANOVA: the variance that a "
        "forest explains by it alone (Hutter et al. 2014). Bars: where 95 % of {resamples} "
        "resamples of the trials lie; how far these trials decide it, and no confidence interval. "
        "fANOVA knows no conditional ones.",
        importance,
    ),
    "sensitivity": Plot(
        "How much each hyper-parameter moves the value",
        "The value along each hyper-parameter, averaged over what the trials had beside it, by a "
        "random forest; bands: where 95 % of {resamples} resamples of the trials lie, and no "
        "confidence interval.",
        slices.sensitivity,
    ),
    "batch_map": Plot(
        "Batch size against learning rate",
        "Trials on the average that a random forest makes of them.{noise}",
        slices.batch_map,
    ),
    "path": Plot(
        "From the default to the winner",
        "One hyper-parameter after the other, those that a forest expects most of first; each "
        "configuration run again on {path_seeds} fresh seeds. Bars: 95 % intervals, where so many "
        "seeds have one that covers; ticks: seeds.",
        path,
    ),
}
