"""How the runs of a sweep are spread over this machine, or several. One line each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from harness.config import declared, study
from harness.config.option import spoken
from harness.config.strict import validate
from harness.spec import RunSpec
from harness.train.executors.processes import processes
from harness.train.executors.ray import Ray
from harness.train.executors.serial import serial
from harness.train.executors.slurm import Slurm
from harness.train.run import Job

# An executor attempts every run once and returns; what came of it stands in the store. It calls
# `tick` about twice a second where it can, and lets a KeyboardInterrupt through with no run left.
Executor = Callable[[Sequence[RunSpec], Job, int, Callable[[], None]], None]

# A class is a model of options, of which the instances are executors.
EXECUTORS: dict[str, Executor | type[Ray] | type[Slurm]] = {
    "processes": processes,
    "ray": Ray,
    "serial": serial,
    "slurm": Slurm,
}


def executor(text: str) -> Executor:
    """One of EXECUTORS, or one that the user names or a package declares: "module:name".

    :param text: its name; or with options, "{slurm: {partition: cpu}}".
    :raises KeyError: if there is none; its argument tells the way out. ValueError likewise.
    :raises UserError: if it is no YAML.
    """
    name, options = _parts(spoken("--executor", text, text))
    target = declared.known("executors", name, EXECUTORS)
    if target in EXECUTORS:
        return _shipped(target, options)
    if options:
        raise ValueError(f"'{target}' is a function, and takes no options")
    study.name(target)
    made = study.thing(target)
    try:
        inspect.signature(made).bind(*range(4))
    except (TypeError, ValueError):
        raise ValueError(
            f"'{target}' is no executor: a function of (specs, job, workers, tick)"
        ) from None
    return made  # type: ignore[no-any-return]


def _parts(said: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(said, dict) and len(said) == 1:
        ((name, options),) = said.items()
        if isinstance(name, str) and isinstance(options, dict | None):
            return name, options or {}
    if not isinstance(said, str):
        raise ValueError("write a name, or one with its options: {slurm: {partition: cpu}}")
    return said, {}


def _shipped(name: str, options: dict[str, Any]) -> Executor:
    made = EXECUTORS[name]
    if not isinstance(made, type):
        if options:
            raise ValueError(f"'{name}' takes no options")
        return made
    value, wrong = validate(options, made)
    if value is None:
        raise ValueError("; ".join(": ".join([".".join(map(str, at)), why]) for at, why in wrong))
    if why := value.missing():
        raise ValueError(why)
    return value
