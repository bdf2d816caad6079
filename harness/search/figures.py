"""The figures of one study, and the table of them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial

from harness.report import plot
from harness.report.number import NORMALISED_DECIMALS, bracket, fixed
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
from harness.search import axis, confirm, loop
from harness.search.confirm import Rerun
from harness.search.evidence import Evidence
from harness.search.surrogate import Columns, Marginal, worth

DIGITS = NORMALISED_DECIMALS + 1  # as the text has values
VALUE = "value (normalised)"
_VALUES = Axis(VALUE, least=plot.LEAST, decimals=DIGITS)

_BLUE, _RED = plot.looks([""])[""].colour, "#d55e00"  # seaborn's colour-blind safe vermilion
_FULL = Look("all seeds", _BLUE, "o", line=False)
_STOPPED = replace(_FULL, name="stopped early", hollow=True)
_SEED = Look("one seed", plot.FAINT, "o", line=False, size=1.8)
_TICK = Look("one seed", plot.GREY, "|", line=False, size=5)
_CRASHED = Look("crashed", _RED, "x", line=False)
_BEST = Look("best so far", _BLUE)
_FOREST = Look("by the forest", _BLUE)
_ROW, _TRACE = replace(_FULL, name=""), replace(_BEST, name="")
_WINNER = Look("winner", _RED, "*", line=False, size=7)
_DEFAULT = Look("default", plot.INK, "D", line=False, size=4.5)
_WINNER_LINE = Look("winner", _RED)
_DEFAULT_LINE = Look("default", plot.INK, dashes=(4, 2))
_AXIS = Look("", plot.FAINT)
_OTHER = Look("other good trials", _BLUE, "o")
_NOISE = Look("noise scale, by quarter", plot.INK, dashes=(1, 1))


@dataclass(frozen=True)
class Kind:
    """A figure, and what its caption says of it."""

    title: str
    caption: str
    fill: Callable[[Evidence], Plot | None]  # None: there is nothing to show

    def plot(self, found: Evidence) -> Plot | str:
        """What it shows, or why there is nothing to show; empty: it is not asked of this study."""
        if self.title not in found.plots:
            filled = self.fill(found)
            none = "no trial has a value"
            found.plots[self.title] = plot.settled(filled, none) if filled else ""
        return found.plots[self.title]


# Trials -------------------------------------------------------------------------------------------


def row_id(found: Evidence, number: int) -> str:
    """Under which the page's table shows a trial."""
    return f"{found.plan.label}-{number}"


def state(trial: FrozenTrial) -> str:
    """What became of it, in the words of the report."""
    if loop.ERROR in trial.user_attrs:
        return "crashed"
    if trial.user_attrs.get(loop.FULL):
        return "all seeds"
    return "stopped early" if trial.state.is_finished() else "running"


def _look(found: Evidence, trial: FrozenTrial) -> Look:
    if trial.number in (0, found.best_number):
        return _WINNER if trial.number else _DEFAULT
    return _FULL if trial.user_attrs.get(loop.FULL) else _STOPPED


def _name(found: Evidence, trial: FrozenTrial) -> str:
    if trial.number == 0:
        return "Trial 0, the default"
    return f"Trial {trial.number}" + (", the winner" if trial.number == found.best_number else "")


def _text(trial: FrozenTrial) -> str:
    value = worth(trial)
    return f"{'-' if math.isnan(value) else fixed(DIGITS)(value)}, {state(trial)}"


def _points(
    found: Evidence,
    look: Look,
    at: Sequence[tuple[FrozenTrial, float, float, str]],
    shades: Sequence[float] | None = None,
) -> Points:
    """:param at: trials, their places, and what is said of them."""
    return Points(
        look,
        np.array([x for _, x, _, _ in at], float),
        np.array([y for _, _, y, _ in at], float),
        names=tuple(_name(found, trial) for trial, _, _, _ in at),
        texts=tuple(text for *_, text in at),
        links=tuple(f"#trial-{row_id(found, trial.number)}" for trial, *_ in at),
        shades=None if shades is None else np.array(shades),
    )


