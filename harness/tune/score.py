"""What a trial's runs are worth: normalised scores, with those that diverged or crashed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from harness.spec import RunSpec
from harness.store import Store
from harness.tune.plan import Plan

Train = Callable[[list[RunSpec]], None]  # attempts every run once; what came of it is in the store
ATTEMPTS = 3  # at a run whose worker was killed: that says nothing of its hyper-parameters

# How a run ends whose weights left the finite numbers: ours, and torch's distributions'.
DIVERGED = ("FloatingPointError", "but found invalid values", "probability tensor contains either")


class Outcome(NamedTuple):
    """The runs of one trial."""

    scores: tuple[float, ...]  # normalised; a diverged run scores as the random policy does: 0
    diverged: int
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
    failure = store.failure(spec)
    return failure is not None and not failure["traceback"]


def outcome(specs: Sequence[RunSpec], store: Store, plan: Plan) -> Outcome:
    """What the store knows of these runs, all of which were attempted."""
    scores, diverged, seconds, error = [], 0, 0.0, None
    for spec in specs:
        result = store.result(spec)
        if result is not None:
            seconds += float(result["wall_seconds"])
        score = float(result["final"]["mean"]) if result is not None else math.nan
        if math.isfinite(score):
            scores.append(plan.normalised(spec.env, score))
            continue
        failure = store.failure(spec) or {"error": "it was never finished", "traceback": ""}
        if result is None and not _diverged(failure):
            error = error or f"{spec}: {failure['error']}\n{failure['traceback']}"
        diverged += 1
        scores.append(0.0)
    return Outcome(tuple(scores), diverged, sum(s.steps for s in specs), seconds, error)


def _diverged(failure: dict[str, Any]) -> bool:
    return any(sign in failure["error"] + failure["traceback"] for sign in DIVERGED)
