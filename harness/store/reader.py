"""The reader of all runs: which exist, which are missing, and what they scored.

A run's folder is results/runs/<agent>/<env>/<key>/ and its `result.json`, which is written last,
says that it is finished. A run whose files are not those that it wrote is damaged: it has no score,
and the same sweep trains it again. Nothing here changes a file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from pydantic import ValidationError

from harness.config.name import as_file, is_name
from harness.spec import ImportedRun, Metric, ResolvedSweep, Run
from harness.store import checkpoint, files, run_files
from harness.store.files import Damage, Damaged
from harness.store.health import WASTEFUL, Symptom, symptoms
from harness.store.layout import EVALS, FAILURE, LOCK, RESULT, SPEC, TRAIN
from harness.store.run_files import COSTS, OTHER_MODE, Film, Measured, RunFiles, Visits
from harness.store.scalars import Series, training

# damaged: there is a result, and its files are not those that the run wrote
State = Literal["finished", "failed", "running", "interrupted", "damaged", "missing"]

SWEEP, HISTORY = "sweep.json", "history.jsonl"  # in the folder of a sweep
STARTS_ANEW = "`harness sweep` with its file writes it again"
R = TypeVar("R", bound=Run)
FRAME_COLUMNS = ["arm", "env", "seed", "key", "step", "final", "mean", "sd", "episodes"]


class Attempt(NamedTuple):
    """One start of a run and what it cost; if it was killed, up to its last sign of life.

    None: nobody wrote it down.
    """

    outcome: Literal["finished", "failed", "interrupted", "lost", "running"]
    wall_seconds: float | None
    cpu_seconds: float | None
    peak_memory_mb: float | None


class Reached(NamedTuple):
    """How far an unfinished run came, and what it had cost by then."""

    step: int
    wall_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class RunStatus(RunFiles):
    """One run of a sweep as the store knows it."""

    spec: Run
    state: State
    tries: tuple[Attempt, ...]  # oldest first
    error: str | None  # why it failed, or which of its files is damaged
    symptoms: tuple[Symptom, ...]  # of the last attempt: see health.py
    waste: tuple[Symptom, ...]  # what it took more and more of: see growth.py

    @property
    def attempts(self) -> int:
        """Times it was started."""
        return len(self.tries)


class Store:
    """The runs and sweeps under one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, spec: Run) -> Path:
        """An imported run lies where no agent's can: `import` is no name of a module."""
        if isinstance(spec, ImportedRun):
            return self.imported(spec.origin.name) / as_file(spec.env) / spec.key
        return self.root / "runs" / as_file(spec.agent) / as_file(spec.env) / spec.key

    def imported(self, name: str) -> Path:
        """The folder of all runs of an import."""
        return self.root / "runs" / f"import.{_named(name)}"

    def sweep_folder(self, name: str) -> Path:
        return self.root / "sweeps" / _named(name)

    def board_folder(self, name: str) -> Path:
        """What TensorBoard shows of a sweep."""
        return self.root / "boards" / _named(name)

    def search_folder(self, name: str) -> Path:
        return self.root / "searches" / _named(name)

    def finished(self, spec: Run) -> bool:
        """Whether it has a result, and all of its files are as it left them."""
        return self.result(spec) is not None

    def missing(self, specs: Iterable[R]) -> list[R]:
        """Those that are not finished, each key once, in the order given."""
        unique = {spec.key: spec for spec in specs}
        return [spec for spec in unique.values() if not self.finished(spec)]

    def running(self, spec: Run) -> bool:
        """Whether a living process, of this sweep or another, holds the run."""
        return files.lock_is_held(self.folder(spec) / LOCK)

    def result(self, spec: Run) -> dict[str, Any] | None:
        """result.json of a finished run."""
        return run_files.finished(self.folder(spec))[0]

    def pace(self, spec: Run) -> tuple[float, float] | None:
        """The step that an attempt has reached, and its steps a second; None: it says nothing."""
        progress = run_files.look(self.folder(spec)).progress
        if progress is None:
            return None
        step, seconds = progress["step"], progress.get("wall_seconds", 0.0)
        made = step - progress.get("from_step", 0)
        return float(step), made / seconds if seconds else 0.0

    def barrier(self, spec: Run) -> Reached:
        """What the next attempt at an unfinished run goes on from; step 0: it begins anew."""
        facts = None
        if not isinstance(spec, ImportedRun) and spec.checkpoint:
            with suppress(Damaged):
                facts = checkpoint.read(self.folder(spec))
        if facts is None:
            return Reached(0, 0.0, 0.0)
        cost = facts["cost"]
        return Reached(facts["step"], cost["wall_seconds"], cost["cpu_seconds"])

    def latest_score(self, spec: Run) -> tuple[float, float] | None:
        """When a run was last evaluated, in seconds since 1970, and its mean return then."""
        path = self.folder(spec) / EVALS
        log = files.read_lines(path, run_files.wrong_evaluation)
        played = [row for row in log.rows if not row.get(OTHER_MODE)]
        written = _written(path)
        if written is None or not played or not played[-1].get("returns"):
            return None
        return written, float(np.mean(played[-1]["returns"]))

    def failure(self, spec: Run) -> tuple[int, int] | None:
        """Which failure an attempt has left: each is another one; None: there is none.

        Not when: clocks are set, and two machines have two.
        """
        try:
            facts = (self.folder(spec) / FAILURE).stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns

    def status(self, spec: Run) -> RunStatus:
        folder = self.folder(spec)
        run = run_files.look(folder)
        state, error = self._state(spec, run), None
        if state == "damaged":
            error = _told(folder, run.broken)
        elif state == "failed" and run.failure:
            error = run.failure["error"]
        elif state == "failed":
            error = f"the reason cannot be read: {_told(folder, run.aside)}"
        last = dict(run.progress or {})
        last["outcome"] = "running" if state == "running" else "lost"
        told = (run.result, run.failure if state == "failed" else None, run.progress)
        rows = next((part["symptoms"] for part in told if part and part.get("symptoms")), ())
        found = symptoms(rows)
        return RunStatus(
            **vars(run),
            spec=spec,
            state=state,
            tries=() if isinstance(spec, ImportedRun) else tuple(_tries(run, last)),
            error=error,
            symptoms=tuple(each for each in found if each.kind not in WASTEFUL),
            waste=tuple(each for each in found if each.kind in WASTEFUL),
        )

    def _state(self, spec: Run, run: RunFiles) -> State:
        folder = self.folder(spec)
        if run.result:
            return "finished"
        if self.running(spec):
            return "running"
        if run.broken:
            return "damaged"
        if os.path.lexists(folder / FAILURE):
            return "failed"
        return "interrupted" if run.log else "missing"

    def frame(self, specs: Iterable[Run]) -> pd.DataFrame:
        """Every evaluation of the finished runs among `specs`: one row each, FRAME_COLUMNS.

        `mean` and `sd` are over the raw returns of that evaluation's episodes; `final` marks the
        one after training, whose `step` is the budget. Rows follow `specs`, then `step`. Of an
        imported score the episodes may not be known: `sd` and `episodes` are NaN.
        """
        rows: list[tuple[Any, ...]] = []
        read: dict[str, list[tuple[Any, ...]]] = {}
        for spec in specs:
            key = spec.key
            if key not in read:
                read[key] = list(self._evaluations(spec)) if self.finished(spec) else []
            rows += [(spec.arm, spec.env, spec.seed, key, *values) for values in read[key]]
        return pd.DataFrame(rows, columns=FRAME_COLUMNS)

    def _evaluations(self, spec: Run) -> Iterator[tuple[Any, ...]]:
        for line in run_files.evaluations(self.folder(spec)):
            if "mean" in line:
                yield line["step"], line["final"], line["mean"], math.nan, math.nan
                continue
            returns = np.array(line["returns"], dtype=float)
            mean, sd = float(returns.mean()), float(returns.std())
            yield line["step"], line["final"], mean, sd, len(returns)

    def find(self, name: str) -> Path | None:
        """The folder of a run, by its key or its own path, if there is one."""
        folders = self.root.glob(f"runs/*/*/{name}") if run_files.is_key(name) else [Path(name)]
        runs = (each for each in folders if any(os.path.lexists(each / n) for n in (SPEC, RESULT)))
        return next(runs, None)

    def newest(self, agent: str, env: str) -> Path | None:
        """The run of the two that was finished last."""
        ended = {}
        for path in self.root.glob(f"runs/{as_file(agent)}/{as_file(env)}/*"):
            result = run_files.finished(path)[0] if run_files.is_key(path.name) else None
            if result:
                ended[path] = str(result.get("ended"))
        return max(ended, key=lambda path: ended[path], default=None)

    def late_metric(self, spec: Run, name: str) -> float | None:
        """The mean of a number that training told, over the last fifth of its budget."""
        lines = files.read_lines(self.folder(spec) / TRAIN).rows
        values = [row[name] for row in lines if name in row and row["step"] > 0.8 * spec.steps]
        return None if not values or None in values else float(np.mean(values))  # type: ignore[arg-type]

    def training(self, spec: Run) -> dict[str, Series]:
        """What a run's training logged so far, by name."""
        return training(self.folder(spec))

    def measured(self, spec: Run, metric: Metric) -> Measured | None:
        """What a metric made of a finished run; None: nothing yet, or nothing that can be read."""
        result = self.result(spec)
        if result is None:
            return None
        with suppress(Damaged):
            return run_files.measured(self.folder(spec), metric, str(result.get("weights")))
        return None

    def unmeasured(self, specs: Iterable[R], metrics: Sequence[Metric]) -> list[R]:
        """The finished runs that a metric has not made a number of, each key once."""
        unique = {spec.key: spec for spec in specs}.values() if metrics else ()
        return [
            spec
            for spec in unique
            if self.finished(spec)
            and not all((made := self.measured(spec, m)) and not made.error for m in metrics)
        ]

    def looked_at(self, spec: Run, metrics: Sequence[Metric]) -> bool:
        """Whether each metric has made a number of a finished run, or failed to."""
        return all(self.measured(spec, metric) is not None for metric in metrics)

    def film(self, spec: Run) -> Film | None:
        """The film that is kept of a finished run; None: there is none that can be shown."""
        result = self.result(spec)
        if result is None:
            return None
        with suppress(Damaged):
            return run_files.film(self.folder(spec), str(result.get("weights")))
        return None

    def visits(self, spec: Run) -> Visits | None:
        """Of a finished run; None where states are no cells, and of runs older than the count."""
        return run_files.visits(self.folder(spec)) if self.finished(spec) else None

    def sacred_records(self) -> dict[str, list[str]]:
        """By key, the names of what Sacred kept of each attempt: folders of <root>/sacred."""
        records: dict[str, list[str]] = {}
        names = (path.name for path in (self.root / "sacred").glob("*-*"))
        for name in sorted(names):
            records.setdefault(name.rpartition("-")[0], []).append(name)
        return records

    def sweeps(self) -> list[str]:
        folders = self.root.glob("sweeps/*")
        return sorted(path.name for path in folders if os.path.lexists(path / SWEEP))

    def sweep(self, name: str) -> ResolvedSweep:
        """The sweep as it was last started.

        :raises FileNotFoundError: if no sweep of that name was started in this results folder.
        :raises Damaged: if what was written down of it cannot be used.
        """
        path = self.sweep_folder(name) / SWEEP
        try:
            facts = files.read_json(path, {"name": str, "runs": list})
            if facts is None:
                raise FileNotFoundError(path)
            if facts["name"] != name:
                raise Damaged(path, f"it is swapped: it is that of the sweep '{facts['name']}'")
            return ResolvedSweep.model_validate(facts)
        except Damaged as error:
            where, why = error.damage
            raise Damaged(where, f"{why}: {STARTS_ANEW}") from None
        except ValidationError as error:
            why = f"it is no sweep of this version ({error.errors()[0]['msg']}): {STARTS_ANEW}"
            raise Damaged(path, why) from None

    def history(self, name: str) -> files.Log:
        """Every change of a sweep since it was first started, oldest first."""
        path = self.sweep_folder(name) / HISTORY
        log = files.read_lines(path, wrong_change)
        if log.torn and log.damage is None and not self._tells_of(name, log):
            return log._replace(damage=Damage(path, "its last line is cut short"))
        return log

    def _tells_of(self, name: str, log: files.Log) -> bool:
        """Whether one of the changes is the one that made the sweep what it is."""
        try:
            facts = files.read_json(self.sweep_folder(name) / SWEEP, {}, sealed=False) or {}
        except Damaged:
            return True
        return any(row.get("sha256") == facts.get(files.SEAL) for row in log.rows)

    def histories(self) -> dict[str, list[dict[str, Any]]]:
        """Of every sweep that was started here, by its name."""
        folders = sorted(self.root.glob("sweeps/*"))
        return {folder.name: self.history(folder.name).rows for folder in folders}

    def lost_histories(self) -> tuple[str, ...]:
        """The sweeps of whose history some is or was damaged: it may not tell every look."""
        return tuple(
            folder.name
            for folder in sorted(self.root.glob("sweeps/*"))
            if self.history(folder.name).damage or files.was_set_aside(folder / HISTORY)
        )

    def reported(self, name: str) -> bool:
        """Whether a report of the sweep has been written."""
        return (self.sweep_folder(name) / "report" / "report.md").exists()


