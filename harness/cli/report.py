"""`harness report`: the report of a sweep, from what is in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import activity, option, verb

if TYPE_CHECKING:
    from harness.report.checklist import Answers
    from harness.spec import ResolvedSweep
    from harness.store.reader import Store


def report(
    name: option.SweepName,
    results: option.Results = option.DEFAULT_RESULTS,
    style: Annotated[
        str,
        typer.Option(help="Figure sizes and fonts: plain, neurips, icml, iclr or jmlr."),
    ] = "plain",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="Figure formats, separated by commas: pdf, svg, png; pdf alone adds png.",
        ),
    ] = "pdf,png",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 1, after writing the report, if an item of the checklist is "
            "CONTRADICTED by the records, UNANSWERED, or PENDING because runs are missing. An "
            "honest 'no' passes.",
        ),
    ] = False,
    figures: option.Figures = True,
    videos: Annotated[
        bool,
        typer.Option("--videos", help="Let report.html play the films that its strips are of."),
    ] = False,
    crosscheck: option.Crosscheck = True,
    study: option.Study = None,
) -> None:
    """Write a sweep's figures, tables, checklist and paper from its finished runs."""
    with verb.users_errors():
        verb.enter(study)
        store = verb.open_store(results)
        sweep, formats = verb.find_sweep(name, store), format_.split(",")
        flaws = write_report(sweep, store, style, formats, figures, crosscheck, videos)
        if strict and flaws:
            verb.warn([*flaws, f"The checklist is incomplete: {len(flaws)} items."])
            raise typer.Exit(verb.SOME_FAILED)


def write_report(
    sweep: ResolvedSweep,
    store: Store,
    style: str = "plain",
    formats: Sequence[str] = ("pdf", "png"),
    figures: bool = True,
    crosscheck: bool = True,
    videos: bool = False,
) -> list[str]:
    """Write the report of a sweep, print where it is, return what its checklist lacks."""
    from harness import own
    from harness.config.strict import suggest
    from harness.report import Options, write
    from harness.report.render.style import FORMATS, VENUES
    from harness.report.results.figures import FIGURES
    from harness.store.files import make_way

    if style not in VENUES:
        raise verb.user_error("--style", f"no style '{style}'.{suggest(style, VENUES)}")
    for wrong in [each for each in formats if each not in FORMATS][:1]:
        raise verb.user_error("--format", f"no format '{wrong}'.{suggest(wrong, FORMATS)}")
    if not {"png", "svg"} & set(formats):  # report.md and report.html show one of them
        formats = [*formats, "png"]
    names = tuple(FIGURES) if figures else ()
    functions = own.figures(sweep.report.figures) if figures else {}
    answers = checklist_answers(sweep)
    folder = store.sweep_folder(sweep.name) / "report"
    verb.warn(make_way(folder))
    with activity.shown("report") as tell:
        options = Options(
            style, tuple(formats), answers, names, crosscheck, functions, tell, videos
        )
        page, flaws = write(sweep, store, folder, options)
    verb.console().print(f"report: {page}", soft_wrap=True)
    return flaws


def checklist_answers(sweep: ResolvedSweep) -> Answers:
    """The author's answers, in the file beside the sweep's."""
    from harness.config.shipped import beside

    path = beside(sweep.source, "checklist")
    if path is None:
        return {}
    from harness.report import checklist

    return checklist.read(path)
