"""From a card to an environment that can be stepped."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import gymnasium as gym
from gymnasium.wrappers import TimeLimit

from harness.envs.extra import need
from harness.envs.varied import Varied
from harness.envs.wrappers import WRAPPERS

if TYPE_CHECKING:
    from harness.envs.card import Card


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


def _bare(card: Card) -> gym.Env[Any, Any]:
    """The environment without Gymnasium's checkers, which cost more than CartPole's own physics."""
    if card.id is None:
        module, _, name = str(card.entry_point).partition(":")
        env = getattr(import_module(module), name)(**card.kwargs)
        assert isinstance(env, gym.Env), card.entry_point
        return env
    module, _, name = card.id.rpartition(":")
    if module:
        import_module(module)
    spec = copy.copy(gym.spec(name))
    spec.order_enforce = False
    # -1: no time limit but the card's.
    return gym.make(spec, max_episode_steps=-1, disable_env_checker=True, **card.kwargs)
