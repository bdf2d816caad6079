"""`harness model-report`: the accuracy of learned models."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import activity, option, verb


def model_report(
    what: option.RunOrSweep,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve",
            help="Also train with parts of the budget: takes about as long as the run.",
        ),
    ] = False,
    results: option.Results = option.DEFAULT_RESULTS,
    figures: option.Figures = True,
    trust: option.Trust = False,
    study: option.Study = None,
) -> None:
    """Measure the accuracy of learned models on held-out episodes. Resumes where it stopped."""
    with verb.users_errors("What was measured is kept; the same command resumes."):
        from harness.cli import model_folder
        from harness.cli.report import write_report

        verb.enter(study)
        store, shown = verb.open_store(results), verb.console()
        folder = verb.find_run("model-report", what, store)
        if folder is not None:
            page = model_folder.report(folder, learning_curve, trust)
            shown.print(f"report: {page}", soft_wrap=True)
            return
        sweep = verb.find_sweep(what, store)
        runs = {run.key: run for run in sweep.made if model_folder.has_model(run)}
        if not runs:
            message = f"no agent of {sweep.name} has a model of its environment"
            raise verb.user_error("model-report", message)
        finished = [run for run in runs.values() if store.finished(run)]
        for i, run in enumerate(activity.each("model-report", finished, str), start=1):
            model_folder.report(store.folder(run), learning_curve, trust)
            shown.print(f"{i} of {len(finished)}: {run}", soft_wrap=True)
        write_report(sweep, store, figures=figures)
        if len(finished) < len(runs):
            shown.print(f"{len(runs) - len(finished)} of {len(runs)} runs are not finished")
            raise typer.Exit(verb.SOME_FAILED)
