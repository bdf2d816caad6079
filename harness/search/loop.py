"""The search itself: trials by the batch, each a list of runs in the store, told in order.

A batch is a function of the plan, the trials before it, and the outcomes of its runs. So it does
not matter how many workers there are, in which order they end, or how often the search was killed:
what was half done is worked out again from the store, and comes out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.pruners import BasePruner, WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState

from harness import stats
from harness.config.strict import UserError
from harness.search import score, suggest
from harness.search.file import Halving, Wilcoxon
from harness.search.plan import TUNING, Plan, Stage
from harness.search.score import Outcome, Train
from harness.spec import RunSpec
from harness.store import searches
from harness.store.reader import Store

# What is written on a trial. BATCH and SIZE stand there from its birth.
BATCH, SIZE = "batch", "batch_size"
HPARAMS, DIVERGED = "hparams", "diverged"
STEPS, SECONDS = searches.STEPS, searches.SECONDS
FULL = searches.FULL  # whether all seeds were run, and in full: only then can it win
SCORES, ERROR = "scores", "error"


class Verdict(NamedTuple):
    """What becomes of a trial."""

    state: TrialState
    value: float | None
    facts: dict[str, Any]


def run(
    plan: Plan,
    study: optuna.Study,
    store: Store,
    attempt: Train,
    say: Callable[[str], None],
) -> None:
    """Spend the budget. Goes on where it was stopped."""
    while True:
        trials = study.get_trials(deepcopy=False)
        batch = _unfinished(trials) or _begin(plan, study, trials)
        if batch is None:
            return
        start, size = batch
        _ask(plan, study, start, size)
        trials = study.get_trials(deepcopy=False)
        _tell(study, trials[start:], _judge(plan, study, store, attempt, trials, start))
        say(_progress(plan, study.get_trials(deepcopy=False), start))


def _unfinished(trials: Sequence[FrozenTrial]) -> tuple[int, int] | None:
    """The batch that was being made when the search was last stopped: first trial, size."""
    if not trials:
        return None
    start, size = trials[-1].user_attrs[BATCH], trials[-1].user_attrs[SIZE]
    told = all(trial.state.is_finished() for trial in trials[start:])
    return None if told and len(trials) == start + size else (start, size)


def _begin(
    plan: Plan, study: optuna.Study, trials: Sequence[FrozenTrial]
) -> tuple[int, int] | None:
    """The next batch, as large as the budget still allows; None when it is spent."""
    budget, left = plan.file.budget, plan.file.batch
    if budget.steps is not None:
        left = (budget.steps - spent(trials)) // plan.cost()
    elif budget.trials is not None:
        left = budget.trials - len(trials)
    elif budget.run_minutes is not None and seconds(trials) >= 60 * budget.run_minutes:
        left = 0
    if plan.file.sampler == "grid":
        points = 1
        for values in suggest.grid(plan.space).values():
            points *= len(values)
        left = min(left, 1 + points - len(trials))
    size = min(plan.file.batch, left)
    return (len(trials), size) if size > 0 else None


def spent(trials: Sequence[FrozenTrial]) -> int:
    """Environment steps of the trials that were told."""
    return sum(int(trial.user_attrs.get(STEPS, 0)) for trial in trials)


def seconds(trials: Sequence[FrozenTrial]) -> float:
    return float(sum(trial.user_attrs.get(SECONDS, 0.0) for trial in trials))


def _ask(plan: Plan, study: optuna.Study, start: int, size: int) -> None:
    """Give the batch the trials it lacks. Each is one record, so none is ever half there."""
    for number in range(len(study.get_trials(deepcopy=False)), start + size):
        trials = _as_before(study.get_trials(), start)
        trial = suggest.draw(plan, trials) if number else suggest.first(plan)
        trial.user_attrs |= {BATCH: start, SIZE: size}
        study.add_trial(trial)


def _as_before(trials: list[FrozenTrial], start: int) -> list[FrozenTrial]:
    """The trials as they stood before the batch from `start` on was told."""
    for trial in trials[start:]:
        trial.state = TrialState.RUNNING
        trial.values = None
        trial.datetime_complete = None
        trial.intermediate_values = {}
        trial.user_attrs = {key: trial.user_attrs[key] for key in (BATCH, SIZE)}
    return trials


def _judge(
    plan: Plan,
    study: optuna.Study,
    store: Store,
    attempt: Train,
    trials: Sequence[FrozenTrial],
    start: int,
) -> list[Verdict]:
    """Train the batch stage by stage, and say what becomes of each of its trials."""
    batch = [_Candidate(plan, trial) for trial in trials[start:]]
    jury = _Jury(plan, study, start)
    for i in range(max(len(one.stages) for one in batch)):
        live = [one for one in batch if one.verdict is None and i < len(one.stages)]
        for one in live:
            one.enter(one.stages[i])
        score.train([spec for one in live for spec in one.entered], store, attempt)
        for one in live:
            one.leave(store)
            if one.verdict is None:
                jury.hear(one, one.stages[i])
        for one in live:
            last = i + 1 == len(one.stages)
            if one.verdict is None and not last and one.number > 0:  # the default goes all the way
                jury.judge(one, one.stages[i])
    for one in batch:
        if one.verdict is None:
            one.complete()
    return [one.verdict for one in batch if one.verdict is not None]


class _Candidate:
    """One trial on its way through the stages."""

    def __init__(self, plan: Plan, trial: FrozenTrial) -> None:
        self.plan = plan
        self.number = trial.number
        self.stages = plan.stages(trial.number)
        self.hparams = suggest.chosen(plan.space, trial.params) if trial.number else {}
        self.entered: list[RunSpec] = []  # the runs of the last stage
        self.runs: list[RunSpec] = []  # of all stages
        self.outcome = Outcome((), 0, 0, 0.0, None)  # of the runs that its value is made of
        self.verdict: Verdict | None = None
        self._seconds = 0.0

    def enter(self, stage: Stage) -> None:
        try:
            label = f"trial {self.number}"
            self.entered = self.plan.specs(self.hparams, stage.instances, stage.steps, label)
        except UserError as error:
            self.entered = []
            self.outcome = Outcome((), 0, 0, 0.0, str(error))

    def leave(self, store: Store) -> None:
        new = score.outcome(self.entered, store, self.plan)
        self.runs += self.entered
        self._seconds += new.seconds
        before = self.outcome
        halving = isinstance(self.plan.file.pruner, Halving)
        if before.error is None and not halving:  # more seeds of the same length
            new = Outcome(
                before.scores + new.scores, before.diverged + new.diverged, 0, 0.0, new.error
            )
        self.outcome = new._replace(error=before.error or new.error)
        if self.outcome.error is not None:
            self.verdict = Verdict(TrialState.FAIL, None, self.facts(full=False))

    def value(self) -> float:
        return value_so_far(self.plan, self.outcome.scores)

    def facts(self, full: bool) -> dict[str, Any]:
        found = {
            HPARAMS: self.hparams,
            SCORES: list(self.outcome.scores),
            DIVERGED: self.outcome.diverged,
            STEPS: sum(spec.steps for spec in self.runs),
            SECONDS: round(self._seconds, 3),
            FULL: full,
        }
        return found | ({ERROR: self.outcome.error} if self.outcome.error else {})

    def complete(self) -> None:
        self.verdict = Verdict(TrialState.COMPLETE, self.value(), self.facts(full=True))


class _Jury:
    """Hears what the trials of a batch report, and stops those that fall behind.

    It deliberates on a replica of the study as it was before the batch was told. Optuna's `step` is
    the place of a seed in the list, or the environment steps of a rung: one of the two per study.
    """

    def __init__(self, plan: Plan, study: optuna.Study, start: int) -> None:
        self.plan = plan
        self.study = study
        self.replica = suggest.replica(plan, _as_before(study.get_trials(), start))
        self.best = max(
            (t for t in self.replica.get_trials(deepcopy=False) if t.user_attrs.get(FULL)),
            key=lambda trial: (trial.value or 0.0, -trial.number),
            default=None,
        )

    def hear(self, one: _Candidate, stage: Stage) -> None:
        """Report to the study, for whoever watches, and to the replica."""
        reports = {steps_of(stage): one.value()}
        if not isinstance(self.plan.file.pruner, Halving):
            reports = dict(enumerate(one.outcome.scores))
        there = self.study.get_trials(deepcopy=False)[one.number]
        here = self._copy(one)
        for step, value in reports.items():
            self.replica._storage.set_trial_intermediate_value(here._trial_id, step, value)
            if not there.state.is_finished() and step not in there.intermediate_values:
                self.study._storage.set_trial_intermediate_value(there._trial_id, step, value)

    def judge(self, one: _Candidate, stage: Stage) -> None:
        pruner = self.plan.file.pruner
        if isinstance(pruner, Wilcoxon):
            self._by_seeds(one, WilcoxonPruner(p_threshold=pruner.p, n_startup_steps=pruner.first))
        elif isinstance(pruner, Halving):
            self._by_steps(one, pruner, steps_of(stage))

    def _copy(self, one: _Candidate) -> FrozenTrial:
        return self.replica.get_trials(deepcopy=False)[one.number]

    def _by_seeds(self, one: _Candidate, judge: BasePruner) -> None:
        """Stop it if it loses to the best trial, on its seeds as a whole and in rank.

        It is told with the value that it would have if it went on to trail the best by as much as
        so far, which knows that some seeds are harder: so no stopped trial is ever the best.
        """
        if self.best is None or not judge.prune(self.replica, self._copy(one)):
            return
        n = len(one.outcome.scores)
        behind = one.value() - value_so_far(self.plan, self.best.user_attrs[SCORES][:n])
        if behind < 0:
            value = float(self.best.value or 0.0) + behind
            one.verdict = Verdict(TrialState.COMPLETE, value, one.facts(full=False))

    def _by_steps(self, one: _Candidate, pruner: Halving, step: int) -> None:
        """Stop it unless it is among the best of its bracket that came to this rung.

        Li et al. 2018 (arXiv:1810.05934), algorithm 2, a batch at a time.
        """
        bracket = self.plan.bracket(one.number)
        values = sorted(
            trial.intermediate_values[step]
            for trial in self.replica.get_trials(deepcopy=False)
            if step in trial.intermediate_values and self.plan.bracket(trial.number) == bracket
        )
        promoted = max(1, len(values) // pruner.factor)
        if one.value() < values[-promoted]:
            one.verdict = Verdict(TrialState.PRUNED, None, one.facts(full=False))


def value_so_far(plan: Plan, scores: Sequence[float]) -> float:
    """The value of a trial's scores so far, which are in the order of its instances."""
    return plan.value(scores, plan.instances()[: len(scores)])


