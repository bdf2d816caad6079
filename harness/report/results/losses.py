"""What networks learned by, arm by arm: their losses along training, and single runs' scalars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.report import plot
from harness.report.document import Block, Section, Text, captioned
from harness.report.evidence import Evidence
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
        runs = [evidence.training.get(key, {}) for key in evidence.keys(arm, env)]
        every = set.intersection(*(set(run) for run in runs)) if runs else set()
        shared.update(name for name in every if "loss" in name)
    order = {name: place for place, name in enumerate(SCALARS)}
    names = sorted(shared, key=lambda name: (-shared[name], order.get(name, len(order)), name))
    return sorted(names[:MOST], key=lambda name: (order.get(name, len(order)), name))


def plot_of(evidence: Evidence, env: str) -> Plot | str:
    """A panel for each loss, or for each group of the arms that have it."""
    panels: list[Panel] = []
    of_arm = curves.looks(evidence)
    for name in chosen(evidence, env):
        runs = {
            arm: [evidence.training[key][name] for key in evidence.keys(arm, env)]
            for arm in evidence.arms_on(env)
            if all(name in evidence.training.get(key, {}) for key in evidence.keys(arm, env))
        }
        gaps = tuple(_gaps(evidence, env, name, runs))
        for arms in curves.groups(evidence, list(runs)):
            lines = [_line(runs[arm], of_arm[arm]) for arm in arms]
            by_row = any(run.by_row for arm in arms for run in runs[arm])
            panels.append(replace(_panel(name, env, lines, by_row), gaps=gaps))
    return Plot(tuple(panels), caption.seeds(evidence)) if panels else ""


def _gaps(evidence: Evidence, env: str, name: str, drawn: Collection[str]) -> Iterator[str]:
    """Arms of which some runs logged it, and others are missing or failed before they could."""
    for arm in evidence.arms_on(env):
        keys = evidence.keys(arm, env)
        have = sum(name in evidence.training.get(key, {}) for key in keys)
        if have and arm not in drawn:
            yield f"not drawn: {arm} (logged by {have} of {len(keys)} runs)"


def _panel(name: str, env: str, lines: list[Line], by_row: bool) -> Panel:
    values = np.concatenate([part for line in lines for part in (line.y, *line.edges)])
    values = values[np.isfinite(values)]
    log = bool(len(values) and values.min() > 0 and np.ptp(np.log10(values)) > _DECADES)
    x = Axis("rows logged" if by_row else "environment steps")
    return Panel(x, Axis("log" if log else "", log=log), tuple(plot.apart(lines)), name, env)


def _line(runs: list[Series], look: Look) -> Line:
    """The median of the runs and their range, as far as all of them go."""
    first, last = max(run.x[0] for run in runs), min(run.x[-1] for run in runs)
    points = min(_POINTS, *(len(run.x) for run in runs))
    x = np.linspace(first, max(first, last), points) if points > 1 else np.array([last])
    y = np.stack([run.means(x) for run in runs])
    line = Line(look, x, np.median(y, axis=0))
    return replace(line, low=y.min(axis=0), high=y.max(axis=0)) if len(y) > 1 else line
