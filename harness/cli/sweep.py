"""`harness sweep`: train the missing runs, then write the report."""

from __future__ import annotations

import typer

from harness.cli import option, verb


def sweep(
    file: option.SweepPath,
    results: option.Results = option.DEFAULT_RESULTS,
    workers: option.Workers = 0,
    executor: option.Executor = "processes",
    observer: option.Observers = None,
    tensorboard: option.Tensorboard = False,
    track: option.Track = None,
    set_: option.Settings = None,
    engine: option.Engine = None,
    budget: option.Budget = None,
    anyway: option.Anyway = False,
    figures: option.Figures = True,
    crosscheck: option.Crosscheck = True,
) -> None:
    """Train the missing runs of a sweep, then write its report. Resumes where it stopped."""
    with verb.users_errors():
        time = verb.budget(budget)
        from harness.cli.report import checklist_answers, write_report
        from harness.sweep.expand import expand
        from harness.sweep.record import keep

        path = verb.find_file(file, "sweep")
        chosen, layers = verb.engine(engine), verb.overrides(set_)
        store = verb.open_store(results)
        expansion = expand(path, layers, anyway, rehearse=True, engine=chosen, store=store)
        resolved = expansion.sweep
        checklist_answers(resolved)  # wrong ones are refused before anything trains
        verb.warn(keep(resolved, store))
        runs, metrics = list(resolved.made), resolved.metrics
        trackers = verb.trackers(tensorboard, track)
        if "tensorboard" in trackers:
            from harness.train.event_files import lay_out

            board = lay_out(resolved.name, runs, store)
            verb.console().print(f"tensorboard --logdir {board}", soft_wrap=True)
        verb.train(
            runs, store, workers, executor, observer, metrics=metrics, budget=time,
            limits=resolved.limits, trackers=trackers,
        )  # fmt: skip
        if resolved.report.films:
            verb.film(resolved, store, workers, executor)
        write_report(resolved, store, figures=figures, crosscheck=crosscheck)
        if store.missing(runs) or store.unmeasured(runs, metrics):
            raise typer.Exit(verb.SOME_FAILED)
