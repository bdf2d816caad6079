"""How the runs of a sweep are spread over this machine, or several. One line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.spec import Batch
from harness.train.executors.processes import processes
from harness.train.executors.serial import serial
from harness.train.run import Job

# An executor attempts every batch once and returns; what came of it stands in the store. It calls
# `tick` about twice a second where it can, and lets a KeyboardInterrupt through with no run left.
Executor = Callable[[Sequence[Batch], Job, int, Callable[[], None]], None]

EXECUTORS: dict[str, Executor] = {
    "processes": processes,
    "serial": serial,
}
