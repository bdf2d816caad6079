"""Scores against CPU time of learning: what each arm has reached when all have spent the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from harness import stats
from harness.report.document import Block, Section, Table, Text, behind, captioned
from harness.report.evidence import Evidence, once
from harness.report.number import parts, significant
from harness.report.results import caption
from harness.stats import Array, Band, Estimate, MissingRuns

SECTION = "At equal CPU time"
_MOST_TIMES = 200  # along a line
_FIGURES = 3  # of a time that is printed


class Spent(NamedTuple):
    """The evaluations of one run since training began, the final one last."""

    seconds: Array  # CPU time of learning by then: no evaluation is in it
    returns: Array


class Along(NamedTuple):
    """An arm's score along CPU time."""

    seconds: Array
    band: Band | None  # None: no time at which all runs have an evaluation and none has ended
    shortest: float  # when the first of its runs has ended,
    end: float  # and the last
    final: Estimate
    runs: list[Spent]  # by seed, as in `Scores.matrix`


@once
def along(evidence: Evidence, arm: str, env: str) -> Along:
    """:raises MissingRuns: when a planned run is not finished, or has no times."""
    runs = _runs(evidence, arm, env)
    ends = [float(run.seconds[-1]) for run in runs]
    start, stop = max(run.seconds[0] for run in runs), min(ends)
    times = np.unique(np.concatenate([run.seconds for run in runs]))
    times = times[(times >= start) & (times <= stop)]
    if len(times) > _MOST_TIMES:
        times = np.geomspace(start, stop, _MOST_TIMES)
        times[[0, -1]] = start, stop  # and not a rounding before or after
    band = None
    if len(times):
        scores = reached(runs, times)[:, None]  # (runs, 1, times)
        names = (arm, env, "CPU time")
        band = stats.band(scores, stats.curve_iqm, names, joint=evidence.joint_bands)
    final = stats.estimate(np.array([run.returns[-1:] for run in runs]), stats.iqm, arm, env)
    return Along(times, band, stop, max(ends), final, runs)


def _runs(evidence: Evidence, arm: str, env: str) -> list[Spent]:
    planned = len(evidence.specs(arm, env))
    curves = evidence.of(evidence.curves, arm, env)
    clocks = evidence.of(evidence.clocks, arm, env)
    for words, count in (("", len(curves)), ("times of ", len(clocks))):
        if count < planned:
            raise MissingRuns(f"{words}{count} of {planned} runs")
    found = []
    for curve, clock in zip(curves, clocks, strict=True):
        seconds, since = dict(clock), curve.steps > 0  # before training it cost nothing to speak of
        times = np.array([seconds[step] for step in curve.steps[since]])
        found.append(Spent(times, curve.returns[since]))
    return found


def reached(runs: list[Spent], seconds: Array) -> Array:
    """The latest return of each run by these times: (runs, times); NaN: none yet."""
    found = np.full((len(runs), len(seconds)), np.nan)
    for row, run in zip(found, runs, strict=True):
        latest = np.searchsorted(run.seconds, seconds, side="right") - 1
        row[latest >= 0] = run.returns[latest[latest >= 0]]
    return found


def timed(evidence: Evidence, env: str) -> dict[str, Along]:
    """The arms that can be shown in an environment."""
    found = {}
    for arm in evidence.arms_on(env):
        with suppress(MissingRuns):
            found[arm] = along(evidence, arm, env)
    return found


def compared(evidence: Evidence) -> list[str]:
    """The environments in which there is something to compare; empty: the section is left out."""
    return [env for env in evidence.sweep.envs if len(timed(evidence, env)) > 1]


# The section -------------------------------------------------------------------------------------


def section(evidence: Evidence, drawn_in: Callable[[str], Sequence[Block]]) -> Iterator[Section]:
    """Where the arms' runs take CPU times that are far apart.

    :param drawn_in: draws the figures of a section.
    """
    if envs := compared(evidence):
        drawn = drawn_in(SECTION)
        tables = (table(evidence, env) for env in envs)
        note = Text(f"{TABLE_NOTE} {caption.brackets(evidence)}")
        words = Text(about(evidence))
        yield Section(SECTION, (words, *drawn, *captioned(drawn), *tables, note))


