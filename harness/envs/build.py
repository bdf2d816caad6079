"""From a card to an environment that can be stepped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import gymnasium as gym
from gymnasium.wrappers import TimeLimit

from baselines import target
from baselines.space import shown
from harness.config.name import shortened
from harness.envs.card import Card
from harness.envs.endless import NoEnd
from harness.envs.extra import need
from harness.envs.plane import Plane
from harness.envs.registered import known, registered
from harness.envs.varied import Varied
from harness.envs.wrappers import wear


def make(
    card: Card,
    wrappers: Sequence[Mapping[str, Any]] = (),
    training: bool = True,
    split: Literal["train", "test"] = "train",
    drawn: bool = False,
) -> gym.Env[Any, Any]:
    """A fresh environment: the card's own wrappers first, then `wrappers`, innermost first.

    :param training: False leaves out all that may act on training alone, so that what remains pays
        the environment's own raw reward.
    :param split: which of the card's variants, if it has any.
    :param drawn: its `render` returns pictures, and nothing else about it changes.
    """
    need(card.extra, card.name)
    env = _bare(card, {"render_mode": "rgb_array"} if drawn else {})
    if card.variants is not None:
        env = Varied(env, getattr(card.variants, split))
    limit = card.max_episode_steps
    env = NoEnd(env, card.name) if limit is None else TimeLimit(env, limit)
    for wearing in (*card.wrappers, *wrappers):
        env = wear(env, wearing, training)
    return env


def unlike(card: Card, wrappers: Sequence[Mapping[str, Any]], env: gym.Env[Any, Any]) -> str:
    """Why what is learned in an environment cannot be evaluated; empty: it can.

    :param env: made of the same for training, where all of its wrappers act.
    """
    judged = make(card, wrappers, training=False)
    judged.close()
    for name in ("observation_space", "action_space"):
        here, there = getattr(env, name), getattr(judged, name)
        if here != there:
            return (
                f"{name} is {shown(here)} in training and {shown(there)} in evaluation: a wrapper "
                'that changes it must be of the kind "both"'
            )
    return ""


def breach(env: gym.Env[Any, Any]) -> str:
    """Why its spaces are none, so that no learner can be made for it; empty: they are."""
    for name in ("observation_space", "action_space"):
        space = getattr(env, name, None)
        if not isinstance(space, gym.Space):
            return f"its {name} is {space!r}, and must be one of gymnasium.spaces"
    return ""


def first_step(env: gym.Env[Any, Any]) -> str:
    """Why its first step is not as Gymnasium has it; empty: it is.

    Asked of the environment itself first, whose wrappers would fail at what it returns.
    """
    for each in (env.unwrapped, env):
        space = each.observation_space
        told: Any = each.reset(seed=0)
        if not (isinstance(told, tuple) and len(told) == 2 and isinstance(told[1], dict)):
            return f"reset returns {shortened(repr(told))}, not (observation, info)"
        if not space.contains(told[0]):
            return f"reset returns {shortened(repr(told[0]))}, which is not in {shown(space)}"
        each.action_space.seed(0)
        told = each.step(each.action_space.sample())
        if not (isinstance(told, tuple) and len(told) == 5):
            form = "(observation, reward, terminated, truncated, info)"
            return f"step returns {shortened(repr(told))}, not {form}"
        if not space.contains(told[0]):
            return f"step returns {shortened(repr(told[0]))}, which is not in {shown(space)}"
    return ""


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


def _bare(card: Card, more: Mapping[str, Any]) -> gym.Env[Any, Any]:
    """The environment without Gymnasium's checkers, which cost more than CartPole's own physics."""
    kwargs = {**card.kwargs, **more}
    if card.id is None:
        env = maker(card)(**kwargs)
        assert isinstance(env, gym.Env), card.entry_point
        return env
    return registered(card.id, kwargs, order_enforce=False)
