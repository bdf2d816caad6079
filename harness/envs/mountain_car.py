"""MountainCar without the cost of time: nothing tells a slow climb from none at all."""

from __future__ import annotations

from typing import Any

from gymnasium.envs.classic_control.mountain_car import MountainCarEnv


class SparseMountainCar(MountainCarEnv):
    """Gymnasium's, but the reward is 1 at the flag and 0 until then."""

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, _, terminated, truncated, info = super().step(action)
        return observation, float(terminated), terminated, truncated, info
