"""`harness calibrate-env`: the anchors of an environment's card, measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import activity, option, verb

if TYPE_CHECKING:
    from harness.envs import Card
    from harness.spec import Anchor

THRESHOLD = "Gymnasium's reward threshold"


def calibrate_env(
    env: Annotated[str, typer.Argument(help="A name from `harness ls envs`, or a Gymnasium id.")],
    episodes: Annotated[
        int, typer.Option(min=2, max=10**6, help="Episodes of the random policy.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Reset seed of the first episode.")] = 0,
    best: Annotated[
        bool,
        typer.Option(
            "--best", help="Also compute the best possible score, by shortest paths: MiniGrid only."
        ),
    ] = False,
    reference: Annotated[
        float | None,
        typer.Option(
            callback=option.finite,
            help=f"The score that becomes 1. Default: {THRESHOLD}, if the card changes nothing.",
        ),
    ] = None,
    reference_source: Annotated[
        str, typer.Option(help="Where --reference comes from, and its protocol.")
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="The time limit of an environment that has no card yet, in steps."
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the card: envs/NAME.yaml in this folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the anchors that the card has.")
    ] = False,
) -> None:
    """Measure the random policy's score in an environment, for its card."""
    with verb.users_errors("Nothing was written."):
        from harness.envs.calibrate import best_score, block, random_score
        from harness.envs.endless import EndlessError

        card = _with_limit(verb.find_card("calibrate-env", env), limit)
        chosen = _reference(card, reference, reference_source)
        file = _file(card, overwrite) if write else None
        try:
            random = random_score(card, episodes, seed, _watched)
        except EndlessError as error:
            raise verb.user_error("calibrate-env", str(error)) from None
        print(block("random", random), flush=True)
        if best:
            try:
                chosen = best_score(card, episodes, seed, _watched)
            except ValueError as error:
                raise verb.user_error("--best", str(error)) from None
        if chosen is not None:
            print(block("reference", chosen), flush=True)
            if chosen.score <= random.score:
                message = f"{chosen.score:g} is no more than the random policy's {random.score:g}"
                raise verb.user_error("reference", message)
        if file is not None:
            _write(file, card, random, chosen)


def _watched(episodes: range) -> Iterable[int]:
    return activity.each("calibrate-env", episodes, lambda episode: "episodes")


def _with_limit(card: Card, limit: int | None) -> Card:
    from harness.config import study
    from harness.envs.card import is_shipped

    if limit is None:
        return card
    own = study.card_file(card.name)
    if own is not None or is_shipped(card.name):
        message = f"{card.name} has a card, which says max_episode_steps"
        raise verb.user_error("--limit", message)
    return card.model_copy(update={"max_episode_steps": limit})


def _reference(card: Card, score: float | None, source: str) -> Anchor | None:
    """The score that is said to become 1, or the threshold at which the task counts as solved."""
    from harness.envs.registered import known
    from harness.spec import Anchor

    if (score is None) == bool(source):
        message = "--reference and --reference-source belong together: a score, and who says so"
        raise verb.user_error("calibrate-env", message)
    if score is not None:
        return Anchor(score=score, source=source)
    if card.id is None:
        return None
    spec = known(card.id)
    as_registered = card.max_episode_steps == spec.max_episode_steps and not (
        card.kwargs or card.wrappers or card.variants
    )
    if spec.reward_threshold is None or not as_registered:  # another task has another threshold
        return None
    return Anchor(score=spec.reward_threshold, source=THRESHOLD)


def _file(card: Card, overwrite: bool) -> Path:
    """Where the card is, or will be."""
    from harness.config import declared, study
    from harness.config.name import as_file
    from harness.envs.card import is_shipped

    if is_shipped(card.name) or card.name in declared.names("envs"):
        message = f"{card.name} has a card that ships: one of yours cannot have its name"
        raise verb.user_error("--write", message)
    own = study.card_file(card.name)
    file = own.relative_to(Path.cwd()) if own else Path("envs") / f"{as_file(card.name)}.yaml"
    if (card.anchors or card.anchors_from) and not overwrite:
        raise verb.user_error("--write", f"{file} has anchors: --overwrite replaces them")
    if card.anchors_from:
        raise verb.user_error("--overwrite", f"{file} has anchors_from: take it out first")
    return file


def _write(file: Path, card: Card, random: Anchor, reference: Anchor | None) -> None:
    from harness.config.shipped import shipped
    from harness.envs.calibrate import block, card_of_its_own, with_anchors

    if file.exists():
        text = file.read_text("utf-8")
    else:
        schema = (shipped("configs/schema") / "env.json").resolve().as_uri()
        text = f"# yaml-language-server: $schema={schema}\n{card_of_its_own(card)}"
    file.parent.mkdir(exist_ok=True)
    blocks = [block("random", random)]
    blocks += [] if reference is None else [block("reference", reference)]
    file.write_text(with_anchors(text, blocks), "utf-8")
    told = f"written: {file}"
    if reference is None:
        told += (
            ", without a reference: until it has one (--reference SCORE --reference-source TEXT "
            "--overwrite), scores on it are raw only"
        )
    verb.console().print(told, soft_wrap=True)
