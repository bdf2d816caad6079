"""Where a run's scalars go while it trains, beside its own files: TensorBoard, Weights & Biases.

What a tracker is given is what train.jsonl and evals.jsonl hold, under the names of
`store.scalars`. No tracker decides a number, and nothing is read back from one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.spec import RunSpec


class Tracker(Protocol):
    """One place that scalars go to."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """What was measured at a step; several calls may have the same step."""

    def close(self) -> None:
        """The run has ended, in whichever way."""


class Kind(NamedTuple):
    """What a tracker needs, and how one is made for a run and its folder."""

    package: str
    extra: str  # that has the package
    open: Callable[[RunSpec, Path], Tracker]
    refused: Callable[[], str | None] = lambda: None  # why no run could be logged


def _event_files(spec: RunSpec, folder: Path) -> Tracker:
    from harness.train.event_files import EventFiles

    return EventFiles(folder)


def _wandb(spec: RunSpec, folder: Path) -> Tracker:
    from harness.train.wandb_log import WandbLog

    return WandbLog(spec, folder)


def _refused_by_wandb() -> str | None:
    from harness.train.wandb_log import refused

    return refused()


TRACKERS: Mapping[str, Kind] = {
    "tensorboard": Kind("tensorboard", "board", _event_files),
    "wandb": Kind("wandb", "wandb", _wandb, _refused_by_wandb),
}


def unavailable(name: str) -> str | None:
    """Why a tracker cannot be used, if so: asked before anything trains."""
    if name not in TRACKERS:
        return f"no tracker '{name}': there are {', '.join(TRACKERS)}"
    kind = TRACKERS[name]
    if find_spec(kind.package) is None:
        return f"{kind.package} is not installed: pip install 'rl-ablation-harness[{kind.extra}]'"
    return kind.refused()


class Trackers:
    """Those of one run, as one; closed when the run ends.

    They are opened with the first scalars: by then it is known whether the run goes on from a
    barrier, and what earlier attempts left is removed.
    """

    def __init__(self, names: Sequence[str], spec: RunSpec, folder: Path) -> None:
        self._waiting, self._spec, self._folder = list(names), spec, folder
        self._open = ExitStack()
        self.all: list[Tracker] = []

    def add(self, tracker: Tracker) -> None:
        self.all.append(tracker)
        self._open.callback(tracker.close)

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        while self._waiting:
            self.add(TRACKERS[self._waiting.pop(0)].open(self._spec, self._folder))
        for tracker in self.all:
            tracker.scalars(step, values)
