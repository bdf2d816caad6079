"""The reader of all runs: which exist, which are missing, and what they scored.

A run's folder is results/runs/<agent>/<env>/<key>/ and its `result.json`, which is written last,
says that it is finished.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.health import Symptom, symptoms
from harness.spec import ResolvedSweep, RunSpec

State = Literal["finished", "failed", "running", "interrupted", "missing"]

KEY = re.compile("[0-9a-f]{16}")
MODEL_REPORT = "model_report"  # a folder of the run's: how true its model is
MODEL_MEASURES = 2  # raise it whenever measuring changes: older measures are made anew
FRAME_COLUMNS = ["arm", "env", "seed", "key", "step", "final", "mean", "sd", "episodes"]


class Visits(NamedTuple):
    """How often training came to each cell of a plane."""

    counts: NDArray[np.int64]  # (parts of the budget, height, width)
    reachable: NDArray[np.bool_]  # (height, width)


class Attempt(NamedTuple):
    """One start of a run and what it cost; if it was killed, up to its last sign of life.

    None: nobody wrote it down.
    """

    outcome: Literal["finished", "failed", "interrupted", "lost", "running"]
    wall_seconds: float | None
    cpu_seconds: float | None
    peak_memory_mb: float | None


@dataclass(frozen=True)
class RunStatus:
    """One run of a sweep as the store knows it."""

    spec: RunSpec
    state: State
    tries: tuple[Attempt, ...]  # oldest first
    result: dict[str, Any] | None  # result.json
    error: str | None  # the last line of the traceback, when it failed
    symptoms: tuple[Symptom, ...] = ()  # of the last attempt: see health.py

    @property
    def attempts(self) -> int:
        """Times it was started."""
        return len(self.tries)


class Store:
    """The runs and sweeps under one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, spec: RunSpec) -> Path:
        return self.root / "runs" / spec.agent / spec.env / spec.key

    def sweep_folder(self, name: str) -> Path:
        return self.root / "sweeps" / name

    def search_folder(self, name: str) -> Path:
        return self.root / "searches" / name

    def finished(self, spec: RunSpec) -> bool:
        return (self.folder(spec) / "result.json").exists()

    def missing(self, specs: Iterable[RunSpec]) -> list[RunSpec]:
        """Those that are not finished, each key once, in the order given."""
        unique = {spec.key: spec for spec in specs}
        return [spec for spec in unique.values() if not self.finished(spec)]

    def running(self, spec: RunSpec) -> bool:
        """Whether a living process, of this sweep or another, holds the run."""
        return lock_is_held(self.folder(spec) / "lock")

    def result(self, spec: RunSpec) -> dict[str, Any] | None:
        """result.json of a finished run."""
        return _json(self.folder(spec) / "result.json")

    def failure(self, spec: RunSpec) -> dict[str, Any] | None:
        """failure.json, of the last attempt: the error, and its traceback unless it was killed."""
        return _json(self.folder(spec) / "failure.json")

    def status(self, spec: RunSpec) -> RunStatus:
        folder = self.folder(spec)
        lines = list(_lines(folder / "attempts.jsonl"))
        result = _json(folder / "result.json")
        failure = _json(folder / "failure.json")
        state: State = "missing"
        if result:
            state = "finished"
        elif self.running(spec):
            state = "running"
        elif failure:
            state = "failed"
        elif lines:
            state = "interrupted"
        error = failure["error"] if failure and state == "failed" else None
        last = {} if result else _json(folder / "progress.json") or {}
        last["outcome"] = "running" if state == "running" else "lost"
        tries = tuple(_tries(lines, result or {}, last))
        seen = (result or {}, (failure or {}) if state == "failed" else {}, last)
        rows: list[list[Any]] = next(
            (part["symptoms"] for part in seen if part.get("symptoms")), []
        )
        return RunStatus(spec, state, tries, result, error, symptoms(rows))

    def frame(self, specs: Iterable[RunSpec]) -> pd.DataFrame:
        """Every evaluation of the finished runs among `specs`: one row each, FRAME_COLUMNS.

        `mean` and `sd` are over the raw returns of that evaluation's episodes; `final` marks the
        one after training, whose `step` is the budget. Rows follow `specs`, then `step`.
        """
        rows: list[tuple[Any, ...]] = []
        read: dict[str, list[tuple[Any, ...]]] = {}
        for spec in specs:
            key = spec.key
            if key not in read:
                read[key] = list(self._evaluations(spec)) if self.finished(spec) else []
            rows += [(spec.arm, spec.env, spec.seed, key, *values) for values in read[key]]
        return pd.DataFrame(rows, columns=FRAME_COLUMNS)

    def _evaluations(self, spec: RunSpec) -> Iterator[tuple[Any, ...]]:
        for line in _lines(self.folder(spec) / "evals.jsonl"):
            returns = np.array(line["returns"], dtype=float)
            mean, sd = float(returns.mean()), float(returns.std())
            yield line["step"], line["final"], mean, sd, len(returns)

    def find(self, name: str) -> Path | None:
        """The folder of a run, by its key or its own path, if there is one."""
        found = self.root.glob(f"runs/*/*/{name}") if KEY.fullmatch(name) else [Path(name)]
        try:
            return next((folder for folder in found if (folder / "spec.json").is_file()), None)
        except OSError:  # longer than a path may be
            return None

    def late_metric(self, spec: RunSpec, name: str) -> float | None:
        """The mean of a number that training told, over the last fifth of its budget."""
        lines = _lines(self.folder(spec) / "train.jsonl")
        told = [line[name] for line in lines if name in line and line["step"] > 0.8 * spec.steps]
        return float(np.mean(told)) if told and None not in told else None

    def visits(self, spec: RunSpec) -> Visits | None:
        """Of a finished run; None where states are no cells, and of runs older than the count."""
        path = self.folder(spec) / "visits.npz"
        if not (self.finished(spec) and path.is_file()):
            return None
        with np.load(path) as saved:
            return Visits(saved["visits"], saved["reachable"])

    def certificate(self, spec: RunSpec) -> dict[str, Any] | None:
        """What came of making the run once more, if `harness verify` did."""
        return _json(self.folder(spec) / "certificate.json")

    def model_measures(self, spec: RunSpec) -> dict[str, Any] | None:
        """How true the run's model of its environment is, if `harness model-report` measured it."""
        return model_measures(self.folder(spec))

    def sacred_records(self) -> dict[str, list[str]]:
        """By key, the names of what Sacred kept of each attempt: folders of <root>/sacred."""
        found: dict[str, list[str]] = {}
        names = (path.name for path in (self.root / "sacred").glob("*-*"))
        for name in sorted(names):
            found.setdefault(name.rpartition("-")[0], []).append(name)
        return found

    def sweeps(self) -> list[str]:
        return sorted(path.parent.name for path in self.root.glob("sweeps/*/sweep.json"))

    def sweep(self, name: str) -> ResolvedSweep:
        """The sweep as it was last started.

        :raises FileNotFoundError: if no sweep of that name was started in this results folder.
        """
        return ResolvedSweep.model_validate_json(
            (self.sweep_folder(name) / "sweep.json").read_text()
        )

    def history(self, name: str) -> list[dict[str, Any]]:
        """Every change of a sweep since it was first started, oldest first."""
        return list(_lines(self.sweep_folder(name) / "history.jsonl"))