def matrix(plan: Plan, trial: FrozenTrial) -> stats.Array:
    """The scores of a trial that was run on all seeds: (seeds, environments)."""
    scored = dict(zip(plan.instances(), trial.user_attrs[SCORES], strict=True))
    rows = [scored[instance] for instance in plan.pool(TUNING, plan.file.seeds)]
    return np.array(rows).reshape(-1, len(plan.base))


def steps_of(stage: Stage) -> int:
    """The rung of a stage: the longest of its runs."""
    return max(stage.steps.values())


def _tell(study: optuna.Study, batch: Sequence[FrozenTrial], verdicts: Sequence[Verdict]) -> None:
    for trial, verdict in zip(batch, verdicts, strict=True):
        if trial.state.is_finished():  # before the search was stopped
            continue
        for key in [key for key in verdict.facts if key not in trial.user_attrs]:
            study._storage.set_trial_user_attr(trial._trial_id, key, verdict.facts[key])
        study.tell(trial.number, verdict.value, verdict.state)


def _progress(plan: Plan, trials: Sequence[FrozenTrial], start: int) -> str:
    """One line for whoever waits."""
    best = winner_so_far(trials)
    last = len(trials) - 1
    text = f"{plan.name}: trials {start} to {last}"
    if best is not None:
        text += f"; best {best.value:.3f} (trial {best.number})"
    text += f", default {trials[0].value:.3f}" if trials[0].value is not None else ""
    text += f"; {spent(trials):,} steps"
    if plan.file.budget.steps is not None:
        text += f" of {plan.file.budget.steps:,}"
    return text


def full(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that were evaluated on all seeds and in full, the best first."""
    found = [trial for trial in trials if trial.user_attrs.get(FULL)]
    return sorted(found, key=lambda trial: (-float(trial.value or 0.0), trial.number))


def winner_so_far(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    return next(iter(full(trials)), None)
