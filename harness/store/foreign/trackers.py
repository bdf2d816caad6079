"""CSV exports of experiment trackers.

Weights & Biases: of a chart, with a column for each run, `"Step","run - metric",
"run - metric__MIN","run - metric__MAX"`; of the API, `run.history().to_csv(file)`, a file for each
run with `_step` and the metrics. MLflow: `metrics.csv` of its metric page, with run_id, key, value,
step, timestamp; `mlflow experiments csv` and `search_runs().to_csv(file)`, with a row for each run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.config.strict import suggest
from harness.config.tree import grouped
from harness.store.foreign.names import PARTS, Names, name_of
from harness.store.foreign.series import ONE_RUN, Flaws, Score, Series, digest, settings
from harness.store.foreign.table import Csv, Row, read

BETWEEN = " - "  # a run's name and the metric
ENDS = ("__MIN", "__MAX")
OWN = "_"  # begins what W&B logs by itself: _step, _runtime, _timestamp
HISTORY = {"run_id", "key", "value", "step"}
RUN_NAME = "tags.mlflow.runName"
FINISHED = "FINISHED"  # the status of a run of MLflow that came to its end
METRIC, PARAM = "metrics.", "params."


def is_wandb(head: tuple[str, ...]) -> bool:
    """Whether a table is one of W&B's: of a chart, or of a run's history."""
    return "_step" in head or any(name.endswith(ENDS) and BETWEEN in name for name in head)


def is_mlflow(head: tuple[str, ...]) -> bool:
    return set(head) >= HISTORY or {"run_id", "experiment_id"} <= set(head)


# Weights & Biases --------------------------------------------------------------------------------


def wandb(files: list[Path], root: Path, tag: str, step: str, names: Names) -> list[Series]:
    """:param step: the column of steps; empty: the first of a chart, `_step` of a history."""
    flaws, found = Flaws(), list[Series]()
    for file in files:
        table = read(file)
        if "_step" in table.head:
            name = name_of(file, root)
            name = name if names.of_files else name.removesuffix(".csv")
            columns = {name: _metric(table, list(table.head), tag, flaws)}
        else:
            columns = _of_chart(table, tag, flaws)
        steps = step or ("_step" if "_step" in table.head else table.head[0])
        if steps not in table.head:
            hint = suggest(steps, table.head)
            flaws.add(file, 1, "", f"no column '{steps}', which is to be step.{hint}")
            continue
        for name, column in columns.items():
            whose = names.of(name, flaws, file) if column else None
            if whose is not None:
                score = column.removeprefix(name + BETWEEN)
                scores = _column(table, table.rows, steps, column, flaws)
                found.append(Series(whose, file, digest(file), score, scores))
    flaws.check()
    return found


def _of_chart(table: Csv, tag: str, flaws: Flaws) -> dict[str, str]:
    """The column of each run's metric, by the run's name."""
    columns = [
        name for name in table.head[1:]
        if BETWEEN in name and not name.endswith(ENDS)
        and not name.rpartition(BETWEEN)[2].startswith(OWN)
    ]  # fmt: skip
    metrics = list(dict.fromkeys(name.rpartition(BETWEEN)[2] for name in columns))
    chosen = tag or (metrics[0] if len(metrics) == 1 else "")
    end = BETWEEN + chosen
    runs = {name.removesuffix(end): name for name in columns if chosen and name.endswith(end)}
    if not runs:
        flaws.add(table.file, 1, "", _which(tag, metrics))
    return runs


def _metric(table: Csv, columns: list[str], tag: str, flaws: Flaws) -> str:
    known = [name for name in columns if name and not name.startswith((OWN, "Unnamed"))]
    if tag in known:
        return tag
    if not tag and len(known) == 1:
        return known[0]
    flaws.add(table.file, 1, "", _which(tag, known))
    return ""


def _which(tag: str, known: list[str]) -> str:
    """Why it is not told which metric is the score."""
    if not known:
        return "no column of a metric: there is nothing to import"
    return f"no metric '{tag}'.{suggest(tag, known)}" if tag else (
        f"which metric is the score? Give --tag. It has {', '.join(known)}"
    )  # fmt: skip


def _column(table: Csv, rows: list[Row], steps: str, column: str, flaws: Flaws) -> list[Score]:
    """The scores of a column; where another run or metric was logged it is empty."""
    scores: list[Score] = []
    for row in rows:
        cell = table.cell(row, column)
        if not cell.text:
            continue
        value, step = cell.number(flaws), table.cell(row, steps).whole(flaws)
        if value is None or step is None:
            continue
        if scores and step <= scores[-1].step:
            cell.wrong(flaws, f"step {step:,} after step {scores[-1].step:,}: {ONE_RUN}")
            continue
        scores.append(Score(step, value))
    if not scores:
        flaws.add(table.file, None, column, "no score in it")
    return scores


# MLflow ------------------------------------------------------------------------------------------


def mlflow(file: Path, tag: str, columns: Mapping[str, str], names: Names) -> list[Series]:
    """:param columns: what the table of runs calls arm, env, seed and return."""
    table, flaws = read(file), Flaws()
    if set(table.head) >= HISTORY:
        found = list(_of_history(table, tag, names, flaws))
    else:
        found = list(_of_runs(table, tag, columns, names, flaws))
    flaws.check()
    return found


def _of_history(table: Csv, tag: str, names: Names, flaws: Flaws) -> Iterator[Series]:
    keys = list(dict.fromkeys(row.cells["key"] for row in table.rows))
    chosen = tag or (keys[0] if len(keys) == 1 else "")
    if chosen not in keys:
        flaws.add(table.file, 1, "key", _which(tag, keys))
        return
    mine = grouped((row.cells["run_id"], row) for row in table.rows if row.cells["key"] == chosen)
    for run, rows in mine.items():
        whose = names.of(run, flaws, table.file)
        if whose is not None:
            scores = _column(table, rows, "step", "value", flaws)
            yield Series(whose, table.file, digest(table.file), chosen, scores)


def _of_runs(
    table: Csv, tag: str, columns: Mapping[str, str], names: Names, flaws: Flaws
) -> Iterator[Series]:
    """The last value of each run, which is all that such a table has."""
    metrics = [name for name in table.head if name.startswith(METRIC)]
    asked = columns.get("return") or (METRIC + tag if tag else "")
    column = asked or (metrics[0] if len(metrics) == 1 else "")
    if column not in table.head:
        known = [name.removeprefix(METRIC) for name in metrics]
        flaws.add(table.file, 1, "", _which(asked.removeprefix(METRIC), known))
        return
    for part, name in columns.items():
        if name not in table.head:
            hint = suggest(name, table.head)
            flaws.add(table.file, 1, "", f"no column '{name}', which is to be {part}.{hint}")
    flaws.check()
    for row in table.rows:
        name = row.cells.get(RUN_NAME) or row.cells["run_id"]
        says = {part: row.cells[columns[part]] for part in PARTS
                 if part in columns}  # fmt: skip
        if (status := row.cells.get("status", FINISHED)) != FINISHED:
            message = f"{status}: its last value is no final score. Drop the row, and say so"
            flaws.add(table.file, row.line, "status", message)
            continue
        whose = names.of(name, flaws, table.file, says)
        value = table.cell(row, column).number(flaws)
        step = table.cell(row, columns["step"]).whole(flaws) if "step" in columns else 0
        if whose is not None and value is not None and step is not None:
            params = {n.removeprefix(PARAM): text for n, text in row.cells.items()
                      if n.startswith(PARAM)}  # fmt: skip
            score = column.removeprefix(METRIC)
            yield Series(whose, table.file, digest(table.file), score, [Score(step, value)],
                         settings(params))  # fmt: skip
