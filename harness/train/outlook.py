"""What a budget is expected to hold, by runs like those that are missing, and what it did not hold.

Estimates stand apart from the budget itself, which goes with every run: they are no source of what
is learned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.spec import RunSpec
from harness.store.estimate import Experience, duration, not_counted
from harness.store.reader import Store
from harness.train.budget import Budget


class Outlook:
    """Of the runs that are missing."""

    def __init__(self, budget: Budget, specs: Sequence[RunSpec], experience: Experience) -> None:
        self.budget, self.specs, self.experience = budget, specs, experience
        self._learned = -1

    def expect(self) -> None:
        """Of runs what is known of runs like them, if something new is."""
        if self.experience.learned != self._learned:
            self._learned = self.experience.learned
            known = ((spec, self.experience.seconds(spec)) for spec in self.specs)
            self.budget.expected = {s.key: _part(s) * t for s, t in known if t is not None}

    def over(self, left: Sequence[RunSpec], store: Store) -> Unfinished:
        """What is told of runs that found no time."""
        budget, whole = self.budget, duration(self.budget.seconds)
        to_come = [self.experience.left(spec, store) for spec in left]
        known = [seconds for seconds in to_come if seconds is not None]
        unknown = Counter(s.agent for s, time in zip(left, to_come, strict=True) if time is None)
        parts = [f"about {duration(sum(known))} of CPU time"] if known else []
        parts += [not_counted(unknown)] if unknown else []
        lines = [f"No more runs fit into {whole}: {len(left)} left, {'; '.join(parts)}."]
        kept = [(step, str(spec)) for spec in left if (step := store.barrier(spec).step)]
        if kept:
            step, furthest = max(kept)
            told = f"{len(kept)} of them go on from a barrier: the furthest is {furthest}"
            lines += [f"{told}, from step {step:,}."]
        long = [spec for spec in left if budget.expected.get(spec.key, 0.0) >= budget.seconds]
        if long:
            first = f"{long[0]} ({duration(budget.expected[long[0].key])})"
            lines += [f"{len(long)} of them take longer than that, first {first}: give more time."]
        return Unfinished([*lines, "What was finished is kept; the same command goes on."])


def _part(spec: RunSpec) -> float:
    """The part of a run after which something of it is kept."""
    return min(1.0, spec.checkpoint.every / spec.steps) if spec.checkpoint else 1.0


class Unfinished(Exception):
    """Runs are left, and no time.

    :param lines: what to tell whoever asked for them.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(*lines)
        self.lines = lines
