"""Uniform random actions: the zero of every score."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from baselines import api
from baselines.classic.script import Script
from baselines.classic.space import only_of, probe


class Random(Script):
    """Draws from NumPy's global generator, as SB3's policies draw from torch's.

    Whoever evaluates seeds it: a generator of its own would make a score depend on how many
    evaluations there were before it.
    """

    class Config(api.Config):
        """Nothing to set."""

    def __init__(self, task: api.Task, config: Any) -> None:
        space = probe(task).action_space
        self._space = only_of(space, (spaces.Discrete, spaces.Box), "actions")

    def act(
        self, observation: Any, state: Any, starts: np.ndarray, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, Any]:
        n, space = len(starts), self._space
        if isinstance(space, spaces.Box):
            draws = np.random.uniform(space.low, space.high, (n, *space.shape))
            return draws.astype(space.dtype), None
        if allowed is None:
            allowed = np.ones((n, int(space.n)), bool)
        draws = np.random.uniform(size=allowed.shape)
        return space.start + np.where(allowed, draws, -1.0).argmax(axis=1), None
