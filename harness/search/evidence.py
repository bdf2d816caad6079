"""All that a study's report shows, worked out once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from optuna.trial import FrozenTrial

from harness import stats
from harness.report.plot import Plot
from harness.search import confirm, surrogate
from harness.search.confirm import Confirmation, Rerun
from harness.search.noise import Scale
from harness.search.path import Step
from harness.search.plan import Plan
from harness.sweep.best import Interval


@dataclass(frozen=True)
class Evidence:
    """A study that is over, and what was run after it."""

    plan: Plan
    trials: list[FrozenTrial]
    confirmation: Confirmation | None
    forest: surrogate.Forest | None
    path: list[Step] = field(default_factory=list)
    noise: Scale | None = None
    plots: dict[str, Plot | str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def best_number(self) -> int:
        return self.confirmation.selected.trial.number if self.confirmation else 0

    @cached_property
    def shown(self) -> list[FrozenTrial]:
        """The trials with a value and a place in the space."""
        return surrogate.usable(self.trials)

    @cached_property
    def importance(self) -> dict[str, dict[str, surrogate.Share]]:
        """By method; empty if there are too few trials to ask."""
        if self.forest is None:
            return {}
        methods = surrogate.EVALUATORS
        return {name: surrogate.importance(self.plan, self.shown, name) for name in methods}

    @cached_property
    def marginals(self) -> dict[str, surrogate.Marginal]:
        """By hyper-parameter, as the study calls it."""
        if self.forest is None:
            return {}
        return {name: self.forest.marginal(name) for name in self.forest.columns.names}

    @cached_property
    def batch_plane(self) -> surrogate.Plane | None:
        """Batch size against learning rate, where both were searched."""
        x = next((n for n in surrogate.Columns(self.plan).names if n.endswith("batch_size")), None)
        y = "learning_rate"
        if x is None or y not in self.plan.space or self.forest is None:
            return None
        return self.forest.plane(x, y)

    @cached_property
    def along_path(self) -> list[stats.Estimate]:
        """What each configuration of the path is worth."""
        scores = [confirm.matrix(self.plan, step.outcome) for step in self.path]
        statistic, name = self.plan.statistic, self.plan.name
        return [stats.estimate(each, statistic, name, "path") for each in scores]

    def estimate(self, one: Rerun) -> Interval:
        return confirm.estimate(self.plan, one)
