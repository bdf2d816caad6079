"""The null action, for ever: what the environment does by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from baselines import api
from baselines.classic.script import Script
from baselines.classic.space import only_of, probe


class Null(Script):
    """Continuous actions are zero, or as near to it as their bounds allow."""

    class Config(api.Config):
        """Which discrete action does nothing."""

        action: int | None = None  # None: the first

    def __init__(self, task: api.Task, config: Any) -> None:
        space = probe(task).action_space
        space = only_of(space, (spaces.Discrete, spaces.Box), "actions")
        if isinstance(space, spaces.Box):
            zero = np.clip(np.zeros(space.shape), space.low, space.high)
            self._action = zero.astype(space.dtype)
        else:
            chosen = space.start if config.action is None else config.action
            self._action = np.asarray(chosen, space.dtype)

    def act(
        self, observation: Any, state: Any, starts: np.ndarray, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, Any]:
        return np.repeat(self._action[None], len(starts), axis=0), None
