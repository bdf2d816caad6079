"""`harness export`: a sweep as one tidy table, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import option, verb


def export(
    name: option.SweepName,
    to: Annotated[
        Path | None, typer.Option(help="The folder; default: export/ in the sweep's folder.")
    ] = None,
    results: option.Results = option.DEFAULT_RESULTS,
) -> None:
    """Write every run, evaluation, hyper-parameter and cost of a sweep as CSV and Parquet."""
    with verb.users_errors():
        from harness.store.export import write

        store = verb.open_store(results)
        sweep = verb.find_sweep(name, store)
        made = write(sweep, store, to or store.sweep_folder(sweep.name) / "export")
        for file in made.files:
            verb.console().print(f"table: {file}", soft_wrap=True)
        verb.warn([made.note] if made.note else [])
