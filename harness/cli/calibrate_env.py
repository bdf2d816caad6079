"""`harness calibrate-env`: the anchors of an environment's card, measured."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.verb import find_card, users_errors


def calibrate_env(
    env: Annotated[str, typer.Argument(help="A name from `harness ls envs`.")],
    episodes: Annotated[
        int, typer.Option(min=2, max=10**6, help="Episodes of the random policy.")
    ] = 1_000,
) -> None:
    """Measure the random policy's score in an environment, for its card."""
    with users_errors():
        from harness.envs.calibrate import random_score

        card = find_card("calibrate-env", env)
        print(f"random: {random_score(card, episodes).model_dump_json()}")
