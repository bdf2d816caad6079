"""`harness sweep`: train the missing runs, then write the report."""

from __future__ import annotations

import typer

from harness.cli.option import (
    DEFAULT_RESULTS,
    Anyway,
    Crosscheck,
    Executor,
    Observers,
    Results,
    Settings,
    SweepPath,
    Workers,
)
from harness.cli.verb import (
    SOME_FAILED,
    find_file,
    open_store,
    overrides,
    train,
    users_errors,
    warn,
)


def sweep(
    file: SweepPath,
    results: Results = DEFAULT_RESULTS,
    workers: Workers = 0,
    executor: Executor = "processes",
    observer: Observers = None,
    set_: Settings = None,
    anyway: Anyway = False,
    crosscheck: Crosscheck = True,
) -> None:
    """Train the missing runs of a sweep, then write its report. Resumes where it stopped."""
    with users_errors():
        from harness.cli.report import checklist_answers, write_report
        from harness.sweep.expand import expand
        from harness.sweep.record import keep

        resolved = expand(find_file(file), overrides(set_), anyway, rehearse=True).sweep
        store = open_store(results)
        checklist_answers(resolved)  # wrong ones are refused before anything trains
        warn(keep(resolved, store))
        train(list(resolved.runs), store, workers, executor, observer)
        write_report(resolved, store, crosscheck=crosscheck)
        if store.missing(resolved.runs):
            raise typer.Exit(SOME_FAILED)