def _trials(
    found: Evidence,
    trials: Sequence[FrozenTrial],
    at: Callable[[FrozenTrial], tuple[float, float, str]],
    shaded: bool = False,
) -> Iterator[Points]:
    """Points by how they look, the default and the winner on top."""
    for look in (_FULL, _STOPPED, _DEFAULT, _WINNER):
        own = [trial for trial in trials if _look(found, trial) == look]
        if own:
            values = [worth(trial) for trial in own]
            special = look in (_DEFAULT, _WINNER)
            where = [(trial, *at(trial)) for trial in own]
            yield _points(found, look, where, values if shaded and not special else None)


def _of_trials(found: Evidence) -> str:
    return f"{len(found.shown)} trials"


# Fills --------------------------------------------------------------------------------------------


def history(found: Evidence) -> Plot:
    trials, marks = [t for t in found.trials if t.value is not None], list[Mark]()
    crashed = [t for t in found.trials if t.value is None]
    default, best = found.trials[0].value, -math.inf
    if default is not None:
        marks.append(Rule(replace(_DEFAULT_LINE, name=""), y=default))
    instances = found.plan.instances()
    singles = [
        (t, t.number, score, f"{fixed(DIGITS)(score)}, seed {instance.seed} on {instance.env}")
        for t in trials
        for instance, score in zip(instances, t.user_attrs.get(loop.SCORES, []), strict=False)
    ]
    marks.append(_points(found, _SEED, singles))
    steps = []
    for trial in found.trials:
        best = max(best, worth(trial)) if trial.user_attrs.get(loop.FULL) else best
        steps += [(trial.number, best)] if math.isfinite(best) else []
    if len(steps) > 1:
        x, y = np.array(steps, float).T
        marks.append(Line(_BEST, x, y, step=True))
    marks += _trials(found, trials, lambda t: (t.number, worth(t), _text(t)))
    lowest = min((worth(t) for t in trials), default=0.0)
    marks += [_points(found, _CRASHED, [(t, t.number, lowest, state(t)) for t in crashed])] * bool(
        crashed
    )
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
    last = len(stages) - 1
    chosen = {one.trial.number: one.value for one in confirmed.candidates}
    marks: list[Mark] = []

    def add(one: Rerun, look: Look, values: dict[int, float]) -> None:
        known = {x: y for x, y in sorted(values.items()) if math.isfinite(y)}
        x, y = np.array([*known], float), np.array([*known.values()])
        marks.append(Line(look, x, y))
        texts = {stage: fixed(DIGITS)(value) for stage, value in known.items()}
        low, high = np.full(len(x), np.nan), np.full(len(x), np.nan)
        interval = found.estimate(one) if last in known else None
        if interval is not None and interval.low is not None and interval.high is not None:
            low[-1], high[-1] = interval.low, interval.high
            texts[last] = confirm.text(interval)
        at = [(one.trial, k, v, f"{texts[k]} on {stages[k]}") for k, v in known.items()]
        marks.append(replace(_points(found, look, at), low=low, high=high))

    for one in confirmed.candidates:
        if one.trial.number != found.best_number:
            add(one, _OTHER, {0: worth(one.trial), 1: one.value})
    both = [(confirmed.default, replace(_DEFAULT, line=True, dashes=(4, 2)))]
    if found.best_number:
        both.append((confirmed.selected, replace(_WINNER, line=True)))
    for one, look in both:
        fresh = (
            {1: chosen[one.trial.number]} if one.trial.number in chosen and one.trial.number else {}
        )
        add(one, look, {0: worth(one.trial), last: found.estimate(one).point} | fresh)
    n = f"{found.plan.file.confirm.test_seeds} further seeds"
    return Plot((Panel(Axis(names=tuple(stages)), _VALUES, tuple(marks)),), n)


