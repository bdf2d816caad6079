"""The order of work: which runs one process trains together, and which come first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from harness import agents
from harness.spec import Batch, RunSpec


def plan(
    specs: Sequence[RunSpec], seconds: Callable[[RunSpec], float | None] = lambda spec: None
) -> list[Batch]:
    """The order of work: seeds before arms, so that a sweep that is stopped early has about as many
    seeds of every arm. Within a seed the longest runs come first, so that none is left when the
    others have ended.

    What one process may train together is one batch, at the place of its first seed: the seeds of
    an agent that says `seed_batch`.

    :param seconds: what a run is expected to take; None: nobody knows, so it comes first.
    """
    batches: dict[str, list[RunSpec]] = {}
    for spec in specs:
        together = agents.entry(spec.agent).seed_batch
        group = spec.model_copy(update={"seed": 0, "arm": ""}).key if together else spec.key
        batches.setdefault(group, []).append(spec)

    def place(group: list[RunSpec]) -> tuple[int, float]:
        known = [math.inf if (time := seconds(spec)) is None else time for spec in group]
        return min(spec.seed for spec in group), -sum(known)

    return [Batch(specs=tuple(group)) for group in sorted(batches.values(), key=place)]
