"""The search itself: trials by the batch, each a list of runs in the store, told in order.

A batch is a function of the plan, the trials before it, and the outcomes of its runs. So it does
not matter how many workers there are, in which order they end, or how often the search was killed:
what was half done is worked out again from the store, and comes out the same. A trial is written
to the study once, when it has ended, as one record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import numpy as np
import optuna
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState

from harness import stats
from harness.config.strict import UserError
from harness.search import suggest
from harness.search.file import Halving, Wilcoxon
from harness.search.plan import TUNING, Plan, Stage
from harness.search.score import Outcome, Trainer
from harness.spec import RunSpec
from harness.store import searches

# What is written on a trial.
BATCH, SIZE = "batch", "batch_size"
HPARAMS, DIVERGED = "hparams", "diverged"
STEPS, SECONDS = searches.STEPS, searches.SECONDS
FULL = searches.FULL  # whether all seeds were run, and in full: only then can it win
SCORES, ERROR = "scores", "error"


def run(
    trainer: Trainer,
    study: optuna.Study,
    say: Callable[[str], None],
    begin: Callable[[int], None],
) -> None:
    """Spend the budget. Goes on where it was stopped.

    :param begin: called with the size of each batch before it is trained.
    """
    plan = trainer.plan
    while True:
        trials = study.get_trials(deepcopy=False)
        _check(plan, trials)
        start, size = _next_batch(plan, trials)
        if size < 1:
            return
        begin(size)
        before, batch = trials[:start], list[_Candidate]()
        for number in range(start, start + size):
            known = [*before, *(one.trial for one in batch)]
            drawn = suggest.draw(plan, known) if number else suggest.first(plan)
            batch.append(_Candidate(plan, number, drawn))
        _evaluate(trainer, before, batch)
        with trainer.turn():
            told = len(study.get_trials(deepcopy=False)) - start  # before a stop, or by others
            for one in batch[max(told, 0) :]:
                study.add_trial(one.ended(start, size))
        say(_progress(plan, study.get_trials(deepcopy=False), start))


def _check(plan: Plan, trials: Sequence[FrozenTrial]) -> None:
    """:raises UserError: if there is a trial among them that no search of ours told."""
    for number, trial in enumerate(trials):
        start, size = (trial.user_attrs.get(name, -1) for name in (BATCH, SIZE))
        if not start <= number < start + size:
            message = f"trial {number} of the study '{plan.name}' is not this search's: "
            message += "give this search another name"
            raise UserError([plan.document.problem(("name",), message)])


def _next_batch(plan: Plan, trials: Sequence[FrozenTrial]) -> tuple[int, int]:
    """Its first trial, and its size: as large as the budget still allows."""
    if trials:  # the search may have been stopped between two trials of one batch
        start, size = trials[-1].user_attrs[BATCH], trials[-1].user_attrs[SIZE]
        if len(trials) < start + size:
            return start, size
    budget, left = plan.file.budget, plan.file.batch
    if budget.steps is not None:
        left = (budget.steps - spent(trials)) // plan.cost()
    elif budget.trials is not None:
        left = budget.trials - len(trials)
    elif budget.run_minutes is not None and seconds(trials) >= 60 * budget.run_minutes:
        left = 0
    if plan.file.sampler == "grid":
        points = math.prod(len(values) for values in suggest.grid(plan.space).values())
        left = min(left, 1 + points - len(trials))
    return len(trials), min(plan.file.batch, left)


def spent(trials: Sequence[FrozenTrial]) -> int:
    """Environment steps of the trials."""
    return sum(int(trial.user_attrs[STEPS]) for trial in trials)


def seconds(trials: Sequence[FrozenTrial]) -> float:
    return float(sum(trial.user_attrs[SECONDS] for trial in trials))


def _evaluate(trainer: Trainer, before: Sequence[FrozenTrial], batch: Sequence[_Candidate]) -> None:
    """Train the batch stage by stage, until each of its trials has ended."""
    for i in range(max(len(one.stages) for one in batch)):
        live = [one for one in batch if one.running and i < len(one.stages)]
        outcomes = trainer.outcomes([one.specs(one.stages[i]) for one in live])
        for one, outcome in zip(live, outcomes, strict=True):
            one.take(one.stages[i], outcome)
        for one in live:
            if one.running and i + 1 < len(one.stages) and one.number > 0:  # not the default
                _prune(trainer.plan, one, before, batch)
    for one in batch:
        if one.running:
            one.full = True
            one.end(TrialState.COMPLETE, one.worth())


class _Candidate:
    """One trial on its way through the stages."""

    def __init__(self, plan: Plan, number: int, trial: FrozenTrial) -> None:
        self.plan, self.number, self.trial = plan, number, trial
        self.stages = plan.stages(number)
        self.hparams = suggest.chosen(plan.space, trial.params) if number else {}
        self.outcome = Outcome()  # its scores are those that its value is made of
        self.full = False

    @property
    def running(self) -> bool:
        return self.trial.state is TrialState.RUNNING

    @property
    def reports(self) -> dict[int, float]:
        """By the place of a seed in the list; of a halving, by the environment steps of a rung."""
        return self.trial.intermediate_values

    def specs(self, stage: Stage) -> list[RunSpec]:
        """The runs of a stage; none if the agent cannot have such hyper-parameters."""
        try:
            label = f"trial {self.number}"
            return self.plan.specs(self.hparams, stage.instances, stage.steps, label)
        except UserError as error:
            self.outcome = self.outcome._replace(error=str(error))
            return []

    def take(self, stage: Stage, outcome: Outcome) -> None:
        """See what came of the runs of a stage."""
        halving = isinstance(self.plan.file.pruner, Halving)
        if halving:  # shorter runs have no part in the value
            self.outcome = self.outcome._replace(scores=(), diverged=0)
        self.outcome = self.outcome.and_then(outcome)
        if self.outcome.error is not None:
            self.end(TrialState.FAIL)
        elif halving:
            self.reports[max(stage.steps.values())] = self.worth()
        else:
            self.reports.update(enumerate(self.outcome.scores))

    def worth(self) -> float:
        return value_so_far(self.plan, self.outcome.scores)

    def end(self, state: TrialState, value: float | None = None) -> None:
        self.trial.state, self.trial.value = state, value

    def ended(self, start: int, size: int) -> FrozenTrial:
        """The trial as it is written down.

        :param start: the first trial of its batch.
        """
        of = self.outcome
        self.trial.user_attrs = {
            BATCH: start,
            SIZE: size,
            HPARAMS: self.hparams,
            SCORES: list(of.scores),
            DIVERGED: of.diverged,
            STEPS: of.steps,
            SECONDS: round(of.seconds, 3),
            FULL: self.full,
        } | ({ERROR: of.error} if of.error else {})
        self.trial.datetime_complete = datetime.now()  # as Optuna's own: local, and without a zone
        return self.trial


def _prune(
    plan: Plan, one: _Candidate, before: Sequence[FrozenTrial], batch: Sequence[_Candidate]
) -> None:
    """Stop a trial that falls behind. Only trials before its batch have been told."""
    match plan.file.pruner:
        case Wilcoxon() as pruner:
            _prune_by_seeds(plan, pruner, one, before)
        case Halving() as pruner:
            reports = {trial.number: trial.intermediate_values for trial in before}
            reports |= {other.number: other.reports for other in batch}
            _prune_by_steps(plan, pruner, one, reports)


def _prune_by_seeds(
    plan: Plan, pruner: Wilcoxon, one: _Candidate, before: Sequence[FrozenTrial]
) -> None:
    """Stop it if it loses to the best trial, on its seeds as a whole and in rank.

    It ends with the value that it would have if it went on to trail the best by as much as so far,
    which knows that some seeds are harder: so no stopped trial is ever the best.
    """
    best = best_so_far(before)
    judge = WilcoxonPruner(p_threshold=pruner.p, n_startup_steps=pruner.first)
    if best is None or not judge.prune(suggest.replica(plan, before), one.trial):
        return
    behind = one.worth() - value_so_far(plan, best.user_attrs[SCORES][: len(one.reports)])
    if behind < 0:
        one.end(TrialState.COMPLETE, float(best.value or 0.0) + behind)


def _prune_by_steps(
    plan: Plan, pruner: Halving, one: _Candidate, reports: Mapping[int, Mapping[int, float]]
) -> None:
    """Stop it unless it is among the best of its bracket that came to this rung.

    Li et al. 2018 (arXiv:1810.05934), algorithm 2, a batch at a time. Optuna's pruners of the kind
    compare a trial with those that reported before it, so the order in which runs end would decide.

    :param reports: of all trials so far, by their numbers.
    """
    step, bracket = max(one.reports), plan.bracket(one.number)
    values = sorted(
        each[step]
        for number, each in reports.items()
        if step in each and plan.bracket(number) == bracket
    )
    promoted = max(1, len(values) // pruner.factor)
    if one.worth() < values[-promoted]:
        one.end(TrialState.PRUNED, one.worth())


def value_so_far(plan: Plan, scores: Sequence[float]) -> float:
    """The value of a trial's scores so far, which are in the order of its instances."""
    return plan.value(scores, plan.instances()[: len(scores)])


def matrix(plan: Plan, trial: FrozenTrial) -> stats.Array:
    """The scores of a trial that was run on all seeds: (seeds, environments)."""
    scored = dict(zip(plan.instances(), trial.user_attrs[SCORES], strict=True))
    rows = [scored[instance] for instance in plan.pool(TUNING, plan.file.seeds)]
    return np.array(rows).reshape(-1, len(plan.base))


def _progress(plan: Plan, trials: Sequence[FrozenTrial], start: int) -> str:
    """One line for whoever waits."""
    best = best_so_far(trials)
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
    complete = [trial for trial in trials if trial.user_attrs[FULL]]
    return sorted(complete, key=lambda trial: (-float(trial.value or 0.0), trial.number))


def best_so_far(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    return next(iter(full(trials)), None)
