"""The time that a command may take: what still fits into it, and what is left when it is over."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from harness.config.interrupt import importing
from harness.spec import RunSpec
from harness.store.estimate import Experience, duration, not_counted
from harness.store.reader import Store

BOOT = Path("/proc/sys/kernel/random/boot_id")
AGAIN = 0.05  # seconds: an alarm that found modules being imported rings once more


class OutOfTime(KeyboardInterrupt):
    """The time is over. Whatever runs ends as by Ctrl-C: with its files in order."""


class Paused(KeyboardInterrupt):
    """A run has come to a barrier, and there is no time to come to another."""


def _machine() -> str:
    """Names a machine from when it starts until it is switched off, in which its processes have
    one `time.monotonic`; empty: not known.
    """
    with suppress(OSError):
        return BOOT.read_text()
    return ""


class Budget:
    """So many seconds for the runs of one command.

    Every executor obeys it, a user's own too: `attempt` makes no run that does not fit any more.

    :param began: when the command did, by `time.monotonic`; default: now.
    """

    def __init__(self, seconds: float, began: float | None = None) -> None:
        self.seconds = seconds
        self._deadline = (time.monotonic() if began is None else began) + seconds
        # Seconds until something is kept, by key; others may take any time.
        self.expected: dict[str, float] = {}
        self._learned = -1

    def __getstate__(self) -> dict[str, Any]:
        """For a worker: until when, also in seconds since 1970, for another machine."""
        return vars(self) | {"_since": (_machine(), time.time() + self.left())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        machine, until = state.pop("_since")
        vars(self).update(state)
        if not machine or machine != _machine():
            self._deadline = time.monotonic() + until - time.time()

    def left(self) -> float:
        """Seconds, also on a machine whose clock is set meanwhile."""
        return self._deadline - time.monotonic()

    def fits(self, spec: RunSpec) -> bool:
        """Whether a run that starts now is expected to end in time, or to pass a barrier."""
        return self.lasts(self.expected.get(spec.key, 0.0))

    def lasts(self, seconds: float) -> bool:
        """Whether so many seconds are left."""
        return seconds < self.left()

    def judge(self, specs: Iterable[RunSpec], experience: Experience) -> None:
        """Expect of runs what is known of runs like them, if something new is."""
        if experience.learned != self._learned:
            self._learned = experience.learned
            known = ((spec, experience.seconds(spec)) for spec in specs)
            self.expected = {s.key: _part(s) * time for s, time in known if time is not None}

    @contextmanager
    def ending(self) -> Iterator[None]:
        """End what is done in it when the time is over; nothing comes of that here.

        By an alarm, for an executor may be inside a run and look at no clock.
        """

        def ring(number: int, frame: FrameType | None) -> None:
            if importing(frame):
                signal.setitimer(signal.ITIMER_REAL, AGAIN)
            else:
                raise OutOfTime

        before = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, max(AGAIN, self.left()))
            yield
        except OutOfTime:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def over(self, left: Sequence[RunSpec], store: Store, experience: Experience) -> Unfinished:
        """What is told of runs that found no time."""
        to_come, whole = [experience.left(spec, store) for spec in left], duration(self.seconds)
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
        long = [spec for spec in left if self.expected.get(spec.key, 0.0) >= self.seconds]
        if long:
            first = f"{long[0]} ({duration(self.expected[long[0].key])})"
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
