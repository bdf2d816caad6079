"""`harness preview`: pictures of an environment's episodes, or of a trained run's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import option, verb


def preview(
    what: Annotated[
        str,
        typer.Argument(metavar="ENV|RUN", help="An environment, or a run (key or folder)."),
    ],
    out: Annotated[Path, typer.Option(help="Output file; default: <ENV or key>.png.")] = Path(),
    seed: Annotated[int, typer.Option(min=0, help="Reset seed of an environment's episode.")] = 0,
    results: option.Results = option.DEFAULT_RESULTS,
    trust: option.Trust = False,
    study: option.Study = None,
) -> None:
    """Draw a random and a scripted episode; or a trained run's first success and failure."""
    with verb.users_errors():
        from harness.config.strict import suggest
        from harness.train.preview import FORMATS, draw, draw_run

        verb.enter(study)
        folder = verb.find_run("preview", what, verb.open_store(results))
        path = Path(f"{folder.name if folder else what}.png") if out == Path() else out
        if path.suffix not in FORMATS:
            message = f"no picture ends in '{path.suffix}'.{suggest(path.suffix, FORMATS)}"
            raise verb.user_error("--out", message)
        if folder is not None:
            warning = draw_run(folder, path, trust)
            verb.warn([f"Warning: {warning}."] if warning else [])
        else:
            verb.find_card("preview", what)
            draw(what, seed, path)
        verb.console().print(str(path), soft_wrap=True)
