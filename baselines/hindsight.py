"""What hindsight replay needs beside Stable-Baselines3's own buffer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer


class GoalsEnd(HerReplayBuffer):
    """Hindsight replay in which a goal that ends an episode ends it in hindsight, too.

    SB3 2.9.2 keeps the end of the episode that was played: a goal put in its place would have to be
    held, where the environment asks only that it is reached.
    """

    def _sample_goals(self, batch_indices: np.ndarray, env_indices: np.ndarray) -> np.ndarray:
        self._goals = super()._sample_goals(batch_indices, env_indices)
        return self._goals

    def _get_virtual_samples(
        self, batch_indices: np.ndarray, env_indices: np.ndarray, env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        found = super()._get_virtual_samples(batch_indices, env_indices, env)
        reached = self.next_observations["achieved_goal"][batch_indices, env_indices]
        infos = [{}] * len(reached)
        ends = self.env.env_method("compute_terminated", reached, self._goals, infos, indices=[0])
        return found._replace(dones=self.to_torch(ends[0].astype(np.float32)).reshape(-1, 1))


class ManyGoals(gym.Wrapper[Any, Any, Any, Any]):
    """Answers for a batch of goals where the environment only answers for one.

    Gymnasium-Robotics asks for no more of `compute_reward` and `compute_terminated`: Fetch says
    False to any batch, and a maze that ends takes the distance of all its rows together. So an
    answer without one value a row is none, and the rows are asked one by one.
    """

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, infos: Any) -> np.ndarray:
        """(n, ...), (n, ...), n infos -> (n,)"""
        return self._ask("compute_reward", achieved, desired, infos)

    def compute_terminated(
        self, achieved: np.ndarray, desired: np.ndarray, infos: Any
    ) -> np.ndarray:
        """(n, ...), (n, ...), n infos -> (n,)"""
        return self._ask("compute_terminated", achieved, desired, infos)

    def _ask(self, name: str, achieved: np.ndarray, desired: np.ndarray, infos: Any) -> np.ndarray:
        method = self.env.get_wrapper_attr(name)
        with suppress(Exception):  # whatever a method for one goal raises for many
            found = method(achieved, desired, infos)
            if np.shape(found) == (len(achieved),):
                return np.asarray(found)
        return np.array([method(*row) for row in zip(achieved, desired, infos, strict=True)])


class PaidAlike(gym.Wrapper[Any, Any, Any, Any]):
    """Refuses rewards that hindsight would not pay: shaping, for instance, around the goals.

    The first episode is enough to see them, and later a reward at the very edge of success may
    differ by rounding.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.time_limit = 0  # 0: none is known
        if env.has_wrapper_attr("_max_episode_steps"):
            self.time_limit = env.get_wrapper_attr("_max_episode_steps")
        self._checked = False

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not self._checked:
            goals = observation["achieved_goal"][None], observation["desired_goal"][None]
            paid = self.env.get_wrapper_attr("compute_reward")(*goals, [info])[0]
            if not np.isclose(paid, reward):
                raise ValueError(
                    f"the environment pays {reward}, and its compute_reward {paid} for the same: "
                    "hindsight replay needs a reward that follows from the goals alone"
                )
            self._checked = terminated or truncated
        return observation, reward, terminated, truncated, info
