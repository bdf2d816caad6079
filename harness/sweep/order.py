"""The order of work: which runs come first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from harness.spec import RunSpec


def in_order(
    specs: Iterable[RunSpec], seconds: Callable[[RunSpec], float | None] = lambda spec: None
) -> list[RunSpec]:
    """Every run once, seeds before arms, so that a sweep that is stopped early has about as many
    seeds of every arm. Within a seed the longest runs come first, so that none is left when the
    others have ended.

    :param seconds: what a run is expected to take; None: nobody knows, so it comes first.
    """

    def place(spec: RunSpec) -> tuple[int, float]:
        known = seconds(spec)
        return spec.seed, -(math.inf if known is None else known)

    runs = dict[str, RunSpec]()
    for spec in specs:
        runs.setdefault(spec.key, spec)
    return sorted(runs.values(), key=place)
