"""Scores against CPU time of learning: what each arm has reached when all have spent the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from harness import stats
from harness.report.document import Block, Section, Table, Text, behind, captioned
from harness.report.evidence import Evidence, once
from harness.report.number import bracket, significant
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
    end: float  # when the last of its runs has ended
    final: Estimate


@once
def runs(evidence: Evidence, arm: str, env: str) -> list[Spent]:
    """By seed, as in `Scores.matrix`.

    :raises MissingRuns: when a planned run is not finished, or has no times.
    """
    asked = sorted((arm, env, run.seed) for run in evidence.specs(arm, env))
    finished = [run for run in asked if run in evidence.curves]
    if len(finished) < len(asked):
        raise MissingRuns(f"{len(finished)} of {len(asked)} runs")
    timed = [run for run in asked if run in evidence.clocks]
    if len(timed) < len(asked):
        raise MissingRuns(f"times of {len(timed)} of {len(asked)} runs")
    found = []
    for run in asked:
        curve, seconds = evidence.curves[run], dict(evidence.clocks[run])
        since = curve.steps > 0  # what was known before training cost no time worth a number
        times = np.array([seconds[step] for step in curve.steps[since]])
        found.append(Spent(times, curve.returns[since]))
    return found


def reached(of: list[Spent], seconds: Array) -> Array:
    """The latest return of each run by these times: (runs, times); NaN: none yet."""
    found = np.full((len(of), len(seconds)), np.nan)
    for row, run in zip(found, of, strict=True):
        latest = np.searchsorted(run.seconds, seconds, side="right") - 1
        row[latest >= 0] = run.returns[latest[latest >= 0]]
    return found


@once
def along(evidence: Evidence, arm: str, env: str) -> Along:
    """:raises MissingRuns: when a planned run is not finished, or has no times."""
    of = runs(evidence, arm, env)
    start, stop = max(run.seconds[0] for run in of), _shortest(of)
    times = np.unique(np.concatenate([run.seconds for run in of]))
    times = times[(times >= start) & (times <= stop)]
    if len(times) > _MOST_TIMES:
        times = np.geomspace(start, stop, _MOST_TIMES)
        times[[0, -1]] = start, stop  # and not a rounding before or after
    band = None
    if len(times):
        scores = reached(of, times)[:, None]  # (runs, 1, times)
        names = (arm, env, "CPU time")
        band = stats.band(scores, stats.curve_iqm, names, joint=evidence.joint_bands)
    final = stats.estimate(np.array([run.returns[-1:] for run in of]), stats.iqm, arm, env)
    return Along(times, band, max(run.seconds[-1] for run in of), final)


def _shortest(of: list[Spent]) -> float:
    return float(min(run.seconds[-1] for run in of))


@once
def timed(evidence: Evidence, env: str) -> dict[str, list[Spent]]:
    """The arms that can be shown in an environment."""
    found = {}
    for arm in evidence.arms_on(env):
        try:
            found[arm] = runs(evidence, arm, env)
        except MissingRuns:
            continue
    return found


def compared(evidence: Evidence) -> list[str]:
    """The environments in which there is something to compare; empty: the section is left out."""
    return [env for env in evidence.sweep.envs if len(timed(evidence, env)) > 1]


# The section -------------------------------------------------------------------------------------


def section(evidence: Evidence, drawn_in: Callable[[str], Sequence[Block]]) -> Iterator[Section]:
    """Where the arms' runs take CPU times that are far apart.

    :param drawn_in: draws the figures of a section.
    """
    envs = compared(evidence)
    if envs:
        drawn = drawn_in(SECTION)
        tables = [table(evidence, env) for env in envs]
        note = Text(f"{TABLE_NOTE} {caption.brackets(evidence)}")
        blocks: tuple[Block, ...] = (
            Text(about(evidence)),
            *drawn,
            *captioned(drawn),
            *tables,
            note,
        )
        yield Section(SECTION, blocks)


def about(evidence: Evidence) -> str:
    """What these times are, and what they are not."""
    text = (
        "What the arms have reached when each has spent the same CPU time on learning: what its "
        "evaluations took is not counted, as they are the protocol's and not the arm's. "
        "CPU times are those of the machine that made the runs, several side by side, and repeat "
        "only roughly: no claim is tested on them. The score of a run is that of its latest "
        "evaluation by then; the one before training does not count."
    )
    finished = [status.spec for status in evidence.unique if status.state == "finished"]
    keys = {run.key for run in evidence.sweep.runs if (run.arm, run.env, run.seed) in
            evidence.clocks}  # fmt: skip
    without = sum(run.key not in keys for run in finished)
    if without:
        text += f" {without:,} of {len(finished):,} finished runs have no such times."
    return text


TABLE_NOTE = (
    "Columns are the times that the runs of each arm took, of the shortest of them; `-`: not all "
    "runs of the arm had been evaluated; (ended): all had ended, with less time spent, and their "
    "final score stands there."
)


@once
def columns(evidence: Evidence, env: str) -> list[tuple[str, float]]:
    """The arms and what the shortest of their runs took, the shortest first."""
    found = [(arm, _shortest(of)) for arm, of in timed(evidence, env).items()]
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
    scores = reached(runs(evidence, arm, env), np.array([seconds]))  # (runs, 1)
    if np.isnan(scores).any():
        return Cell(None, "not yet")
    return Cell(stats.estimate(scores, stats.iqm, arm, env, "CPU time"), "training")


def table(evidence: Evidence, env: str) -> Table:
    """Arms down; across, the times that the arms took."""
    number = evidence.format(env)
    times = columns(evidence, env)
    rows = []
    for arm in evidence.arms_on(env):
        try:
            found = along(evidence, arm, env)
        except MissingRuns as missing:
            gap = bracket(stats.unavailable(str(missing)), number)
            rows.append((arm, *behind([gap] * (len(times) + 2), evidence.keys(arm, env))))
            continue
        cells = []
        for _, seconds in times:
            cell = after(evidence, arm, env, seconds)
            text = bracket(cell.score, number) if cell.score else "-"
            cells.append(f"{text} (ended)" if cell.state == "ended" else text)
        least, most = (_time(end) for end in (_shortest(runs(evidence, arm, env)), found.end))
        took = least if least == most else f"{least} to {most}"
        row = (took, *cells, bracket(found.final, number))
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
        found = along(evidence, arm, env)
        cells = [(t, whose, after(evidence, arm, env, t)) for whose, t in columns(evidence, env)]
        cells.append((found.end, "", Cell(found.final, "final")))
        for seconds, whose, (score, state) in cells:
            ends = score is not None and stats.has_ends(score.shows)
            parts = (
                number(score.point) if score else "",
                number(score.low) if score and ends else "",
                number(score.high) if score and ends else "",
                score.shows if score else "",
            )
            rows.append((env, arm, _time(seconds), whose, state, *parts, str(len(of))))
    head = ("env", "arm", "cpu_seconds", "time_of", "state", "iqm", "low", "high", "shows", "runs")
    return Table(head, tuple(rows))


def _time(seconds: float) -> str:
    return significant(seconds, _FIGURES)
