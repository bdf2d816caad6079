"""PPO (Schulman et al., 2017) as Stable-Baselines3 does it, with compiled rollouts and updates.

SB3's class keeps what it is good at: its constructor makes the networks from the same torch seed,
its `learn` has the schedules, callbacks and logs. Only acting, advantages and the epochs of an
update are ours, and what is drawn in them comes from a generator of the run's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import stable_baselines3
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv

from baselines.api import Config
from baselines.lockstep.flat import CompiledAgent, Flat, FlatModel, linears, net, parameters
from baselines.lockstep.kernel import (
    ONE,
    TANH,
    TWO,
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

HALF_LOG_TWO_PI = F(0.5 * np.log(2 * np.pi))
METRICS = ("policy_gradient_loss", "value_loss", "entropy_loss", "clip_fraction", "approx_kl",
           "loss")  # fmt: skip
KL, LOSS = 4, 5


class Nets(NamedTuple):
    """What a flat vector holds; last come the logarithms of standard deviations, if any."""

    policy: Net
    value: Net
    discrete: bool


class Settings(NamedTuple):
    """Of one update. What is switched off is infinite."""

    batch_size: int
    normalize_advantage: bool
    clip_range: float
    clip_range_vf: float
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    target_kl: float
    learning_rate: float
    adam_eps: float


# Distributions ------------------------------------------------------------------------------------


@compiled
def log_softmax(logits):  # (A,), in place
    highest, total = logits[0], ZERO
    for j in range(1, logits.size):
        highest = max(highest, logits[j])
    for j in range(logits.size):
        total += np.exp(logits[j] - highest)
    shift = highest + np.log(total)
    for j in range(logits.size):
        logits[j] -= shift


@compiled
def log_normal(action, mean, log_std):  # (A,) each
    total = ZERO
    for j in range(mean.size):
        z = (action[j] - mean[j]) * np.exp(-log_std[j])
        total -= F(0.5) * z * z + log_std[j] + HALF_LOG_TWO_PI
    return total


@compiled
def act(p, nets, obs, noise, t, actions, values, log_probs, layers):
    """Draw the actions of one step of all environments.

    :param obs: (T + 1, E, D), of which row t is read.
    :param noise: (T, E, A) standard normal, or (T, E, 1) uniform where one of them is chosen.
    :param actions: (T, E, A), values and log_probs (T, E): row t is written.
    """
    value = forward(p, nets.value, obs[t], layers)
    for i in range(value.shape[0]):
        values[t, i] = value[i, 0]
    out = forward(p, nets.policy, obs[t], layers)
    log_std = p[p.size - out.shape[1] :]
    for i in range(out.shape[0]):
        if nets.discrete:
            log_softmax(out[i])
            chosen, passed = 0, np.exp(out[i, 0])
            while passed <= noise[t, i, 0] and chosen < out.shape[1] - 1:
                chosen += 1
                passed += np.exp(out[i, chosen])
            actions[t, i, 0] = chosen
            log_probs[t, i] = out[i, chosen]
        else:
            for j in range(out.shape[1]):
                actions[t, i, j] = out[i, j] + noise[t, i, j] * np.exp(log_std[j])
            log_probs[t, i] = log_normal(actions[t, i], out[i], log_std)


# Advantages and update ----------------------------------------------------------------------------


@compiled
def advantages(rewards, values, starts, last_values, dones, gamma, lam, advantage, returns):
    """GAE (Schulman et al., 2016); all (T, E), of the last step (E,)."""
    steps, envs = rewards.shape
    for i in range(envs):
        follows, going, ahead = last_values[i], ONE - F(dones[i]), ZERO
        for t in range(steps - 1, -1, -1):
            error = rewards[t, i] + F(gamma) * follows * going - values[t, i]
            ahead = error + F(gamma * lam) * going * ahead
            advantage[t, i] = ahead
            returns[t, i] = ahead + values[t, i]
            follows, going = values[t, i], ONE - starts[t, i]


@compiled
def loss_gradient(
    out, value, rows, batch, advantage, log_std, nets, s, d_out, d_value, d_log_std, told
):
    """The gradient of PPO's loss by what the networks put out.

    :param out: (n, A) logits, which become log-probabilities, or means.
    :param rows: of the batch: actions (N, A), old values, old log-probabilities, returns (N,).
    :param advantage: (n,), normalised if asked.
    :param told: METRICS: filled.
    """
    actions, old_values, old_log_probs, returns = batch
    n, width = out.shape
    share, low, high = ONE / F(n), ONE - F(s.clip_range), ONE + F(s.clip_range)
    ent_coef, vf_coef, clip_vf = F(s.ent_coef), F(s.vf_coef), F(s.clip_range_vf)
    clips_values = s.clip_range_vf < np.inf
    policy_loss, value_loss, entropy, clipped, kl = ZERO, ZERO, ZERO, ZERO, ZERO
    d_log_std[:] = ZERO
    for i in range(n):
        row, disorder = rows[i], ZERO
        if nets.discrete:
            log_softmax(out[i])
            for j in range(width):
                disorder -= np.exp(out[i, j]) * out[i, j]
            log_prob = out[i, int(actions[row, 0])]
        else:
            for j in range(width):
                disorder += F(0.5) + HALF_LOG_TWO_PI + log_std[j]
            log_prob = log_normal(actions[row], out[i], log_std)
        log_ratio = log_prob - old_log_probs[row]
        ratio = np.exp(log_ratio)
        bounded = low if ratio < low else (high if ratio > high else ratio)
        free, held = advantage[i] * ratio, advantage[i] * bounded
        policy_loss -= free if free <= held else held
        d_log_prob = ZERO if free > held else -free * share
        entropy += disorder
        clipped += ONE if abs(ratio - ONE) > F(s.clip_range) else ZERO
        kl += ratio - ONE - log_ratio
        if nets.discrete:
            chosen = int(actions[row, 0])
            for j in range(width):
                prob = np.exp(out[i, j])
                d_out[i, j] = -d_log_prob * prob + ent_coef * share * prob * (out[i, j] + disorder)
            d_out[i, chosen] += d_log_prob
        else:
            for j in range(width):
                narrow = np.exp(-log_std[j])
                z = (actions[row, j] - out[i, j]) * narrow
                d_out[i, j] = d_log_prob * z * narrow
                d_log_std[j] += d_log_prob * (z * z - ONE) - ent_coef * share
        moved, passes = value[i, 0] - old_values[row], ONE
        if clips_values and abs(moved) > clip_vf:
            moved, passes = clip_vf if moved > ZERO else -clip_vf, ZERO
        predicted = old_values[row] + moved if clips_values else value[i, 0]
        miss = predicted - returns[row]
        value_loss += miss * miss
        d_value[i, 0] = passes * vf_coef * TWO * miss * share
    told[0], told[1], told[2] = policy_loss * share, value_loss * share, -entropy * share
    told[3], told[4] = clipped * share, kl * share
    told[5] = told[0] + ent_coef * told[2] + vf_coef * told[1]


@compiled
def normalized(advantage):  # (n,), in place
    """To mean 0 and standard deviation 1; one alone stays as it is."""
    n, mean, square = advantage.size, ZERO, ZERO
    if n < 2:
        return
    for i in range(n):
        mean += advantage[i]
    mean /= F(n)
    for i in range(n):
        square += (advantage[i] - mean) * (advantage[i] - mean)
    deviation = np.sqrt(square / F(n - 1)) + F(1e-8)
    for i in range(n):
        advantage[i] = (advantage[i] - mean) / deviation


@compiled
def update(p, g, m, v, step, nets, s, obs, batch, advantage, orders, told):
    """All epochs over a rollout of N steps, in minibatches.

    :param step: updates so far.
    :param obs: (N, D), advantage (N,).
    :param orders: (epochs, N), in which the minibatches are cut.
    :param told: (epochs * minibatches, METRICS): filled.
    :return: updates so far, minibatches seen, the first of the last epoch, epochs begun.
    """
    total, dims = obs.shape
    most = min(s.batch_size, total)
    policy_widths, value_widths = nets.policy.widths, nets.value.widths
    policy_size, value_size = policy_widths.sum(), value_widths.sum()
    widest = max(policy_widths.max(), value_widths.max())
    x = np.empty((most, dims), F)
    policy_layers, value_layers = np.empty(most * policy_size, F), np.empty(most * value_size, F)
    d_out, d_value = np.empty(most * widest, F), np.empty(most * widest, F)
    spare, gain = np.empty(most * widest, F), np.empty(most, F)
    deviations = p.size - (0 if nets.discrete else policy_widths[-1])
    log_std, d_log_std = p[deviations:], g[deviations:]
    seen, epoch_start, epoch = 0, 0, 0
    for epoch in range(orders.shape[0]):
        epoch_start = seen
        for first in range(0, total, s.batch_size):
            rows = orders[epoch, first : first + s.batch_size]
            n = rows.size
            xs, gains = x[:n], gain[:n]
            for i in range(n):
                xs[i] = obs[rows[i]]
                gains[i] = advantage[rows[i]]
            if s.normalize_advantage:
                normalized(gains)
            out = forward(p, nets.policy, xs, policy_layers)
            value = forward(p, nets.value, xs, value_layers)
            width = out.shape[1]
            loss_gradient(
                out, value, rows, batch, gains, log_std, nets, s,
                d_out[: n * width].reshape(n, width), d_value[:n].reshape(n, 1), d_log_std,
                told[seen],
            )  # fmt: skip
            seen += 1
            if told[seen - 1, KL] > F(s.target_kl):
                return step, seen, epoch_start, epoch + 1
            backward(p, g, nets.policy, xs, policy_layers, d_out, spare)
            backward(p, g, nets.value, xs, value_layers, d_value, spare)
            clip_norm(g, s.max_grad_norm)
            step += 1
            adam(p, g, m, v, step, s.learning_rate, s.adam_eps)
    return step, seen, epoch_start, epoch + 1


def warm() -> None:
    """Compile it all, or read it from disk, for the processes that are forked from this one."""
    widths = np.array([2, 3, 1])
    policy = Net(0, widths, TANH)
    value = Net(policy.end, widths, policy.activation)
    nets, shape = Nets(policy, value, discrete=False), (2, 1, 1)
    p, g, m, v = np.zeros((4, value.end + 1), F)
    actions, values, starts, gain, returns = (
        np.zeros(each, F) for each in (shape, shape[:2], shape[:2], shape[:2], shape[:2])
    )
    obs, layers = np.zeros((2, 1, 2), F), np.zeros(8, F)
    act(p, nets, obs, np.zeros(shape, F), 0, actions, values, starts, layers)
    last = forward(p, value, obs[0], layers)[:, 0].copy()
    advantages(starts, values, starts, last, np.zeros(1, bool), 0.9, 0.9, gain, returns)
    settings = Settings(2, True, 0.2, np.inf, 0.0, 0.5, 0.5, np.inf, 1e-3, 1e-5)
    batch = tuple(flattened(each) for each in (actions, values, starts, returns))
    orders, told = np.zeros((1, 2), np.int64), np.zeros((1, len(METRICS)), F)
    update(p, g, m, v, 0, nets, settings, flattened(obs), batch, flattened(gain), orders, told)


# The learner --------------------------------------------------------------------------------------


class CompiledPPO(FlatModel, stable_baselines3.PPO):
    """SB3's PPO, which collects and trains by the functions above."""

    OURS = (*FlatModel.OURS, "nets", "seen")

    def lay_flat(self) -> None:
        made = self.policy
        policy = linears(made.mlp_extractor.policy_net, made.action_net)
        value = linears(made.mlp_extractor.value_net, made.value_net)
        parts = [*parameters(policy), *parameters(value)]
        discrete = isinstance(self.action_space, spaces.Discrete)
        actor = net(0, policy, made.activation_fn)
        self.nets = Nets(actor, net(actor.end, value, made.activation_fn), discrete)
        parts += [] if discrete else [made.log_std]
        self.flat = Flat(parts, made.optimizer)

    def layers(self, rows: int) -> np.ndarray:
        """Room for what the layers of either network put out."""
        each = [one.widths.sum() for one in (self.nets.policy, self.nets.value)]
        return np.empty(rows * max(each), F)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        rollout_buffer.reset()
        callback.on_rollout_start()
        p, steps, buffer = self.flat.values, Steps(env), rollout_buffer
        buffer.actions = np.zeros(buffer.actions.shape, F)  # chosen ones too, as `train` reads them
        first = features(self.observation_space, self._last_obs)
        self.seen = np.empty((n_rollout_steps + 1, *first.shape), F)
        self.seen[0] = first
        shape = buffer.actions.shape
        draw = self.generator.random if self.nets.discrete else self.generator.standard_normal
        noise, layers = draw(shape, F), self.layers(len(first))
        low, high = (None, None) if self.nets.discrete else self._bounds()
        for t in range(n_rollout_steps):
            act(p, self.nets, self.seen, noise, t, buffer.actions, buffer.values,
                buffer.log_probs, layers)  # fmt: skip
            if self.nets.discrete:
                chosen = buffer.actions[t, :, 0].astype(np.int64).tolist()
            else:
                chosen = list(np.clip(buffer.actions[t], low, high))
            obs, rewards, dones, infos = steps.step(chosen)
            self.num_timesteps += env.num_envs
            callback.update_locals({"infos": infos})
            if not callback.on_step():
                return False
            buffer.rewards[t] = rewards
            buffer.episode_starts[t] = self._last_episode_starts
            if dones.any():
                self._update_info_buffer(infos, dones)
                for i, last in steps.cut.items():
                    after = self.values(features(self.observation_space, last), layers)
                    buffer.rewards[t, i] += self.gamma * after[0]
            self.seen[t + 1] = features(self.observation_space, obs)
            self._last_obs, self._last_episode_starts = obs, dones
        last_values = self.values(self.seen[-1], layers)
        advantages(buffer.rewards, buffer.values, buffer.episode_starts, last_values, dones,
                   self.gamma, self.gae_lambda, buffer.advantages, buffer.returns)  # fmt: skip
        callback.on_rollout_end()
        return True

    def values(self, obs: np.ndarray, layers: np.ndarray) -> np.ndarray:  # (n, D) -> (n,)
        return forward(self.flat.values, self.nets.value, obs, layers)[:, 0].copy()

    def deviations(self) -> np.ndarray:  # (A,)
        return np.exp(self.policy.log_std.detach().numpy())

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(self.action_space, spaces.Box)
        return self.action_space.low, self.action_space.high

    def train(self) -> None:
        self._update_learning_rate(self.policy.optimizer)
        buffer, group = self.rollout_buffer, self.policy.optimizer.param_groups[0]
        total = buffer.rewards.size
        orders = np.stack([self.generator.permutation(total) for _ in range(self.n_epochs)])
        settings = self.settings(group["lr"], group["eps"])
        told = self.fit(settings, flattened(self.seen[:-1]), orders)
        self._log(told, settings)

    def settings(self, learning_rate: float, eps: float) -> Settings:
        left, clip_vf = self._current_progress_remaining, self.clip_range_vf
        return Settings(
            self.batch_size,
            self.normalize_advantage,
            float(self.clip_range(left)),
            np.inf if clip_vf is None else float(clip_vf(left)),
            float(self.ent_coef),
            float(self.vf_coef),
            float(self.max_grad_norm),
            np.inf if self.target_kl is None else 1.5 * self.target_kl,
            float(learning_rate),
            float(eps),
        )

    def fit(self, settings: Settings, obs: np.ndarray, orders: np.ndarray) -> Told:
        """Learn from the rollout that is in the buffer, in the given orders of its steps."""
        flat, buffer = self.flat, self.rollout_buffer
        batch = tuple(
            flattened(each)
            for each in (buffer.actions, buffer.values, buffer.log_probs, buffer.returns)
        )
        minibatches = -(-len(obs) // settings.batch_size)
        rows = np.empty((len(orders) * minibatches, len(METRICS)), F)
        flat.steps, seen, last, epochs = update(
            flat.values, flat.gradient, flat.first, flat.second, flat.steps, self.nets, settings,
            obs, batch, flattened(buffer.advantages), orders, rows,
        )  # fmt: skip
        self._n_updates += epochs
        return Told(rows[:seen], rows[last:seen])

    def _log(self, told: Told, settings: Settings) -> None:
        """What SB3 logs, by its names."""
        metrics = dict(zip(METRICS, told.all.mean(axis=0), strict=True))
        metrics["approx_kl"] = told.last_epoch[:, KL].mean()
        metrics["loss"] = told.all[-1, LOSS]
        buffer = self.rollout_buffer
        metrics["explained_variance"] = explained_variance(
            buffer.values.ravel(), buffer.returns.ravel()
        )
        if not self.nets.discrete:
            metrics["std"] = self.deviations().mean()
        metrics |= {"n_updates": self._n_updates, "clip_range": settings.clip_range}
        if settings.clip_range_vf < np.inf:
            metrics["clip_range_vf"] = settings.clip_range_vf
        for name, value in metrics.items():
            self.logger.record(f"train/{name}", value)


class Told(NamedTuple):
    """METRICS of minibatches, a row each."""

    all: np.ndarray
    last_epoch: np.ndarray


def flattened(values: np.ndarray) -> np.ndarray:
    """(T, E, ...) as (E * T, ...), environment after environment as SB3 does, in one piece."""
    return np.ascontiguousarray(values.swapaxes(0, 1)).reshape(-1, *values.shape[2:])


class PPO(CompiledAgent):
    """`baselines.sb3:ppo` with compiled rollouts and updates."""

    algorithm = CompiledPPO
    Config = agent_class("ppo").Config

    @classmethod
    def refuses(cls, config: Config) -> Iterator[tuple[str, str]]:
        if config.use_sde:
            yield "use_sde", "state-dependent exploration is not compiled yet"
        yield from super().refuses(config)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """Draws from NumPy's global generator where it samples, which evaluation seeds."""
        if self._normalize is not None:
            observation = self._normalize.normalize_obs(observation)
        model = self.model
        seen = np.ascontiguousarray(features(model.observation_space, observation))
        out = forward(model.flat.values, model.nets.policy, seen, model.layers(len(seen)))
        if model.nets.discrete:
            noise = 0.0 if deterministic else np.random.gumbel(size=out.shape)  # noqa: NPY002
            return (out + noise).argmax(axis=1), state
        if not deterministic:
            out = out + model.deviations() * np.random.standard_normal(out.shape)  # noqa: NPY002
        return np.clip(out, *model._bounds()).astype(model.action_space.dtype), state
