"""`harness calibrate`: the simulated coverage of the report's intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType

from harness.cli import activity, verb

if TYPE_CHECKING:
    from harness.stats import Coverage
    from harness.stats.coverage import Cell


def calibrate(
    trials: Annotated[
        int, typer.Option(min=10, max=10**6, help="Simulated experiments per row.")
    ] = 1_000,
    out: Annotated[Path | None, typer.Option(help="Also write the table to this CSV file.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Only this number of seeds; default: all.")
    ] = None,
) -> None:
    """Measure the coverage of the report's intervals on simulated scores."""
    with verb.users_errors():
        from harness.stats import calibration, coverage

        shown = verb.console()
        if out is not None:
            verb.check_output("--out", out)
        cells = [cell for cell in coverage.cells() if seeds in (None, cell.seeds)]
        if not cells:
            known = ", ".join(map(str, coverage.SEEDS))
            raise verb.user_error("--seeds", f"{seeds} seeds are not simulated; there are {known}")
        rows: list[calibration.Coverage] = []
        for cell in activity.each("calibrate", cells, _named):
            rows += coverage.rows(cell, trials)
        shown.print(coverage_table(rows))
        if out is not None:
            out.write_text(calibration.text(rows), encoding="utf-8")
            shown.print(str(out), soft_wrap=True)


def _named(cell: Cell) -> str:
    from harness.config.name import counted

    return f"{cell.seeds} seeds, {counted(cell.tasks, 'environment')}, {cell.scores}"


def coverage_table(coverages: Sequence[Coverage]) -> RenderableType:
    from harness import stats

    head, body = stats.summary(coverages)
    rows = verb.table(*head[:2], *(f"{name}>" for name in head[2:]))
    for row in body:
        rows.add_row(*row)
    note = (
        f"Coverage of a printed {100 * stats.LEVEL:g} % interval in the worst of the simulated "
        f"score distributions, over {coverages[0].trials:,} experiments. A report prints it from "
        f"{stats.LEAST:.2f} on, with a mark from {stats.LEAST_STAMPED:.2f} on, and otherwise not. "
        "For a claim: how often two arms with equal IQM are left undecided."
    )
    return Group(rows, note)
