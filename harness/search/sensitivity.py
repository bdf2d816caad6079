"""How fussy an agent is: one setting for all environments against one for each, from the trials.

`harness.stats.sensitivity` has the definitions and their sources. The settings are the trials that
ran on all seeds: no other was tried, so the best of them on an environment is no better than the
search has found. The effective dimension needs settings that nobody tried, and asks a forest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from optuna.trial import FrozenTrial

from harness import stats
from harness.report import plot
from harness.report.number import NORMALISED_DECIMALS, fixed
from harness.report.plot import Axis, Line, Look, Mark, Panel, Plot, Points
from harness.search import loop, surrogate
from harness.search.dimension import dimensions
from harness.search.evidence import Evidence
from harness.search.surrogate import Forest
from harness.stats import Array, Estimate, Sensitivity

KEPT = 0.95  # of what tuning every hyper-parameter on each environment reaches


class Dimensions(NamedTuple):
    """How many hyper-parameters must be tuned on each environment."""

    point: int
    low: int  # where 95 % of resamples of the trials lie
    high: int
    of: int


def settings(found: Evidence) -> list[FrozenTrial]:
    """The trials that ran on all seeds, in their order."""
    return sorted(loop.full(found.trials), key=lambda trial: trial.number)


def scores(found: Evidence) -> Array:
    """Normalised: (settings, seeds, environments)."""
    return np.array([loop.matrix(found.plan, trial) for trial in settings(found)])


def of(found: Evidence) -> Sensitivity | None:
    """None where there is one environment, one seed or one setting: nothing could be compared."""
    if len(found.plan.base) < 2 or found.plan.file.seeds < 2 or len(settings(found)) < 2:
        return None
    return stats.sensitivity(scores(found))


# The effective dimension --------------------------------------------------------------------------


def effective(found: Evidence) -> Dimensions | None:
    """The fewest hyper-parameters by which tuning on each environment, the others staying as in the
    best single setting, reaches `KEPT` of tuning them all.

    d(omega) of Adkins et al. (2024, arXiv:2412.07165), with two liberties. A forest on the trials
    of each environment stands in for settings that were not tried: d is not measured, it is what
    the trials suggest. And hyper-parameters join one at a time, the one that adds most first, which
    may take more of them than the best subset. None: the forest knows too little, or tuning reaches
    no more than the random policy does.
    """
    known = [trial for trial in settings(found) if trial.params]
    if of(found) is None or len(known) < surrogate.ENOUGH:
        return None
    matrix = {trial.number: loop.matrix(found.plan, trial).mean(axis=0) for trial in known}

    def on(env: int) -> Forest:
        return Forest(found.plan, known, lambda trial: float(matrix[trial.number][env]))

    forests = [on(env) for env in range(len(found.plan.base))]
    counts = [_needed(found, known, forests, i) for i in range(1 + surrogate.RESAMPLES)]
    sampled = [count for count in counts[1:] if count is not None]
    if counts[0] is None or not sampled:
        return None
    low, high = stats.percentile(np.array(sampled, dtype=float))
    return Dimensions(counts[0], round(float(low)), round(float(high)), len(found.plan.space))


def _needed(
    found: Evidence, known: Sequence[FrozenTrial], forests: Sequence[Forest], resample: int
) -> int | None:
    """By the forests of one resample of the trials."""

    def predicted(params: Sequence[dict[str, Any]]) -> Array:
        """(environments, points)."""
        return np.stack([forest.predict(params, resample) for forest in forests])

    tried = predicted([trial.params for trial in known])
    goal = KEPT * float(tried.max(axis=1).mean())
    if goal <= 0:
        return None
    base = known[int(tried.mean(axis=0).argmax())].params
    left, taken = [one.key for one in dimensions(found.plan.space)], list[str]()
    reached = float(tried.mean(axis=0).max())
    while reached < goal and left:
        points = [
            _with(base, [*taken, key], trial.params) for key in left for trial in known
        ]  # (left x known)
        values = predicted(points).reshape(len(forests), len(left), len(known))
        each = values.max(axis=2).mean(axis=0)  # (left,)
        taken.append(left.pop(int(each.argmax())))
        reached = float(each.max())
    return len(taken)


def _with(base: dict[str, Any], keys: Sequence[str], other: dict[str, Any]) -> dict[str, Any]:
    """A setting with these hyper-parameters of another; what has no place there has none here."""
    kept = {key: value for key, value in base.items() if key not in keys}
    return kept | {key: other[key] for key in keys if key in other}


# The figure ---------------------------------------------------------------------------------------

_SAME = Look("as good with one setting", plot.GREY, dashes=(1, 2))
NUMBER = fixed(NORMALISED_DECIMALS)


def plane(known: dict[str, Sensitivity]) -> Plot:
    """A point for each arm: how good it is when tuned, and how much of that is the tuning."""
    looks, marks = plot.looks(list(known)), list[Mark]()
    best = max(each.one.point for each in known.values())
    reach = min(
        max(_ends(each.gain)[1] for each in known.values()),
        max(_ends(each.each)[1] for each in known.values()) - best,
    )
    if reach > 0:
        marks.append(Line(_SAME, np.array([0.0, reach]), np.array([best, best + reach])))
    for arm, (_, each, gain) in known.items():
        look = replace(looks[arm], line=False, dashes=(), size=5.0)
        bar = replace(look, name="", line=True)
        marks += [
            Line(bar, np.array(_ends(gain)), np.full(2, each.point), thin=True),
            Line(bar, np.full(2, gain.point), np.array(_ends(each)), thin=True),
        ]
        text = f"tuned {stats.bracket(each, NUMBER)}, sensitivity {stats.bracket(gain, NUMBER)}"
        x, y = np.array([gain.point]), np.array([each.point])
        marks.append(Points(look, x, y, names=(arm,), texts=(text,)))
    across = Axis("sensitivity (normalised)", include=(0.0,), least=plot.LEAST)
    upright = Axis("tuned on each (normalised)", least=plot.LEAST, decimals=NORMALISED_DECIMALS)
    seeds = next(iter(known.values())).one.n
    return Plot((Panel(across, upright, tuple(marks)),), f"{seeds} tuning seeds", height=2.0)


def _ends(found: Estimate) -> tuple[float, float]:
    known = stats.has_ends(found.shows)
    return (found.low, found.high) if known else (found.point, found.point)
