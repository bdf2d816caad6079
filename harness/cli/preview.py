"""`harness preview`: film strips of an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import option, strip, verb


def preview(
    env: Annotated[str, typer.Argument(metavar="ENV", help="A name from `harness ls envs`.")],
    out: Annotated[Path, typer.Option(help="Output file; default: <ENV>.png.")] = Path(),
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Reset seed of the episodes.")
    ] = 0,
    study: option.Study = None,
) -> None:
    """Draw an environment: a random episode and a scripted one. `watch` shows trained agents."""
    with verb.users_errors():
        from harness.train import preview
        from harness.train.reel import Reel

        verb.enter(study)
        path = Path(f"{env}.png") if out == Path() else out
        card = verb.find_card("preview", env)
        strip.check(path, "--out")
        films = preview.films(env, seed)
        reels = [Reel(f"{env}, {label}", film) for label, film in films.items()]
        strip.draw(reels, path)
        shown = verb.console()
        shown.print(card.summary, soft_wrap=True)
        shown.print(str(path), soft_wrap=True)
