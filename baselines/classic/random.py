"""Uniform random actions: the zero of every score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from baselines import api
from baselines.classic.space import only_of, probe


class Random:
    """Draws from NumPy's global generator, as SB3's policies draw from torch's.

    Whoever evaluates seeds it: a generator of its own would make a score depend on how many
    evaluations there were before it.
    """

    class Config(api.Config):
        """Nothing to set."""

    def __init__(self, task: api.Task, config: Any) -> None:
        space = probe(task).action_space
        self._space = only_of(space, (spaces.Discrete, spaces.Box), "actions")

    def learn(self, progress: api.Progress) -> int:
        return 0

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """Random whether deterministic or not; among the allowed actions if there are masks."""
        first = next(iter(observation.values())) if isinstance(observation, dict) else observation
        n = len(first)
        space = self._space
        if isinstance(space, spaces.Box):
            draws = np.random.uniform(space.low, space.high, (n, *space.shape))
            return draws.astype(space.dtype), None
        allowed = np.ones((n, int(space.n)), bool) if action_masks is None else action_masks
        draws = np.random.uniform(size=allowed.shape)
        return space.start + np.where(allowed, draws, -1.0).argmax(axis=1), None

    def weights(self) -> dict[str, np.ndarray]:
        return {}

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...
