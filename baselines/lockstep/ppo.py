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
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv

from baselines.api import Config
from baselines.lockstep.flat import CompiledAgent, Flat, FlatModel, linears, net, parameters
from baselines.lockstep.kernel import (
    HALF_LOG_TWO_PI,
    ONE,
    TANH,
    TWO,
    ZERO,
    F,
    Net,
    adam,
    clip_norm,
    compiled,
    forward,
)
from baselines.lockstep.shown import Distinct, backward_shown, distinct, forward_shown, grouped
from baselines.lockstep.steps import Steps, features
from baselines.sb3 import agent_class

METRICS = ("policy_gradient_loss", "value_loss", "entropy_loss", "clip_fraction", "approx_kl",
           "loss")  # fmt: skip
KL, LOSS = 4, 5


# What a policy puts out: logits; means, with a standard deviation for each action; or means, with
# noise that depends on the state (gSDE, Raffin et al. 2021): a matrix of deviations (H, A), for the
# last hidden layer's numbers, which no gradient reaches through it.
CHOICE, GAUSSIAN, STATE_DEPENDENT = np.int64(0), np.int64(1), np.int64(2)
LEAST_VARIANCE = F(1e-6)  # SB3's, of state-dependent noise


class Nets(NamedTuple):
    """What a flat vector holds; last come the logarithms of standard deviations, if any."""

    policy: Net
    value: Net
    kind: np.int64


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
def log_normal(action, mean, variance):  # (A,) each
    total = ZERO
    for j in range(mean.size):
        z = action[j] - mean[j]
        total -= F(0.5) * (z * z / variance[j] + np.log(variance[j])) + HALF_LOG_TWO_PI
    return total


@compiled
def last_hidden(net, x, layers):  # (n, H), where `forward` has left it
    n, widths = x.shape[0], net.widths
    if widths.size < 3:
        return x
    start = n * (widths[1:].sum() - widths[-1] - widths[-2])
    return layers[start : start + n * widths[-2]].reshape(n, widths[-2])


@compiled
def variances(p, nets, hidden, variance):
    """:param variance: (n, A): filled."""
    n, width = variance.shape
    if nets.kind == GAUSSIAN:
        for j in range(width):
            variance[:, j] = np.exp(TWO * p[p.size - width + j])
        return
    inner, start = hidden.shape[1], p.size - hidden.shape[1] * width
    square = np.exp(TWO * p[start:])  # (H * A,)
    for i in range(n):
        variance[i] = LEAST_VARIANCE
        for k in range(inner):
            for j in range(width):
                variance[i, j] += hidden[i, k] * hidden[i, k] * square[k * width + j]


@compiled
def variance_gradient(p, g, nets, hidden, variance, d_variance):
    """From the gradient by each variance (n, A) to that by the logarithms of deviations, in g."""
    n, width = variance.shape
    if nets.kind == GAUSSIAN:
        last = g[g.size - width :]
        last[:] = ZERO
        for i in range(n):
            for j in range(width):
                last[j] += TWO * variance[i, j] * d_variance[i, j]
        return
    inner, start = hidden.shape[1], p.size - hidden.shape[1] * width
    square, last = np.exp(TWO * p[start:]), g[start:]
    last[:] = ZERO
    for i in range(n):
        for k in range(inner):
            for j in range(width):
                last[k * width + j] += hidden[i, k] * hidden[i, k] * d_variance[i, j]
    for k in range(last.size):
        last[k] *= TWO * square[k]


