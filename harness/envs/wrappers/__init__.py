"""What can be put around an environment, by name.

A wrapper of kind "both" changes the task, so it is evaluated too. One of kind "training" is a means
of learning: it never touches the score, because evaluation environments are made without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from harness.config import declared
from harness.config.strict import validate
from harness.config.tree import dotted
from harness.envs.wrappers import action, observation, push, reward
from harness.envs.wrappers.option import Env
from harness.envs.wrappers.own import own, worn
from harness.envs.wrappers.wrapper import Wrapper, options

# Part of the task: in training and in evaluation.
_BOTH: dict[str, tuple[Callable[..., Env], str]] = {
    # What the agent sees.
    "flatten": (observation.flatten, "All that is observed as one vector; categories as 0 and 1"),
    "flat_image": (observation.flat_image, "MiniGrid's view as a flat vector in [0, 1]"),
    "cell_image": (observation.cell_image, "Cells of MiniGrid or MinAtar as an image of bytes"),
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


def wrapper(name: str) -> Wrapper:
    """One that ships, that a package declares, or "module:name" of the user's own.

    :raises KeyError: if there is none; its argument tells the way out.
    :raises ValueError: if it cannot be used; the message tells the way out.
    """
    target = _named(name)
    return WRAPPERS[target] if target in WRAPPERS else own(target)


def check_wrapper(wearing: Mapping[str, Any]) -> list[str]:
    """All that is wrong with {"name": ..., **options}, in words; nothing if it can be applied."""
    options_ = dict(wearing)
    name = options_.pop("name", None)
    if not isinstance(name, str):
        return ["a wrapper needs a 'name'"]
    try:
        apply = wrapper(name).apply
    except (KeyError, ValueError) as error:
        return [str(error.args[0])]
    _, problems = validate(options_, options(apply))
    return [f"{name}: {dotted(place)}: {message}" for place, message in problems]


def complete(wearing: Mapping[str, Any]) -> dict[str, Any]:
    """The same wrapper with its defaults filled in: what is left out must not hide in a run's key.

    One that a package declares is called by its target, and one of the user's own has its version.

    :raises ValidationError: for one that `check_wrapper` has words about.
    """
    name = _named(wearing["name"])
    entry = wrapper(name)
    given = {key: value for key, value in wearing.items() if key != "name"}
    filled = options(entry.apply).model_validate_json(json.dumps(given))
    version = {} if entry.version is None else {"version": entry.version}
    return {"name": name, **version, **filled.model_dump(mode="json")}


def moved(recorded: Mapping[str, Any]) -> str:
    """Why a complete wrapper of a record is another one today; empty: it is the same."""
    wearing = {key: value for key, value in recorded.items() if key != "version"}
    wrong = check_wrapper(wearing)
    if wrong:
        return wrong[0]
    version = complete(wearing).get("version")
    if version != recorded.get("version"):
        was = recorded.get("version")
        return f"the wrapper {recorded['name']} was version {was} and is version {version}"
    return ""


def wear(env: Env, wearing: Mapping[str, Any], training: bool) -> Env:
    """The environment in a wrapper, which one of kind "training" is for training alone.

    :raises TypeError: if it is for other environments, or makes none; ValueError likewise.
    """
    given = {key: value for key, value in wearing.items() if key not in ("name", "version")}
    entry = wrapper(wearing["name"])
    if not training and entry.kind == "training":
        return env
    if entry.version is not None:
        return worn(entry, wearing["name"], env, training, given)
    return entry.apply(env, **given)


def _named(name: str) -> str:
    return declared.known("wrappers", name, WRAPPERS)
