"""`harness verify`: repeat finished runs and compare them bit for bit."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import activity, option, verb


def verify(
    what: option.RunOrSweep,
    sample: Annotated[str, typer.Option(help="Share or number of a sweep's runs.")] = "10%",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
    results: option.Results = option.DEFAULT_RESULTS,
    workers: option.Workers = 0,
    study: option.Study = None,
) -> None:
    """Repeat finished runs and compare every evaluation and the weights."""
    with verb.users_errors("What was compared is recorded; the same command starts again."):
        from harness.store.run_files import certificate_path, made_here
        from harness.train import verify as verifying

        verb.enter(study)
        store = verb.open_store(results)
        folder = verb.find_run("verify", what, store)
        if folder is not None:
            run = made_here(folder, "repeat")
            cases, sample, home = [verifying.Case(run, folder)], "1", None
        else:
            resolved = verb.find_sweep(what, store)
            if resolved.runs and not resolved.made:
                message = "its runs were not made here, but imported: they cannot be made again"
                raise verb.user_error(resolved.name, message)
            cases = [verifying.Case(run, store.folder(run)) for run in resolved.made]
            home = store.sweep_folder(resolved.name)
        with activity.shown("verify") as tell:
            tell("reading what the runs wrote", 0, 0)
            drawn = verifying.draw(cases, sample, seed)
        certificates = verifying.repeat(
            drawn,
            store,
            lambda specs, scratch: verb.train(specs, scratch, workers, experience=store),
        )
        shown = verb.console()
        for line in verifying.account(drawn, certificates):
            shown.print(line, markup=False, soft_wrap=True)
        if home is not None and resolved.imported:
            shown.print(f"{len(resolved.imported)} were not made here, and cannot be made again")
        if home is not None:
            verifying.keep(drawn, certificates, certificate_path(home))
        if home is not None or certificates:
            path = certificate_path(home or cases[0].folder)
            verdict = verifying.verdict(certificates)
            shown.print(f"certificate ({verdict}): {path}", soft_wrap=True)
        if drawn.damaged or not verifying.all_equal(certificates):
            raise typer.Exit(verb.SOME_FAILED)
