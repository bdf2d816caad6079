"""Looking at a task's spaces, with errors that say which ones a learner can use."""

from __future__ import annotations

import gymnasium as gym
from gymnasium import spaces

from baselines.api import Task


def probe(task: Task) -> gym.Env:
    """One environment of the task, closed: for its spaces and its class."""
    env = task.make_env()
    env.close()
    return env


def only_of(space: spaces.Space, kinds: tuple[type[spaces.Space], ...], what: str) -> spaces.Space:
    """The space itself.

    :raises TypeError: if it is none of `kinds`.
    """
    if not isinstance(space, kinds):
        known = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{what} must be {known}, and these are {space}")
    return space


def time_limit(env: gym.Env) -> int | None:
    """The steps after which its episodes are cut off, if they are."""
    name = "_max_episode_steps"
    return env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else None
