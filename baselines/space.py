"""The kinds of spaces that learners tell apart, by the names that `baselines.Entry` gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from baselines.api import GOAL_PARTS

PARTS = ("vector", "image", "discrete", "multibinary", "multidiscrete")  # what a Dict may hold


def observation_kind(space: spaces.Space[Any]) -> str:
    """One of `baselines.OBSERVATIONS`."""
    if isinstance(space, spaces.Box):
        if len(space.shape) < 3:
            return "vector"
        return "image" if is_image(space) else "array"
    if isinstance(space, spaces.Dict):
        if not all(observation_kind(part) in PARTS for part in space.values()):
            return "other"
        return "goals" if set(GOAL_PARTS) <= set(space) else "dict"
    return _counted(space)


def action_kind(space: spaces.Space[Any]) -> str:
    """One of `baselines.ACTIONS`."""
    if isinstance(space, spaces.Box):
        return "continuous" if space.is_bounded() else "unbounded"
    return _counted(space)


def is_image(space: spaces.Box) -> bool:
    """Bytes from 0 to 255, with three axes: with any other numbers nothing tells it from a list."""
    whole = (space.low == 0).all() and (space.high == 255).all()
    return bool(len(space.shape) == 3 and space.dtype == np.uint8 and whole)


def shown(space: spaces.Space[Any]) -> str:
    """In a few words, for an error: `Box (12, 12, 3) float32`."""
    name = type(space).__name__
    if isinstance(space, spaces.Box):
        return f"{name} {space.shape} {space.dtype}"
    if isinstance(space, spaces.Dict):
        return f"{name} of {', '.join(f'{key}: {shown(part)}' for key, part in space.items())}"
    return str(space)


def _counted(space: spaces.Space[Any]) -> str:
    if isinstance(space, spaces.Discrete):
        return "discrete" if space.start == 0 else "shifted"
    if isinstance(space, spaces.MultiBinary):
        return "multibinary"
    if isinstance(space, spaces.MultiDiscrete) and not np.any(space.start):
        return "multidiscrete"
    return "other"
