"""The figures with one panel per environment, on raw returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness import stats
from harness.config.name import joined
from harness.report import plot
from harness.report.evidence import RETURN, Evidence, imported
from harness.report.number import Format, decimals
from harness.report.plot import Axis, End, Line, Look, Mark, Note, Panel, Plot, Points, Rule
from harness.report.results import caption, cpu_time
from harness.stats import Array, Band, Estimate, MissingRuns

UNFINISHED = "the runs that it needs have not finished"
_MOST_STEPS = 200  # along a line; what was imported may have a point for every episode
_MOST_SIZES = 10  # of studies with fewer seeds: beyond, a line is smooth
_IQM = Look("IQM of the arm", plot.INK, "|", line=False, size=12)
_THREE = Look("3 seeds", plot.GREY, dashes=(1, 2))
RETURN_OF = {"final": "final return", "auc": "mean return along training"}

# The lines of an arm in an environment, and what is missing of them.
Draw = Callable[[Evidence, str, str, Look], tuple[list[Line], str]]


def looks(evidence: Evidence) -> dict[str, Look]:
    """Of the arms: those of the claims stand out."""
    return plot.looks(evidence.sweep.arms, _about(evidence))


def _about(evidence: Evidence) -> set[str]:
    """The arms of the claims, and what others are held against; empty without claims."""
    claims = evidence.sweep.claims
    arms = {arm for claim in claims for arm in claim.arms}
    return arms | {evidence.baseline} if claims else arms


def groups(evidence: Evidence, arms: Sequence[str]) -> list[list[str]]:
    """The arms of each panel that has bands."""
    return plot.groups(arms, evidence.baseline, _about(evidence))


def learning_curves(evidence: Evidence, score: str) -> Plot | str:
    """The raw return along training; `score` is not used: this is the whole curve."""
    if evidence.curves and all(len(curve.steps) < 2 for curve in evidence.curves.values()):
        return "single scores were imported, without a curve"
    return replace(_per_env(evidence, Axis(imported.steps(evidence)), _learning_curve), runs=True)


def _learning_curve(evidence: Evidence, arm: str, env: str, look: Look) -> tuple[list[Line], str]:
    """The IQM with its band; where runs are missing, those that there are."""
    runs, planned = evidence.of(evidence.curves, arm, env), len(evidence.specs(arm, env))
    if not runs:
        return [], f"run by run: {arm} (0 of {planned} runs)"
    steps = np.unique(np.concatenate([run.steps for run in runs]))
    first, last = max(run.steps[0] for run in runs), min(run.steps[-1] for run in runs)
    steps = steps[(steps >= first) & (steps <= last)]
    if len(steps) < 2 and arm in evidence.imported:
        return [], f"no curve was imported: {arm}"
    if len(steps) > _MOST_STEPS:
        steps = np.linspace(first, last, _MOST_STEPS)
    returns = [np.interp(steps, run.steps, run.returns) for run in runs]
    if len(runs) < planned:
        each = [Line(look, steps, values, thin=True) for values in returns]
        return each, f"run by run: {arm} ({len(runs)} of {planned} runs)"
    stacked = np.stack(returns)[:, None]  # (runs, 1, steps)
    names = (arm, env, "curve")
    band = stats.band(stacked, stats.curve_iqm, names, joint=evidence.joint_bands)
    return [line(look, steps, band)], ""


def line(look: Look, x: Array, band: Band, step: bool = False) -> Line:
    """A line with what is known of where it might lie."""
    known = bool(np.isfinite(band.low).all())
    whole = known and bool(np.isfinite(band.low_all).all())  # of a range there is none
    return Line(
        look, x, band.point, step=step,
        low=band.low if known else None, high=band.high if known else None,
        low_all=band.low_all if whole else None, high_all=band.high_all if whole else None,
    )  # fmt: skip


def equal_cpu(evidence: Evidence, score: str) -> Plot | str:
    """The raw return along CPU time; `score` is not used: this is the whole curve."""
    if not cpu_time.compared(evidence):
        return ""
    return _per_env(evidence, Axis("CPU seconds of learning (log)", log=True), _cpu_curve)


def _cpu_curve(evidence: Evidence, arm: str, env: str, look: Look) -> tuple[list[Line], str]:
    try:
        known = cpu_time.along(evidence, arm, env)
    except MissingRuns as missing:
        return [], f"not drawn: {arm} ({missing})"
    drawn = Line(look, np.zeros(0), np.zeros(0), step=True)  # no line, but an end
    if known.band is not None:
        drawn = line(look, known.seconds, known.band, step=True)
    final = known.final
    ends = (final.low, final.high) if stats.has_ends(final.shows) else (None, None)
    return [replace(drawn, end=End(known.end, final.point, *ends))], ""


def _per_env(evidence: Evidence, x: Axis, draw: Draw) -> Plot:
    """A panel for each environment, or for each group of arms on it."""
    panels, of_arm = [], looks(evidence)
    parts = {env: groups(evidence, evidence.arms_on(env)) for env in evidence.sweep.envs}
    for env, arms in ((env, arms) for env, each in parts.items() for arms in each):
        lines, gaps = [], []
        for arm in arms:
            drawn, missing = draw(evidence, arm, env, of_arm[arm])
            lines += drawn
            gaps += [missing] if missing else []
        panels.append(_panel(evidence, env, x, [*plot.apart(lines)], gaps))
    counts = {len(each) for each in parts.values()}
    together = counts.pop() if len(counts) == 1 else 1
    across = together if together > 1 else 0
    return Plot(tuple(panels), caption.seeds(evidence), across=across)


def _panel(
    evidence: Evidence, env: str, x: Axis, marks: Sequence[Mark], gaps: Iterable[str] = ()
) -> Panel:
    """Of raw returns, with the scores that are 0 and 1 on the normalised axis."""
    rules = tuple(Rule(look, y=value) for look, value in _anchors(evidence, env))
    y = score_axis(evidence, env, "return")
    return Panel(x, y, (*rules, *marks), title=env, env=env, gaps=tuple(gaps))


def _anchors(evidence: Evidence, env: str, score: str = RETURN) -> list[tuple[Look, float]]:
    pair = evidence.anchors(env, score)
    if pair is None:
        return []
    return [(plot.REFERENCE, pair.reference.score), (plot.RANDOM, pair.random.score)]


def score_axis(evidence: Evidence, env: str | None, label: str, score: str = RETURN) -> Axis:
    """:param env: None: of normalised scores."""
    span = 1.0 if env is None else float(np.nan_to_num(10 * evidence.tenth(env, score)))
    return Axis(label, least=plot.LEAST * span, decimals=decimals(evidence.format(env, score)))


def seeds(evidence: Evidence, score: str) -> Plot | str:
    panels = tuple(_strip(evidence, env, score) for env in evidence.sweep.envs)
    return Plot(panels, caption.seeds(evidence), height=0.3)


def _strip(evidence: Evidence, env: str, score: str) -> Panel:
    """A row for each arm: its runs as points, and their IQM."""
    scores, arms, of_arm = evidence.raw[score], evidence.arms_on(env), looks(evidence)
    column, number = scores.envs.index(env), evidence.format(env, score)
    anchors = _anchors(evidence, env, score)
    shown = np.concatenate([scores.values[arm][:, column] for arm in arms])
    shown = np.array([*shown[np.isfinite(shown)], *(value for _, value in anchors)])
    width = float(np.ptp(shown)) / 30 if len(shown) else 0.0
    marks: list[Mark] = [Rule(look, x=value) for look, value in anchors]
    for row, arm in enumerate(arms):
        keys = {run.seed: run.key for run in evidence.specs(arm, env)}
        runs = sorted(
            (value, seed)
            for seed, value in zip(scores.seeds, scores.values[arm][:, column], strict=True)
            if np.isfinite(value)
        )
        values = np.array([value for value, _ in runs])
        marks.append(
            Points(
                replace(of_arm[arm], line=False, size=2.8),
                values,
                row + _offsets(values, width),
                names=tuple(f"{arm}, seed {seed}" for _, seed in runs),
                texts=tuple(number(value) for value in values),
                links=tuple(f"#run-{keys[seed]}" for _, seed in runs),
            )
        )
        found = evidence.estimates[score][arm, env]
        text = stats.bracket(found, number)
        middle = plot.estimate(_IQM, row, found, text, name=f"{arm}, IQM")
        marks.append(replace(middle, low=None, high=None) if isinstance(middle, Points) else middle)
    axis = score_axis(evidence, env, RETURN_OF.get(score, score), score)
    return Panel(axis, Axis(names=arms), tuple(marks), title=env, env=env)


def _offsets(values: Array, width: float) -> Array:
    """Heights that keep points of nearly equal value apart: no randomness, unlike jitter."""
    bins = np.round(values / width) if width else np.zeros(len(values))
    offsets = np.zeros(len(values))
    for value in np.unique(bins):
        here = np.flatnonzero(bins == value)
        spread = np.arange(len(here)) - (len(here) - 1) / 2
        offsets[here] = spread * min(0.15, 0.8 / len(here))
    return offsets


def fewer_seeds(evidence: Evidence, score: str) -> Plot | str:
    panels: list[Panel] = []
    y = Axis("opposite of all seeds, %", include=(0.0, 5.0), decimals=1)
    for env in evidence.sweep.envs:
        shares = {arm: _misled(evidence, score, arm, env) for arm in evidence.arms_on(env)}
        lines = [
            Line(looks(evidence)[arm], np.array(list(found)), 100 * np.array(list(found.values())))
            for arm, found in shares.items()
            if len(found) > 1 and any(found.values())
        ]
        never = [arm for arm, found in shares.items() if found and not any(found.values())]
        gaps = (f"never of {joined(never)}",) if never else ()
        marks: list[Mark] = [Rule(_THREE, x=3.0), *plot.apart(lines)]
        x = Axis("seeds of a study", whole=True)
        panels += [Panel(x, y, tuple(marks), title=env, env=env, gaps=gaps)] if lines else []
    if not panels:
        asked = any(_misled(evidence, score, arm, env) for arm, env in evidence.estimates[score])
        return "no study with fewer seeds sees the opposite" if asked else ""
    return Plot(tuple(panels), caption.seeds(evidence))


def rows(
    estimates: Mapping[str, Estimate], looks: Mapping[str, Look], number: Format
) -> tuple[Points | Note, ...]:
    """A row for each, by its name."""
    return tuple(
        plot.estimate(looks[name], row, each, stats.bracket(each, number), name)
        for row, (name, each) in enumerate(estimates.items())
    )


def _misled(evidence: Evidence, score: str, arm: str, env: str) -> dict[int, float]:
    """By the number of seeds, up to half of them: the share of studies that see the opposite."""
    if arm == evidence.baseline or evidence.baseline not in evidence.arms_on(env):
        return {}
    most = len(evidence.specs(arm, env)) // 2
    sizes = {*range(1, min(most, _MOST_SIZES) + 1)}
    sizes |= {*range(most, _MOST_SIZES, -max(1, most // _MOST_SIZES))}
    try:
        found = [evidence.fewer_seeds(score, arm, env, k) for k in sorted(sizes)]
    except MissingRuns:
        return {}
    return {each.k: each.opposite for each in found if each is not None and each.difference}