_CHANGE: files.Kinds = {
    "at": str, "seeds": list, "claims": list, "declares": list, "reported": bool, "finished": dict,
}  # fmt: skip


def wrong_change(row: Mapping[str, Any]) -> str:
    """What is wrong with a line of history.jsonl."""
    flaw = files.unlike(row, _CHANGE)
    if not flaw and not all(type(seed) is int for seed in row["seeds"]):
        flaw = "'seeds' are no numbers"
    if not flaw and not all(isinstance(text, str) for text in (*row["claims"], *row["declares"])):
        flaw = "'claims' are no texts"
    if not flaw and not run_files.is_time(row["at"]):
        flaw = "'at' is no time"
    return flaw


def _named(name: str) -> str:
    """:raises FileNotFoundError: for a path: nothing in the store is called so."""
    if not is_name(name):
        raise FileNotFoundError(name)
    return name


def _written(path: Path) -> float | None:
    """When a file was written; None: there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _told(folder: Path, damages: Sequence[Damage]) -> str:
    names = (d.path.relative_to(folder) if folder in d.path.parents else d.path for d in damages)
    return "; ".join(f"{n.as_posix()}: {d.why}" for n, d in zip(names, damages, strict=True))


def _tries(run: RunFiles, last: Mapping[str, Any]) -> Iterator[Attempt]:
    """Each start with the end that follows it, if one does. The last attempt of a finished run made
    its result, also when nothing says so.

    :param last: how the last attempt stands, if nothing says that it ended.
    """
    lines, result = run.log, run.result
    starts = [i for i, line in enumerate(lines) if "started" in line]
    for i in starts:
        after = lines[i + 1] if i + 1 < len(lines) else {}
        end: Mapping[str, Any] = after if "ended" in after else {"outcome": "lost"}
        if i == starts[-1] and result:
            costs = {name: result[name] for name in COSTS if name in result}
            # Of a run that went on from a barrier they are those of all its parts.
            end = {**costs, **end} if result.get("resumed") else {**end, **costs}
            end["outcome"] = "finished"
        elif end["outcome"] == "finished":  # of which the result is gone
            end = {**end, "outcome": "lost"}
        elif i == starts[-1] and "ended" not in end:
            end = last
        wall = end.get("wall_seconds")
        if wall is None and "ended" in end:  # nobody wrote down more than when
            begun, ended = map(datetime.fromisoformat, (lines[i]["started"], end["ended"]))
            seconds = (ended - begun).total_seconds()
            wall = seconds if seconds >= 0 else None  # the clock was set meanwhile
        yield Attempt(end["outcome"], wall, end.get("cpu_seconds"), end.get("peak_memory_mb"))
    if result and not starts:  # its log was lost
        yield Attempt("finished", *(result.get(name) for name in COSTS))
