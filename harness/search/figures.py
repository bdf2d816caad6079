"""The figures of one study, and the table of them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from harness import stats
from harness.report import plot
from harness.report.number import NORMALISED_DECIMALS, fixed
from harness.report.plot import (
    Axis,
    Cells,
    Line,
    Look,
    Mark,
    Note,
    Panel,
    Plot,
    Points,
    Rule,
    Shades,
)  # fmt: skip
from harness.search import confirm, loop, surrogate
from harness.search.confirm import Rerun
from harness.search.dimension import Dimension, dimensions
from harness.search.evidence import Evidence
from harness.search.surrogate import worth

DIGITS = NORMALISED_DECIMALS + 1  # as the text has values
VALUE = "value (normalised)"
_VALUES, _NUMBER = Axis(VALUE, least=plot.LEAST, decimals=DIGITS), fixed(DIGITS)

_BLUE, _RED = plot.looks([""])[""].colour, "#d55e00"  # seaborn's colour-blind safe vermilion
_FULL = Look("all seeds", _BLUE, "o", line=False)
_STOPPED = replace(_FULL, name="stopped early", hollow=True)
_SEED = Look("one seed", plot.FAINT, "o", line=False, size=1.8)
_TICK = Look("one seed", plot.GREY, "|", line=False, size=5)
_CRASHED = Look("crashed", _RED, "x", line=False)
_BEST = Look("best so far", _BLUE)
_FOREST = Look("by the forest", _BLUE)
_ROW, _TRACE = replace(_FULL, name=""), replace(_BEST, name="")
_SELECTED = Look("selected", _RED, "*", line=False, size=7)
_DEFAULT = Look("default", plot.INK, "D", line=False, size=4.5)
_SELECTED_LINE = Look("selected", _RED)
_DEFAULT_LINE = Look("default", plot.INK, dashes=(4, 2))
_AXIS = Look("", plot.FAINT)
_OTHER = Look("other good trials", _BLUE, "o")
_NOISE = Look("noise scale, by quarter", plot.INK, dashes=(1, 1))


class Kind(NamedTuple):
    """A figure, and what its caption says of it."""

    title: str
    caption: str
    fill: Callable[[Evidence], Plot | None]  # None: there is nothing to show

    def plot(self, found: Evidence) -> Plot | str:
        """What it shows, or why there is nothing to show; empty: it is not asked of this study."""
        filled = self.fill(found)
        return plot.settled(filled, "no trial has a value of its own") if filled else ""


# Trials -------------------------------------------------------------------------------------------


def row_id(found: Evidence, number: int) -> str:
    """Under which the page's table shows a trial."""
    return f"{found.plan.label}-{number}"


def state(trial: FrozenTrial) -> str:
    """What became of it, in the words of the report."""
    if loop.ERROR in trial.user_attrs:
        return "crashed"
    return "all seeds" if trial.user_attrs[loop.FULL] else "stopped early"


def _look(found: Evidence, trial: FrozenTrial) -> Look:
    if trial.number in (0, found.best_number):
        return _SELECTED if trial.number else _DEFAULT
    return _FULL if trial.user_attrs[loop.FULL] else _STOPPED


def _name(found: Evidence, trial: FrozenTrial) -> str:
    role = {found.best_number: ", selected", 0: ", the default"}.get(trial.number, "")
    return f"Trial {trial.number}{role}"


def _text(trial: FrozenTrial) -> str:
    value = worth(trial)
    return f"{'-' if math.isnan(value) else _NUMBER(value)}, {state(trial)}"


Shown = tuple[FrozenTrial, float, float, str]  # a trial, where it stands, and what is said of it


def _points(found: Evidence, look: Look, at: Sequence[Shown]) -> Points:
    return Points(
        look,
        np.array([x for _, x, _, _ in at], float),
        np.array([y for _, _, y, _ in at], float),
        names=tuple(_name(found, trial) for trial, *_ in at),
        texts=tuple(text for *_, text in at),
        links=tuple(f"#trial-{row_id(found, trial.number)}" for trial, *_ in at),
    )


def _by_look(found: Evidence, places: Sequence[Shown], shaded: bool = False) -> Iterator[Points]:
    """Points by how they look, the default and the selected trial on top.

    :param shaded: the others have the colours of their values.
    """
    for look in (_FULL, _STOPPED, _DEFAULT, _SELECTED):
        own = [place for place in places if _look(found, place[0]) == look]
        if own:
            points = _points(found, look, own)
            shades = shaded and look in (_FULL, _STOPPED)
            values = np.array([worth(trial) for trial, *_ in own])
            yield replace(points, shades=values) if shades else points


