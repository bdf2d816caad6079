"""The writer of one run: its files and its lock."""

from __future__ import annotations

import fcntl
import json
import math
import os
import resource
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.health import Symptom, diverged, of_error
from harness.spec import RunSpec

EVALS, TEST_EVALS, TRAIN = "evals.jsonl", "test_evals.jsonl", "train.jsonl"
CERTIFICATE = "certificate.json"  # `harness verify` made the run once more
VISITS = "visits.npz"
COSTS = ("wall_seconds", "cpu_seconds", "peak_memory_mb")  # of an attempt
HEARTBEAT = 1.0  # seconds between two lines about how far a run is


class Busy(Exception):
    """Another living process holds this run."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the run's folder. The kernel frees it when this process dies, however it dies.

    :raises Busy: if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Busy(folder.name) from None
    try:
        yield
    finally:
        os.close(handle)


class Record:
    """The files of one run, written so that a crash at any moment leaves nothing that misleads.

    `result.json` comes last and whole. What an unfinished attempt left is wiped by the next one,
    except for attempts.jsonl, which counts every start.
    """

    def __init__(self, folder: Path, spec: RunSpec) -> None:
        self.folder = folder
        self.spec = spec
        self._beat = 0.0
        self._clock = Clock()
        self._step = 0
        self.symptoms: list[Symptom] = []  # see health.py
        _end_lost_attempt(folder)
        for name in (
            EVALS, TEST_EVALS, TRAIN, VISITS, "failure.json", "progress.json", CERTIFICATE,
        ):  # fmt: skip
            (folder / name).unlink(missing_ok=True)
        write_json(folder / "spec.json", spec.model_dump(mode="json", exclude={"arm"}))
        start = {"started": now(), "pid": os.getpid(), "host": socket.gethostname()}
        append_json(folder / "attempts.jsonl", start)

    def evaluation(
        self,
        step: int,
        final: bool,
        returns: list[float],
        lengths: list[int],
        measures: Mapping[str, list[float]],
        on_test: bool,
    ) -> None:
        """One evaluation. The file holds nothing but outcomes: equal specs write equal bytes.

        :param measures: what the card reports beside the score, by name, one for each episode.
        :param on_test: on variants of the environment that training never sees.
        """
        row: dict[str, Any] = {"step": step, "final": final, "returns": returns}
        row |= {"lengths": lengths} | ({"measures": dict(measures)} if measures else {})
        append_json(self.folder / (TEST_EVALS if on_test else EVALS), row)

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """`seconds` are the CPU time of the process: see `Clock.cpu_seconds_before`.

        A number that is not finite is null: JSON has none.
        """
        values = {name: v if math.isfinite(v) else None for name, v in metrics.items()}
        row = {"step": step, "seconds": round(time.process_time(), 3), **values}
        append_json(self.folder / TRAIN, row, sync=False)

    def progress(self, step: int) -> None:
        """Tell whoever watches how far the run is; cheap, at most once a second."""
        self._step = step
        if time.monotonic() - self._beat < HEARTBEAT:
            return
        self._beat = time.monotonic()
        path = self.folder / "progress.json"
        scratch = path.with_suffix(".tmp")
        beat: dict[str, Any] = {"step": step, "steps": self.spec.steps, **self._clock.cost()}
        beat["symptoms"] = self.symptoms
        scratch.write_text(json.dumps(beat))
        scratch.replace(path)

    def finish(self, result: Mapping[str, Any]) -> None:
        end_attempt(self.folder, "finished")
        write_json(self.folder / "result.json", result)

    def interrupted(self) -> None:
        end_attempt(self.folder, "interrupted", self._clock.cost())

    def failed(self, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error))
        symptom = of_error(text, self._step)
        if symptom and not diverged(self.symptoms):
            self.symptoms.append(symptom)
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        write_failure(self.folder, reason, text, self.symptoms)
        end_attempt(self.folder, "failed", self._clock.cost())


def write_failure(
    folder: Path, error: str, text: str = "", symptoms: Sequence[Symptom] = ()
) -> None:
    """Leave the reason why a run ended without a result."""
    facts = {"error": error, "traceback": text, "at": now(), "symptoms": symptoms}
    write_json(folder / "failure.json", facts)


def end_attempt(folder: Path, outcome: str, cost: Mapping[str, float] | None = None) -> None:
    """:param cost: default: what its last sign of life says."""
    spent = last_beat(folder) if cost is None and outcome != "finished" else cost or {}
    append_json(folder / "attempts.jsonl", {"ended": now(), "outcome": outcome, **spent})


def last_beat(folder: Path) -> dict[str, float]:
    """What an attempt had cost when it last said how far it was."""
    try:
        beat = json.loads((folder / "progress.json").read_text())
    except FileNotFoundError:
        return {}
    return {name: beat[name] for name in COSTS if name in beat}


def _end_lost_attempt(folder: Path) -> None:
    """Close an attempt that was killed without a word, before its traces are wiped."""
    path = folder / "attempts.jsonl"
    if path.exists() and b'"ended"' not in path.read_bytes().splitlines()[-1]:
        end_attempt(folder, "lost")


class Clock:
    """What an attempt costs from here on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    @property
    def cpu_seconds_before(self) -> float:
        """What this process had spent by then: runs before, in a process that makes several."""
        return round(self._cpu, 3)

    def cpu(self) -> float:
        """CPU seconds so far, of all threads."""
        return time.process_time() - self._cpu

    def cost(self) -> dict[str, float]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        values = (
            round(time.monotonic() - self._wall, 3),
            round(self.cpu(), 3),
            round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
        )
        return dict(zip(COSTS, values, strict=True))


def write_json(path: Path, value: Any) -> None:
    """Replace a file in one step: after a crash it is the old one or the new one, whole."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=1, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def append_json(path: Path, value: Any, sync: bool = True) -> None:
    """Add a line. A torn last line, which only a crash can leave, is ended first."""
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b" torn\n")
        file.write(json.dumps(value).encode() + b"\n")
        if sync:
            file.flush()
            os.fsync(file.fileno())


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
