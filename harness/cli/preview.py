"""`harness preview`: pictures of an environment's episodes, or of a trained run's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.option import DEFAULT_RESULTS, Results, Trust
from harness.cli.verb import (
    console,
    find_card,
    find_run,
    open_store,
    user_error,
    users_errors,
    warn,
)


def preview(
    what: Annotated[
        str,
        typer.Argument(metavar="ENV|RUN", help="An environment, or a run (key or folder)."),
    ],
    out: Annotated[Path, typer.Option(help="Output file; default: <ENV or key>.png.")] = Path(),
    seed: Annotated[int, typer.Option(min=0, help="Reset seed of an environment's episode.")] = 0,
    results: Results = DEFAULT_RESULTS,
    trust: Trust = False,
) -> None:
    """Draw a random and a scripted episode; or a trained run's first success and failure."""
    with users_errors():
        from harness.config.strict import suggest
        from harness.train.preview import FORMATS, draw, draw_run

        folder = find_run("preview", what, open_store(results))
        path = Path(f"{folder.name if folder else what}.png") if out == Path() else out
        if path.suffix not in FORMATS:
            message = f"no picture ends in '{path.suffix}'.{suggest(path.suffix, FORMATS)}"
            raise user_error("--out", message)
        if folder is not None:
            warning = draw_run(folder, path, trust)
            warn([f"Warning: {warning}."] if warning else [])
        else:
            find_card("preview", what)
            draw(what, seed, path)
        console().print(str(path), soft_wrap=True)
