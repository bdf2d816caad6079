"""`harness calibrate-env`: the anchors of an environment's card, measured."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import verb


def calibrate_env(
    env: Annotated[str, typer.Argument(help="A name from `harness ls envs`.")],
    episodes: Annotated[
        int, typer.Option(min=2, max=10**6, help="Episodes of the random policy.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Reset seed of the first episode.")] = 0,
    best: Annotated[
        bool,
        typer.Option(
            "--best", help="Also the best possible score, by shortest paths: MiniGrid only."
        ),
    ] = False,
) -> None:
    """Measure the random policy's score in an environment, for its card."""
    with verb.users_errors():
        from harness.envs.calibrate import best_score, block, random_score

        card = verb.find_card("calibrate-env", env)
        print(block("random", random_score(card, episodes, seed)), flush=True)
        if best:
            try:
                print(block("reference", best_score(card, episodes, seed)))
            except ValueError as error:
                raise verb.user_error("--best", str(error)) from None
