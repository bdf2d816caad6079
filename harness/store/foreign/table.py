"""Tables: a CSV of any program as rows with their lines, and the tidy one, `arm,env,seed,...`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harness.config.strict import UserError, suggest
from harness.config.tree import grouped
from harness.store.export import COLUMNS, METRIC, SETTING
from harness.store.foreign.names import PARTS, Names
from harness.store.foreign.series import (
    ONE_RUN,
    Cell,
    Flaws,
    Score,
    Series,
    Whose,
    digest,
    environment,
    label,
    settings,
)

OURS = ("arm", "env", "seed", "step", "return")
# Columns of `harness export` of which nothing is taken over: they are about how runs were made.
PASSED = frozenset(COLUMNS) - {*OURS}


class Row(NamedTuple):
    """A line of a CSV."""

    line: int
    cells: Mapping[str, str]


class Csv(NamedTuple):
    """A CSV with a head."""

    file: Path
    head: tuple[str, ...]
    rows: list[Row]

    def cell(self, row: Row, column: str) -> Cell:
        return Cell(self.file, row.line, column, row.cells[column])


def text_of(path: Path) -> str:
    """:raises UserError: if it cannot be read as text."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError.of(path, "not UTF-8: save it as UTF-8") from None
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        raise UserError.of(path, why) from None


def read(path: Path, skip: int = 0) -> Csv:
    """:param skip: lines before the head.
    :raises UserError: if it is no CSV with a head, or a row has other cells than that.
    """
    *_, text = text_of(path).split("\n", skip)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    flaws, rows = Flaws(), []
    try:
        head = tuple(name.strip() for name in next(reader, []))
        _check_head(path, skip + 1, head)
        for cells in reader:
            line = reader.line_num + skip
            if not any(map(str.strip, cells)):
                continue
            if len(cells) != len(head):
                flaws.add(path, line, "", f"{len(cells)} cells where the head has {len(head)}")
                continue
            rows.append(Row(line, dict(zip(head, map(str.strip, cells), strict=True))))
    except csv.Error as error:
        flaws.add(path, reader.line_num + skip, "", f"not CSV: {error}")
    if not rows and not flaws.problems:
        flaws.add(path, None, "", "no row below the head: there is nothing to import")
    flaws.check()
    return Csv(path, head, rows)


def _check_head(path: Path, line: int, head: tuple[str, ...]) -> None:
    twice = [name for name in head if head.count(name) > 1]
    why = ""
    if not any(head):
        why = "it is empty"
    elif len(head) == 1 and any(mark in head[0] for mark in ";\t"):
        why = "columns are not separated by commas: save it with commas"
    elif twice:
        why = f"two columns are called '{twice[0]}': rename one"
    if why:
        raise UserError.of(path, why, line=line)


def tidy(found: Csv, columns: Mapping[str, str], names: Names) -> list[Series]:
    """The runs of a table with a row for each score.

    :param columns: what the file calls ours: {"return": "eval_return"}.
    :raises UserError: with all that is wrong, each with its line and column.
    """
    flaws = Flaws()
    at = _columns(found, columns, names, flaws)
    flaws.check()
    runs = grouped(
        (whose, row) for row in found.rows if (whose := _whose(found, row, at, names, flaws))
    )
    sha = digest(found.file)
    series = [
        Series(whose, found.file, sha, at["return"], _scores(found, rows, at, whose, flaws),
               _settings(found, rows, flaws))
        for whose, rows in runs.items()
    ]  # fmt: skip
    flaws.check()
    return series


