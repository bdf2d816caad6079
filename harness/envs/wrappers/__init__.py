"""What can be put around an environment, by name.

A wrapper of kind "both" changes the task, so it is evaluated too. One of kind "training" is a means
of learning: it never touches the score, because evaluation environments are made without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from harness.config.strict import suggest, validate
from harness.config.tree import dotted
from harness.envs.wrappers import action, observation, push, reward
from harness.envs.wrappers.option import Env


class Wrapper(NamedTuple):
    """A wrapper, as it is applied and described."""

    apply: Callable[..., Env]  # (env, **options); the signature says which options there are
    summary: str
    kind: Literal["both", "training"]
    # What it does depends on how far training is: so there is no one environment of training.
    moves: bool


# Part of the task: in training and in evaluation.
_BOTH: dict[str, tuple[Callable[..., Env], str]] = {
    # What the agent sees.
    "flat_image": (observation.flat_image, "MiniGrid's view as a flat vector in [0, 1]"),
    "action_masks": (observation.action_masks, "MiniGrid tells which actions change something"),
    "frame_stack": (observation.frame_stack, "The last few observations together"),
    "time_aware": (observation.time_aware, "The elapsed share of the time limit, observed too"),
    "mask_observation": (observation.mask_observation, "Some numbers are hidden: they read 0"),
    "observation_noise": (observation.NoisyObservation, "Gaussian noise on observations"),
    "noisy_tv": (observation.NoisyTV, "A noisy TV: numbers that mean nothing, and a remote"),
    "single_precision": (observation.single_precision, "Floats of 32 bits instead of 64"),
    "resize": (observation.resize, "Images in another size"),
    "grey": (observation.grey, "Images without colour"),
    "push_frame": (push.push_frame, "PushPose in the object's frame or in the world's"),
    "goal_observation": (push.GoalObservation, "PushPose's goal apart, for hindsight replay"),
    "stall_clock": (push.StallClock, "PushPose: the time without progress, observed"),
    # What becomes of its actions.
    "sticky_actions": (action.sticky_actions, "The last action repeats with a probability"),
    "random_actions": (action.random_actions, "A random action instead, with a probability"),
    "gaussian_actions": (action.gaussian_actions, "Gaussian noise on continuous actions"),
}
# Means of learning: in training alone.
_TRAINING: dict[str, tuple[Callable[..., Env], str]] = {
    "annealed_random_actions": (action.annealed_random_actions, "Random actions, annealed"),
    "annealed_gaussian_actions": (action.annealed_gaussian_actions, "Gaussian noise, annealed"),
    "scale_reward": (reward.scale_reward, "The reward times a factor"),
    "clip_reward": (reward.clip_reward, "The reward, kept between two bounds"),
    "sign_reward": (reward.sign_reward, "The sign of the reward: -1, 0 or 1"),
    "log_reward": (reward.log_reward, "The symmetric logarithm of the reward"),
    "normalize_reward": (reward.normalize_reward, "The reward over its return's running SD"),
    "living_reward": (reward.living_reward, "A constant for every step, usually negative"),
    "cartpole_potential": (reward.cartpole_potential, "Potential shaping: an upright, calm pole"),
    "error_shaping": (push.error_shaping, "Potential shaping: a robot's weighted errors"),
    "stall_end": (push.stall_end, "The episode ends when the stall clock has run out"),
    "curriculum": (push.Curriculum, "Easy episodes first, harder ones after enough successes"),
    "stall": (reward.stall, "The episode ends, with a penalty, when nothing moves"),
}
_MOVING = {
    "annealed_random_actions", "annealed_gaussian_actions", "normalize_reward", "curriculum",
}  # fmt: skip

WRAPPERS: dict[str, Wrapper] = {
    **{name: Wrapper(*entry, "both", False) for name, entry in _BOTH.items()},
    **{name: Wrapper(*entry, "training", name in _MOVING) for name, entry in _TRAINING.items()},
}


def check_wrapper(wrapper: Mapping[str, Any]) -> list[str]:
    """All that is wrong with {"name": ..., **options}, in words; nothing if it can be applied."""
    options = dict(wrapper)
    name = options.pop("name", None)
    if not isinstance(name, str):
        return ["a wrapper needs a 'name'"]
    if name not in WRAPPERS:
        return [f"unknown wrapper '{name}'.{suggest(name, WRAPPERS)}"]
    _, problems = validate(options, _options(name))
    return [f"{name}: {dotted(place)}: {message}" for place, message in problems]


def complete(wrapper: Mapping[str, Any]) -> dict[str, Any]:
    """The same wrapper with its defaults filled in: what is left out must not hide in a run's key.

    :raises ValidationError: for one that `check_wrapper` has words about.
    """
    options = {key: value for key, value in wrapper.items() if key != "name"}
    filled = _options(wrapper["name"]).model_validate(options)
    return {"name": wrapper["name"], **filled.model_dump(mode="json")}


@cache
def _options(name: str) -> type[BaseModel]:
    """The options of a wrapper as a model, read from the signature of its class or function."""
    apply = WRAPPERS[name].apply
    typed = apply.__init__ if isinstance(apply, type) else apply  # type: ignore[misc]
    hints = get_type_hints(typed, include_extras=True)
    _, *parameters = inspect.signature(apply).parameters.values()
    fields: dict[str, Any] = {
        each.name: (hints[each.name], ... if each.default is each.empty else each.default)
        for each in parameters
    }
    settings = ConfigDict(extra="forbid", strict=True)
    return create_model(name, __config__=settings, **fields)
