"""DQN (Mnih et al., 2015) as Stable-Baselines3 does it, with compiled acting and updates.

SB3's class keeps its constructor, `learn`, schedules and logs; see `ppo.py`. Transitions lie in
arrays of ours, shown as the network reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import stable_baselines3
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFreq
from stable_baselines3.common.utils import should_collect_more_steps
from stable_baselines3.common.vec_env import VecEnv

from baselines.api import Config
from baselines.lockstep.flat import (
    CompiledAgent,
    Flat,
    FlatModel,
    laid_flat,
    linears,
    net,
    parameters,
)
from baselines.lockstep.kernel import (
    ONE,
    TANH,
    ZERO,
    F,
    Net,
    adam,
    backward,
    clip_norm,
    compiled,
    forward,
)
from baselines.lockstep.steps import Steps, features
from baselines.sb3 import agent_class


class Replay(NamedTuple):
    """Transitions by row and environment; the oldest are overwritten."""

    obs: np.ndarray  # (rows, E, D)
    after: np.ndarray  # (rows, E, D): of an episode that ended, its last observation
    actions: np.ndarray  # (rows, E)
    rewards: np.ndarray  # (rows, E)
    ends: np.ndarray  # (rows, E): 1 where the episode ended by itself


class Settings(NamedTuple):
    """Of one update."""

    gamma: float
    max_grad_norm: float
    learning_rate: float
    adam_eps: float


@compiled
def update(p, g, m, v, step, target, net, s, replay, rows, envs, losses):
    """Gradient steps on batches of transitions.

    :param step: updates so far.
    :param target: the target network, which stays as it is.
    :param rows: (gradient steps, batch), and envs likewise: which transitions.
    :param losses: (gradient steps,): filled.
    :return: updates so far.
    """
    steps, n = rows.shape
    dims, width = replay.obs.shape[2], net.widths[-1]
    x = np.empty((n, dims), F)
    layers, best = np.empty(n * net.widths.sum(), F), np.empty(n, F)
    delta, spare = np.empty(n * net.widths.max(), F), np.empty(n * net.widths.max(), F)
    share = ONE / F(n)
    for k in range(steps):
        for i in range(n):
            x[i] = replay.after[rows[k, i], envs[k, i]]
        out = forward(target, net, x, layers)
        for i in range(n):
            best[i] = out[i, 0]
            for j in range(1, width):
                best[i] = max(best[i], out[i, j])
        for i in range(n):
            x[i] = replay.obs[rows[k, i], envs[k, i]]
        out = forward(p, net, x, layers)
        d_out, loss = delta[: n * width].reshape(n, width), ZERO
        d_out[:] = ZERO
        for i in range(n):
            row, env = rows[k, i], envs[k, i]
            chosen = replay.actions[row, env]
            ahead = (ONE - replay.ends[row, env]) * F(s.gamma) * best[i]
            miss = out[i, chosen] - (replay.rewards[row, env] + ahead)
            if abs(miss) < ONE:  # Huber's loss
                loss += F(0.5) * miss * miss
                d_out[i, chosen] = miss * share
            else:
                loss += abs(miss) - F(0.5)
                d_out[i, chosen] = share if miss > ZERO else (-share if miss < ZERO else miss)
        losses[k] = loss * share
        backward(p, g, net, x, layers, delta, spare)
        clip_norm(g, s.max_grad_norm)
        step += 1
        adam(p, g, m, v, step, s.learning_rate, s.adam_eps)
    return step


def warm() -> None:
    """Compile it all, or read it from disk, for the processes that are forked from this one."""
    small = Net(0, np.array([2, 3, 2]), TANH)
    p, g, m, v, target = np.zeros((5, small.end), F)
    forward(p, small, np.zeros((1, 2), F), np.zeros(8, F))
    where, flags = np.zeros((1, 1), np.int64), np.zeros((1, 1), F)
    seen = np.zeros((1, 1, 2), F)
    replay = Replay(seen, seen, where, flags, flags)
    settings = Settings(0.9, 10.0, 1e-3, 1e-8)
    update(p, g, m, v, 0, target, small, settings, replay, where, where, np.zeros(1, F))


class CompiledDQN(FlatModel, stable_baselines3.DQN):
    """SB3's DQN, which collects and trains by the functions above."""

    OURS = (*FlatModel.OURS, "net", "target", "replay", "filled")

    def _setup_model(self) -> None:
        super()._setup_model()
        rows = max(self.buffer_size // self.n_envs, 1)
        shape = rows, self.n_envs
        shown = shape + features(self.observation_space, self._example()).shape[1:]
        # Zeros take no memory until they are written.
        self.replay = Replay(
            np.zeros(shown, F),
            np.zeros(shown, F),
            np.zeros(shape, np.int64),
            np.zeros(shape, F),
            np.zeros(shape, F),
        )
        self.filled = 0  # rows written so far, those that were overwritten included

    def _example(self) -> np.ndarray:  # (1, ...)
        space = self.observation_space
        return np.zeros((1, *(space.shape or ())), space.dtype)

    def lay_flat(self) -> None:
        layers = linears(self.policy.q_net)
        self.net = net(0, layers, self.policy.activation_fn)
        self.flat = Flat(parameters(layers), self.policy.optimizer)
        self.target = laid_flat(parameters(linears(self.policy.q_net_target)))  # as `flat.values`

    def values(self, obs: np.ndarray) -> np.ndarray:  # (n, D) -> (n, A)
        layers = np.empty(len(obs) * self.net.widths.sum(), F)
        return forward(self.flat.values, self.net, obs, layers)

    def _choose(self, seen: np.ndarray, learning_starts: int) -> np.ndarray:  # (E, D) -> (E,)
        """All environments explore, or none, as SB3 has it."""
        explores = self.num_timesteps < learning_starts
        if explores or self.generator.random() < self.exploration_rate:
            return self.generator.integers(self.action_space.n, size=len(seen))
        return self.values(seen).argmax(axis=1)

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
            chosen = self._choose(seen, learning_starts)
            obs, rewards, dones, infos = stepping.step(chosen.tolist())
            self.num_timesteps += env.num_envs
            steps += 1
            callback.update_locals({"infos": infos})
            if not callback.on_step():
                return RolloutReturn(steps * env.num_envs, episodes, continue_training=False)
            row = self.filled % len(replay.obs)
            replay.obs[row], replay.actions[row], replay.rewards[row] = seen, chosen, rewards
            seen = features(space, obs)
            replay.after[row], replay.ends[row] = seen, dones
            if dones.any():
                self._update_info_buffer(infos, dones)
                for i, last in stepping.last.items():
                    replay.after[row, i] = features(space, last)[0]
                    replay.ends[row, i] = i not in stepping.cut
                episodes += int(dones.sum())
                self._episode_num += int(dones.sum())
            self.filled += 1
            self._last_obs = obs
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self._on_step()
        callback.on_rollout_end()
        return RolloutReturn(steps * env.num_envs, episodes, continue_training=True)

    def _on_step(self) -> None:
        self._n_calls += 1
        if self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0:
            self.target *= F(1 - self.tau)
            self.target += F(self.tau) * self.flat.values
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        self._update_learning_rate(self.policy.optimizer)
        shape = gradient_steps, batch_size
        rows = self.generator.integers(min(self.filled, len(self.replay.obs)), size=shape)
        losses = self.fit(rows, self.generator.integers(self.n_envs, size=shape))
        self.logger.record("train/n_updates", self._n_updates)
        self.logger.record("train/loss", losses.mean())

    def fit(self, rows: np.ndarray, envs: np.ndarray) -> np.ndarray:
        """Learn from these transitions, (gradient steps, batch); the losses."""
        flat, group = self.flat, self.policy.optimizer.param_groups[0]
        losses = np.empty(len(rows), F)
        settings = Settings(
            float(self.gamma), float(self.max_grad_norm), float(group["lr"]), float(group["eps"])
        )
        flat.steps = update(
            flat.values, flat.gradient, flat.first, flat.second, flat.steps, self.target, self.net,
            settings, self.replay, rows, envs, losses,
        )  # fmt: skip
        self._n_updates += len(rows)
        return losses


class DQN(CompiledAgent):
    """`baselines.sb3:dqn` with compiled acting and updates."""

    algorithm = CompiledDQN
    Config = agent_class("dqn").Config

    @classmethod
    def refuses(cls, config: Config) -> Iterator[tuple[str, str]]:
        if config.normalize.obs or config.normalize.reward:
            yield "normalize", "statistics that move under what is replayed are not compiled yet"
        if config.n_steps > 1:
            yield "n_steps", "returns over several steps are not compiled yet"
        yield from super().refuses(config)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        shown = np.ascontiguousarray(features(self.model.observation_space, observation))
        return self.model.values(shown).argmax(axis=1), state
