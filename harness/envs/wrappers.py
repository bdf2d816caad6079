"""What can be put around an environment, by name.

A wrapper of kind "both" changes the task, so it is evaluated too. One of kind "training" is a means
of learning: it never touches the score, because evaluation environments are made without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import gymnasium as gym
import gymnasium.wrappers as stock
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from harness.config import suggest

Env = gym.Env[Any, Any]
Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Wrapper(NamedTuple):
    """One line of the table."""

    apply: Callable[..., Env]  # (env, **options); the signature says which options there are
    kind: Literal["both", "training"]
    summary: str


def flat_image(env: Env) -> Env:
    from harness.envs.grid import FlatImage  # imports minigrid

    return FlatImage(env)


def action_masks(env: Env) -> Env:
    from harness.envs.grid import ActionMasks  # imports minigrid

    return ActionMasks(env)


def sticky_actions(env: Env, probability: Probability = 0.25) -> Env:
    return stock.StickyAction(env, probability)


def frame_stack(env: Env, frames: Count = 4) -> Env:
    return stock.FrameStackObservation(env, frames)


def time_aware(env: Env) -> Env:
    return stock.TimeAwareObservation(env, flatten=True, normalize_time=True)


def scale_reward(env: Env, factor: float) -> Env:
    return stock.TransformReward(env, lambda reward: factor * float(reward))


def clip_reward(env: Env, low: float = -1.0, high: float = 1.0) -> Env:
    return stock.TransformReward(env, lambda reward: min(max(float(reward), low), high))


def sign_reward(env: Env) -> Env:
    return stock.TransformReward(env, lambda reward: float(np.sign(float(reward))))


WRAPPERS: dict[str, Wrapper] = {
    "flat_image": Wrapper(flat_image, "both", "MiniGrid's view as a flat vector in [0, 1]"),
    "action_masks": Wrapper(action_masks, "both", "MiniGrid tells which actions change something"),
    "sticky_actions": Wrapper(sticky_actions, "both", "The last action repeats with a probability"),
    "frame_stack": Wrapper(frame_stack, "both", "The last few observations together"),
    "time_aware": Wrapper(time_aware, "both", "The share of the time that is gone, observed too"),
    "scale_reward": Wrapper(scale_reward, "training", "The reward times a factor"),
    "clip_reward": Wrapper(clip_reward, "training", "The reward, kept between two bounds"),
    "sign_reward": Wrapper(sign_reward, "training", "The sign of the reward: -1, 0 or 1"),
}


def check_wrapper(wrapper: Mapping[str, Any]) -> list[str]:
    """All that is wrong with {"name": ..., **options}, in words; nothing if it can be applied."""
    options = dict(wrapper)
    name = options.pop("name", None)
    if name is None:
        return ["a wrapper needs a 'name'"]
    if name not in WRAPPERS:
        return [f"unknown wrapper '{name}'.{suggest(str(name), WRAPPERS)}"]
    try:
        _options(name).model_validate(options)
    except ValidationError as error:
        return [_explain(name, dict(detail)) for detail in error.errors()]
    return []


def complete(wrapper: Mapping[str, Any]) -> dict[str, Any]:
    """The same wrapper with its defaults filled in: what is left out must not hide in a run's key.

    :raises ValidationError: for one that `check_wrapper` has words about.
    """
    options = {key: value for key, value in wrapper.items() if key != "name"}
    filled = _options(wrapper["name"]).model_validate(options)
    return {"name": wrapper["name"], **filled.model_dump(mode="json")}


@cache
def _options(name: str) -> type[BaseModel]:
    """The options of a wrapper as a model, read from its function's signature."""
    function = WRAPPERS[name].apply
    hints = get_type_hints(function, include_extras=True)
    _, *parameters = inspect.signature(function).parameters.values()
    fields: dict[str, Any] = {
        each.name: (hints[each.name], ... if each.default is each.empty else each.default)
        for each in parameters
    }
    settings = ConfigDict(extra="forbid", strict=True)
    return create_model(name, __config__=settings, **fields)


def _explain(name: str, detail: dict[str, Any]) -> str:
    option = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = _options(name).model_fields
        hint = suggest(option, known) if known else " It has none."
        return f"{name}: unknown option '{option}'.{hint}"
    if detail["type"] == "missing":
        return f"{name}: the option '{option}' is required"
    message = str(detail["msg"])
    return f"{name}: {option}: {message[:1].lower()}{message[1:]}, but {detail['input']!r} is given"