def about(evidence: Evidence) -> str:
    """What these times are, and what they are not."""
    text = (
        "What the arms have reached when each has spent the same CPU time on learning: what its "
        "evaluations took is not counted, as they are the protocol's and not the arm's. "
        "CPU times are those of the machine that made the runs, several side by side, and repeat "
        "only roughly: no claim is tested on them. The score of a run is that of its latest "
        "evaluation by then; the one before training does not count."
    )
    without = sum(not result.get("learning_seconds") for result in evidence.results)
    if without:
        text += f" {without:,} of {len(evidence.results):,} finished runs have no such times."
    return text


TABLE_NOTE = (
    "Columns are the times that the runs of each arm took, of the shortest of them; `-`: not all "
    "runs of the arm had been evaluated; (ended): all had ended, with less time spent, and their "
    "final score stands there."
)


def columns(evidence: Evidence, env: str) -> list[tuple[str, float]]:
    """The arms and what the shortest of their runs took, the shortest first."""
    found = [(arm, of.shortest) for arm, of in timed(evidence, env).items()]
    return sorted(found, key=lambda each: each[1])


class Cell(NamedTuple):
    """An arm after some time."""

    score: Estimate | None  # None: not all of its runs have been evaluated
    state: str


@once
def after(evidence: Evidence, arm: str, env: str, seconds: float) -> Cell:
    """:raises MissingRuns: when a planned run is not finished, or has no times."""
    found = along(evidence, arm, env)
    if seconds > found.end:
        return Cell(found.final, "ended")
    scores = reached(found.runs, np.array([seconds]))  # (runs, 1)
    if np.isnan(scores).any():
        return Cell(None, "not yet")
    return Cell(stats.estimate(scores, stats.iqm, arm, env, "CPU time"), "training")


def table(evidence: Evidence, env: str) -> Table:
    """Arms down; across, the times that the arms took."""
    number, times = evidence.format(env), columns(evidence, env)

    def cells(arm: str) -> Iterator[str]:
        """:raises MissingRuns: when a planned run is not finished, or has no times."""
        found = along(evidence, arm, env)
        least, most = _time(found.shortest), _time(found.end)
        yield least if least == most else f"{least} to {most}"
        for _, seconds in times:
            score, state = after(evidence, arm, env, seconds)
            ended = " (ended)" if state == "ended" else ""
            yield (stats.bracket(score, number) if score else "-") + ended
        yield stats.bracket(found.final, number)

    rows = []
    for arm in evidence.arms_on(env):
        try:
            row = list(cells(arm))
        except MissingRuns as missing:
            row = [f"- ({missing})"] * (len(times) + 2)
        rows.append((arm, *behind(row, evidence.keys(arm, env))))
    heads = (f"after {_time(seconds)} s ({arm})" for arm, seconds in times)
    return Table(
        ("arm", "CPU s of learning", *heads, "at its end"),
        tuple(rows),
        title=f"{env}, after CPU seconds of learning",
        name=f"table_equal_cpu_{env}",
        listed=listed(evidence, env),
    )


def listed(evidence: Evidence, env: str) -> Table:
    """One estimate to a row, for machines."""
    number, rows = evidence.format(env), []
    for arm, of in timed(evidence, env).items():
        cells = [(t, whose, after(evidence, arm, env, t)) for whose, t in columns(evidence, env)]
        cells.append((of.end, "", Cell(of.final, "final")))
        rows += [
            (env, arm, _time(t), whose, state, *parts(score, number), str(len(of.runs)))
            for t, whose, (score, state) in cells
        ]
    head = ("env", "arm", "cpu_seconds", "time_of", "state", "iqm", "low", "high", "shows", "runs")
    return Table(head, tuple(rows))


def _time(seconds: float) -> str:
    return significant(seconds, _FIGURES)
