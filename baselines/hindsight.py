"""What hindsight replay needs beside Stable-Baselines3's own buffer."""

from __future__ import annotations

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
