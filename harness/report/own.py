"""Figures of the user's own: what a function is given, and the plot that it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness import provenance
from harness.config.failure import failed
from harness.config.tree import flat
from harness.report import plot
from harness.report.document import quoted
from harness.report.evidence import Evidence
from harness.report.plot import Line, Look, Mark, Plot, Points
from harness.report.results import caption, curves
from harness.spec import RunSpec
from harness.store.run_files import COSTS

Function = Callable[["Data"], Any]
_ROWS = ("x", "y", "low", "high", "low_all", "high_all", "shades")  # of a mark: one for each point


@dataclass(frozen=True)
class Data:
    """What a report knows of its runs: what a figure `f(data)` is given."""

    #: A row for each planned run: arm, env, seed, agent, key, steps, state, final, auc, each
    #: metric, wall_seconds, cpu_seconds, peak_memory_mb, `hparams.*`; NaN where there is no number.
    runs: pd.DataFrame
    #: A row for each evaluation: arm, env, seed, key, step, final, mean, sd, episodes.
    evaluations: pd.DataFrame
    arms: tuple[str, ...]
    envs: tuple[str, ...]
    looks: Mapping[str, Look]  #: the colour and marker of each arm, as in every other figure
    n: str  #: how many runs are behind a point or a line of an arm: "6 seeds"


class Drawn(NamedTuple):
    """A figure of the user's own."""

    file: str
    title: str
    caption: str
    plot: Plot


def figure(evidence: Evidence, target: str, function: Function) -> Drawn:
    """What the function makes of the report's data.

    :raises ValueError: if it makes no plot; the message tells why.
    """
    try:
        made = function(data(evidence))
        shown = made if isinstance(made, str) else _checked(made)
    except Exception as error:  # whatever a function of the user's own raises
        raise ValueError(failed(function, error)) from None
    if isinstance(shown, str):  # why there is nothing to draw
        raise ValueError(shown)
    title, _, words = (inspect.getdoc(function) or "").partition("\n")
    module, _, name = target.partition(":")
    source = f"Drawn by {quoted(target)}, of source {quoted(provenance.fingerprint(module))}."
    about = " ".join([*words.split(), source])
    return Drawn(f"own_{name}", title.strip().rstrip("."), about, shown)


def data(evidence: Evidence) -> Data:
    rows = []
    for status in evidence.statuses:
        spec, result = status.spec, status.result or {}
        run = spec.arm, spec.env, spec.seed
        facts: dict[str, Any] = dict(zip(("arm", "env", "seed"), run, strict=True))
        facts |= {"agent": spec.agent if isinstance(spec, RunSpec) else ""}
        facts |= {"key": spec.key, "steps": spec.steps, "state": status.state}
        facts |= {name: of.get(run, np.nan) for name, of in evidence.numbers.items()}
        facts |= {name: result.get(name, np.nan) for name in COSTS}
        rows.append(facts | {f"hparams.{k}": value for k, value in flat(spec.hparams).items()})
    sweep = evidence.sweep
    return Data(
        runs=pd.DataFrame(rows),
        evaluations=evidence.evaluations.copy(),
        arms=sweep.arms,
        envs=sweep.envs,
        looks=curves.looks(evidence),
        n=caption.seeds(evidence),
    )


def _checked(made: object) -> Plot:
    """The plot, its numbers as arrays; :raises Exception: if it can be drawn by nothing."""
    if not isinstance(made, Plot):
        raise TypeError(f"it returned {type(made).__name__}, not a harness.report.plot.Plot")
    marks = [mark for panel in made.panels for mark in panel.marks]
    lines = {mark.look for mark in marks if isinstance(mark, Line)}
    panels = (
        replace(panel, marks=tuple(_arrays(mark, lines) for mark in panel.marks))
        for panel in made.panels
    )
    settled = plot.settled(replace(made, panels=tuple(panels)), "there is nothing to show")
    if isinstance(settled, str):
        raise ValueError(settled)
    return settled


def _arrays(mark: Mark, lines: Container[Look]) -> Mark:
    """Lists and series are as good as arrays, as long as they are of one length.

    :param lines: what lines look like; points of other looks have no line in the legend.
    """
    if not isinstance(mark, Line | Points):
        return mark
    rows = {name: getattr(mark, name, None) for name in _ROWS}
    arrays: dict[str, Any] = {
        name: np.asarray(row, float) for name, row in rows.items() if row is not None
    }
    lengths = {name: len(row) for name, row in arrays.items()}
    if len({*lengths.values()}) > 1:
        each = ", ".join(f"{n} {name}" for name, n in lengths.items())
        raise ValueError(f"a {type(mark).__name__} has values of unlike number: {each}")
    look = mark.look
    if isinstance(mark, Points) and look not in lines:
        look = replace(look, line=False)
    return replace(mark, look=look, **arrays)
