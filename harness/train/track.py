"""Where a run's scalars go while it trains, beside its own files: TensorBoard, Weights & Biases.

What a tracker is given is what train.jsonl and evals.jsonl hold, under the names of
`store.scalars`. No tracker decides a number, and nothing is read back from one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from harness.spec import RunSpec


class Tracker(Protocol):
    """One place that scalars go to. Its constructor is called with the spec and its folder."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """What was measured at a step; several calls may have the same step."""

    def close(self) -> None:
        """The run has ended, in whichever way."""


# What must be installed for each, and in which extra it is.
TRACKERS: Mapping[str, tuple[str, str]] = {
    "tensorboard": ("tensorboard", "board"),
    "wandb": ("wandb", "wandb"),
}


def unavailable(name: str) -> str | None:
    """Why a tracker cannot be used, if so: asked before anything trains."""
    if name not in TRACKERS:
        return f"no tracker '{name}': there are {', '.join(TRACKERS)}"
    package, extra = TRACKERS[name]
    if find_spec(package) is None:
        return f"{package} is not installed: pip install 'rl-ablation-harness[{extra}]'"
    return None


def _open(name: str, spec: RunSpec, folder: Path) -> Tracker:
    if name == "wandb":
        from harness.train.wandb_log import WandbLog

        return WandbLog(spec, folder)
    from harness.train.event_files import EventFiles

    return EventFiles(folder)


class Trackers:
    """Those of one run, as one; closed when the run ends."""

    def __init__(self, names: Sequence[str], spec: RunSpec, folder: Path) -> None:
        self._open = ExitStack()
        self.all: list[Tracker] = []
        for name in names:
            self.add(_open(name, spec, folder))

    def add(self, tracker: Tracker) -> None:
        self.all.append(tracker)
        self._open.callback(tracker.close)

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for tracker in self.all:
            tracker.scalars(step, values)
