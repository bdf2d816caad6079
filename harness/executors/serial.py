"""One run after the other in this process: for debugging, and for machines without fork."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from harness.record import Busy
from harness.run import Job, run_batch
from harness.spec import Batch


def serial(
    batches: Sequence[Batch], job: Job, workers: int = 1, tick: Callable[[], None] = lambda: None
) -> None:
    """Attempt every batch once. A run that another process is at is waited for, then looked at."""
    waiting = list(batches)
    while waiting:
        busy = []
        for batch in waiting:
            tick()
            # A failed run has written down why; the others go on.
            with contextlib.suppress(Exception):
                try:
                    run_batch(batch, job)
                except Busy:
                    busy.append(batch)
        waiting = busy
        if waiting:
            time.sleep(1.0)
    tick()