def _of_trials(found: Evidence) -> str:
    return f"{len(found.shown)} trials"


# Fills --------------------------------------------------------------------------------------------


def history(found: Evidence) -> Plot:
    trials, marks = [t for t in found.trials if t.value is not None], list[Mark]()
    crashed = [t for t in found.trials if t.value is None]
    if found.trials[0].value is not None:
        marks.append(Rule(replace(_DEFAULT_LINE, name=""), y=found.trials[0].value))
    instances = found.plan.instances()
    singles = [
        (t, t.number, score, f"{_NUMBER(score)}, seed {instance.seed} on {instance.env}")
        for t in trials
        for instance, score in zip(instances, t.user_attrs[loop.SCORES], strict=False)
    ]
    marks.append(_points(found, _SEED, singles))
    full = [worth(t) if t.user_attrs[loop.FULL] else -math.inf for t in found.trials]
    best = np.maximum.accumulate(full)
    (steps,) = np.nonzero(np.isfinite(best))
    if len(steps) > 1:
        marks.append(Line(_BEST, steps.astype(float), best[steps], step=True))
    marks += _by_look(found, [(t, t.number, worth(t), _text(t)) for t in trials])
    if crashed:
        lowest = min(map(worth, trials), default=0.0)
        marks.append(_points(found, _CRASHED, [(t, t.number, lowest, state(t)) for t in crashed]))
    across = Axis("trial", whole=True, include=(-0.5, len(found.trials) - 0.5))
    n = f"{len(found.trials)} trials of up to {found.plan.file.seeds} seeds"
    return Plot((Panel(across, _VALUES, tuple(marks)),), n, wide=True)


def reruns(found: Evidence) -> Plot | None:
    """What became of the best trials on fresh seeds."""
    confirmed = found.confirmation
    if confirmed is None:
        return None
    stages = ["tuning seeds", "fresh seeds (choose)", "further seeds (test)"]
    if not confirmed.candidates:
        del stages[1]
    last, chosen = len(stages) - 1, {one.trial.number: one.value for one in confirmed.candidates}
    marks: list[Mark] = []

    def add(one: Rerun, look: Look, values: dict[int, float]) -> None:
        """:param values: by stage."""
        known = {stage: value for stage, value in sorted(values.items()) if math.isfinite(value)}
        texts = {stage: _NUMBER(value) for stage, value in known.items()}
        low, high = np.full((2, len(known)), np.nan)
        if last in known:
            interval = confirm.estimate(found.plan, one)
            texts[last] = str(interval)
            if interval.low is not None and interval.high is not None:
                low[-1], high[-1] = interval.low, interval.high
        at = [(one.trial, k, v, f"{texts[k]} on {stages[k]}") for k, v in known.items()]
        points = replace(_points(found, look, at), low=low, high=high)
        marks.extend((Line(look, points.x, points.y), points))

    for one in confirmed.candidates:
        if one.trial.number != found.best_number:
            add(one, _OTHER, {0: worth(one.trial), 1: one.value})
    both = [(confirmed.default, replace(_DEFAULT, line=True, dashes=(4, 2)))]
    if found.best_number:
        both.append((confirmed.selected, replace(_SELECTED, line=True)))
    for one, look in both:
        values = {0: worth(one.trial), last: confirm.estimate(found.plan, one).point}
        if one.trial.number in chosen and one.trial.number:
            values[1] = chosen[one.trial.number]
        add(one, look, values)
    n = f"{found.plan.file.confirm.test_seeds} further seeds"
    return Plot((Panel(Axis(names=tuple(stages)), _VALUES, tuple(marks)),), n)


def parallel(found: Evidence) -> Plot | None:
    """One axis for each hyper-parameter, the value last."""
    shown, space = found.shown, dimensions(found.plan.space)
    if len(shown) < 2:
        return None
    shades, marks = _shades(shown), list[Mark]()
    ends = {one.label: one.ends for one in space}
    ends["value"] = fixed(2)(shades.low), fixed(2)(shades.high)
    for i, texts in enumerate(ends.values()):
        notes = (Note(_ROW, y, text, x=i) for y, text in zip((-0.06, 1.06), texts, strict=True))
        marks += [Rule(_AXIS, x=i), *notes]
    places = np.arange(len(ends), dtype=float)
    for trial in sorted(shown, key=lambda t: (t.number in (0, found.best_number), worth(t))):
        special = {found.best_number: _SELECTED_LINE, 0: _DEFAULT_LINE}.get(trial.number)
        params = trial.params
        heights = [one.height(params[one.key]) if one.key in params else math.nan for one in space]
        heights.append((worth(trial) - shades.low) / (shades.high - shades.low))
        marks.append(
            Line(
                special or _TRACE,
                places,
                np.array(heights),
                name=_name(found, trial),
                text=_text(trial),
                link=f"#trial-{row_id(found, trial.number)}",
                shade=None if special else worth(trial),
            )
        )
    across = Axis(names=tuple(ends), limits=(-0.2, len(ends) - 0.8))
    panel = Panel(across, Axis("trials", limits=(-0.08, 1.08), hidden=True), tuple(marks))
    return Plot((panel,), _of_trials(found), wide=True, height=2.2, shades=shades)


