"""Steps of parallel environments, as SB3's DummyVecEnv and VecNormalize take them, with less to do.

The environments, their seeds and the running statistics are SB3's own objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from baselines.space import action_kind, observation_kind, shown

OBSERVATIONS = ("vector", "discrete", "multibinary")
ACTIONS = ("discrete", "continuous")


def refused_space(seen: spaces.Space[Any], taken: spaces.Space[Any]) -> str:
    """Why lockstep cannot learn there; empty: it can."""
    for verb, space, kind, known in (
        ("reads", seen, observation_kind(seen), OBSERVATIONS),
        ("takes", taken, action_kind(taken), ACTIONS),
    ):
        if kind not in known:
            able = ", ".join(known)
            return f"the engine lockstep {verb} {able} only, not {shown(space)}: take engine sb3"
    return ""


def features(space: spaces.Space[Any], obs: np.ndarray) -> np.ndarray:  # (n, ...) -> (n, D)
    """What SB3's networks are shown: numbers in a row, a number of a set as one-hot."""
    if isinstance(space, spaces.Discrete):
        chosen = np.asarray(obs, np.int64).reshape(-1)
        shown = np.zeros((len(chosen), int(space.n)), np.float32)
        shown[np.arange(len(chosen)), chosen] = 1
        return shown
    return np.asarray(obs, np.float32).reshape(len(obs), -1)


class Steps:
    """Of the environments of a VecEnv that SB3 made and has reset."""

    def __init__(self, env: VecEnv) -> None:
        self._normalize = env if isinstance(env, VecNormalize) else None
        vector = env.venv if isinstance(env, VecNormalize) else env
        assert isinstance(vector, DummyVecEnv)
        self._envs: Sequence[gym.Env[Any, Any]] = vector.envs
        space = vector.observation_space
        self._shape = (len(self._envs), *(space.shape or ()))
        self._dtype = space.dtype
        # Of the last step, by environment: the last observation (1, ...) of an episode that ended,
        # and those that a time limit cut short, of which more would have followed.
        self.last: dict[int, np.ndarray] = {}
        self.cut: dict[int, np.ndarray] = {}

    def step(
        self, actions: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations, rewards, ends and infos; an environment whose episode ends is reset.

        Of an end, and only of one, `infos` tell what SB3's tell of every step.
        """
        obs = np.empty(self._shape, self._dtype)
        rewards, dones = np.zeros(len(actions), np.float32), np.zeros(len(actions), bool)
        infos, last, cut = [], {}, set()
        for i, (env, action) in enumerate(zip(self._envs, actions, strict=True)):
            seen, rewards[i], terminated, truncated, info = env.step(action)
            if terminated or truncated:
                dones[i] = True
                last[i] = np.asarray(seen)[None]
                if not terminated:
                    cut.add(i)
                info["TimeLimit.truncated"] = not terminated
                seen, _ = env.reset()
            obs[i] = seen
            infos.append(info)
        if self._normalize is not None:
            obs, rewards = self._normalized(self._normalize, obs, rewards, dones)
            last = {i: self._normalize.normalize_obs(each) for i, each in last.items()}
        for i, each in last.items():
            infos[i]["terminal_observation"] = each[0]
        self.last, self.cut = last, {i: last[i] for i in cut}
        return obs, rewards, dones, infos

    @staticmethod
    def _normalized(
        statistics: VecNormalize, obs: np.ndarray, rewards: np.ndarray, dones: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """VecNormalize.step_wait."""
        if statistics.norm_obs:
            statistics.obs_rms.update(obs)
        obs = statistics.normalize_obs(obs)
        statistics.old_reward = rewards
        statistics._update_reward(rewards)
        rewards = statistics.normalize_reward(rewards)
        statistics.returns[dones] = 0
        return obs, rewards
