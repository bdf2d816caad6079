"""How the runs of a sweep are spread over this machine, or several. One line each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from harness.config import declared, study
from harness.spec import RunSpec
from harness.train.executors.processes import processes
from harness.train.executors.serial import serial
from harness.train.run import Job

# An executor attempts every run once and returns; what came of it stands in the store. It calls
# `tick` about twice a second where it can, and lets a KeyboardInterrupt through with no run left.
Executor = Callable[[Sequence[RunSpec], Job, int, Callable[[], None]], None]

EXECUTORS: dict[str, Executor] = {
    "processes": processes,
    "serial": serial,
}


def executor(name: str) -> Executor:
    """One of EXECUTORS, or one that the user names or a package declares: "module:name".

    :raises KeyError: if there is none; its argument tells the way out. ValueError likewise.
    """
    target = declared.known("executors", name, EXECUTORS)
    if target in EXECUTORS:
        return EXECUTORS[target]
    study.name(target)
    made = study.thing(target)
    try:
        inspect.signature(made).bind(*range(4))
    except (TypeError, ValueError):
        raise ValueError(
            f"'{target}' is no executor: a function of (specs, job, workers, tick)"
        ) from None
    return made  # type: ignore[no-any-return]
