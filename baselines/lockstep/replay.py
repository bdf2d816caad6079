"""What DQN and SAC share: transitions in arrays of ours, shown as the networks read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFreq
from stable_baselines3.common.utils import should_collect_more_steps
from stable_baselines3.common.vec_env import VecEnv

from baselines.api import Config
from baselines.kept import Kept, Ring
from baselines.lockstep.flat import CompiledAgent, FlatModel
from baselines.lockstep.kernel import F
from baselines.lockstep.steps import Steps, features


class Replay(NamedTuple):
    """Transitions by row and environment; the oldest are overwritten."""

    obs: np.ndarray  # (rows, E, D)
    after: np.ndarray  # (rows, E, D): of an episode that ended, its last observation
    actions: np.ndarray  # (rows, E) chosen ones; or (rows, E, A), scaled to [-1, 1]
    rewards: np.ndarray  # (rows, E)
    ends: np.ndarray  # (rows, E): 1 where the episode ended by itself


def empty(rows: int, envs: int, seen: spaces.Space[Any], taken: spaces.Space[Any]) -> Replay:
    """Zeros, which take no memory until they are written."""
    example = np.zeros((1, *(seen.shape or ())), seen.dtype)
    shape = rows, envs
    shown = shape + features(seen, example).shape[1:]
    if isinstance(taken, spaces.Discrete):
        actions = np.zeros(shape, np.int64)
    else:
        actions = np.zeros((*shape, get_action_dim(taken)), F)
    return Replay(
        np.zeros(shown, F), np.zeros(shown, F), actions, np.zeros(shape, F), np.zeros(shape, F)
    )


class ReplayModel(FlatModel):
    """What stands before an algorithm of SB3 that replays."""

    OURS = (*FlatModel.OURS, "replay", "filled")

    def _setup_model(self) -> None:
        super()._setup_model()
        rows = max(self.buffer_size // self.n_envs, 1)
        self.replay = empty(rows, self.n_envs, self.observation_space, self.action_space)
        self.replay_buffer = None
        self.filled = 0  # rows written so far, those that were overwritten included

    def choose(self, seen: np.ndarray, learning_starts: int) -> tuple[Any, np.ndarray]:
        """:param seen: (E, D).
        :return: an action for each environment, and actions as they are replayed.
        """
        raise NotImplementedError

    def ended(self, dones: np.ndarray, infos: list[dict[str, Any]]) -> None:
        """Episodes in some environments."""
        self._update_info_buffer(infos, dones)
        self._episode_num += int(dones.sum())

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        train_freq: TrainFreq,
        replay_buffer: ReplayBuffer,
        action_noise: ActionNoise | None = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        callback.on_rollout_start()
        replay, stepping, space = self.replay, Steps(env), self.observation_space
        seen = features(space, self._last_obs)
        steps, episodes = 0, 0
        while should_collect_more_steps(train_freq, steps, episodes):
            taken, kept = self.choose(seen, learning_starts)
            obs, rewards, dones, infos = stepping.step(taken)
            self.num_timesteps += env.num_envs
            steps += 1
            callback.update_locals({"infos": infos})
            if not callback.on_step():
                return RolloutReturn(steps * env.num_envs, episodes, continue_training=False)
            row = self.filled % len(replay.obs)
            replay.obs[row], replay.actions[row], replay.rewards[row] = seen, kept, rewards
            seen = features(space, obs)
            replay.after[row], replay.ends[row] = seen, dones
            if dones.any():
                for i, last in stepping.last.items():
                    replay.after[row, i] = features(space, last)[0]
                    replay.ends[row, i] = i not in stepping.cut
                episodes += int(dones.sum())
                self.ended(dones, infos)
            self.filled += 1
            self._last_obs = obs
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self._on_step()
        callback.on_rollout_end()
        return RolloutReturn(steps * env.num_envs, episodes, continue_training=True)

    def batches(self, gradient_steps: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and environments of transitions, (gradient steps, batch) each."""
        shape = gradient_steps, batch_size
        rows = self.generator.integers(min(self.filled, len(self.replay.obs)), size=shape)
        return rows, self.generator.integers(self.n_envs, size=shape)


class ReplayAgent(CompiledAgent):
    """An SB3 algorithm that replays, with compiled updates."""

    def kept(self) -> Kept:
        replay = Ring(self.model.replay._asdict(), self.model.filled)
        return replace(super().kept(), rings={"replay": replay})

    @classmethod
    def refuses(cls, config: Config) -> Iterator[tuple[str, str]]:
        if config.normalize.obs or config.normalize.reward:
            yield "normalize", "statistics that move under what is replayed are not compiled yet"
        if config.n_steps > 1:
            yield "n_steps", "returns over several steps are not compiled yet"
        yield from super().refuses(config)
