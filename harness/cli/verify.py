"""`harness verify`: repeat finished runs and compare them bit for bit."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.option import DEFAULT_RESULTS, Results, RunOrSweep, Workers
from harness.cli.verb import (
    SOME_FAILED,
    console,
    find_run,
    find_sweep,
    open_store,
    train,
    users_errors,
)


def verify(
    what: RunOrSweep,
    sample: Annotated[str, typer.Option(help="Share or number of a sweep's runs.")] = "10%",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
    results: Results = DEFAULT_RESULTS,
    workers: Workers = 0,
) -> None:
    """Repeat finished runs and compare every evaluation and the weights."""
    with users_errors("What was compared is recorded; the same command starts again."):
        from harness.store.run_files import certificate_path
        from harness.train import verify as verifying

        store = open_store(results)
        folder = find_run("verify", what, store)
        if folder is not None:
            cases, sample, home = [verifying.case(folder)], "1", None
        else:
            resolved = find_sweep(what, store)
            cases = [verifying.Case(spec, store.folder(spec)) for spec in resolved.runs]
            home = store.sweep_folder(resolved.name)
        drawn = verifying.draw(cases, sample, seed)
        certificates = verifying.repeat(
            drawn, store, lambda specs, scratch: train(specs, scratch, workers, experience=store)
        )
        shown = console()
        for line in verifying.account(drawn, certificates):
            shown.print(line, markup=False, soft_wrap=True)
        if home is not None:
            verifying.keep(drawn, certificates, home)
        if home is not None or certificates:
            path = certificate_path(home or cases[0].folder)
            shown.print(f"certificate: {path}", soft_wrap=True)
        if drawn.damaged or not verifying.all_equal(certificates):
            raise typer.Exit(SOME_FAILED)
