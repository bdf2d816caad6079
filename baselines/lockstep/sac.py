"""Soft actor-critic (Haarnoja et al., 2018) as Stable-Baselines3 does it, compiled.

SB3's class keeps its constructor, `learn`, schedules and logs; see `ppo.py` and `replay.py`. What
nobody reads is not computed: the loss of the actor asks critics for the gradient by the action
alone, and in each row only the critic with the least value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import stable_baselines3
from stable_baselines3.common.noise import ActionNoise, OrnsteinUhlenbeckActionNoise

from baselines.api import Config
from baselines.lockstep.flat import Flat, laid_flat, linears, net, parameters
from baselines.lockstep.kernel import (
    HALF_LOG_TWO_PI,
    ONE,
    RELU,
    TWO,
    ZERO,
    F,
    Learned,
    Net,
    adam,
    backward,
    compiled,
    forward,
    input_gradient,
)
from baselines.lockstep.replay import Replay, ReplayAgent, ReplayModel
from baselines.lockstep.steps import features
from baselines.sb3 import agent_class

# SB3's: bounds of the logarithm of a standard deviation, and what keeps the squashing's from -inf.
LEAST_LOG_STD, MOST_LOG_STD, EPSILON = F(-20), F(2), F(1e-6)
METRICS = ("ent_coef", "ent_coef_loss", "actor_loss", "critic_loss")


class Nets(NamedTuple):
    """Of the actor, and of critics, which are alike and lie one after another in a flat vector."""

    actor: Net  # puts out means (A), then logarithms of standard deviations (A)
    critic: Net  # reads an observation and an action
    critics: int


class Settings(NamedTuple):
    """Of one update."""

    gamma: float
    tau: float
    target_update_interval: int
    ent_coef: float  # where it is not learned
    target_entropy: float
    learning_rate: float
    adam_eps: float


# The squashed Gaussian ----------------------------------------------------------------------------


@compiled
def log_std(raw):
    raw = MOST_LOG_STD if raw > MOST_LOG_STD else raw  # `min` would swallow a NaN
    return LEAST_LOG_STD if raw < LEAST_LOG_STD else raw


@compiled
def squeeze(action):
    """The slope of tanh there; of 1 - action^2 the compiler may add 1 to another number first."""
    return (ONE - action) * (ONE + action)


@compiled
def squash(out, noise, actions, log_probs):
    """Draw actions in (-1, 1), and the logarithms of their densities.

    :param out: (n, 2 * A), of the actor.
    :param noise: (n, A) standard normal.
    :param actions: (n, A), log_probs (n,): filled.
    """
    n, width = noise.shape
    for i in range(n):
        density = ZERO
        for j in range(width):
            spread, z = log_std(out[i, width + j]), noise[i, j]
            action = F(np.tanh(out[i, j] + np.exp(spread) * z))
            density -= F(0.5) * z * z + spread + HALF_LOG_TWO_PI
            density -= np.log(squeeze(action) + EPSILON)
            actions[i, j] = action
        log_probs[i] = density


@compiled
def squash_gradient(out, noise, actions, d_actions, d_density, d_out):
    """:param d_actions: (n, A), by the actions; d_density: by each logarithm of a density.
    :param d_out: (n, 2 * A): filled with the gradient by what the actor puts out.
    """
    n, width = noise.shape
    for i in range(n):
        for j in range(width):
            action, raw = actions[i, j], out[i, width + j]
            narrow = squeeze(action)
            d_action = d_actions[i, j] + d_density * TWO * action / (narrow + EPSILON)
            d_out[i, j] = d_action * narrow
            d_spread = d_out[i, j] * noise[i, j] * np.exp(raw) - d_density
            clamped = raw < LEAST_LOG_STD or raw > MOST_LOG_STD
            d_out[i, width + j] = ZERO if clamped else d_spread


# Update -------------------------------------------------------------------------------------------


@compiled
def least(values, nets, inputs, layers, best, which):
    """The least of what critics put out.

    :param values: of all critics, flat.
    :param layers: (critics, ...): filled, see `forward`.
    :param best: (n,) filled; which (n,) of the critics.
    """
    each = values.size // nets.critics
    for c in range(nets.critics):
        q = forward(values[c * each : (c + 1) * each], nets.critic, inputs, layers[c])
        for i in range(best.size):
            if c == 0 or q[i, 0] < best[i] or np.isnan(q[i, 0]):
                best[i], which[i] = q[i, 0], c


@compiled
def update(actor, critics, temperature, step, target, nets, s, replay, rows, envs, noise, told):
    """Gradient steps on batches of transitions.

    :param actor: critics and temperature likewise: `Learned`. Of the temperature, which weighs
        entropy, the logarithm is learned; empty: it is fixed.
    :param step: updates so far.
    :param target: of the target critics, flat.
    :param rows: (gradient steps, batch), and envs likewise: which transitions.
    :param noise: (gradient steps, 2, batch, A) standard normal: for observations, then for those
        after.
    :param told: (gradient steps, METRICS): filled.
    :return: updates so far.
    """
    steps, n = rows.shape
    dims, width, size = replay.obs.shape[2], noise.shape[3], target.size
    wide, narrow = nets.critic.widths, nets.actor.widths
    each = size // nets.critics
    x, inputs = np.empty((n, dims), F), np.empty((n, dims + width), F)
    actions, log_probs = np.empty((n, width), F), np.empty(n, F)
    goal, best, which = np.empty(n, F), np.empty(n, F), np.empty(n, np.int64)
    layers = np.empty((nets.critics, n * wide[1:].sum()), F)
    actor_layers = np.empty(n * narrow[1:].sum(), F)
    room = n * max(wide.max(), narrow.max())
    delta, spare, d_actions = np.empty(room, F), np.empty(room, F), np.empty((n, width), F)
    share, learns = ONE / F(n), temperature.values.size > 0
    for k in range(steps):
        ent_coef = F(s.ent_coef)
        if learns:
            ent_coef = np.exp(temperature.values[0])
        # What the transitions are worth.
        for i in range(n):
            x[i] = replay.after[rows[k, i], envs[k, i]]
        inputs[:, :dims] = x
        out = forward(actor.values, nets.actor, x, actor_layers)
        squash(out, noise[k, 1], actions, log_probs)
        inputs[:, dims:] = actions
        least(target, nets, inputs, layers, best, which)
        for i in range(n):
            row, env = rows[k, i], envs[k, i]
            ahead = best[i] - ent_coef * log_probs[i]
            goal[i] = replay.rewards[row, env] + (ONE - replay.ends[row, env]) * F(s.gamma) * ahead
        # Critics.
        for i in range(n):
            row, env = rows[k, i], envs[k, i]
            x[i] = replay.obs[row, env]
            inputs[i, dims:] = replay.actions[row, env]
        inputs[:, :dims] = x
        loss = ZERO
        for c in range(nets.critics):
            p = critics.values[c * each : (c + 1) * each]
            q = forward(p, nets.critic, inputs, layers[c])
            for i in range(n):
                miss = q[i, 0] - goal[i]
                loss += F(0.5) * miss * miss
                delta[i] = miss * share
            g = critics.gradient[c * each : (c + 1) * each]
            backward(p, g, nets.critic, inputs, layers[c], delta, spare)
        told[k, 3] = loss * share
        # The actor, judged by critics that have moved already.
        out = forward(actor.values, nets.actor, x, actor_layers)
        squash(out, noise[k, 0], actions, log_probs)
        step += 1
        told[k, 0], told[k, 1] = ent_coef, ZERO
        if learns:
            surplus = ZERO
            for i in range(n):
                surplus += log_probs[i] + F(s.target_entropy)
            surplus *= share
            told[k, 1] = -temperature.values[0] * surplus
            temperature.gradient[0] = -surplus
            move(temperature, step, s)
        move(critics, step, s)
        inputs[:, dims:] = actions
        least(critics.values, nets, inputs, layers, best, which)
        loss = ZERO
        for i in range(n):
            loss += ent_coef * log_probs[i] - best[i]
        told[k, 2] = loss * share
        for c in range(nets.critics):
            judged = np.flatnonzero(which == c)
            if judged.size > 0:
                delta[: judged.size] = -share
                p = critics.values[c * each : (c + 1) * each]
                d = input_gradient(p, nets.critic, layers[c], n, judged, delta, spare, dims)
                for i in range(judged.size):
                    d_actions[judged[i]] = d[i]
        d_out = delta[: n * 2 * width].reshape(n, 2 * width)
        squash_gradient(out, noise[k, 0], actions, d_actions, ent_coef * share, d_out)
        backward(actor.values, actor.gradient, nets.actor, x, actor_layers, delta, spare)
        move(actor, step, s)
        if k % s.target_update_interval == 0:
            for i in range(size):
                target[i] = target[i] * F(1 - s.tau) + critics.values[i] * F(s.tau)
    return step


@compiled
def move(learned, step, s):
    adam(
        learned.values, learned.gradient, learned.first, learned.second, step, s.learning_rate,
        s.adam_eps,
    )  # fmt: skip


def warm() -> None:
    """Compile it all, or read it from disk, for the processes that are forked from this one."""
    nets = Nets(Net(0, np.array([2, 3, 2]), RELU), Net(0, np.array([3, 3, 1]), RELU), 1)
    actor, critics, temperature = (
        Learned(*np.zeros((4, size), F)) for size in (nets.actor.end, nets.critic.end, 1)
    )
    noise, where, flags = np.zeros((1, 2, 1, 1), F), np.zeros((1, 1), np.int64), np.zeros((1, 1), F)
    seen = np.zeros((1, 1, 2), F)
    replay = Replay(seen, seen, np.zeros((1, 1, 1), F), flags, flags)
    settings = Settings(0.9, 0.005, 1, 1.0, -1.0, 1e-3, 1e-8)
    told = np.zeros((1, len(METRICS)), F)
    update(actor, critics, temperature, 0, np.zeros(nets.critic.end, F), nets, settings, replay,
           where, where, noise, told)  # fmt: skip


# The learner --------------------------------------------------------------------------------------


class Noise:
    """SB3's noise on actions, of all environments, from a generator of the run's own."""

    def __init__(self, kind: ActionNoise, envs: int) -> None:
        # What stays of the last one: of Ornstein-Uhlenbeck's most, else nothing.
        drifts = isinstance(kind, OrnsteinUhlenbeckActionNoise)
        self.pull = kind._theta * kind._dt if drifts else 1.0
        self.std = kind._sigma * np.sqrt(kind._dt) if drifts else kind._sigma
        self.mean = kind._mu
        self.now = np.zeros((envs, *self.mean.shape))

    def draw(self, rng: np.random.Generator) -> np.ndarray:  # (E, *action shape)
        moved = self.std * rng.standard_normal(self.now.shape)
        self.now = self.now + self.pull * (self.mean - self.now) + moved
        return self.now.astype(F)

    def reset(self, dones: np.ndarray) -> None:  # (E,)
        self.now[dones] = 0


class CompiledSAC(ReplayModel, stable_baselines3.SAC):
    """SB3's SAC, which collects and trains by the functions above."""

    OURS = (*ReplayModel.OURS, "nets", "critics", "temperature", "target", "noise")

    def _setup_model(self) -> None:
        super()._setup_model()
        self.noise = Noise(self.action_noise, self.n_envs) if self.action_noise else None

    def lay_flat(self) -> None:
        made = self.actor
        hidden, heads = linears(made.latent_pi), (made.mu, made.log_std)
        # The heads are one layer: of either the matrix, then of either the bias.
        parts = [*(each.weight for each in heads), *(each.bias for each in heads)]
        self.flat = Flat([*parameters(hidden), *parts], made.optimizer)
        critics, targets = (
            [part for q in each.q_networks for part in parameters(linears(q))]
            for each in (self.critic, self.critic_target)
        )
        self.critics = Flat(critics, self.critic.optimizer)
        self.target = laid_flat(targets)  # as `critics.values`
        self.temperature = None
        if self.ent_coef_optimizer is not None:
            self.temperature = Flat([self.log_ent_coef], self.ent_coef_optimizer)
        activation, q_networks = self.policy.activation_fn, self.critic.q_networks
        actor = net(0, [*hidden, made.mu], activation)
        actor.widths[-1] *= len(heads)
        critic = net(0, linears(q_networks[0]), activation)
        self.nets = Nets(actor, critic, len(q_networks))

    def put_out(self, obs: np.ndarray) -> np.ndarray:  # (n, D) -> (n, 2 * A)
        layers = np.empty(len(obs) * self.nets.actor.widths.sum(), F)
        return forward(self.flat.values, self.nets.actor, obs, layers)

    def _setup_learn(self, *given: Any) -> Any:
        if self.noise is not None:  # as SB3's own: no episode is under way
            self.noise.reset(np.ones(self.n_envs, bool))
        return super()._setup_learn(*given)

    def acts(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """:param obs: (n, D).
        :param noise: (n, A) standard normal; None: the likeliest actions.
        :return: (n, *action shape), in [-1, 1].
        """
        out = self.put_out(obs)
        width = out.shape[1] // 2
        moved = out[:, :width]
        if noise is not None:
            moved = moved + np.exp(np.clip(out[:, width:], LEAST_LOG_STD, MOST_LOG_STD)) * noise
        return np.tanh(moved).reshape(-1, *self.action_space.shape)

    def choose(self, seen: np.ndarray, learning_starts: int) -> tuple[Any, np.ndarray]:
        shape = len(seen), self.replay.actions.shape[-1]
        if self.num_timesteps < learning_starts:
            drawn = self.generator.uniform(-1, 1, shape).astype(F)
            scaled = drawn.reshape(-1, *self.action_space.shape)
        else:
            scaled = self.acts(seen, self.generator.standard_normal(shape, F))
        if self.noise is not None:
            scaled = np.clip(scaled + self.noise.draw(self.generator), -1, 1)
        return list(self.policy.unscale_action(scaled)), scaled.reshape(shape)

    def ended(self, dones: np.ndarray, infos: list[dict[str, Any]]) -> None:
        super().ended(dones, infos)
        if self.noise is not None:
            self.noise.reset(dones)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        optimizers = [self.actor.optimizer, self.critic.optimizer]
        if self.ent_coef_optimizer is not None:
            optimizers.append(self.ent_coef_optimizer)
        self._update_learning_rate(optimizers)
        shape = gradient_steps, 2, batch_size, self.replay.actions.shape[-1]
        rows, envs = self.batches(gradient_steps, batch_size)
        told = self.fit(rows, envs, self.generator.standard_normal(shape, F))
        metrics = dict(zip(METRICS, told.mean(axis=0), strict=True))
        if self.temperature is None:
            del metrics["ent_coef_loss"]
        for name, value in ({"n_updates": self._n_updates} | metrics).items():
            self.logger.record(f"train/{name}", value)

    def fit(self, rows: np.ndarray, envs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Learn from these transitions, (gradient steps, batch); METRICS of each step.

        :param noise: (gradient steps, 2, batch, A) standard normal, see `update`.
        """
        actor, critics, temperature = self.flat, self.critics, self.temperature
        group = self.actor.optimizer.param_groups[0]
        learned = Learned(*np.empty((4, 0), F)) if temperature is None else temperature.learned
        fixed = self.ent_coef_tensor.item() if temperature is None else np.nan
        settings = Settings(
            float(self.gamma),
            float(self.tau),
            self.target_update_interval,
            fixed,
            float(self.target_entropy),
            float(group["lr"]),
            float(group["eps"]),
        )
        told = np.empty((len(rows), len(METRICS)), F)
        steps = update(
            actor.learned, critics.learned, learned, actor.steps, self.target, self.nets, settings,
            self.replay, rows, envs, noise, told,
        )  # fmt: skip
        for each in (actor, critics, temperature):
            if each is not None:
                each.steps = steps
        self._n_updates += len(rows)
        if not np.isfinite(told).all():  # SB3's distributions would refuse the next batch
            raise FloatingPointError("the loss is not finite: the agent has diverged")
        return told


class SAC(ReplayAgent):
    """`baselines.sb3:sac` with compiled acting and updates."""

    algorithm = CompiledSAC
    Config = agent_class("sac").Config

    @classmethod
    def refuses(cls, config: Config) -> Iterator[tuple[str, str]]:
        if config.use_sde:
            yield "use_sde", "noise that depends on the state is not compiled yet"
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
        model = self.model
        shown = np.ascontiguousarray(features(model.observation_space, observation))
        shape = len(shown), model.replay.actions.shape[-1]
        noise = None if deterministic else np.random.standard_normal(shape)  # noqa: NPY002
        scaled = model.acts(shown, noise)
        return model.policy.unscale_action(scaled).astype(model.action_space.dtype), state
