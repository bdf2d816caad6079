"""What can be put around an environment, by name.

A wrapper of kind "both" changes the task, so it is evaluated too. One of kind "training" is a means
of learning: it never touches the score, because evaluation environments are made without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from harness.config.strict import suggest
from harness.envs.wrappers import action, observation, push, reward
from harness.envs.wrappers.option import Env


class Wrapper(NamedTuple):
    """One line of the table."""

    apply: Callable[..., Env]  # (env, **options); the signature says which options there are
    kind: Literal["both", "training"]
    summary: str
    # What it does depends on how far training is: so there is no one environment of training.
    moves: bool = False


WRAPPERS: dict[str, Wrapper] = {
    # What the agent sees.
    "flat_image": Wrapper(
        observation.flat_image, "both", "MiniGrid's view as a flat vector in [0, 1]"
    ),
    "action_masks": Wrapper(
        observation.action_masks, "both", "MiniGrid tells which actions change something"
    ),
    "frame_stack": Wrapper(observation.frame_stack, "both", "The last few observations together"),
    "time_aware": Wrapper(
        observation.time_aware, "both", "The share of the time that is gone, observed too"
    ),
    "mask_observation": Wrapper(
        observation.mask_observation, "both", "Some numbers are hidden: they read 0"
    ),
    "observation_noise": Wrapper(
        observation.observation_noise, "both", "Gaussian noise on what is observed"
    ),
    "noisy_tv": Wrapper(
        observation.noisy_tv, "both", "A television: numbers that mean nothing, and a remote"
    ),
    "single_precision": Wrapper(
        observation.single_precision, "both", "Floats of 32 bits instead of 64"
    ),
    "resize": Wrapper(observation.resize, "both", "Images in another size"),
    "grey": Wrapper(observation.grey, "both", "Images without colour"),
    "push_frame": Wrapper(
        push.push_frame, "both", "PushPose seen and steered from the object or from the world"
    ),
    "goal_observation": Wrapper(
        push.goal_observation, "both", "PushPose's state, with the goal apart: for hindsight"
    ),
    "stall_clock": Wrapper(
        push.stall_clock, "both", "The time without headway, observed; ends nothing by itself"
    ),
    # What becomes of its actions.
    "sticky_actions": Wrapper(
        action.sticky_actions, "both", "The last action repeats with a probability"
    ),
    "random_actions": Wrapper(
        action.random_actions, "both", "A random action in its place, with a probability"
    ),
    "gaussian_actions": Wrapper(
        action.gaussian_actions, "both", "Gaussian noise on continuous actions"
    ),
    "annealed_random_actions": Wrapper(
        action.annealed_random_actions,
        "training",
        "Random actions, fewer as training goes on",
        moves=True,
    ),
    "annealed_gaussian_actions": Wrapper(
        action.annealed_gaussian_actions,
        "training",
        "Gaussian noise, less as training goes on",
        moves=True,
    ),
    # What it learns from.
    "scale_reward": Wrapper(reward.scale_reward, "training", "The reward times a factor"),
    "clip_reward": Wrapper(reward.clip_reward, "training", "The reward, kept between two bounds"),
    "sign_reward": Wrapper(reward.sign_reward, "training", "The sign of the reward: -1, 0 or 1"),
    "log_reward": Wrapper(
        reward.log_reward, "training", "The order of magnitude of the reward, with its sign"
    ),
    "normalize_reward": Wrapper(
        reward.normalize_reward,
        "training",
        "The reward by the deviation of its return",
        moves=True,
    ),
    "living_reward": Wrapper(
        reward.living_reward, "training", "A constant for every step, as a rule negative"
    ),
    "cartpole_potential": Wrapper(
        reward.cartpole_potential, "training", "Shaping by a potential: an upright, calm pole"
    ),
    "error_shaping": Wrapper(
        push.error_shaping, "training", "Shaping by a potential: a robot's errors, weighted"
    ),
    "stall_end": Wrapper(push.stall_end, "training", "The end of the stall clock ends the episode"),
    "curriculum": Wrapper(
        push.curriculum,
        "training",
        "Easy episodes first, harder ones after enough successes",
        moves=True,
    ),
    "stall": Wrapper(reward.stall, "training", "An episode that stands still ends, with a penalty"),
}


def check_wrapper(wrapper: Mapping[str, Any]) -> list[str]:
    """All that is wrong with {"name": ..., **options}, in words; nothing if it can be applied."""
    options = dict(wrapper)
    name = options.pop("name", None)
    if not isinstance(name, str):
        return ["a wrapper needs a 'name'"]
    if name not in WRAPPERS:
        return [f"unknown wrapper '{name}'.{suggest(name, WRAPPERS)}"]
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
