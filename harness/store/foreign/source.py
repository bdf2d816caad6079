"""What is imported: which format a file or folder has, and the runs in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from harness.config.strict import UserError, suggest
from harness.store.foreign import events, monitor, trackers
from harness.store.foreign.names import Names, files
from harness.store.foreign.series import Flaws, Format, Series, once
from harness.store.foreign.table import read, tidy

FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class Source:
    """A file or folder, and what the user says of it."""

    path: Path
    format: str = ""  # one of FORMATS; empty: what it looks like
    tag: str = ""  # of the tags or metrics in it, the score
    columns: Mapping[str, str] = field(default_factory=dict)  # ours -> what the file calls it
    names: Names = field(default_factory=Names)


def runs(source: Source) -> tuple[Format, list[Series]]:
    """The format of a source and its runs, each of which has a score.

    :raises UserError: with all that is wrong, each with its file and line.
    """
    path = source.path
    if not path.exists():
        raise UserError.of(path, "there is no such file or folder")
    kind = _format(source)
    found = _read(source, kind)
    if not found:
        raise UserError.of(path, f"no run in it that reads as {kind}")
    flaws = Flaws()
    found = once(found, flaws)
    flaws.check()
    return kind, found


def _read(source: Source, kind: Format) -> list[Series]:
    path, names = source.path, source.names
    tables = files(path, "*.csv")
    match kind:
        case "monitor":
            return monitor.runs(path, names)
        case "tensorboard":
            return events.runs(path, source.tag, names)
        case "wandb":
            step = source.columns.get("step", "")
            return trackers.wandb(tables, path, source.tag, step, names)
        case "mlflow":
            each = (trackers.mlflow(table, source.tag, source.columns, names) for table in tables)
            return [run for found in each for run in found]
        case "table":
            return [run for table in tables for run in tidy(read(table), source.columns, names)]


def _format(source: Source) -> Format:
    if source.format:
        for name in FORMATS:
            if name == source.format:
                return name
        message = f"no format '{source.format}'.{suggest(source.format, FORMATS)}"
        raise UserError.of("--format", message)
    path = source.path
    if path.is_dir():
        return _of_folder(path, source.tag)
    if path.match(events.FILES):
        return "tensorboard"
    return _of_file(path)


def _of_folder(path: Path, tag: str) -> Format:
    kinds: list[Format] = []
    if next(path.rglob(events.FILES), None):
        kinds.append("tensorboard")
    if not (kinds and tag) and next(path.rglob(f"*{monitor.SUFFIX}"), None):
        kinds.insert(0, "monitor")  # which has no tags
    if len(kinds) > 1:
        ways = " or ".join(f"--format {kind}" for kind in kinds)
        raise UserError.of(path, f"it has monitor files and event files: choose, {ways}")
    if kinds:
        return kinds[0]
    tables = files(path, "*.csv")
    if not tables:
        what = f"no *{monitor.SUFFIX}, no {events.FILES} and no other .csv"
        raise UserError.of(path, f"{what} below it: there is nothing to import")
    return _of_file(tables[0])


def _of_file(path: Path) -> Format:
    if monitor.is_monitor(path):
        return "monitor"
    head = read(path).head
    if trackers.is_mlflow(head):
        return "mlflow"
    return "wandb" if trackers.is_wandb(head) else "table"