def _shades(trials: Sequence[FrozenTrial]) -> Shades:
    values = [worth(trial) for trial in trials]
    low, high = min(values), max(values)
    return Shades(VALUE, low, high if high > low else low + 1)


def slices(found: Evidence) -> Plot | None:
    """A panel for each hyper-parameter: the trials."""
    panels = []
    for one in dimensions(found.plan.space):
        places = [
            (t, one.place(value), worth(t), f"{_text(t)}; {one.label} {one.text(value)}")
            for t in found.shown
            if (value := t.params.get(one.key, _ABSENT)) is not _ABSENT
        ]
        panels.append(Panel(one.axis(), _VALUES, tuple(_by_look(found, places))))
    return Plot(tuple(panels), _of_trials(found), level=True, wide=True)


_ABSENT = object()  # None may be a choice


def sensitivity(found: Evidence) -> Plot | None:
    """A panel for each hyper-parameter: what the forest makes of it."""
    if found.forest is None:
        return None
    panels = []
    for one in dimensions(found.plan.space):
        special = {found.best_number: _SELECTED_LINE, 0: _DEFAULT_LINE}  # one line, if they are one
        rules = [
            Rule(look, x=one.place(found.trials[number].params[one.key]))
            for number, look in special.items()
            if one.key in found.trials[number].params
        ]
        marks = (*rules, _marginal(one, found.forest.marginal(one)))
        panels.append(Panel(one.axis(), _VALUES, marks))
    return Plot(tuple(panels), _of_trials(found), level=True, wide=True)


def _marginal(of: Dimension, marginal: surrogate.Marginal) -> Line | Points:
    grid, point, low, high = marginal
    x = np.array([of.place(value) for value in grid])
    texts = tuple(
        f"{of.label} {of.text(value)}: {_NUMBER(y)} [{_NUMBER(a)}, {_NUMBER(b)}]"
        for value, y, a, b in zip(*marginal, strict=True)
    )
    if isinstance(of.kind, CategoricalDistribution):
        names = (_FOREST.name,) * len(grid)
        return Points(replace(_ROW, size=4.5), x, point, low, high, names=names, texts=texts)
    return Line(_FOREST, x, point, low, high, texts=texts)


def importance(found: Evidence) -> Plot | None:
    if found.forest is None:  # too few trials to ask
        return None
    shares = {
        method: surrogate.importance(found.plan, found.shown, method)
        for method in surrogate.EVALUATORS
    }
    names, panels = max(map(list, shares.values()), key=len), []
    own = {one.key: one.name for one in dimensions(found.plan.space)}
    upright = Axis(names=tuple(own[key] for key in names))
    across = Axis("importance, 0 to 1", limits=(-0.02, 1.02), decimals=2)
    for method, each in shares.items():
        rows: list[Mark] = []
        for row, name in enumerate(names):
            if name not in each:
                rows.append(Note(_ROW, row, "conditional: not asked"))
                continue
            point, low, high = (np.array([number]) for number in each[name])
            text = "{:.2f} [{:.2f}, {:.2f}]".format(*each[name])
            rows.append(
                Points(_ROW, point, np.array([row]), low, high, names=(name,), texts=(text,))
            )
        panels.append(Panel(across, upright, tuple(rows), title=method))
    return Plot(tuple(panels), _of_trials(found), across=len(panels))


