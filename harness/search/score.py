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

    scores: tuple[float, ...]  # normalised; 0, the random policy's, of one that diverged to its end
    diverged: int  # runs, finished or not: see health.py
    steps: int  # environment steps that were asked for
    seconds: float  # wall-clock, of all runs together
    error: str | None  # the traceback of a run that crashed: then the scores mean nothing


def train(specs: Sequence[RunSpec], store: Store, attempt: Train) -> None:
    """Make the runs that are missing; those whose worker was killed are tried again."""
    missing = store.missing(specs)
    for _ in range(ATTEMPTS):
        if missing:
            attempt(missing)
        missing = [spec for spec in store.missing(missing) if _was_killed(spec, store)]


def _was_killed(spec: RunSpec, store: Store) -> bool:
    failure = store.status(spec).failure
    return failure is not None and not failure["traceback"]


def outcome(specs: Sequence[RunSpec], store: Store, plan: Plan) -> Outcome:
    """What the store knows of these runs, all of which were attempted."""
    scores, broken, seconds, error = [], 0, 0.0, None
    for spec in specs:
        status = store.status(spec)
        broken += diverged(status.symptoms)
        if status.result is not None:
            seconds += float(status.result["wall_seconds"])
            scores.append(plan.normalised(spec.env, float(status.result["final"]["mean"])))
            continue
        scores.append(0.0)
        if not diverged(status.symptoms):
            failure = status.failure or {"error": "it was never finished", "traceback": ""}
            error = error or f"{spec}: {failure['error']}\n{failure['traceback']}"
    return Outcome(tuple(scores), broken, sum(s.steps for s in specs), seconds, error)
