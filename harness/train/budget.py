"""The time that a command may take, and what still fits into it; see `outlook.py`."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from harness.config.interrupt import importing
from harness.spec import RunSpec

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