def parallel(found: Evidence) -> Plot | None:
    """One axis for each hyper-parameter, the value last."""
    if len(found.shown) < 2:
        return None
    columns, (low, high) = Columns(found.plan), _range(found)
    ends = {}
    for name in columns.names:
        first, last = (axis.short(axis.written(name, end)) for end in axis.ends(columns, name))
        ends[axis.bare(name) if name.startswith("log") else name] = first, last
    ends["value"] = fixed(2)(low), fixed(2)(high)
    marks: list[Mark] = []
    for i, texts in enumerate(ends.values()):
        notes = (Note(_ROW, y, text, x=i) for y, text in zip((-0.06, 1.06), texts, strict=True))
        marks += [Rule(_AXIS, x=i), *notes]
    places = np.arange(len(ends), dtype=float)
    for trial in sorted(found.shown, key=lambda t: (t.number in (0, found.best_number), worth(t))):
        heights = [axis.height(columns, name, trial.params) for name in columns.names]
        special = {found.best_number: _WINNER_LINE, 0: _DEFAULT_LINE}.get(trial.number)
        marks.append(
            Line(
                special or _TRACE,
                places,
                np.array([*heights, (worth(trial) - low) / (high - low)]),
                name=_name(found, trial),
                text=_text(trial),
                link=f"#trial-{row_id(found, trial.number)}",
                shade=None if special else worth(trial),
            )
        )
    across = Axis(names=tuple(ends), limits=(-0.2, len(ends) - 0.8))
    panel = Panel(across, Axis("trials", limits=(-0.08, 1.08), hidden=True), tuple(marks))
    return Plot((panel,), _of_trials(found), wide=True, height=2.2, shades=_shades(found))


def _range(found: Evidence) -> tuple[float, float]:
    values = [worth(trial) for trial in found.shown]
    low, high = min(values), max(values)
    return low, high if high > low else low + 1


def _shades(found: Evidence) -> Shades:
    return Shades(VALUE, *_range(found))


def slices(found: Evidence) -> Plot | None:
    """A panel for each hyper-parameter: the trials."""
    columns, panels = Columns(found.plan), []
    for name in columns.names:

        def at(trial: FrozenTrial, name: str = name) -> tuple[float, float, str]:
            value = trial.params[name]
            words = f"{_text(trial)}; {name} {axis.short(value)}"
            return axis.place(columns, name, value), worth(trial), words

        own = [trial for trial in found.shown if name in trial.params]
        marks = tuple(_trials(found, own, at))
        panels.append(Panel(axis.axis(columns, name), _VALUES, marks))
    return Plot(tuple(panels), _of_trials(found), level=True, wide=True)


def sensitivity(found: Evidence) -> Plot | None:
    """A panel for each hyper-parameter: what the forest makes of it."""
    columns, panels = Columns(found.plan), []
    if found.forest is None:
        return None
    for name, marginal in found.marginals.items():
        special = {found.best_number: _WINNER_LINE, 0: _DEFAULT_LINE}  # one line, if they are one
        rules = [
            Rule(look, x=axis.place(columns, name, found.trials[number].params[name]))
            for number, look in special.items()
            if name in found.trials[number].params
        ]
        marks = (*rules, _marginal(columns, name, marginal))
        panels.append(Panel(axis.axis(columns, name), _VALUES, marks))
    return Plot(tuple(panels), _of_trials(found), level=True, wide=True)


def _marginal(columns: Columns, name: str, marginal: Marginal) -> Line | Points:
    grid, point, low, high = marginal
    x = np.array([axis.place(columns, name, value) for value in grid])
    number = fixed(DIGITS)
    texts = tuple(
        f"{axis.bare(name)} {axis.short(axis.written(name, value))}: {number(p)} "
        f"[{number(a)}, {number(b)}]"
        for value, p, a, b in zip(grid, point, low, high, strict=True)
    )
    if isinstance(columns.kinds[name], CategoricalDistribution):
        names = (_FOREST.name,) * len(grid)
        look = replace(_ROW, size=4.5)
        return Points(look, x, point, low, high, names=names, texts=texts)
    return Line(_FOREST, x, point, low, high, texts=texts)


