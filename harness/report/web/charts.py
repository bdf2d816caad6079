"""The figures as data, which report.js draws: the numbers are those of the printed figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness import stats
from harness.report import components, cpu_time, drawn, style
from harness.report.evidence import Evidence
from harness.report.number import NORMALISED_DECIMALS, Format, bracket, fixed
from harness.report.web.plain import decimals, plain, plains
from harness.stats import Array, Band, Estimate, MissingRuns

MOST_POINTS = 200  # along a line: more than its panel has pixels to spare for

Chart = dict[str, Any]


def looks(evidence: Evidence) -> list[dict[str, Any]]:
    """The arms, looking as they do in print."""
    return [
        {
            "name": arm,
            "colour": "#" + "".join(f"{round(255 * part):02x}" for part in look.colour),
            "marker": look.marker,
            "dashes": list(look.dashes),
        }
        for arm, look in style.looks(evidence.sweep.arms).items()
    ]


# Lines -------------------------------------------------------------------------------------------


def _series(evidence: Evidence, arm: str, x: Array, band: Band, digits: int) -> Chart:
    kept = _thin(len(x))
    found: Chart = {"arm": evidence.sweep.arms.index(arm), "x": plains(x[kept], digits + 2)}
    parts = {"y": band.point, "low": band.low, "high": band.high}
    if evidence.joint_bands:
        parts |= {"lowAll": band.low_all, "highAll": band.high_all}
    for name, values in parts.items():
        if np.isfinite(values).all():
            found[name] = plains(values[kept], digits)
    return found


def _thin(points: int) -> Array:
    """Places of as many points as a line needs, the last among them."""
    every = -(-points // MOST_POINTS) or 1
    return np.unique(np.append(np.arange(0, points, every), max(points - 1, 0))).astype(int)


def _lines(x: str, y: str, panels: list[Chart], **more: Any) -> Chart:
    return {"kind": "lines", "x": x, "y": y, "panels": panels, **more}


def _panel(evidence: Evidence, found: drawn.Lines, digits: int) -> Chart:
    series = [_series(evidence, arm, found.x, band, digits) for arm, band in found.bands.items()]
    gaps = [f"{arm}: {why}" for arm, why in found.gaps.items()]
    return {"title": "", "decimals": digits, "series": series, "gaps": gaps}


def profiles(evidence: Evidence, score: str) -> Chart | None:
    found = drawn.profiles(evidence, score)
    if found is None:
        return None
    panel = _panel(evidence, found, NORMALISED_DECIMALS)
    return _lines("normalised score τ", "fraction of runs above τ", [panel], step=True)


def sample_efficiency(evidence: Evidence, score: str) -> Chart:
    found, in_steps = drawn.sample_efficiency(evidence)
    x = "environment steps" if in_steps else "fraction of the budget"
    return _lines(x, "normalised IQM", [_panel(evidence, found, NORMALISED_DECIMALS)])


def curves(evidence: Evidence, score: str) -> Chart:
    panels = []
    for env in evidence.sweep.envs:
        digits, series, gaps = decimals(evidence.format(env)), [], []
        for arm in evidence.arms_on(env):
            x, band = drawn.learning_curve(evidence, arm, env)
            if band is not None:
                series.append(_series(evidence, arm, x, band, digits))
            else:
                have, planned = next(iter(evidence.raw.values())).count(arm, [env])
                gaps.append(f"{arm}: {have} of {planned} runs")
        panels.append(
            {"title": env, "env": env, "decimals": digits, "series": series, "gaps": gaps}
            | _anchors(evidence, env)
        )
    return _lines("environment steps", "return", panels, runs=True)


def equal_cpu(evidence: Evidence, score: str) -> Chart | None:
    if not cpu_time.compared(evidence):
        return None
    panels = []
    for env in evidence.sweep.envs:
        digits, series, gaps = decimals(evidence.format(env)), [], []
        for arm in evidence.arms_on(env):
            try:
                found = cpu_time.along(evidence, arm, env)
            except MissingRuns as missing:
                gaps.append(f"{arm}: {missing}")
                continue
            place = evidence.sweep.arms.index(arm)
            one: Chart = {"arm": place, "x": [], "y": []}  # no line, but an end
            if found.band is not None:
                one = _series(evidence, arm, found.seconds, found.band, digits)
            one["end"] = {"x": plain(found.end, digits + 2)} | _ends(found.final, digits)
            series.append(one)
        panel = {"title": env, "env": env, "decimals": digits, "series": series, "gaps": gaps}
        panels.append(panel | _anchors(evidence, env))
    lacking = "runs or their times are missing"
    return _lines("CPU seconds of learning", "return", panels, step=True, log=True, lacking=lacking)


def _ends(found: Estimate, digits: int) -> Chart:
    ends = {"y": found.point, "low": found.low, "high": found.high}
    return {name: plain(value, digits) for name, value in ends.items()}


def fewer_seeds(evidence: Evidence, score: str) -> Chart | None:
    panels = []
    for env in evidence.sweep.envs:
        series = [
            {
                "arm": evidence.sweep.arms.index(arm),
                "x": list(found),
                "y": plains((100 * part for part in found.values()), 1),
            }
            for arm in evidence.arms_on(env)
            if (found := drawn.misled(evidence, score, arm, env))
        ]
        panel = {"title": env, "env": env, "decimals": 1, "series": series, "gaps": []}
        panels.append(panel | {"range": [0, 5], "at": 3})
    if not any(panel["series"] for panel in panels):
        return None
    return _lines("seeds of a study", "opposite of all seeds, %", panels, whole=True)


# Rows --------------------------------------------------------------------------------------------


def _row(name: str, found: Estimate, number: Format, arm: int | None) -> Chart:
    row: Chart = {"name": name, "arm": arm, "shows": found.shows, "text": bracket(found, number)}
    digits = decimals(number)
    for part in ("point", "low", "high"):
        row[part] = plain(getattr(found, part), digits)
    return row


def _bars(panels: list[Chart], **more: Any) -> Chart:
    return {"kind": "bars", "panels": panels, **more}


def aggregates(evidence: Evidence, score: str) -> Chart:
    arms, number = evidence.sweep.arms, evidence.format(None)
    panels = [
        {
            "title": name,
            "rows": [
                _row(arm, drawn.aggregates(evidence, score, arm)[name], number, arms.index(arm))
                for arm in evidence.normalised[score].arms
            ],
        }
        for name in stats.AGGREGATES
    ]
    return _bars(panels, x="normalised score")


def improvement(evidence: Evidence, score: str) -> Chart | None:
    arms, baseline = evidence.sweep.arms, evidence.baseline
    rows = [
        _row(arm, drawn.improvement(evidence, score, arm), fixed(2), arms.index(arm))
        for arm in evidence.normalised[score].arms
        if arm != baseline
    ]
    if not rows:
        return None
    panel = {"title": "", "rows": rows, "rule": 0.5, "range": [0, 1]}
    return _bars([panel], x=f"P(arm > {baseline})")


def effects(evidence: Evidence, score: str) -> Chart | None:
    number = evidence.format(None)
    rows = [
        _row(components.name(one), components.estimate(evidence, score, one, None), number, None)
        for one in stats.effects(components.members(evidence, evidence.sweep.envs))
    ]
    panel = {"title": "", "rows": rows, "rule": 0}
    return _bars([panel], x="change of the normalised IQM") if rows else None


def path(evidence: Evidence, score: str) -> Chart | None:
    number = evidence.format(None)
    steps = components.path(evidence, score, None)
    rows = [_row(step, found, number, None) for step, _, found in steps]
    return _bars([{"title": "", "rows": rows}], x="normalised IQM") if rows else None


def seeds(evidence: Evidence, score: str) -> Chart:
    """Points: report.js takes the scores from the runs themselves."""
    found = evidence.estimates[score]
    panels = []
    for env in evidence.sweep.envs:
        number = evidence.format(env)
        rows = [
            _row(arm, found[arm, env], number, evidence.sweep.arms.index(arm))
            for arm in evidence.arms_on(env)
        ]
        digits = decimals(number)
        panel = {"title": env, "env": env, "decimals": digits, "rows": rows}
        panels.append(panel | _anchors(evidence, env))
    x = {"final": "final return"}.get(score, "mean return along training")
    return {"kind": "points", "x": x, "score": score, "panels": panels}


def _anchors(evidence: Evidence, env: str) -> Chart:
    pair = evidence.sweep.anchors.get(env)
    if pair is None:
        return {}
    return {"reference": pair.reference.score, "random": pair.random.score}


# By the names of harness.report.figures.FIGURES; one that is not here stays the picture it is.
CHARTS: dict[str, Callable[[Evidence, str], Chart | None]] = {
    "aggregates": aggregates,
    "profiles": profiles,
    "improvement": improvement,
    "components": effects,
    "path": path,
    "sample_efficiency": sample_efficiency,
    "curves": curves,
    "equal_cpu": equal_cpu,
    "seeds": seeds,
    "fewer_seeds": fewer_seeds,
}
