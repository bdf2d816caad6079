"""DQN (Mnih et al., 2015) as Stable-Baselines3 does it, with compiled acting and updates.

SB3's class keeps its constructor, `learn`, schedules and logs; see `ppo.py` and `replay.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import stable_baselines3

from baselines.lockstep.flat import Flat, laid_flat, linears, net, parameters
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
from baselines.lockstep.replay import Replay, ReplayAgent, ReplayModel
from baselines.lockstep.steps import features
from baselines.sb3 import agent_class

TOGETHER = 256  # rows that the target network is shown at once


class Settings(NamedTuple):
    """Of one update."""

    gamma: float
    max_grad_norm: float
    learning_rate: float
    adam_eps: float


@compiled
def bests(target, net, replay, rows, envs, places):
    """What the target network gives for the best action after each transition (steps, batch).

    It stands still meanwhile: a transition that is drawn again is not asked for again, and others
    make large products.

    :param places: (replay rows * E,), all 0: written.
    """
    steps, n = rows.shape
    dims, width, several = replay.obs.shape[2], net.widths[-1], replay.obs.shape[1]
    where, different, count = np.empty((steps, n), np.int64), np.empty(steps * n, np.int64), 0
    for k in range(steps):
        for i in range(n):
            at = rows[k, i] * several + envs[k, i]
            if places[at] == 0:
                different[count] = at
                count += 1
                places[at] = count
            where[k, i] = places[at] - 1
    x, layers = np.empty((TOGETHER, dims), F), np.empty(TOGETHER * net.widths.sum(), F)
    values, best = np.empty(count, F), np.empty((steps, n), F)
    for first in range(0, count, TOGETHER):
        m = min(TOGETHER, count - first)
        for i in range(m):
            at = different[first + i]
            x[i] = replay.after[at // several, at % several]
        out = forward(target, net, x[:m], layers)
        for i in range(m):
            values[first + i] = out[i, 0]
            for j in range(1, width):
                values[first + i] = max(values[first + i], out[i, j])
    for k in range(steps):
        for i in range(n):
            best[k, i] = values[where[k, i]]
    return best


@compiled
def update(p, g, m, v, counts, tail, target, net, s, replay, rows, envs, places, losses):
    """Gradient steps on batches of transitions.

    :param counts: (2,) updates so far, of all layers but the last and of the last, which may have
        been drawn anew (`reset.py`): counted on.
    :param tail: where the last layer begins.
    :param target: the target network, which stays as it is.
    :param rows: (gradient steps, batch), and envs likewise: which transitions.
    :param places: see `bests`.
    :param losses: (gradient steps,): filled.
    """
    steps, n = rows.shape
    dims, width = replay.obs.shape[2], net.widths[-1]
    x = np.empty((n, dims), F)
    layers, best = np.empty(n * net.widths.sum(), F), bests(target, net, replay, rows, envs, places)
    delta, spare = np.empty(n * net.widths.max(), F), np.empty(n * net.widths.max(), F)
    share = ONE / F(n)
    for k in range(steps):
        for i in range(n):
            x[i] = replay.obs[rows[k, i], envs[k, i]]
        out = forward(p, net, x, layers)
        d_out, loss = delta[: n * width].reshape(n, width), ZERO
        d_out[:] = ZERO
        for i in range(n):
            row, env = rows[k, i], envs[k, i]
            chosen = replay.actions[row, env]
            ahead = (ONE - replay.ends[row, env]) * F(s.gamma) * best[k, i]
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
        counts += 1
        rate, eps = s.learning_rate, s.adam_eps
        adam(p[:tail], g[:tail], m[:tail], v[:tail], counts[0], rate, eps)
        adam(p[tail:], g[tail:], m[tail:], v[tail:], counts[1], rate, eps)


def warm() -> None:
    """Compile it all, or read it from disk, for the processes that are forked from this one."""
    small = Net(0, np.array([2, 3, 2]), TANH)
    p, g, m, v, target = np.zeros((5, small.end), F)
    forward(p, small, np.zeros((1, 2), F), np.zeros(8, F))
    where, flags = np.zeros((1, 1), np.int64), np.zeros((1, 1), F)
    seen = np.zeros((1, 1, 2), F)
    replay = Replay(seen, seen, where, flags, flags)
    settings, places = Settings(0.9, 10.0, 1e-3, 1e-8), np.zeros(1, np.int32)
    counts = np.zeros(2, np.int64)
    update(p, g, m, v, counts, 8, target, small, settings, replay, where, where, places,
           np.zeros(1, F))  # fmt: skip


class CompiledDQN(ReplayModel, stable_baselines3.DQN):
    """SB3's DQN, which collects and trains by the functions above."""

    OURS = (*ReplayModel.OURS, "net", "target", "tail")

    def lay_flat(self) -> None:
        layers = linears(self.policy.q_net)
        self.net = net(0, layers, self.policy.activation_fn)
        self.flat = Flat(parameters(layers), self.policy.optimizer)
        self.target = laid_flat(parameters(linears(self.policy.q_net_target)))  # as `flat.values`
        self.tail = self.flat.values.size - sum(each.numel() for each in parameters(layers[-1:]))

    def values(self, obs: np.ndarray) -> np.ndarray:  # (n, D) -> (n, A)
        layers = np.empty(len(obs) * self.net.widths.sum(), F)
        return forward(self.flat.values, self.net, obs, layers)

    def choose(self, seen: np.ndarray, learning_starts: int) -> tuple[Any, np.ndarray]:
        """All environments explore, or none, as SB3 has it."""
        explores = self.num_timesteps < learning_starts
        if explores or self.generator.random() < self.exploration_rate:
            chosen = self.generator.integers(self.action_space.n, size=len(seen))
        else:
            chosen = self.values(seen).argmax(axis=1)
        return chosen.tolist(), chosen

    def _on_step(self) -> None:
        self._n_calls += 1
        if self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0:
            self.target *= F(1 - self.tau)
            self.target += F(self.tau) * self.flat.values
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        self._update_learning_rate(self.policy.optimizer)
        losses = self.fit(*self.batches(gradient_steps, batch_size))
        self.logger.record("train/n_updates", self._n_updates)
        self.logger.record("train/loss", losses.mean())

    def fit(self, rows: np.ndarray, envs: np.ndarray) -> np.ndarray:
        """Learn from these transitions, (gradient steps, batch); the losses."""
        flat, group = self.flat, self.policy.optimizer.param_groups[0]
        losses = np.empty(len(rows), F)
        places = np.zeros(self.replay.rewards.size, np.int32)  # takes no memory until it is written
        settings = Settings(
            float(self.gamma), float(self.max_grad_norm), float(group["lr"]), float(group["eps"])
        )
        update(
            flat.values, flat.gradient, flat.first, flat.second,
            flat.counts[[0, -1]].astype(np.int64), self.tail, self.target, self.net, settings,
            self.replay, rows, envs, places, losses,
        )  # fmt: skip
        flat.counts += len(rows)
        self._n_updates += len(rows)
        return losses


class DQN(ReplayAgent):
    """`baselines.sb3:dqn` with compiled acting and updates."""

    algorithm = CompiledDQN
    Config = agent_class("dqn").Config

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
