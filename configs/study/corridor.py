"""An environment of my own: any class of Gymnasium's kind."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class Corridor(gym.Env[np.ndarray, int]):
    """Walk to the right end. Every step costs 0.01, and the end pays 1."""

    def __init__(self, length: int = 10) -> None:
        self.length = length
        self.observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = 0
        return self._observation(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.place = max(0, self.place + (1 if action == 1 else -1))
        arrived = self.place == self.length
        return self._observation(), float(arrived) - 0.01, arrived, False, {}

    def render(self) -> np.ndarray:
        """For `harness watch`: pixels (height, width, 3)."""
        picture = np.full((16, 16 * (self.length + 1), 3), 230, np.uint8)
        picture[:, 16 * self.place : 16 * (self.place + 1)] = (1, 115, 178)
        return picture

    def _observation(self) -> np.ndarray:
        return np.array([self.place / self.length], np.float32)
