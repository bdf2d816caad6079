"""From a card to an environment that can be stepped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import gymnasium as gym
from gymnasium.wrappers import TimeLimit

from baselines import target
from harness.envs.card import Card
from harness.envs.extra import need
from harness.envs.plane import Plane
from harness.envs.registered import known, registered
from harness.envs.varied import Varied
from harness.envs.wrappers import WRAPPERS


def make(
    card: Card,
    wrappers: Sequence[Mapping[str, Any]] = (),
    training: bool = True,
    split: Literal["train", "test"] = "train",
) -> gym.Env[Any, Any]:
    """A fresh environment: the card's own wrappers first, then `wrappers`, innermost first.

    :param training: False leaves out all that may act on training alone, so that what remains pays
        the environment's own raw reward.
    :param split: which of the card's variants, if it has any.
    """
    need(card.extra, card.name)
    env = _bare(card)
    if card.variants is not None:
        env = Varied(env, getattr(card.variants, split))
    if card.max_episode_steps is not None:
        env = TimeLimit(env, card.max_episode_steps)
    for wrapper in (*card.wrappers, *wrappers):
        options = dict(wrapper)
        entry = WRAPPERS[options.pop("name")]
        if training or entry.kind == "both":
            env = entry.apply(env, **options)
    return env


def maker(card: Card) -> Callable[..., Any]:
    """What its `entry_point` names: a class of environments, or a function that makes one.

    :raises ValueError: if it is neither.
    """
    return target.load(str(card.entry_point), gym.Env)


def check(card: Card) -> None:
    """Import all that the card names, which executes it, and see that it is of its kind.

    :raises ValueError: if it is not, or `anchors_from` refuses the card's keywords.
    :raises ImportError: if it is not there.
    """
    need(card.extra, card.name)
    if card.id is None:
        maker(card)
    else:
        known(card.id)
    card.scale()
    if card.cells:
        target.load(card.cells, Plane)


def _bare(card: Card) -> gym.Env[Any, Any]:
    """The environment without Gymnasium's checkers, which cost more than CartPole's own physics."""
    if card.id is None:
        env = maker(card)(**card.kwargs)
        assert isinstance(env, gym.Env), card.entry_point
        return env
    return registered(card.id, card.kwargs, order_enforce=False)
