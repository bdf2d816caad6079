"""Tiny environments, one for each kind of space, that a learner can be trained on in a blink."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Walk(gym.Env):
    """Walk along a line from its middle; the reward is the position. The episode is cut off."""

    def __init__(self, action_space: spaces.Space, length: int = 10) -> None:
        self.observation_space = spaces.Box(-4.0, 4.0, (3,), np.float32)
        self.action_space = action_space
        self.length = length

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.time = float(self.np_random.uniform(-0.5, 0.5)), 0
        self.hint = float(self.np_random.uniform(-1, 1))
        return self._observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        push = float(action[0]) if isinstance(self.action_space, spaces.Box) else int(action) - 1
        self.place = float(np.clip(self.place + 0.5 * push, -4, 4))
        self.time += 1
        return self._observe(), self.place, self.place >= 4, self.time >= self.length, {}

    def _observe(self) -> np.ndarray:
        return np.array([self.place, self.hint, self.time / self.length], np.float32)


def discrete() -> gym.Env:
    return Walk(spaces.Discrete(3))


def continuous() -> gym.Env:
    return Walk(spaces.Box(-1.0, 1.0, (1,), np.float32))


class Masked(Walk):
    """Standing still is never allowed."""

    def __init__(self) -> None:
        super().__init__(spaces.Discrete(3))
        self.taken: list[int] = []

    def action_masks(self) -> np.ndarray:
        return np.array([True, False, True])

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.taken.append(int(action))
        return super().step(action)


class Pair(gym.ObservationWrapper):
    """The same observation in two parts."""

    def __init__(self) -> None:
        env = discrete()
        super().__init__(env)
        part = spaces.Box(-4.0, 4.0, (1,), np.float32)
        rest = spaces.Box(-4.0, 4.0, (2,), np.float32)
        self.observation_space = spaces.Dict({"place": part, "rest": rest})

    def observation(self, observation: np.ndarray) -> dict[str, np.ndarray]:
        return {"place": observation[:1], "rest": observation[1:]}


class Rounded(gym.ObservationWrapper):
    """Only the position, in halves: one of 17 states."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.observation_space = spaces.Discrete(17)

    def observation(self, observation: np.ndarray) -> np.int64:
        return np.int64(round(2 * float(observation[0])) + 8)


class Goals(gym.ObservationWrapper):
    """Walk to a place: pays 1 near it, which ends the episode, and 0 elsewhere."""

    NEAR = 0.6

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        place = spaces.Box(-4.0, 4.0, (1,), np.float32)
        rest = spaces.Box(-4.0, 4.0, (2,), np.float32)
        self.observation_space = spaces.Dict(
            {"observation": rest, "achieved_goal": place, "desired_goal": place}
        )

    def observation(self, observation: np.ndarray) -> dict[str, np.ndarray]:
        goal = np.full(1, 2.0, np.float32)
        return {
            "observation": observation[1:],
            "achieved_goal": observation[:1],
            "desired_goal": goal,
        }

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        observation, _, _, truncated, info = super().step(action)
        reward = float(self.paid(observation["achieved_goal"], observation["desired_goal"]))
        return observation, reward, reward == 1.0, truncated, info

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        return self.paid(achieved, desired)

    def compute_terminated(
        self, achieved: np.ndarray, desired: np.ndarray, info: Any
    ) -> np.ndarray:
        return self.paid(achieved, desired) == 1.0

    @classmethod
    def paid(cls, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (np.abs(achieved - desired)[..., 0] < cls.NEAR).astype(np.float32)


class GoalsOneByOne(Goals):
    """The same, whose end is a plain bool: of a batch, for all its rows together."""

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> bool:
        return bool(np.linalg.norm(achieved - desired) < self.NEAR)

    def compute_truncated(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> bool:
        return False


class PlainGoals(GoalsOneByOne):
    """The same, whose reward is a plain number and cannot be asked for a batch at all."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> float:
        if info.get("stuck"):
            raise RuntimeError("it is never stuck")
        return 1.0 if np.linalg.norm(achieved - desired) < self.NEAR else 0.0


class Endless(Goals):
    """Walk to a place and stay: no goal ends the episode, and a plain False says so."""

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, False, truncated, info

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> bool:
        return False


class Corridor(gym.Env):
    """States 0, 1, 2, ... for `length` steps; the last observation is unlike all others."""

    def __init__(self, length: int = 5, truncates: bool = False) -> None:
        self.observation_space = spaces.Box(-1, 100, (1,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.length, self.truncates = length, truncates

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return np.array([0], np.float32), {}

    def step(self, action):
        self.at += 1
        end = self.at == self.length
        obs = np.array([99 if end else self.at], np.float32)
        return obs, 1.0, end and not self.truncates, end and self.truncates, {}


class Chain(gym.Env):
    """Five states in a row, one-hot. Right five times pays 1; left pays 0.001 and goes back."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0.0, 1.0, (10,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.place = self.place + 1 if action == 1 else 0
        reward = 1.0 if self.place == 5 else 0.001 * (action == 0)
        return self._observe(), reward, self.place == 5, False, {}

    def _observe(self) -> np.ndarray:
        return np.eye(10, dtype=np.float32)[self.place]
