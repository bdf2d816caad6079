"""A sweep as one tidy table: a row for each evaluation, with all that is known of its run.

A run without a result has one row, without a return: nothing that was planned is left out.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.config.tree import flat, written
from harness.spec import ResolvedSweep, Run, RunSpec
from harness.store.cost import spent
from harness.store.files import make_folder, write_whole
from harness.store.reader import RunStatus, Store

SETTING, METRIC = "hparams.", "metrics."  # begin the columns that differ between sweeps
# In the order of the file: what each column is, and its unit.
COLUMNS = {
    "arm": "label of the arm",
    "env": "environment",
    "seed": "seed of the run",
    "step": "environment steps by then",
    "return": "mean return of the evaluation's episodes",
    "final": "whether it is the evaluation after training",
    "sd": "standard deviation over those episodes (divided by n)",
    "episodes": "their number",
    "agent": "agent; empty: imported",
    "key": "of the run: results/runs/*/*/KEY",
    "state": "finished, imported, failed, interrupted, running, damaged or missing",
    "steps": "budget in environment steps",
    "steps_trained": "of those, the steps that it learned from",
    "attempts": "starts of the run",
    "wall_seconds": "of all starts together, evaluation included",
    "cpu_seconds": "of all starts together, evaluation included",
    "evaluation_seconds": "CPU seconds of evaluation, of the start that finished",
    "peak_memory_mb": "largest of all starts",
}

WHOLE = ("step", "episodes", "steps", "steps_trained", "attempts")  # numbers, where known


class Exported(NamedTuple):
    """What was written, and why something was not."""

    files: tuple[Path, ...]
    note: str = ""


def evaluations(sweep: ResolvedSweep, store: Store) -> pd.DataFrame:
    """A row for each evaluation of each run that has a score: see `python.Results.frame`."""
    frame = store.frame(sweep.runs).rename(columns={"mean": "score"})
    for metric in sweep.metrics:
        made = {run.key: store.measured(run, metric) for run in sweep.runs}
        numbers = {key: one.value for key, one in made.items() if one is not None}
        frame[metric.name] = frame["key"].map(numbers).where(frame["final"]).astype(float)
    told = {run.key: {"agent": _agent(run), **_settings(run)} for run in sweep.runs}
    return frame.join(pd.DataFrame.from_dict(told, orient="index"), on="key")


def table(sweep: ResolvedSweep, store: Store) -> pd.DataFrame:
    """COLUMNS, then metrics of the user's own and hyper-parameters."""
    names = {metric.name: METRIC + metric.name for metric in sweep.metrics}
    frame = evaluations(sweep, store).rename(columns={"score": "return", **names})
    facts = {run.key: dict(_facts(store.status(run))) for run in sweep.runs}
    scored = set(frame["key"])
    without = [
        {"arm": run.arm, "env": run.env, "seed": run.seed, "key": run.key, "agent": _agent(run),
         **_settings(run)}
        for run in sweep.runs if run.key not in scored
    ]  # fmt: skip
    if without:
        frame = pd.concat([frame, pd.DataFrame(without)], ignore_index=True)
    frame = frame.join(pd.DataFrame.from_dict(facts, orient="index"), on="key")
    for name in WHOLE:
        frame[name] = frame[name].astype("Int64")
    frame["final"] = frame["final"].astype("boolean")
    more = sorted(name for name in frame.columns if name.startswith((SETTING, METRIC)))
    for name in more:
        frame[name] = _plain(frame[name])
    return frame.reindex(columns=[*COLUMNS, *more])


def write(sweep: ResolvedSweep, store: Store, folder: Path) -> Exported:
    """NAME.csv and NAME.parquet."""
    made, folder = table(sweep, store), Path(folder)
    make_folder(folder)
    csv = folder / f"{sweep.name}.csv"
    write_whole(csv, made.to_csv(index=False, lineterminator="\n").encode())
    content = io.BytesIO()
    try:
        made.to_parquet(content, index=False, engine="pyarrow")
    except ImportError:
        note = "no Parquet, which needs pyarrow: pip install 'rl-ablation-harness[export]'"
        return Exported((csv,), note)
    parquet = csv.with_suffix(".parquet")
    write_whole(parquet, content.getvalue())
    return Exported((csv, parquet))


def _agent(run: Run) -> str:
    return run.agent if isinstance(run, RunSpec) else ""


def _settings(run: Run) -> dict[str, Any]:
    return {f"{SETTING}{name}": value for name, value in flat(run.hparams).items()}


def _facts(status: RunStatus) -> Iterator[tuple[str, Any]]:
    """What is known of a run beside its evaluations."""
    run, result = status.spec, status.result or {}
    made_here = isinstance(run, RunSpec)
    yield "state", status.state if made_here or status.state != "finished" else "imported"
    yield "steps", run.steps or math.nan
    yield "steps_trained", result.get("steps_trained", math.nan)
    yield "evaluation_seconds", result.get("evaluation_seconds", math.nan)
    whole = spent([status]).total
    yield "attempts", whole.attempts if made_here else math.nan
    known = whole.attempts > 0
    yield "wall_seconds", whole.wall_seconds if known and not whole.no_wall else math.nan
    yield "cpu_seconds", whole.cpu_seconds if known and not whole.no_cpu else math.nan
    yield "peak_memory_mb", math.nan if whole.peak_memory_mb is None else whole.peak_memory_mb


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers, or text where not all are: JSON for what has parts."""
    known = [value for value in column if not _absent(value)]
    if all(type(value) in (int, float) for value in known):
        return column.astype(float)
    if all(isinstance(value, bool) for value in known):
        return column.astype("boolean")
    return column.map(lambda value: None if _absent(value) else written(value))


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
