"""How bad the bad runs are, and how unsteadily runs learn: what stands beside an IQM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness import stats
from harness.report.document import Section, Table
from harness.report.evidence import RETURN, Evidence
from harness.report.number import share
from harness.report.results.table import by_pair

# Nearer to the random policy than to the reference.
FAILED_BELOW = 0.5
LOST = ("failed", "damaged")
FEWEST_EVALUATIONS = 3  # that have two changes
WITHIN = {"drawdown": stats.drawdown, "dispersion": stats.dispersion}


def section(evidence: Evidence) -> Section:
    """Risk across runs and within them."""
    tables = (across(evidence), within(evidence))
    return Section("Risk", tuple(table for table in tables if table.rows))


def across(evidence: Evidence) -> Table:
    """The worst of an arm's runs, what a next one may be, and how many fail."""

    def rows(arm: str, env: str) -> Iterator[Sequence[str]]:
        number, failed = evidence.format(env), failing(evidence, arm, env)
        found = evidence.of(evidence.numbers[RETURN], arm, env)
        iqm = stats.bracket(evidence.iqm(found, arm, env), number)
        if len(found) < len(evidence.specs(arm, env)):
            yield iqm, "", "", "", "", failed
        else:
            worst, ends = stats.worst_mean(found), f"{number(min(found))} to {number(max(found))}"
            chances = stats.next_within(len(found)), stats.held(len(found))
            yield iqm, number(worst), ends, *map(share, chances), failed

    ending = ", or ended nearer to the random policy than to the reference"
    about = _ACROSS.format(ending=ending if evidence.sweep.anchors else "")
    head = (
        *("environment", "arm", "IQM", "worst quarter", "worst to best"),
        *("next run within", "holds at least", "failed runs"),
    )
    return Table(head, by_pair(evidence, rows), "Across runs", "table_risk", about)


def failing(evidence: Evidence, arm: str, env: str) -> str:
    """`1 of 10 [0.3 %, 44.5 %]`, of the runs that have ended."""
    anchors = evidence.sweep.anchors.get(env)
    scores = np.array(evidence.of(evidence.numbers[RETURN], arm, env))
    lost = sum(status.state in LOST for status in evidence.statuses_of(arm, env))
    ended = len(scores) + lost
    if not ended:
        return ""
    low = (stats.normalise(scores, anchors) < FAILED_BELOW).sum() if anchors else 0
    failed = lost + int(low)
    found = stats.chance(failed, ended)
    return f"{failed} of {ended} [{share(found.low)}, {share(found.high)}]"


def within(evidence: Evidence) -> Table:
    """How unsteadily the runs of an arm learn."""

    def rows(arm: str, env: str) -> Iterator[Sequence[str]]:
        curves = [curve.returns for curve in evidence.of(evidence.curves, arm, env)]
        if curves and min(map(len, curves)) >= FEWEST_EVALUATIONS:
            number = evidence.format(env)
            yield tuple(
                stats.bracket(evidence.iqm([of(curve) for curve in curves], arm, env, name), number)
                for name, of in WITHIN.items()
            )

    head = ("environment", "arm", *WITHIN)
    return Table(head, by_pair(evidence, rows), "Within a run", "table_unsteadiness", _WITHIN)


_ACROSS = (
    "Of the final score. Worst: the mean of the worst quarter of runs (conditional value at risk). "
    "Next run within: the chance that one more run lies between the worst and the best. Holds at "
    "least: the share of all such runs that lie there, with 95 % confidence. Both hold "
    "whatever the distribution, and ties only raise them. Failed: a run that crashed or "
    "diverged{ending}; with a 95 % interval of Clopper and Pearson."
)
_WITHIN = (
    "Of the learning curve of each run, IQM over seeds. Drawdown: how far an evaluation falls "
    "below the best before it, at most. Dispersion: the interquartile range of the changes from "
    "one evaluation to the next. Few episodes in an evaluation make both larger."
)
