"""What a trial's runs are worth: normalised scores, with those that diverged or crashed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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


class Trainer(NamedTuple):
    """How the runs of a plan are made, and where."""

    plan: Plan
    store: Store
    attempt: Train

    def outcomes(self, groups: Sequence[Sequence[RunSpec]]) -> list[Outcome]:
        """What comes of each group of runs; those that are missing are made.

        Those whose worker was killed are tried again.
        """
        missing = self.store.missing([spec for group in groups for spec in group])
        for _ in range(ATTEMPTS):
            if missing:
                self.attempt(missing)
            missing = [spec for spec in self.store.missing(missing) if self._was_killed(spec)]
        return [self._outcome(group) for group in groups]

    def _was_killed(self, spec: RunSpec) -> bool:
        failure = self.store.status(spec).failure
        return failure is not None and not failure["traceback"]

    def _outcome(self, specs: Sequence[RunSpec]) -> Outcome:
        """What the store knows of these runs, all of which were attempted."""
        scores, broken, seconds, error = [], 0, 0.0, None
        for spec in specs:
            status = self.store.status(spec)
            broken += diverged(status.symptoms)
            if status.result is not None:
                seconds += float(status.result["wall_seconds"])
                final = float(status.result["final"]["mean"])
                scores.append(self.plan.normalised(spec.env, final))
                continue
            scores.append(0.0)
            if not diverged(status.symptoms):
                unknown = {"error": "it was never finished", "traceback": ""}
                failure = status.failure or unknown
                error = error or f"{spec}: {failure['error']}\n{failure['traceback']}"
        return Outcome(tuple(scores), broken, sum(s.steps for s in specs), seconds, error)
