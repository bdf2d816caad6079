"""All that a study's report shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from optuna.trial import FrozenTrial

from harness.search import surrogate
from harness.search.confirm import Confirmation
from harness.search.path import Step
from harness.search.plan import Plan


class Evidence(NamedTuple):
    """A study that is over, and what was run after it."""

    plan: Plan
    trials: list[FrozenTrial]
    confirmation: Confirmation | None
    forest: surrogate.Forest | None
    path: tuple[Step, ...] = ()
    noise: Sequence[float] = ()  # the gradient noise scale, by quarter of training

    @property
    def best_number(self) -> int:
        return self.confirmation.selected.trial.number if self.confirmation else 0

    @property
    def shown(self) -> list[FrozenTrial]:
        """The trials with a value and a place in the space."""
        return surrogate.usable(self.trials)