def _columns(found: Csv, columns: Mapping[str, str], names: Names, flaws: Flaws) -> dict[str, str]:
    """What the file calls each of our columns that it has."""
    at = {}
    for name in OURS:
        column = columns.get(name, name)
        if column in found.head and name in names.fixed:
            message = f"a column of it, and --{name} for all: drop one of them"
            flaws.add(found.file, 1, column, message)
        if column in found.head:
            at[name] = column
        elif name in columns:
            hint = suggest(column, found.head)
            flaws.add(found.file, 1, "", f"no column '{column}', which is to be {name}.{hint}")
        elif name not in names.fixed and name != "step":
            option = f", or give --{name}" if name in PARTS else ""
            message = (
                f"no column '{name}': name it with --column {name}=COLUMN{option}. "
                f"Its columns: {', '.join(found.head)}"
            )
            flaws.add(found.file, 1, "", message)
    for column in found.head:
        passed = column in PASSED or column.startswith((SETTING, METRIC))
        known = column in at.values() or passed
        if not known:
            message = (
                f"unknown column: call it {SETTING}{column} if it is a setting, name it with "
                f"--column if it is one of {', '.join(OURS)}, or drop it"
            )
            flaws.add(found.file, 1, column, message)
    return at


def _whose(found: Csv, row: Row, at: Mapping[str, str], names: Names, flaws: Flaws) -> Whose | None:
    cells = {
        name: found.cell(row, at[name])
        if name in at
        else Cell(found.file, row.line, f"--{name}", names.fixed.get(name, ""))
        for name in PARTS
    }
    arm = label(cells["arm"].text, lambda why: cells["arm"].wrong(flaws, why))
    env = environment(cells["env"].text, lambda why: cells["env"].wrong(flaws, why))
    seed = cells["seed"].whole(flaws)
    return None if arm is None or env is None or seed is None else Whose(arm, env, seed)


def _scores(
    found: Csv, rows: list[Row], at: Mapping[str, str], whose: Whose, flaws: Flaws
) -> list[Score]:
    """In the order of their steps; without a column of steps there is one."""
    scores: list[Score] = []
    before: Row | None = None
    for row in rows:
        mean = found.cell(row, at["return"]).number(flaws)
        if mean is None:
            continue
        step = found.cell(row, at["step"]).whole(flaws) if "step" in at else 0
        if step is None:
            continue
        cell = Cell(found.file, row.line, at.get("step", ""), "")
        if step < 0:
            cell.wrong(flaws, f"{step} is below 0: steps count from the start of training")
        elif before and step == scores[-1].step:
            of = f"step {step:,}" if "step" in at else "it"
            cell.wrong(flaws, f"a second row of {of} of {whose} (the first: line {before.line}): "
                       f"{ONE_RUN}")  # fmt: skip
        elif before and step < scores[-1].step:
            cell.wrong(flaws, f"step {step:,} of {whose} after step {scores[-1].step:,} (line "
                       f"{before.line}): sort the rows of a run by step; {ONE_RUN}")  # fmt: skip
        else:
            scores.append(Score(step, mean))
            before = row
    return scores


def _settings(found: Csv, rows: list[Row], flaws: Flaws) -> dict[str, object]:
    """Those that the columns hparams.* tell, which are the same all along a run."""
    names = [column for column in found.head if column.startswith(SETTING)]
    first = rows[0]
    for row in rows[1:]:
        for name in names:
            if row.cells[name] != first.cells[name]:
                message = (
                    f"'{row.cells[name]}' where line {first.line} of the run has "
                    f"'{first.cells[name]}': a setting is the same all along a run"
                )
                flaws.add(found.file, row.line, name, message)
    return settings({name.removeprefix(SETTING): first.cells[name] for name in names})


def names_in(path: Path) -> dict[str, dict[str, str]]:
    """The table of --names: columns run, arm, env and seed, the last three as far as needed."""
    table, names = read(path), dict[str, dict[str, str]]()
    unknown = set(table.head) - {"run", *PARTS}
    if "run" not in table.head or unknown:
        what = f"unknown column '{min(unknown)}'" if unknown else "no column 'run'"
        raise UserError.of(path, f"{what}: the table of --names has run, arm, env, seed", line=1)
    for line, cells in table.rows:
        run = cells["run"]
        if run in names:
            raise UserError.of(path, f"two rows are of the run '{run}': drop one", "run", line)
        names[run] = {part: text for part, text in cells.items() if part in PARTS and text}
    return names
