"""TensorBoard's event files, in a run's folder: written while it trains, or from its records."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.config.name import as_file
from harness.spec import Run, RunSpec
from harness.store import files, run_files, scalars
from harness.store.reader import Store


class EventFiles:
    """A tracker.

    :param folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        place = run_files.events(folder)
        files.make_way(place)  # of a link that leads elsewhere
        self._writer: Any = _writer(place)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._writer.add_event(_event(step, values, time.time()))

    def close(self) -> None:
        self._writer.close()


def write(folder: Path) -> None:
    """The event files of a finished run, from its records, if it has none yet.

    TensorBoard's clock then shows when the run was at it, as far as its CPU time tells.
    """
    place = run_files.events(folder)
    if place.is_dir() and any(place.glob("events.*")):
        return
    result = run_files.finished(folder)[0] or {}
    known = run_files.is_time(result.get("started"))
    started = datetime.fromisoformat(result["started"]).timestamp() if known else time.time()
    before = float(result.get("cpu_seconds_before", 0.0))
    with files.replacing(place) as new:
        writer = _writer(new)
        for point in scalars.recorded(folder):
            at = started + (0.0 if point.seconds is None else point.seconds - before)
            writer.add_event(_event(point.step, point.values, at))
        writer.close()


def lay_out(name: str, runs: Iterable[Run], store: Store) -> Path:
    """A folder for TensorBoard in which the runs of a sweep are environment/arm/seed.

    It holds links to the folders of event files, also of those that are not there yet.
    """
    board = store.board_folder(name)
    with files.replacing(board) as new:
        for run in runs:
            if not isinstance(run, RunSpec):
                continue
            link = Path(as_file(run.env), as_file(run.arm), f"seed_{run.seed}")
            (new / link).parent.mkdir(parents=True, exist_ok=True)
            target = run_files.events(store.folder(run))
            (new / link).symlink_to(os.path.relpath(target, (board / link).parent))
    return board


def _writer(folder: Path) -> Any:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    return EventFileWriter(str(folder))


def _event(step: int, values: Mapping[str, float], at: float) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    parts = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    return Event(wall_time=at, step=step, summary=Summary(value=parts))
