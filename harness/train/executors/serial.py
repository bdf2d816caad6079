"""One run after the other in this process: for debugging, and for machines without fork."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from harness.spec import Batch
from harness.store.reader import Store
from harness.store.writer import Busy
from harness.train.run import Job, run_batch


def serial(
    batches: Sequence[Batch], job: Job, workers: int = 1, tick: Callable[[], None] = lambda: None
) -> None:
    """Attempt every batch once. A run that another process is at is waited for, then looked at."""
    waiting, store = list(batches), Store(job.root)
    while waiting:
        busy = []
        for batch in waiting:
            tick()
            try:
                run_batch(batch, job)
            except Busy:
                busy.append(batch)
            except Exception:
                # A failed run has written down why, and the others go on. If the disk refused that,
                # it will refuse theirs.
                if not any(store.status(spec).failure for spec in batch.specs):
                    raise
        waiting = busy
        if waiting:
            time.sleep(1.0)
    tick()
