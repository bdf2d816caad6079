"""The figures of a study as data, which its page draws: of the numbers of the printed ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from optuna.distributions import CategoricalDistribution

from harness import stats
from harness.report.number import bracket, fixed
from harness.search import confirm, loop, panel, slices
from harness.search.confirm import Rerun
from harness.search.evidence import Evidence
from harness.search.panel import DIGITS, LOOK, Chart
from harness.search.slices import VALUE
from harness.search.surrogate import Columns, worth

_PARTS = ("x", "y", "low", "high")


def history(found: Evidence) -> Chart | None:
    told = [trial for trial in found.trials if trial.value is not None]
    points, instances = [], found.plan.instances()
    for trial in told:
        for instance, score in zip(instances, trial.user_attrs.get(loop.SCORES, []), strict=False):
            tip = f"{panel.text(score)}, seed {instance.seed} on {instance.env}"
            points.append(panel.point_of(found, trial, trial.number, score, look="seed", tip=tip))
    points += [panel.point_of(found, trial, trial.number, worth(trial)) for trial in told]
    floor = min((point["y"] for point in points), default=0.0)
    crashed = [trial for trial in found.trials if trial.value is None]
    points += [
        panel.point_of(found, trial, trial.number, floor, look="crashed", tip=panel.state(trial))
        for trial in crashed
    ]
    best, steps = -math.inf, []
    for trial in found.trials:
        if trial.user_attrs.get(loop.FULL):
            best = max(best, worth(trial))
        if math.isfinite(best):
            steps.append((trial.number, best))
    line = {"x": [x for x, _ in steps], "y": [y for _, y in steps], "look": LOOK["best"]}
    default = found.trials[0].value
    rules = [] if default is None else [{"y": panel.short(default), "look": LOOK["default line"]}]
    drawn = {
        "title": "",
        "x": {"name": "trial", "ends": panel.around([0, len(found.trials) - 1]), "whole": True},
        "y": panel.value_axis([point["y"] for point in points]),
        "points": points,
        "lines": [line | {"step": True}],
        "rules": rules,
    }
    legend = ["full", "stopped", "seed", "best", "winner", "default both"]
    return panel.scatter([drawn], legend + ["crashed"] * bool(crashed), y=VALUE, wide=True)


def reruns(found: Evidence) -> Chart | None:
    confirmed = found.confirmation
    if confirmed is None:
        return None
    stages = ["tuning seeds", "fresh seeds", "further seeds"]
    if not confirmed.candidates:
        del stages[1]
    lines, points, last = [], [], len(stages) - 1
    chosen = {one.trial.number: one.value for one in confirmed.candidates}

    def add(one: Rerun, look: str, values: dict[int, float]) -> None:
        known = {x: y for x, y in values.items() if math.isfinite(y)}
        line = {"x": list(known), "y": [panel.short(y) for y in known.values()]}
        lines.append(line | {"look": LOOK[look if look == "other" else f"{look} line"]})
        mark = "full" if look == "other" else look
        for x, y in known.items():
            more: Chart = {"look": mark, "tip": f"{panel.text(y)} on {stages[x]}"}
            if x == last and look != "other":
                between = found.estimate(one)
                if between.low is not None and between.high is not None:
                    more |= {"low": panel.short(between.low), "high": panel.short(between.high)}
                    more["tip"] = f"{confirm.text(between)} on {stages[x]}"
            points.append(panel.point_of(found, one.trial, x, y, **more))

    for one in confirmed.candidates:
        if one.trial.number != found.best_number:
            add(one, "other", {0: worth(one.trial), 1: one.value})
    ends = {0: worth(confirmed.default.trial), last: found.estimate(confirmed.default).point}
    add(confirmed.default, "default", ends)
    if found.best_number:
        fresh = {1: chosen[found.best_number]} if found.best_number in chosen else {}
        ends = {0: worth(confirmed.winner.trial), last: found.estimate(confirmed.winner).point}
        add(confirmed.winner, "winner", dict(sorted((ends | fresh).items())))
    across = {"name": "", "ends": [-0.4, last + 0.4], "ticks": list(enumerate(stages))}
    drawn = {"title": "", "x": across | {"categories": True}, "points": points, "lines": lines}
    legend = ["winner both", "default both"] + ["other"] * bool(confirmed.candidates)
    return panel.scatter(panel.level([drawn]), legend, y=VALUE)


def parallel(found: Evidence) -> Chart | None:
    if len(found.shown) < 2:
        return None
    columns, (low, high) = Columns(found.plan), slices.value_range(found)
    axes = []
    for name in columns.names:
        first, last = (
            slices.short(slices.written(name, end)) for end in slices.ends(columns, name)
        )
        shown = slices.bare(name, scale=name.startswith("log"))
        axes.append({"name": shown, "low": first, "high": last})
    axes.append({"name": "value", "low": fixed(2)(low), "high": fixed(2)(high)})
    colours = matplotlib.colormaps[slices.COLOURS]
    lines = []
    for trial in sorted(found.shown, key=lambda t: (panel.is_special(found, t), worth(t))):
        heights = [slices.height(columns, name, trial.params) for name in columns.names]
        height = (worth(trial) - low) / (high - low)
        look: Chart = {"look": LOOK["full"], "colour": to_hex(colours(height))}
        if panel.is_special(found, trial):
            look = {"look": LOOK["winner line" if trial.number else "default line"]}
        lines.append({
            "heights": [panel.short(each) for each in [*heights, height]],
            "tip": [panel.name_of(found, trial), panel.said(found, trial)],
            "trial": panel.row_id(found, trial.number),
        } | look)  # fmt: skip
    drawn = {"title": "", "axes": axes, "lines": lines}
    legend = [LOOK["winner line"], LOOK["default line"]]
    more = {"legend": legend, "ramp": panel.ramp(found), "wide": True}
    return {"kind": "parallel", "panels": [drawn]} | more


def trial_slices(found: Evidence) -> Chart | None:
    if not found.shown:
        return None
    columns, panels = Columns(found.plan), []
    for name in columns.names:
        points = [
            panel.point_of(
                found, trial, panel.place_of(columns, name, trial.params[name]), worth(trial)
            )
            for trial in sorted(found.shown, key=lambda t: panel.is_special(found, t))
            if name in trial.params
        ]
        axis = panel.axis_of(columns, name)
        for point in points:
            value = found.trials[int(point["trial"].rpartition("-")[2])].params[name]
            point["tip"] = [point["tip"][0], f"{point['tip'][1]}; {name} {slices.short(value)}"]
        panels.append({"title": "", "x": axis, "points": points})
    return panel.scatter(panel.level(panels), ["full", "stopped", "winner", "default"], y=VALUE)


def sensitivity(found: Evidence) -> Chart | None:
    columns, panels = Columns(found.plan), []
    if found.forest is None or not found.shown:
        return None
    for name, marginal in found.marginals.items():
        x = [panel.place_of(columns, name, value) for value in marginal.grid]
        told = list(zip(marginal.grid, x, *marginal[1:], strict=True))
        tips = [
            [f"{slices.bare(name)} {slices.short(slices.written(name, value))}",
             f"{panel.text(y)} [{panel.text(low)}, {panel.text(high)}]"]
            for value, _, y, low, high in told
        ]  # fmt: skip
        rows = [dict(zip(_PARTS, map(panel.short, numbers), strict=True)) for _, *numbers in told]
        drawn: Chart = {"title": "", "x": panel.axis_of(columns, name), "points": []}
        if isinstance(columns.kinds[name], CategoricalDistribution):
            look = {"look": LOOK["full"]}
            drawn["points"] = [
                row | look | {"tip": tip} for row, tip in zip(rows, tips, strict=True)
            ]
        else:
            line: Chart = {part: [row[part] for row in rows] for part in _PARTS}
            drawn["lines"] = [line | {"look": LOOK["best"], "tips": tips}]
        special = {"default line": found.trials[0], "winner line": found.trials[found.best_number]}
        rules = [
            {"x": panel.place_of(columns, name, trial.params[name]), "look": LOOK[look]}
            for look, trial in special.items()
            if name in trial.params
        ]
        panels.append(drawn | {"rules": rules})
    return panel.scatter(panel.level(panels), ["winner line", "default line"], y=VALUE)


def importance(found: Evidence) -> Chart | None:
    if not found.importance:
        return None
    names, panels = max(map(list, found.importance.values()), key=len), []
    for method, shares in found.importance.items():
        rows = []
        for name in names:
            row: Chart = {"name": slices.bare(name), "arm": LOOK["full"], "shows": "interval"}
            share = shares.get(name)
            if share is None:
                nothing = {"point": None, "low": None, "high": None}
                rows.append(row | nothing | {"text": "conditional: not asked"})
                continue
            text = f"{share.point:.2f} [{share.low:.2f}, {share.high:.2f}]"
            rows.append(
                row | {k: panel.short(v) for k, v in share._asdict().items()} | {"text": text}
            )
        panels.append({"title": method, "rows": rows, "range": [0, 1]})
    return {"kind": "bars", "panels": panels, "x": "importance (shares of 1)"}


def batch_map(found: Evidence) -> Chart | None:
    plane = found.batch_plane
    if plane is None:
        return None
    columns, (low, high) = Columns(found.plan), slices.value_range(found)
    colours = matplotlib.colormaps[slices.COLOURS]

    def colour(value: float) -> str:
        return to_hex(colours((value - low) / (high - low)))

    points, rng = [], np.random.default_rng(0)  # trials with equal batches would hide one another
    for trial in sorted(found.shown, key=lambda t: (panel.is_special(found, t), worth(t))):
        if plane.x in trial.params and plane.y in trial.params:
            x = panel.place_of(columns, plane.x, trial.params[plane.x]) + rng.uniform(-0.12, 0.12)
            y = panel.place_of(columns, plane.y, trial.params[plane.y])
            plain = {"look": "full", "colour": colour(worth(trial))}
            own = {} if panel.is_special(found, trial) else plain
            points.append(panel.point_of(found, trial, x, y, **own))
    axes = panel.axis_of(columns, plane.x), panel.axis_of(columns, plane.y)
    cells: Chart = {"colours": [[colour(float(value)) for value in row] for row in plane.values]}
    cells |= {
        part: panel.edges([panel.place_of(columns, name, value) for value in values])
        for part, name, values in (("x", plane.x, plane.across), ("y", plane.y, plane.up))
    }
    for axis, part in zip(axes, "xy", strict=True):
        axis["ends"] = [cells[part][0], cells[part][-1]]
    rules = []
    for names, scale in slices.noise_places(found, columns.kinds[plane.x], *axes[0]["ends"]):
        rules.append({"x": panel.short(scale), "look": LOOK["noise"], "text": names})
    drawn: Chart = {"title": "", "x": axes[0], "y": axes[1], "cells": cells}
    drawn |= {"points": points, "rules": rules}
    legend = ["winner", "default"] + ["noise"] * bool(rules)
    return panel.scatter([drawn], legend, y=plane.y, ramp=panel.ramp(found))


def path(found: Evidence) -> Chart | None:
    rows = []
    for step, estimate in zip(found.path, found.along_path, strict=True):
        row: Chart = {"name": step.change or "default", "arm": LOOK["full"]}
        row |= {"shows": estimate.shows, "text": bracket(estimate, fixed(DIGITS))}
        shown = ("point", "low", "high") if stats.has_interval(estimate.shows) else ("point",)
        ends: Chart = {"low": None, "high": None}
        row |= ends | {part: panel.short(getattr(estimate, part)) for part in shown}
        rows.append(row | {"seeds": [panel.short(score) for score in step.outcome.scores]})
    return {"kind": "bars", "panels": [{"title": "", "rows": rows}], "x": VALUE} if rows else None


# By the names of harness.search.figures.FIGURES.
CHARTS: dict[str, Callable[[Evidence], Chart | None]] = {
    "history": history,
    "reruns": reruns,
    "parallel": parallel,
    "slices": trial_slices,
    "importance": importance,
    "sensitivity": sensitivity,
    "batch_map": batch_map,
    "path": path,
}