def importance(found: Evidence) -> Plot | None:
    if not found.importance:
        return None
    names, panels = max(map(list, found.importance.values()), key=len), []
    upright = Axis(names=tuple(map(axis.bare, names)))
    across = Axis("importance, 0 to 1", limits=(-0.02, 1.02), decimals=2)
    for method, shares in found.importance.items():
        rows: list[Mark] = []
        for row, name in enumerate(names):
            if name not in shares:
                rows.append(Note(_ROW, row, "conditional: not asked"))
                continue
            point, low, high = (np.array([each]) for each in shares[name])
            text = "{:.2f} [{:.2f}, {:.2f}]".format(*shares[name])
            rows.append(
                Points(_ROW, point, np.array([row]), low, high, names=(name,), texts=(text,))
            )
        panels.append(Panel(across, upright, tuple(rows), title=method))
    return Plot(tuple(panels), _of_trials(found), across=len(panels))


def batch_map(found: Evidence) -> Plot | None:
    """Batch size against learning rate, with the noise scale where it was measured."""
    plane, rng = found.batch_plane, np.random.default_rng(0)
    if plane is None:
        return None
    columns = Columns(found.plan)

    def at(trial: FrozenTrial) -> tuple[float, float, str]:
        x = axis.place(columns, plane.x, trial.params[plane.x])
        x += rng.uniform(-0.12, 0.12)  # trials with equal batches would hide one another
        return x, axis.place(columns, plane.y, trial.params[plane.y]), _text(trial)

    x = axis.edges(columns, plane.x, plane.across)
    y = axis.edges(columns, plane.y, plane.up)
    ends = float(x[0]), float(x[-1])
    rules = [
        Rule(_NOISE, x=place, text=names)
        for names, place in _noise_places(found, columns.kinds[plane.x], *ends)
    ]
    own = [t for t in found.shown if plane.x in t.params and plane.y in t.params]
    marks: list[Mark] = [Cells(x, y, plane.values, pale=True), *rules]
    marks += _trials(found, own, at, shaded=True)
    across, up = (
        replace(axis.axis(columns, name), limits=(float(edges[0]), float(edges[-1])))
        for name, edges in ((plane.x, x), (plane.y, y))
    )
    panel = Panel(across, up, tuple(marks))
    return Plot((panel,), _of_trials(found), wide=True, height=2.2, shades=_shades(found))


def _noise_places(found: Evidence, kind: Any, low: float, high: float) -> list[tuple[str, float]]:
    """The quarters of training with one noise scale, and where it stands among batch sizes."""
    places: dict[float, list[str]] = {}
    for i, scale in enumerate(found.noise.quarters if found.noise else ()):
        if math.isfinite(scale) and scale > 0:
            place = math.log2(scale) if isinstance(kind, IntDistribution) else scale
            places.setdefault(round(min(max(place, low), high), 2), []).append(f"Q{i + 1}")
    return [(",".join(names), place) for place, names in places.items()]


def path(found: Evidence) -> Plot | None:
    """Row by row: the configurations from the default to the winner."""
    rows: list[Mark] = []
    for row, (step, estimate) in enumerate(zip(found.path, found.along_path, strict=True)):
        scores = np.array(step.outcome.scores, float)
        rows.append(Points(_TICK, scores, np.full(len(scores), float(row))))
        text = bracket(estimate, fixed(DIGITS))
        rows.append(plot.estimate(_ROW, row, estimate, text, step.change or "default"))
    names = tuple(step.change or "default" for step in found.path)
    panel = Panel(_VALUES, Axis(names=names), tuple(rows))
    n = f"{found.plan.file.confirm.path_seeds} fresh seeds each"
    return Plot((panel,), n, wide=True) if rows else None


FIGURES: dict[str, Kind] = {
    "history": Kind(
        "The search",
        "Every trial, in the order in which it was asked for. A trial that was stopped early has "
        "the value that it would have if it went on to trail the best by as much as so far.",
        history,
    ),
    "reruns": Kind(
        "What the winner is worth",
        "The best trials on the seeds that they were chosen by, and again on seeds that are new to "
        "them; the winner of these, and the default, on seeds that chose nothing, with 95 % "
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
        "From the default to the winner",
        "One hyper-parameter after the other, those that a forest expects most of first; each "
        "configuration run again on {path_seeds} fresh seeds. Bars: 95 % intervals, where so many "
        "seeds have one that covers; ticks: seeds.",
        path,
    ),
}
