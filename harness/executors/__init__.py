"""How the runs of a sweep are spread over this machine, or several. One line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.executors.processes import processes
from harness.executors.serial import serial
from harness.run import Job
from harness.spec import Batch

# An executor attempts every batch once and returns; what came of it stands in the store. It calls
# `tick` about twice a second where it can, and lets a KeyboardInterrupt through with no run left.
Executor = Callable[[Sequence[Batch], Job, int, Callable[[], None]], None]

EXECUTORS: dict[str, Executor] = {
    "processes": processes,
    "serial": serial,
}
