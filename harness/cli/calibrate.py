"""`harness calibrate`: the simulated coverage of the report's intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType

from harness.cli.verb import console, table, user_error, users_errors

if TYPE_CHECKING:
    from harness.stats import Coverage


def calibrate(
    trials: Annotated[
        int, typer.Option(min=10, max=10**6, help="Simulated experiments a row.")
    ] = 1_000,
    out: Annotated[
        Path | None, typer.Option(help="Also write the table, as configs/coverage.csv is.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="With this number of seeds alone; default: with all.")
    ] = None,
) -> None:
    """Measure how often the intervals of reports hold the truth, on simulated scores."""
    with users_errors():
        from harness.stats import calibration, coverage

        shown = console()
        cells = [cell for cell in coverage.cells() if seeds in (None, cell.seeds)]
        if not cells:
            known = ", ".join(map(str, coverage.SEEDS))
            raise user_error("--seeds", f"{seeds} seeds are not simulated; there are {known}")
        rows: list[calibration.Coverage] = []
        with shown.status("") as status:
            for done, cell in enumerate(cells):
                where = f"{cell.seeds} seeds, {cell.tasks} environments, {cell.scores}"
                status.update(f"{done} of {len(cells)} kinds of experiments; now {where}")
                rows += coverage.rows(cell, trials)
        shown.print(coverage_table(rows))
        if out is not None:
            out.write_text(calibration.text(rows), encoding="utf-8")
            shown.print(str(out), soft_wrap=True)


def coverage_table(coverages: Sequence[Coverage]) -> RenderableType:
    from harness import stats

    head, body = stats.summary(coverages)
    rows = table(*head[:2], *(f"{name}>" for name in head[2:]))
    for row in body:
        rows.add_row(*row)
    note = (
        f"How often a printed {100 * stats.LEVEL:g} % interval holds the truth, in the worst of "
        f"the simulated kinds of scores: shares of {coverages[0].trials:,} experiments. From "
        f"{stats.LEAST:.2f} on a report prints it, from {stats.LEAST_STAMPED:.2f} on with a stamp, "
        f"below that not. Of a claim: how often two arms of one IQM are left undecided."
    )
    return Group(rows, note)
