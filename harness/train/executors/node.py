"""What a task does on the machine to which an engine gave it: one run, which then travels home.

The process of a task holds the server from which runs are forked, so that importing is paid once
for all the tasks that it is given, and nothing leaks from run to run.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from harness.spec import RunSpec
from harness.store.away import Part, Watcher, parcels
from harness.store.reader import Store
from harness.store.scratch import scratch
from harness.train import shipment
from harness.train.executors.processes import Server, attempts, prepare
from harness.train.run import Job

_held = ExitStack()


def make(
    spec_json: str, job: Job, server: Server, every: float
) -> Iterator[dict[str, bytes] | list[Part]]:
    """Make a run: signs of life, at most one in `every` seconds, then what came of it.

    :param job: its results folder and study are of another machine.
    """
    spec = RunSpec.model_validate_json(spec_json)
    prepare(server)
    root = _place() / spec.key
    shutil.rmtree(root, ignore_errors=True)  # of an attempt that was cut short
    root.mkdir()
    try:
        store = Store(root)
        watcher, told = Watcher(spec, store), 0.0
        here = job._replace(root=root, study=shipment.enter())
        for _ in attempts([spec], here, 1):
            if time.monotonic() - told >= every and (news := watcher.news()):
                told = time.monotonic()
                yield news
        yield from parcels(spec, store)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@cache
def _place() -> Path:
    """Where this process makes its runs; if it is killed, the next that comes removes it."""
    return _held.enter_context(scratch())
