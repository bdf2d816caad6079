"""The limits of a run: beyond them it ends with that reason, whatever it is doing."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

from harness.spec import Limits

HOUR, GB = 3_600.0, 2**30
POLL = 0.2  # seconds between two looks: memory can grow by as much meanwhile
PATIENCE = 5.0  # seconds that a run has to end by itself
# Of a process that looks at no clock for so many seconds, and works for a smaller part of them: it
# was stopped, and such time does not count.
STOPPED, IDLE = 2.0, 0.01
DEAF = 30.0  # seconds after which one ends that lets nobody else run
FAILED = 1  # exit code: failure.json says why, unless the disk refused it


class LimitExceeded(RuntimeError):
    """A run took more than it may."""


def too_long(limits: Limits, seconds: float) -> str:
    """Why a run has ended after so many seconds; empty: it may take as many."""
    if limits.hours is None or seconds <= limits.hours * HOUR:
        return ""
    return f"it took more than {limits.hours:g} hours (limits.hours)"


def too_large(limits: Limits, size: int) -> str:
    """The same for the bytes of its process."""
    if limits.memory_gb is None or size <= limits.memory_gb * GB:
        return ""
    return f"its memory grew beyond {limits.memory_gb:g} GB (limits.memory_gb)"


@contextmanager
def enforced(
    limits: Limits, failed: Callable[[BaseException], None], taken: Callable[[], float]
) -> Iterator[None]:
    """Raise LimitExceeded in what is beyond its limits. If it does not end of that, as inside a
    call that never returns, the process ends.

    :param failed: writes down why, from another thread.
    :param taken: seconds so far, of all parts of the run.
    """
    if limits == Limits():
        yield
        return
    watch = _Watch(limits, failed, taken)
    before = signal.signal(signal.SIGTERM, watch.stop)
    if limits.hours is not None:
        # Python's other threads wait for a call that holds its lock; this one is none of Python's.
        _ring_in(limits.hours * HOUR - taken())
    watch.thread.start()
    try:
        yield
    finally:
        watch.end()
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGTERM, before)


def _ring_in(seconds: float) -> None:
    """End the process so late, unless that is put off meanwhile."""
    faulthandler.dump_traceback_later(max(seconds, 0.0) + DEAF, file=2, exit=True)


def _clocks() -> tuple[float, float]:
    """Seconds that have passed, and those that this process has worked."""
    return time.monotonic(), time.process_time()


class _Watch:
    """Looks at the clock and the memory of this process, from a thread of its own."""

    def __init__(
        self, limits: Limits, failed: Callable[[BaseException], None], taken: Callable[[], float]
    ) -> None:
        self.limits, self.failed, self.taken = limits, failed, taken
        self.thread = threading.Thread(target=self._look, daemon=True)
        self._error: LimitExceeded | None = None
        self._ended, self._turn = threading.Event(), threading.Lock()
        self._before = _clocks()  # here: the thread may be stopped before its first look

    def stop(self, number: int, frame: FrameType | None) -> None:
        """What SIGTERM does meanwhile, in the main thread."""
        raise self._error or KeyboardInterrupt

    def end(self) -> None:
        with self._turn:
            self._ended.set()

    def _look(self) -> None:
        process, stopped, why = psutil.Process(), 0.0, ""
        while not why:
            if self._ended.wait(POLL):
                return
            before, self._before = self._before, _clocks()
            passed, worked = (now - then for now, then in zip(self._before, before, strict=True))
            if passed > STOPPED and worked < IDLE * passed:  # by SIGSTOP, as a scheduler does
                stopped += passed
                with self._turn:
                    if self.limits.hours is not None and not self._ended.is_set():
                        _ring_in(self.limits.hours * HOUR - self.taken() + stopped)
            why = too_long(self.limits, self.taken() - stopped)
            why = why or too_large(self.limits, process.memory_info().rss)
        main = threading.main_thread().ident
        assert main is not None
        with self._turn:
            if self._ended.is_set():
                return
            self._error = LimitExceeded(why)
            signal.pthread_kill(main, signal.SIGTERM)
        if self._ended.wait(PATIENCE):
            return
        frames = sys._current_frames()  # noqa: SLF001 - the documented way to another's stack
        stack = traceback.format_stack(frames[main])
        self._error.add_note("It was here, and did not end:\n" + "".join(stack))
        self.failed(self._error)
        os.write(2, f"LimitExceeded: {why}\n".encode())
        for child in process.children(recursive=True):
            child.kill()
        os._exit(FAILED)
