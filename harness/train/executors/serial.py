"""One run after the other in this process: for debugging, and for machines without fork."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from harness.spec import RunSpec
from harness.store.reader import Store
from harness.store.writer import Busy
from harness.train.run import Job, attempt


def serial(
    specs: Sequence[RunSpec], job: Job, workers: int = 1, tick: Callable[[], None] = lambda: None
) -> None:
    """One run after the other in this process.

    A run that another process is at is waited for, then looked at.
    """
    waiting, store = list(specs), Store(job.root)
    while waiting:
        busy = []
        for spec in waiting:
            tick()
            try:
                attempt(spec, job)
            except Busy:
                busy.append(spec)
            except Exception:
                # A failed run has written down why, and the others go on. If the disk refused that,
                # it will refuse theirs.
                if not store.status(spec).failure:
                    raise
        waiting = [spec for spec in busy if job.fits(spec)]
        if waiting:
            time.sleep(1.0)
    tick()
