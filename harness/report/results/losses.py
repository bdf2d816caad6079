"""What networks learned by, arm by arm: their losses along training, and single runs' scalars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.report import plot
from harness.report.document import Block, Section, Text, captioned
from harness.report.evidence import Evidence, once
from harness.report.plot import Axis, Line, Look, Panel, Plot
from harness.report.results import caption, curves
from harness.store.scalars import SCALARS, Series

SECTION = "Training"
MOST = 6  # scalars that are drawn
_POINTS = 50  # along a line
_DECADES = 2.0  # that values must cover for a logarithmic axis


def section(evidence: Evidence, drawn: Callable[[str], Sequence[Block]]) -> Iterator[Section]:
    """:param drawn: the figures of a section."""
    if blocks := drawn(SECTION):
        yield Section(SECTION, (Text(_ABOUT), *blocks, *captioned(blocks)))


_ABOUT = (
    "Under **Runs** every run opens and shows all of its scalars; `harness board` shows them in "
    "TensorBoard. What each is: docs/living.md."
)


def chosen(evidence: Evidence, env: str) -> list[str]:
    """The losses that all runs of an arm logged: of the most arms, in the vocabulary's order."""
    shared: Counter[str] = Counter()
    for arm in evidence.arms_on(env):
        shared.update(name for name in _names(evidence, arm, env) if "loss" in name)
    order = {name: place for place, name in enumerate(SCALARS)}
    names = sorted(shared, key=lambda name: (-shared[name], order.get(name, len(order)), name))
    return sorted(names[:MOST], key=lambda name: (order.get(name, len(order)), name))


@once
def _names(evidence: Evidence, arm: str, env: str) -> set[str]:
    """What all runs of an arm logged that have finished; if none has, all that logged anything."""
    runs = evidence.statuses_of(arm, env)
    finished = [run.spec.key for run in runs if run.state == "finished"]
    logged = [key for key in evidence.keys(arm, env) if evidence.training.get(key)]
    names = [set(evidence.training.get(key, {})) for key in finished or logged]
    return set.intersection(*names) if names else set()


def plot_of(evidence: Evidence, env: str) -> Plot | str:
    """A panel for each loss, or for each group of the arms that have it."""
    panels: list[Panel] = []
    of_arm = curves.looks(evidence)
    for name in chosen(evidence, env):
        runs = {
            arm: _logged(evidence, arm, env, name)
            for arm in evidence.arms_on(env)
            if name in _names(evidence, arm, env)
        }
        gaps = tuple(_gaps(evidence, env, name, runs))
        for arms in curves.groups(evidence, list(runs)):
            lines = [_line(runs[arm], of_arm[arm]) for arm in arms]
            by_row = any(run.by_row for arm in arms for run in runs[arm].runs)
            panels.append(replace(_panel(name, env, lines, by_row), gaps=gaps))
    return Plot(tuple(panels), caption.seeds(evidence)) if panels else ""


class _Logged(NamedTuple):
    """One scalar of the runs of an arm."""

    runs: list[Series]
    end: float  # of the line: that of the shortest finished run; if there is none, of the longest


def _logged(evidence: Evidence, arm: str, env: str, name: str) -> _Logged:
    found, ends = [], []
    for run in evidence.statuses_of(arm, env):
        series = evidence.training.get(run.spec.key, {}).get(name)
        if series is not None:
            found.append(series)
            ends += [series.x[-1]] if run.state == "finished" else []
    return _Logged(found, min(ends) if ends else max(series.x[-1] for series in found))


def _gaps(evidence: Evidence, env: str, name: str, drawn: Mapping[str, _Logged]) -> Iterator[str]:
    """Arms of which some runs did not log it, or ended before the others."""
    for arm in evidence.arms_on(env):
        count = len(evidence.keys(arm, env))
        if arm not in drawn:
            have = sum(name in evidence.training.get(key, {}) for key in evidence.keys(arm, env))
            yield from [f"not drawn: {arm} (logged by {have} of {count} runs)"] if have else ()
            continue
        runs, end = drawn[arm]
        short = [run for run in runs if run.x[-1] < end]
        words = f"{arm}: {len(runs)} of {count} runs"
        if short:
            where = f"{'row' if short[0].by_row else 'step'} {min(run.x[-1] for run in short):,.0f}"
            yield f"{words} until {where}, {len(runs) - len(short)} at the end"
        elif len(runs) < count:
            yield words


def _panel(name: str, env: str, lines: list[Line], by_row: bool) -> Panel:
    values = np.concatenate([part for line in lines for part in (line.y, *line.edges)])
    values = values[np.isfinite(values)]
    log = bool(len(values) and values.min() > 0 and np.ptp(np.log10(values)) > _DECADES)
    x = Axis("rows logged" if by_row else "environment steps")
    return Panel(x, Axis("log" if log else "", log=log), tuple(plot.apart(lines)), name, env)


def _line(logged: _Logged, look: Look) -> Line:
    """The median and the range of the runs that there are at each point."""
    runs, end = logged
    first = min(end, max(run.x[0] for run in runs))
    points = min(_POINTS, *(len(run.x) for run in runs if run.x[-1] >= end))
    x = np.linspace(first, end, points) if points > 1 else np.array([end])
    y = np.stack([run.means(x) for run in runs])
    there = np.array([run.x[-1] >= x for run in runs])
    y, low, high = (
        np.array([of(y[there[:, k], k]) for k in range(len(x))])
        for of in (np.median, np.min, np.max)
    )
    line = Line(look, x, y)
    return replace(line, low=low, high=high) if len(runs) > 1 else line