def batch_map(found: Evidence) -> Plot | None:
    """Batch size against learning rate, with the noise scale where it was measured."""
    space, rng = {one.name: one for one in dimensions(found.plan.space)}, np.random.default_rng(0)
    x, y = space.get("batch_size"), space.get("learning_rate")
    if found.forest is None or x is None or y is None:
        return None
    plane = found.forest.plane(x, y)
    places = [  # moved a little: trials with equal batches would hide one another
        (
            t,
            x.place(t.params[x.key]) + rng.uniform(-0.12, 0.12),
            y.place(t.params[y.key]),
            _text(t),
        )
        for t in found.shown
        if x.key in t.params and y.key in t.params
    ]
    edges = x.edges(plane.across), y.edges(plane.up)
    ends = [(float(each[0]), float(each[-1])) for each in edges]
    rules = [Rule(_NOISE, x=at, text=names) for names, at in _noise_places(found, x, *ends[0])]
    marks: list[Mark] = [Cells(*edges, plane.values, pale=True), *rules]
    marks += _by_look(found, places, shaded=True)
    across, up = (replace(of.axis(), limits=reach) for of, reach in zip((x, y), ends, strict=True))
    panel = Panel(across, up, tuple(marks))
    return Plot((panel,), _of_trials(found), wide=True, height=2.2, shades=_shades(found.shown))


def _noise_places(
    found: Evidence, batches: Dimension, low: float, high: float
) -> list[tuple[str, float]]:
    """The quarters of training with one noise scale, and where it stands among batch sizes."""
    places: dict[float, list[str]] = {}
    for i, scale in enumerate(found.noise):
        if math.isfinite(scale) and scale > 0:
            place = math.log(scale, batches.range.powers_of) if batches.range.powers_of else scale
            places.setdefault(round(min(max(place, low), high), 2), []).append(f"Q{i + 1}")
    return [(",".join(names), place) for place, names in places.items()]


def path(found: Evidence) -> Plot | None:
    """Row by row: the configurations from the default to the selected one."""
    rows: list[Mark] = []
    plan, names = found.plan, tuple(step.change or "default" for step in found.path)
    for row, (step, name) in enumerate(zip(found.path, names, strict=True)):
        scores = np.array(step.outcome.scores, float)
        rows.append(Points(_TICK, scores, np.full(len(scores), float(row))))
        each = confirm.matrix(plan, step.outcome)
        estimate = stats.estimate(each, plan.statistic, plan.name, "path")
        rows.append(plot.estimate(_ROW, row, estimate, stats.bracket(estimate, _NUMBER), name))
    n = f"{plan.file.confirm.path_seeds} fresh seeds each"
    return Plot((Panel(_VALUES, Axis(names=names), tuple(rows)),), n, wide=True) if rows else None


FIGURES: dict[str, Kind] = {
    "history": Kind(
        "The search",
        "Every trial, in the order in which it was asked for. A trial that was stopped early has "
        "the value that it would have if it went on to trail the best by as much as so far.",
        history,
    ),
    "reruns": Kind(
        "What the selected configuration is worth",
        "The best trials on the seeds that they were chosen by, and again on seeds that are new to "
        "them; the best of these, and the default, on seeds that chose nothing, with 95 % "
        "intervals where so many seeds have one that covers. A line that falls is optimism: values "
        "on fresh seeds are of as many of them as "
        "the search had, on average over all choices. Where a value has a penalty for spread, the "
        "last ones are shown without it.",
        reruns,
    ),
    "parallel": Kind(
        "All trials at once",
        "A line for each trial, the brighter the better; broken where a hyper-parameter does not "
        "apply.",
        parallel,
    ),
    "slices": Kind(
        "Each hyper-parameter",
        "Every trial's value against each of its hyper-parameters; hollow: stopped early.",
        slices,
    ),
    "importance": Kind(
        "What matters",
        "The share of each hyper-parameter in the differences between trials. PED-ANOVA: how much "
        "the better half stands out along it (Watanabe et al. 2023). fANOVA: the variance that a "
        "forest explains by it alone (Hutter et al. 2014). Bars: where 95 % of {resamples} "
        "resamples of the trials lie; how far these trials decide it, and no confidence interval. "
        "fANOVA knows no conditional ones.",
        importance,
    ),
    "sensitivity": Kind(
        "How much each hyper-parameter moves the value",
        "The value along each hyper-parameter, averaged over what the trials had beside it, by a "
        "random forest; bands: where 95 % of {resamples} resamples of the trials lie, and no "
        "confidence interval.",
        sensitivity,
    ),
    "batch_map": Kind(
        "Batch size against learning rate",
        "Trials on the average that a random forest makes of them.{noise}",
        batch_map,
    ),
    "path": Kind(
        "From the default to the selected configuration",
        "One hyper-parameter after the other, those that a forest expects most of first; each "
        "configuration run again on {path_seeds} fresh seeds. Bars: 95 % intervals, where so many "
        "seeds have one that covers; ticks: seeds.",
        path,
    ),
}
