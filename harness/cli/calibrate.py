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
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential",
            help="Instead, how often claims that are looked at along the way are decided.",
        ),
    ] = False,
    equivalence: Annotated[
        bool,
        typer.Option(
            "--equivalence", help="Instead, how often arms are found equal but for a margin."
        ),
    ] = False,
) -> None:
    """Measure the coverage of the report's intervals on simulated scores."""
    with verb.users_errors():
        if sequential or equivalence:
            if seeds is not None:
                raise verb.user_error("--seeds", "its rows have seeds of their own: leave it out")
            if sequential and equivalence:
                raise verb.user_error("--equivalence", "one table at a time: without --sequential")
            (looks if sequential else margins)(trials, out)
            return
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


def looks(trials: int, out: Path | None) -> None:
    """Of equal arms and unequal ones, looked at after every block and once."""
    import pandas as pd

    from harness.stats import familywise

    if out is not None:
        verb.check_output("--out", out)
    found = []
    for cell in activity.each("calibrate", list(familywise.cells()), str):
        found.append(familywise.row(cell, trials))
    rows = verb.table(
        "looks", "scores", "shift>", "environments>", "claims>", "any decided>", "decided>",
        "seeds>", "covered>",
    )  # fmt: skip
    for row in found:
        rows.add_row(
            row.looks, row.scores, f"{row.shift:g} SD", str(row.tasks), str(row.claims),
            f"{row.any_decided:.3f}", f"{row.decided:.3f}", f"{row.seeds:.1f}",
            f"{row.covered:.3f}",
        )  # fmt: skip
    note = (
        f"Over {trials:,} experiments a row. Any decided: any claim of the family, which of equal "
        "arms is wrong. Seeds: of each arm when its claim ends. Covered: by the interval of the "
        "difference at the level of its last look."
    )
    shown = verb.console()
    shown.print(Group(rows, note))
    if out is not None:
        out.write_text(pd.DataFrame(found).to_csv(index=False, lineterminator="\n"))
        shown.print(str(out), soft_wrap=True)


def margins(trials: int, out: Path | None) -> None:
    """Of arms that are equal, and that lie apart by the margin."""
    import pandas as pd

    from harness.stats import margin

    if out is not None:
        verb.check_output("--out", out)
    found = [
        row
        for cell in activity.each("calibrate", list(margin.cells()), str)
        for row in margin.rows(cell, trials)
    ]
    shown = verb.console()
    for head, body in margin.summary(found):
        rows = verb.table(head[0], *(f"{name}>" for name in head[1:]))
        for row in body:
            rows.add_row(*row)
        shown.print(rows)
    shown.print(
        f"How often they are found equivalent, over {trials:,} experiments a row. Bets: as a claim "
        "with a margin is decided. Student: by two one-sided tests at 0.05, with n seeds, and at "
        "any look of the default plan. Intervals of bets that hold the true difference at all "
        f"looks to 60: {min(row.covered for row in found):.3f} at least."
    )
    if out is not None:
        out.write_text(pd.DataFrame(found).to_csv(index=False, lineterminator="\n"))
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
