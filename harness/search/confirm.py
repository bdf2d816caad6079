"""After the search: the best trials on fresh seeds, one selected and tested, and best.yaml."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from harness import stats
from harness.search import loop
from harness.search.plan import CONFIRMATION, TUNING, Plan
from harness.search.score import Outcome, Trainer
from harness.spec import RunSpec
from harness.store import searches
from harness.store.files import write_whole
from harness.sweep.best import Best, Interval, Provenance, digest

BEST = searches.BEST


class Rerun(NamedTuple):
    """A trial's runs on fresh seeds."""

    trial: FrozenTrial
    specs: list[RunSpec]
    outcome: Outcome
    value: float  # of as many seeds as a trial has, where there are as many; NaN if a run crashed


class Confirmation(NamedTuple):
    """What is known after the search is over."""

    candidates: list[Rerun]  # the best trials, in the order of the search; empty with `top: 1`
    selected: Rerun  # on the test seeds
    default: Rerun  # on the test seeds
    promised: float  # its value in the search, of no more seeds than it was tested on

    @property
    def gap(self) -> float:
        """Optimism: the value in the search, minus that on seeds that chose nothing."""
        return self.promised - self.selected.value

    @property
    def reruns(self) -> list[Rerun]:
        return [*self.candidates, self.selected, self.default]

    @property
    def steps(self) -> int:
        """Environment steps of all that followed the search; both finalists may be one."""
        return sum({spec.key: spec.steps for one in self.reruns for spec in one.specs}.values())


def run(trainer: Trainer, study: optuna.Study) -> Confirmation | None:
    """Run the best trials again and choose one; None if no trial came to its end."""
    plan, trials = trainer.plan, study.get_trials(deepcopy=False)
    wanted = plan.file.confirm
    best = loop.full(trials)[: wanted.top]
    if not best:
        return None
    candidates = []
    if wanted.top > 1:
        candidates = _again(trainer, best, CONFIRMATION, wanted.seeds)
        value = {one.trial.number: one.value for one in candidates if not math.isnan(one.value)}
        best.sort(key=lambda trial: -value.get(trial.number, -math.inf))
    finalists = [best[0], trials[0]]
    selected, default = _again(trainer, finalists, plan.first_test_seed, wanted.test_seeds)
    return Confirmation(candidates, selected, default, promised(plan, selected.trial))


def promised(plan: Plan, trial: FrozenTrial) -> float:
    """A trial's value in the search, of as many seeds as the test has at most."""
    seeds = min(plan.file.seeds, plan.file.confirm.test_seeds)
    return plan.expected_value(loop.matrix(plan, trial), seeds)


def _again(trainer: Trainer, trials: Sequence[FrozenTrial], first: int, seeds: int) -> list[Rerun]:
    plan, instances = trainer.plan, trainer.plan.pool(first, seeds)
    specs = [plan.specs(hparams(each), instances, label=f"trial {each.number}") for each in trials]
    reruns = []
    for trial, each, outcome in zip(trials, specs, trainer.outcomes(specs), strict=True):
        value = math.nan if outcome.error else rerun_value(plan, outcome)
        reruns.append(Rerun(trial, each, outcome, value))
    return reruns


def rerun_value(plan: Plan, outcome: Outcome) -> float:
    """Comparable with a trial's: of as many seeds, where the rerun has as many."""
    scores = matrix(plan, outcome)
    return plan.expected_value(scores, min(plan.file.seeds, len(scores)))


def hparams(trial: FrozenTrial) -> dict[str, object]:
    """What a trial changed, by dotted names."""
    return dict(trial.user_attrs[loop.HPARAMS])


def matrix(plan: Plan, outcome: Outcome) -> stats.Array:
    """(seeds, envs): `Plan.pool` has the environments side by side."""
    return np.array(outcome.scores).reshape(-1, len(plan.base))


def estimate(plan: Plan, one: Rerun) -> Interval:
    return _interval(stats.estimate(matrix(plan, one.outcome), plan.statistic, plan.name))


def difference(plan: Plan, first: Rerun, second: Rerun) -> Interval:
    """Of two reruns, their runs resampled independently."""
    sides = matrix(plan, first.outcome), matrix(plan, second.outcome)
    return _interval(stats.difference(*sides, plan.statistic, plan.name))


def _interval(estimate: stats.Estimate) -> Interval:
    known = stats.has_interval(estimate.shows)
    ends = [round(end, 6) if known else None for end in (estimate.low, estimate.high)]
    return Interval(point=round(estimate.point, 6), low=ends[0], high=ends[1])


def best(plan: Plan, study: optuna.Study, confirmation: Confirmation) -> Best:
    """What best.yaml says."""
    trials = study.get_trials(deepcopy=False)
    first, trial = confirmation.selected.specs[0], confirmation.selected.trial
    confirm, file = plan.file.confirm, plan.file
    reran = confirmation.candidates
    own = (one for one in [*reran, confirmation.selected] if one.trial.number == trial.number)
    diverged = sum(one.outcome.diverged for one in own)
    return Best(
        agent=plan.agent,
        hparams=first.hparams,
        provenance=Provenance(
            search=plan.name,
            question=file.question,
            trial=trial.number,
            envs=list(plan.steps),
            steps=plan.steps,
            sampler=file.sampler,
            trials=counts(trials),
            budget_steps=loop.spent(trials),
            confirmation_steps=confirmation.steps,
            tuning_seeds=list(range(TUNING, TUNING + file.seeds)),
            confirmation_seeds=_seeds(CONFIRMATION, confirm.seeds if reran else 0),
            test_seeds=_seeds(plan.first_test_seed, confirm.test_seeds),
            value=file.value,
            tuning_value=round(float(trial.value or 0.0), 6),
            test_value=estimate(plan, confirmation.selected),
            optimism_gap=round(confirmation.gap, 6),
            default_test_value=estimate(plan, confirmation.default),
            difference=difference(plan, confirmation.selected, confirmation.default),
            diverged_seeds=diverged + trial.user_attrs[loop.DIVERGED],
            made_with={"optuna": version("optuna")},
            sha256=digest(plan.agent, first.hparams),
        ),
    )


def _seeds(first: int, count: int) -> list[int]:
    return list(range(first, first + count))


def counts(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    """What became of the trials."""
    full = len(loop.full(trials))
    failed = sum(loop.ERROR in trial.user_attrs for trial in trials)
    return {
        "all": len(trials),
        "full": full,
        "stopped early": len(trials) - full - failed,
        "failed": failed,
        "diverged seeds": sum(trial.user_attrs[loop.DIVERGED] for trial in trials),
    }


HEAD = """\
# Selected by the search {name}, trial {trial}: complete hyper-parameters of {agent}.
# In a sweep: `hparams: {{from: <path of this file>}}`, and what departs from it beside that.
"""


def write(path: Path, best: Best) -> None:
    """Write best.yaml."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 100
    yaml.default_flow_style = None
    text = io.StringIO()
    yaml.dump(best.model_dump(mode="json"), text)
    where = best.provenance
    assert where is not None
    head = HEAD.format(name=where.search, trial=where.trial, agent=best.agent)
    write_whole(path, (head + text.getvalue()).encode())
