"""What a trial's runs are worth: normalised scores, with those that diverged or crashed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from typing import NamedTuple, Protocol

from harness.search.plan import Plan
from harness.spec import RunSpec
from harness.store.health import diverged
from harness.store.reader import Store

Train = Callable[[list[RunSpec]], None]  # attempts every run once; what came of it is in the store
ATTEMPTS = 3  # at a run whose worker was killed: that says nothing of its hyper-parameters


class Outcome(NamedTuple):
    """The runs of one trial."""

    scores: tuple[float, ...] = ()  # normalised; 0, the random policy's, if it diverged to its end
    diverged: int = 0  # runs, finished or not: see health.py
    steps: int = 0  # environment steps that were asked for
    seconds: float = 0.0  # wall-clock, of all runs together
    error: str | None = None  # the traceback of a run that crashed: then the scores mean nothing

    def and_then(self, more: Outcome) -> Outcome:
        """Of these runs and of more."""
        return Outcome(
            self.scores + more.scores,
            self.diverged + more.diverged,
            self.steps + more.steps,
            self.seconds + more.seconds,
            self.error or more.error,
        )


Make = Callable[[Sequence[RunSpec]], dict[str, Outcome]]  # what came of runs, by key


class Others(Protocol):
    """The other commands that work at the same search; see shared.py."""

    def outcomes(self, groups: Sequence[Sequence[RunSpec]], make: Make) -> dict[str, Outcome]: ...

    def turn(self) -> AbstractContextManager[None]: ...


class Trainer(NamedTuple):
    """How the runs of a plan are made, and where."""

    plan: Plan
    store: Store
    attempt: Train
    others: Others | None = None  # None: the search is this command's alone

    def outcomes(self, groups: Sequence[Sequence[RunSpec]]) -> list[Outcome]:
        """What comes of each group of runs; those that are missing are made."""
        if self.others is None:
            come = self.make([spec for group in groups for spec in group])
        else:
            come = self.others.outcomes(groups, self.make)
        return [
            reduce(Outcome.and_then, (come[spec.key] for spec in group), Outcome())
            for group in groups
        ]

    def turn(self) -> AbstractContextManager[None]:
        """Hold the study: no other command writes to it meanwhile."""
        return nullcontext() if self.others is None else self.others.turn()

    def make(self, specs: Sequence[RunSpec]) -> dict[str, Outcome]:
        """What comes of each run, by key. Those whose worker was killed are tried again."""
        missing = self.store.missing(specs)
        for _ in range(ATTEMPTS):
            if missing:
                self.attempt(missing)
            missing = [spec for spec in self.store.missing(missing) if self._was_killed(spec)]
        return {spec.key: self._outcome(spec) for spec in specs}

    def _was_killed(self, spec: RunSpec) -> bool:
        failure = self.store.status(spec).failure
        return failure is not None and not failure["traceback"]

    def _outcome(self, spec: RunSpec) -> Outcome:
        """What the store knows of a run that was attempted."""
        status, error = self.store.status(spec), None
        score, seconds, broken = 0.0, 0.0, diverged(status.symptoms)
        if status.result is not None:
            seconds = float(status.result["wall_seconds"])
            score = self.plan.normalised(spec.env, float(status.result["final"]["mean"]))
        elif not broken:
            unknown = {"error": "it was never finished", "traceback": ""}
            failure = status.failure or unknown
            error = f"{spec}: {failure['error']}\n{failure['traceback']}"
        return Outcome((score,), int(broken), spec.steps, seconds, error)