def final_returns(folder: Path) -> list[float]:
    """The raw returns of the episodes of which a finished run's final score is the mean."""
    return list(next(line["returns"] for line in _lines(folder / "evals.jsonl") if line["final"]))


def model_measures(folder: Path) -> dict[str, Any] | None:
    """None: not yet, by another version of the measures, or of other weights than the run has."""
    found, result = _json(folder / MODEL_REPORT / "measures.json"), _json(folder / "result.json")
    if not found or not result:
        return None
    current = found["version"] == MODEL_MEASURES and found["weights"] == result["weights"]
    return found if current else None


def lock_is_held(path: Path) -> bool:
    """Whether some process holds the lock. The kernel lets go of it when its holder dies."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def _tries(
    lines: Sequence[dict[str, Any]], result: dict[str, Any], last: dict[str, Any]
) -> Iterator[Attempt]:
    """Each start with the end that follows it, if one does.

    :param result: says what the attempt that finished cost.
    :param last: how the last attempt stands, if nothing says that it ended.
    """
    nothing: dict[str, Any] = {}
    for line, after in zip_longest(lines, lines[1:], fillvalue=nothing):
        if "started" in line:
            end: dict[str, Any] = (
                after if "ended" in after else {"outcome": "lost"} if after else last
            )
            cost = result if end["outcome"] == "finished" else end
            wall = cost.get("wall_seconds")
            if wall is None and "ended" in end:  # older runs wrote down no more than when
                begun, ended = map(datetime.fromisoformat, (line["started"], end["ended"]))
                wall = (ended - begun).total_seconds()
            yield Attempt(end["outcome"], wall, cost.get("cpu_seconds"), cost.get("peak_memory_mb"))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that is only ever appended to; a torn last line is no line."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)
