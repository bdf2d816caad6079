"""Two arms by their bare scores, for whoever has numbers and no sweep."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.aggregate import Array, iqm
from harness.stats.improvement import improvement
from harness.stats.permutation import permutation_p
from harness.stats.uncertainty import Estimate, bracket, difference, estimate


class Comparison(NamedTuple):
    """What the scores of two arms say of each other."""

    x: Estimate  #: the IQM
    y: Estimate
    difference: Estimate  #: the difference of the IQMs, x - y
    improvement: Estimate  #: the probability that a run of x scores above a run of y
    p: float  #: of the exact permutation test of ranks, two-sided and not corrected

    def __str__(self) -> str:
        """As a report's claims say it: `[...]` is an interval, `†` one that covers less often."""
        number = "{:.4g}".format
        return (
            f"IQM {bracket(self.x, number)} against {bracket(self.y, number)}, difference "
            f"{bracket(self.difference, number)}, P(improvement) "
            f"{bracket(self.improvement, '{:.2f}'.format)}, p = {self.p:.2g}, {self.x.n} and "
            f"{self.y.n} runs"
        )


def compare(x: ArrayLike, y: ArrayLike) -> Comparison:
    """Estimates, intervals and the test of a report's claims, for two arms.

    :param x: scores, one for each run (runs,), or for each run on each task (runs, tasks), on one
        scale: several tasks want normalised scores.
    :param y: the same, of as many tasks.
    :raises ValueError: if a score is missing or not finite, or the shapes do not fit.
    """
    ours, theirs = _runs("x", x), _runs("y", y)
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(f"x has {ours.shape[1]} tasks, y has {theirs.shape[1]}")
    return Comparison(
        estimate(ours, iqm, "x"),
        estimate(theirs, iqm, "y"),
        difference(ours, theirs, iqm, "x", "y"),
        improvement(ours, theirs),
        permutation_p(ours, theirs),
    )


def _runs(name: str, scores: ArrayLike) -> Array:
    """(runs, tasks)."""
    array = np.asarray(scores, dtype=float)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name} has the shape {array.shape}: (runs,) or (runs, tasks)")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has scores that are missing or not finite: none is averaged over")
    return array
