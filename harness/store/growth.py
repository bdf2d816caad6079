"""What a run takes more and more of: memory, and CPU time for a step.

Both are sampled in every run and kept in its result. No score depends on them: what grows is told
beside the symptoms of a broken learner and is none. How often it is told of runs in which nothing
grows: `python -m benchmarks.memory --alarms results`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from harness.store.health import Symptom

SAMPLES = 40  # of a run, at even distances
PARTS = 4  # of what is looked at; something grows if it grows from each to the next

# A step that costs so many times what it cost in the part before, in each part, and in all. An
# episode costs more, too: where episodes only become shorter, there are more resets in a step.
DEARER, DEARER_IN_ALL = 1.1, 1.75
LEAST_SECONDS = 10.0  # of CPU time: what takes less says little

# Of the second half of a run, beside buffers that fill: a share of what was held before, at least
# so many MB, and in each part of it at least a half of what even growth would be.
LARGER, LEAST_MB, STEADY = 0.15, 50.0, 0.5


class Sample(NamedTuple):
    """A run at one step."""

    step: int
    seconds: float  # of CPU time, spent on learning so far
    memory_mb: float  # that its process holds
    episodes: int  # of training that have begun


class Growth:
    """Samples one run.

    :param steps: the budget.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.samples: list[Sample] = []
        self.process_from = 0  # the step from which on it is one process that is sampled
        self._due, self._episodes = 0.0, 0

    def begin(self) -> None:
        """An episode of training begins."""
        self._episodes += 1

    def at(self, step: int, seconds: float, held: Callable[[], float]) -> None:
        """Take a sample if one is due.

        :param held: tells the MB that the process holds.
        """
        if step >= self._due:
            self._due = step + self.steps / SAMPLES
            taken = Sample(step, round(seconds, 3), round(held(), 1), self._episodes)
            self.samples.append(taken)


def samples(rows: Any) -> list[Sample]:
    """As they are kept in JSON; what is none is left out."""
    whole = (row for row in rows if isinstance(row, list) and len(row) == len(Sample._fields))
    return [Sample(*row) for row in whole if all(type(each) in (int, float) for each in row)]


def grown(
    taken: Sequence[Sample],
    learning_starts: int = 0,
    filling_mb: float = 0.0,
    process_from: int = 0,
) -> Iterator[Symptom]:
    """What grew in a run that has ended.

    :param learning_starts: the step before which an agent acts and does not learn.
    :param filling_mb: by how much its buffers fill in the second half.
    :param process_from: the step from which on one process made it: memory is looked at if that
        is no more than half the run, for another process holds another amount.
    """
    if len(taken) < 2 * PARTS:
        return
    start, end = taken[0].step, taken[-1].step
    first = learning_starts if learning_starts < end / 2 else 0
    if start <= max(first, end / SAMPLES) and (slower := _slower(taken, max(first, start))):
        yield slower
    if max(start, process_from) <= end / 2 and (larger := _larger(taken, end // 2, filling_mb)):
        yield larger


def _slower(taken: Sequence[Sample], first: int) -> Symptom | None:
    marks, seconds = _marks(taken, first, "seconds")
    if seconds[-1] - seconds[0] < LEAST_SECONDS:
        return None
    costs = np.diff(seconds) / np.diff(marks)
    dearer = all(after > DEARER * before for before, after in pairwise(costs))
    if not dearer or costs[-1] < DEARER_IN_ALL * costs[0]:
        return None
    spent, begun = np.diff(seconds), np.diff(_marks(taken, first, "episodes")[1])
    if spent[-1] * begun[0] < DEARER * spent[0] * begun[-1]:
        return None
    value = f"{1e3 * costs[0]:.3g} ms at first, {1e3 * costs[-1]:.3g} ms at the end"
    return Symptom("slows down", "CPU time of a step", first, value)


def _larger(taken: Sequence[Sample], half: int, filling_mb: float) -> Symptom | None:
    _, held = _marks(taken, half, "memory_mb")
    growth, least = held[-1] - held[0] - filling_mb, max(LEAST_MB, LARGER * held[0])
    even = growth / PARTS
    if growth < least or any(part < STEADY * even for part in np.diff(held)):
        return None
    value = f"{held[0]:,.0f} MB halfway, {held[-1]:,.0f} MB at the end"
    return Symptom("memory grows", "memory", half, value)


def _marks(taken: Sequence[Sample], first: int, what: str) -> tuple[Any, Any]:
    """At the ends of equal parts from `first` to the end: the steps, and what was measured."""
    marks = np.linspace(first, taken[-1].step, PARTS + 1)
    values = [getattr(sample, what) for sample in taken]
    return marks, np.interp(marks, [sample.step for sample in taken], values)