@compiled
def act(p, nets, obs, noise, matrices, t, actions, values, log_probs, layers):
    """Draw the actions of one step of all environments.

    :param obs: (T + 1, E, D), of which row t is read.
    :param noise: (T, E, A) standard normal, or (T, E, 1) uniform where one of them is chosen.
    :param matrices: (E, H, A) in place of noise that depends on the state.
    :param actions: (T, E, A), values and log_probs (T, E): row t is written.
    """
    value = forward(p, nets.value, obs[t], layers)
    for i in range(value.shape[0]):
        values[t, i] = value[i, 0]
    out = forward(p, nets.policy, obs[t], layers)
    n, width = out.shape
    hidden, variance = last_hidden(nets.policy, obs[t], layers), np.empty((n, width), F)
    if nets.kind != CHOICE:
        variances(p, nets, hidden, variance)
    for i in range(n):
        if nets.kind == CHOICE:
            log_softmax(out[i])
            chosen, passed = 0, np.exp(out[i, 0])
            while passed <= noise[t, i, 0] and chosen < width - 1:
                chosen += 1
                passed += np.exp(out[i, chosen])
            actions[t, i, 0] = chosen
            log_probs[t, i] = out[i, chosen]
        else:
            for j in range(width):
                moved = noise[t, i, j] * np.sqrt(variance[i, j])
                if nets.kind == STATE_DEPENDENT:
                    moved = ZERO
                    for k in range(hidden.shape[1]):
                        moved += hidden[i, k] * matrices[i, k, j]
                actions[t, i, j] = out[i, j] + moved
            log_probs[t, i] = log_normal(actions[t, i], out[i], variance[i])


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
    out, value, variance, group, rows, batch, advantage, nets, s, d_out, d_value, d_variance, told
):
    """The gradient of PPO's loss by what the networks put out for k observations.

    :param out: (k, A) logits, which become log-probabilities, or means.
    :param variance: (k, A), of the actions, if they are continuous.
    :param group: (n,): which observation each row of the minibatch has.
    :param rows: of the batch: actions (N, A), old values, old log-probabilities, returns (N,).
    :param advantage: (n,), normalised if asked.
    :param told: METRICS: filled.
    """
    actions, old_values, old_log_probs, returns = batch
    n, width = rows.size, out.shape[1]
    share, low, high = ONE / F(n), ONE - F(s.clip_range), ONE + F(s.clip_range)
    ent_coef, vf_coef, clip_vf = F(s.ent_coef), F(s.vf_coef), F(s.clip_range_vf)
    clips_values = s.clip_range_vf < np.inf
    policy_loss, value_loss, entropy, clipped, kl = ZERO, ZERO, ZERO, ZERO, ZERO
    d_out[:], d_value[:], d_variance[:] = ZERO, ZERO, ZERO
    if nets.kind == CHOICE:
        for k in range(out.shape[0]):
            log_softmax(out[k])
    for i in range(n):
        k, row, disorder = group[i], rows[i], ZERO
        if nets.kind == CHOICE:
            for j in range(width):
                disorder -= np.exp(out[k, j]) * out[k, j]
            log_prob = out[k, int(actions[row, 0])]
        else:
            for j in range(width):
                disorder += F(0.5) + HALF_LOG_TWO_PI + F(0.5) * np.log(variance[k, j])
            log_prob = log_normal(actions[row], out[k], variance[k])
        log_ratio = log_prob - old_log_probs[row]
        ratio = np.exp(log_ratio)
        bounded = low if ratio < low else (high if ratio > high else ratio)
        free, held = advantage[i] * ratio, advantage[i] * bounded
        policy_loss -= free if free <= held else held
        d_log_prob = ZERO if free > held else -free * share
        entropy += disorder
        clipped += ONE if abs(ratio - ONE) > F(s.clip_range) else ZERO
        kl += ratio - ONE - log_ratio
        if nets.kind == CHOICE:
            chosen = int(actions[row, 0])
            for j in range(width):
                prob = np.exp(out[k, j])
                d_out[k, j] += -d_log_prob * prob + ent_coef * share * prob * (out[k, j] + disorder)
            d_out[k, chosen] += d_log_prob
        else:
            for j in range(width):
                z, narrow = actions[row, j] - out[k, j], ONE / variance[k, j]
                d_out[k, j] += d_log_prob * z * narrow
                d_spread = d_log_prob * (z * z * narrow - ONE) - ent_coef * share
                d_variance[k, j] += F(0.5) * narrow * d_spread
        moved, passes = value[k, 0] - old_values[row], ONE
        if clips_values and abs(moved) > clip_vf:
            moved, passes = clip_vf if moved > ZERO else -clip_vf, ZERO
        predicted = old_values[row] + moved if clips_values else value[k, 0]
        miss = predicted - returns[row]
        value_loss += miss * miss
        d_value[k, 0] += passes * vf_coef * TWO * miss * share
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
    :param obs: Distinct (N,), advantage (N,).
    :param orders: (epochs, N), in which the minibatches are cut.
    :param told: (epochs * minibatches, METRICS): filled.
    :return: updates so far, minibatches, the first of the last epoch, epochs begun.
    """
    shown, total = obs.shown, advantage.size
    most = min(s.batch_size, total)
    policy_widths, value_widths = nets.policy.widths, nets.value.widths
    policy_size, value_size = policy_widths.sum(), value_widths.sum()
    widest = max(policy_widths.max(), value_widths.max())
    x = np.empty((most, shown.rows.shape[1]), F)
    policy_layers, value_layers = np.empty(most * policy_size, F), np.empty(most * value_size, F)
    d_out, d_value = np.empty(most * widest, F), np.empty(most * widest, F)
    spare, gain = np.empty(most * widest, F), np.empty(most, F)
    slots, which = np.full(shown.rows.shape[0], -1), np.empty(most, np.int64)
    group = np.empty(most, np.int64)
    variance, d_variance = np.empty((2, most, policy_widths[-1]), F)
    count, epoch_start, epoch = 0, 0, 0
    for epoch in range(orders.shape[0]):
        epoch_start = count
        for first in range(0, total, s.batch_size):
            rows = orders[epoch, first : first + s.batch_size]
            n = rows.size
            gains = gain[:n]
            for i in range(n):
                gains[i] = advantage[rows[i]]
            if s.normalize_advantage:
                normalized(gains)
            k = grouped(obs.of, rows, slots, which, group)
            xs, shows = x[:k], which[:k]
            out = forward_shown(p, nets.policy, shown, shows, xs, policy_layers)
            value = forward_shown(p, nets.value, shown, shows, xs, value_layers)
            width, hidden = out.shape[1], last_hidden(nets.policy, xs, policy_layers)
            if nets.kind != CHOICE:
                variances(p, nets, hidden, variance[:k])
            loss_gradient(
                out, value, variance[:k], group[:n], rows, batch, gains, nets, s,
                d_out[: k * width].reshape(k, width), d_value[:k].reshape(k, 1), d_variance[:k],
                told[count],
            )  # fmt: skip
            count += 1
            if told[count - 1, KL] > F(s.target_kl):
                return step, count, epoch_start, epoch + 1
            if nets.kind != CHOICE:
                variance_gradient(p, g, nets, hidden, variance[:k], d_variance[:k])
            backward_shown(p, g, nets.policy, shown, shows, xs, policy_layers, d_out, spare)
            backward_shown(p, g, nets.value, shown, shows, xs, value_layers, d_value, spare)
            clip_norm(g, s.max_grad_norm)
            step += 1
            adam(p, g, m, v, step, s.learning_rate, s.adam_eps)
    return step, count, epoch_start, epoch + 1


def warm() -> None:
    """Compile it all, or read it from disk, for the processes that are forked from this one."""
    widths = np.array([2, 3, 1])
    policy = Net(0, widths, TANH)
    value = Net(policy.end, widths, policy.activation)
    nets, shape = Nets(policy, value, GAUSSIAN), (2, 1, 1)
    p, g, m, v = np.zeros((4, value.end + 1), F)
    actions, values, starts, gain, returns = (
        np.zeros(each, F) for each in (shape, shape[:2], shape[:2], shape[:2], shape[:2])
    )
    obs, layers = np.zeros((2, 1, 2), F), np.zeros(8, F)
    act(p, nets, obs, np.zeros(shape, F), np.zeros((1, 3, 1), F), 0, actions, values, starts,
        layers)  # fmt: skip
    last = forward(p, value, obs[0], layers)[:, 0].copy()
    advantages(starts, values, starts, last, np.zeros(1, bool), 0.9, 0.9, gain, returns)
    settings = Settings(2, True, 0.2, np.inf, 0.0, 0.5, 0.5, np.inf, 1e-3, 1e-5)
    batch = tuple(flattened(each) for each in (actions, values, starts, returns))
    orders, told = np.zeros((1, 2), np.int64), np.zeros((1, len(METRICS)), F)
    update(p, g, m, v, 0, nets, settings, distinct(flattened(obs)), batch, flattened(gain), orders,
           told)  # fmt: skip


# The learner --------------------------------------------------------------------------------------


class CompiledPPO(FlatModel, stable_baselines3.PPO):
    """SB3's PPO, which collects and trains by the functions above."""

    OURS = (*FlatModel.OURS, "nets", "seen", "obs")

    def lay_flat(self) -> None:
        made = self.policy
        policy = linears(made.mlp_extractor.policy_net, made.action_net)
        value = linears(made.mlp_extractor.value_net, made.value_net)
        parts = [*parameters(policy), *parameters(value)]
        noisy = STATE_DEPENDENT if self.use_sde else GAUSSIAN
        kind = CHOICE if isinstance(self.action_space, spaces.Discrete) else noisy
        actor = net(0, policy, made.activation_fn)
        self.nets = Nets(actor, net(actor.end, value, made.activation_fn), kind)
        parts += [] if kind == CHOICE else [made.log_std]
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
        choice = self.nets.kind == CHOICE
        draw = self.generator.random if choice else self.generator.standard_normal
        noise, layers, matrices = draw(shape, F), self.layers(len(first)), self._matrices()
        for t in range(n_rollout_steps):
            if self.sde_sample_freq > 0 and t > 0 and t % self.sde_sample_freq == 0:
                matrices = self._matrices()
            act(p, self.nets, self.seen, noise, matrices, t, buffer.actions, buffer.values,
                buffer.log_probs, layers)  # fmt: skip
            if choice:
                chosen = buffer.actions[t, :, 0].astype(np.int64).tolist()
            else:
                chosen = list(self.legal(buffer.actions[t]))
            obs, rewards, dones, infos = steps.step(chosen)
            self.num_timesteps += env.num_envs
            callback.update_locals({"infos": infos, "rewards": rewards})
            if not callback.on_step():
                return False
            buffer.rewards[t] = rewards
            buffer.episode_starts[t] = self._last_episode_starts
            self._update_info_buffer(infos, dones)
            for i, last in steps.cut.items():
                after = self.values(features(self.observation_space, last), layers)
                buffer.rewards[t, i] += self.gamma * after[0]
            self.seen[t + 1] = features(self.observation_space, obs)
            self._last_obs, self._last_episode_starts = obs, dones
        last_values = self.values(self.seen[-1], layers)
        advantages(buffer.rewards, buffer.values, buffer.episode_starts, last_values, dones,
                   self.gamma, self.gae_lambda, buffer.advantages, buffer.returns)  # fmt: skip
        self.obs = distinct(self.seen.reshape(-1, self.seen.shape[-1]))
        callback.on_rollout_end()
        return True

    def values(self, obs: np.ndarray, layers: np.ndarray) -> np.ndarray:  # (n, D) -> (n,)
        return forward(self.flat.values, self.nets.value, obs, layers)[:, 0].copy()

    def deviations(self) -> np.ndarray:  # (A,), or (H, A) where noise depends on the state
        return np.exp(self.policy.log_std.detach().numpy())

    def _matrices(self) -> np.ndarray:  # (E, H, A)
        """Noise that depends on the state, until more is drawn; empty: it does not.

        SB3's distribution gets one of its own, which it samples with outside of training.
        """
        if self.nets.kind != STATE_DEPENDENT:
            return np.zeros((1, 1, 1), F)
        std = self.deviations()
        drawn = std * self.generator.standard_normal((1 + self.n_envs, *std.shape), F)
        self.policy.action_dist.exploration_mat = torch.from_numpy(drawn[0])
        return drawn[1:]

    def legal(self, actions: np.ndarray) -> np.ndarray:  # (n, A) -> (n, *action shape)
        space = self.action_space
        assert isinstance(space, spaces.Box)
        return np.clip(actions.reshape(-1, *space.shape), space.low, space.high)

    def train(self) -> None:
        self._update_learning_rate(self.policy.optimizer)
        buffer, group = self.rollout_buffer, self.policy.optimizer.param_groups[0]
        total = buffer.rewards.size
        orders = np.stack([self.generator.permutation(total) for _ in range(self.n_epochs)])
        settings = self.update_settings(group["lr"], group["eps"])
        told = self.fit(settings, orders)
        self._log(told, settings)

    def update_settings(self, learning_rate: float, eps: float) -> Settings:
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

    def fit(self, settings: Settings, orders: np.ndarray) -> Told:
        """Learn from the rollout that is in the buffer, in the given orders of its steps."""
        flat, buffer = self.flat, self.rollout_buffer
        obs = Distinct(self.obs.shown, flattened(self.obs.of.reshape(self.seen.shape[:2])[:-1]))
        batch = tuple(
            flattened(each)
            for each in (buffer.actions, buffer.values, buffer.log_probs, buffer.returns)
        )
        minibatches = -(-len(obs.of) // settings.batch_size)
        rows = np.empty((len(orders) * minibatches, len(METRICS)), F)
        flat.steps, count, last, epochs = update(
            flat.values, flat.gradient, flat.first, flat.second, flat.steps, self.nets, settings,
            obs, batch, flattened(buffer.advantages), orders, rows,
        )  # fmt: skip
        self._n_updates += epochs
        if not np.isfinite(rows[:count]).all():  # SB3's distributions would refuse the next batch
            raise FloatingPointError("the loss is not finite: the agent has diverged")
        return Told(rows[:count], rows[last:count])

    def _log(self, told: Told, settings: Settings) -> None:
        """What SB3 logs, by its names."""
        metrics = dict(zip(METRICS, told.all.mean(axis=0), strict=True))
        metrics["approx_kl"] = told.last_epoch[:, KL].mean()
        metrics["loss"] = told.all[-1, LOSS]
        buffer = self.rollout_buffer
        metrics["explained_variance"] = explained_variance(
            buffer.values.ravel(), buffer.returns.ravel()
        )
        if self.nets.kind != CHOICE:
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
        for name in ("use_expln", "squash_output"):
            if getattr(config.policy_kwargs, name):
                yield f"policy_kwargs.{name}", "this kind of noise is not compiled yet"
        if config.use_sde and config.policy_kwargs.full_std is False:
            yield "policy_kwargs.full_std", "false is not compiled yet"
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
        kind = self.model.nets.kind
        if kind == STATE_DEPENDENT and not deterministic:
            return super().predict(observation, state, episode_start, deterministic)
        if self._normalize is not None:
            observation = self._normalize.normalize_obs(observation)
        model = self.model
        seen = np.ascontiguousarray(features(model.observation_space, observation))
        out = forward(model.flat.values, model.nets.policy, seen, model.layers(len(seen)))
        if kind == CHOICE:
            noise = 0.0 if deterministic else np.random.gumbel(size=out.shape)  # noqa: NPY002
            return (out + noise).argmax(axis=1), state
        if not deterministic:
            out = out + model.deviations() * np.random.standard_normal(out.shape)  # noqa: NPY002
        return model.legal(out).astype(model.action_space.dtype), state
