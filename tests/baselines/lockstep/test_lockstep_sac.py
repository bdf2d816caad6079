"""Lockstep's SAC is SB3's: the same transitions and the same noise move the same parameters."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.noise import VectorizedActionNoise
from stable_baselines3.sac.policies import LOG_STD_MAX, LOG_STD_MIN
from torch.distributions import normal

pytest.importorskip("numba")

from baselines.api import Barrier, NoProgress, Task
from baselines.lockstep.sac import SAC, Noise, squash, squash_gradient
from baselines.sb3 import agent_class
from baselines.sb3_config import NOISES

pytestmark = pytest.mark.slow  # to compile SAC takes half a minute

BASE = {"learning_rate": 1e-3, "batch_size": 32, "buffer_size": 500, "learning_starts": 10_000}
SMALL = {"policy_kwargs": {"net_arch": [32, 24]}}
SETTINGS = {
    "defaults": {},
    "a temperature that begins lower": {"ent_coef": "auto_0.1", **SMALL},
    "a fixed temperature": {"ent_coef": 0.2, **SMALL},
    "no entropy": {"ent_coef": 0.0, **SMALL},
    "another target of entropy": {"target_entropy": 2.5, **SMALL},
    "targets that follow at times, and soon": {"target_update_interval": 7, "tau": 0.3, **SMALL},
    "several environments": {"n_envs": 4, "gamma": 0.5, **SMALL},
    "one critic": {"policy_kwargs": {"net_arch": [32, 24], "n_critics": 1}},
    "three critics": {"policy_kwargs": {"net_arch": [32, 24], "n_critics": 3}},
    "other networks": {
        "policy_kwargs": {"net_arch": {"pi": [32, 16, 8], "qf": [24]}, "activation_fn": "tanh"}
    },
    "linear networks": {"policy_kwargs": {"net_arch": []}},
}


class Wide(gym.Env):
    """Three numbers and two actions of different bounds; episodes end by themselves."""

    observation_space = gym.spaces.Box(-2, 2, (3,), np.float32)
    action_space = gym.spaces.Box(
        np.array([-1, 0], np.float32), np.array([3, 0.5], np.float32), dtype=np.float32
    )

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.seen = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.seen, {}

    def step(self, action):
        assert self.action_space.contains(action)
        drift = np.array([action[0], action[1], -action[0]]) * 0.1
        noise = self.np_random.normal(0, 0.1, 3)
        self.seen = np.clip(self.seen + drift + noise, -2, 2).astype(np.float32)
        return self.seen, float(self.seen.sum() * 2), bool(self.np_random.random() < 0.1), False, {}


ENVS = {"one action": lambda: gym.make("Pendulum-v1"), "two actions": Wide}


def made(kind, env="two actions", **hparams):
    task = Task(ENVS[env], 10_000, seed=3, env_seed=11)
    return kind(task, kind.Config.model_validate(BASE | hparams))


def twins(env, **hparams):
    """SB3's learner and lockstep's with the same transitions to replay."""
    theirs, ours = made(agent_class("sac"), env, **hparams), made(SAC, env, **hparams)
    for name, value in theirs.weights().items():
        assert np.array_equal(value, ours.weights()[name]), f"{name} begins elsewhere"
    for each in (theirs.model, ours.model):
        _, callback = each._setup_learn(10_000, None)
        if not hparams:  # of 65,536 gradients some cancel to 1e-8, and Adam's eps makes steps of it
            for optimizer in (each.actor.optimizer, each.critic.optimizer, each.ent_coef_optimizer):
                optimizer.param_groups[0]["eps"] = 1e-5
        # Target networks that differ from the others, as they do most of the time.
        with torch.no_grad():
            for parameter in each.critic_target.parameters():
                parameter.mul_(0.9)
    model = ours.model
    model.train_freq = model.train_freq._replace(frequency=400 // model.n_envs)
    model.collect_rollouts(
        model.env, callback, model.train_freq, model.replay_buffer, learning_starts=200
    )
    buffer, filled = theirs.model.replay_buffer, model.filled
    buffer.observations[:filled] = model.replay.obs[:filled]
    buffer.next_observations[:filled] = model.replay.after[:filled]
    buffer.actions[:filled] = model.replay.actions[:filled]
    buffer.rewards[:filled] = model.replay.rewards[:filled]
    buffer.dones[:filled] = model.replay.ends[:filled]
    buffer.pos = filled
    return theirs, ours


def train_both(theirs, ours, steps, monkeypatch):
    """One `train` each, with the same batches and the same noise."""
    model = ours.model
    np.random.seed(5)
    drawn = [
        (np.random.randint(0, model.filled, 32), np.random.randint(0, model.n_envs, 32))
        for _ in range(steps)
    ]
    shape = steps, 2, 32, model.replay.actions.shape[-1]
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    model._update_learning_rate([model.actor.optimizer, model.critic.optimizer])
    told = model.fit(*(np.stack(each) for each in zip(*drawn, strict=True)), noise)
    rows = iter(noise.reshape(-1, *shape[2:]))
    monkeypatch.setattr(normal, "_standard_normal", lambda *_, **__: torch.from_numpy(next(rows)))
    np.random.seed(5)
    theirs.model.train(steps, 32)
    assert next(rows, None) is None
    return told


METRICS = [f"train/{name}" for name in ("ent_coef", "ent_coef_loss", "actor_loss", "critic_loss")]


def apart(theirs, ours):
    ours = ours.weights()
    return max(abs(value - ours[name]).max() for name, value in theirs.weights().items())


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(("steps", "most"), [(1, 1e-5), (50, 1e-4)])
def test_updates_move_the_parameters_as_sb3_does(env, name, steps, most, monkeypatch):
    theirs, ours = twins(env, **SETTINGS[name])
    start = theirs.weights()

    told = train_both(theirs, ours, steps, monkeypatch)

    assert ours.model.flat.steps == steps == ours.model._n_updates
    assert apart(theirs, ours) < most
    learned = {each: abs(value - start[each]).max() for each, value in theirs.weights().items()}
    fixed = {"ent_coef_tensor"}
    assert max(learned.values()) > 9e-4, "the test would pass if nothing moved"
    assert all(moved > 1e-6 for each, moved in learned.items() if each not in fixed)
    for metric, value in zip(METRICS, told.mean(axis=0), strict=True):
        wanted = theirs.model.logger.name_to_value.get(metric, 0.0)
        assert value == pytest.approx(wanted, rel=1e-3, abs=1e-4), metric


@pytest.mark.parametrize("mean", [-30.0, -4.0, 0.3, 30.0])
@pytest.mark.parametrize("spread", [-40.0, -19.0, 0.0, 1.9, 40.0])
def test_an_action_its_density_and_their_gradient_are_sb3s_at_the_bounds_too(mean, spread):
    raw = torch.tensor([[mean, -0.2, spread, 0.5]], dtype=torch.float64, requires_grad=True)
    noise, d_action = np.array([[[0.7, -1.3]], [[0.3, -2.0]]], np.float32)
    d_density = np.float32(0.4)
    actor = made(agent_class("sac"), **SMALL).model.actor
    clamped = torch.clamp(raw[:, 2:], LOG_STD_MIN, LOG_STD_MAX)
    policy = actor.action_dist.proba_distribution(raw[:, :2], clamped)
    drawn = raw[:, :2] + clamped.exp() * torch.from_numpy(noise)
    wanted = torch.tanh(drawn)
    density = policy.log_prob(wanted, drawn)
    (torch.from_numpy(d_action) * wanted + float(d_density) * density[:, None] / 2).sum().backward()
    out, gradient = raw.detach().numpy().astype(np.float32), np.empty((1, 4), np.float32)
    actions, found = np.empty((1, 2), np.float32), np.empty(1, np.float32)

    squash(out, noise, actions, found)
    squash_gradient(out, noise, actions, d_action, d_density, gradient)

    assert np.allclose(actions, wanted.detach(), atol=1e-6)
    assert np.allclose(found, density.detach(), rtol=1e-4, atol=2e-3)
    assert np.allclose(gradient, raw.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("kind", NOISES)
def test_noise_on_actions_moves_and_is_reset_as_sb3s(kind, n_envs):
    theirs = NOISES[kind](np.full(2, 0.1), np.full(2, 0.5))
    ours = Noise(theirs, n_envs)
    theirs, rng = VectorizedActionNoise(theirs, n_envs), np.random.RandomState(4)
    np.random.seed(4)
    for step in range(20):
        assert np.allclose(theirs(), ours.draw(rng), atol=1e-6)
        if step % 7 == 6:
            theirs.reset([n_envs - 1])
            ours.reset(np.arange(n_envs) == n_envs - 1)


def test_actions_are_spread_as_the_policy_says_and_replayed_scaled():
    agent = made(SAC, n_envs=50, **SMALL)
    model = agent.model
    _, callback = model._setup_learn(10_000, None)
    model.train_freq = model.train_freq._replace(frequency=9)  # of the 10 rows
    taken, legal = [], model.policy.unscale_action
    model.policy.unscale_action = lambda scaled: taken.append(legal(scaled)) or taken[-1]

    model.collect_rollouts(model.env, callback, model.train_freq, model.replay_buffer)

    replay = model.replay
    with torch.no_grad():
        seen = torch.from_numpy(replay.obs[:9].reshape(-1, 3))
        mean, log_std, _ = model.actor.get_action_dist_params(seen)
    z = (np.arctanh(replay.actions[:9].reshape(-1, 2)) - mean.numpy()) / log_std.exp().numpy()
    assert z.shape == (450, 2) and abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.1
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.15
    assert np.array_equal(np.stack(taken), legal(replay.actions[:9]))


def test_it_begins_with_actions_drawn_from_all_there_are():
    agent = made(SAC, **SMALL)
    model = agent.model
    _, callback = model._setup_learn(10_000, None)
    model.train_freq = model.train_freq._replace(frequency=400)

    model.collect_rollouts(
        model.env, callback, model.train_freq, model.replay_buffer, learning_starts=300
    )

    drawn = model.replay.actions[:300, 0]
    assert np.allclose(np.quantile(drawn, [0.25, 0.5, 0.75], axis=0).T, [-0.5, 0, 0.5], atol=0.15)
    assert abs(drawn).max() > 0.97
    with torch.no_grad():
        mean, *_ = model.actor.get_action_dist_params(
            torch.from_numpy(model.replay.obs[300:400, 0])
        )
    later = np.arctanh(model.replay.actions[300:400, 0]) - mean.numpy()
    assert np.abs(np.arctanh(drawn)).mean() < np.abs(later).mean()


def test_noise_is_added_to_what_is_replayed_and_taken_and_never_leaves_the_bounds():
    settings = {"action_noise": {"type": "normal", "std": 5.0}, **SMALL}
    agent = made(SAC, **settings)
    model = agent.model
    _, callback = model._setup_learn(10_000, None)
    model.train_freq = model.train_freq._replace(frequency=100)

    model.collect_rollouts(
        model.env, callback, model.train_freq, model.replay_buffer, learning_starts=1_000
    )

    drawn = model.replay.actions[:100, 0]
    assert abs(drawn).max() == 1 and (abs(drawn) == 1).mean() > 0.7


def test_a_learner_that_diverges_raises_as_sb3_does(monkeypatch):
    theirs, ours = twins("two actions", **SMALL)
    for agent in (theirs, ours):
        with torch.no_grad():
            next(agent.model.critic.parameters()).fill_(torch.inf)

    with pytest.raises(FloatingPointError, match="diverged"):
        ours.model.train(5, 32)
    with pytest.raises(ValueError, match=r"invalid values|constraint"):
        theirs.model.train(5, 32)


class Square(gym.Env):
    """Observations and actions in two rows."""

    observation_space = gym.spaces.Box(-1, 1, (2, 3), np.float32)
    action_space = gym.spaces.Box(-1, 1, (2, 2), np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return self.observation_space.sample(), float(action[0, 1]), False, False, {}


def test_observations_and_actions_may_have_more_axes_than_one():
    noise = {"type": "ornstein-uhlenbeck", "std": 0.5}
    agent = SAC(Task(Square, 128), SAC.Config(action_noise=noise, n_envs=2, **SMALL))

    assert agent.learn(NoProgress()) == 128

    seen = np.zeros((5, 2, 3), np.float32)
    for greedy in (True, False):
        assert agent.predict(seen, deterministic=greedy)[0].shape == (5, 2, 2)


def test_what_is_not_compiled_is_refused_by_name():
    config = SAC.Config.model_validate(
        {"normalize": True, "n_steps": 3, "use_sde": True}
        | {"policy_kwargs": {"activation_fn": "elu"}}
    )

    refused = [key for key, _ in SAC.refuses(config)]
    assert refused == ["use_sde", "normalize", "n_steps", "policy_kwargs.activation_fn"]
    assert not list(SAC.refuses(SAC.Config()))


def test_noise_that_drifts_begins_anew_after_a_barrier_as_with_every_episode():
    """Where an episode never ends, it is the barrier that ends it."""
    noise = {"type": "ornstein-uhlenbeck", "std": 0.5}
    agent = SAC(Task(Square, 128, barrier=64), SAC.Config(action_noise=noise, **SMALL))
    began = []

    class Watched(NoProgress):
        def at(self, step):
            began.append(agent.model.noise.now.copy())

    with pytest.raises(Barrier):
        agent.learn(Watched())
    drifted = began[-1]
    agent.task = Task(Square, 128)
    agent.learn(Watched())

    first = 3.5 * np.max(agent.model.noise.std)  # no draw from 0 goes much further in one step
    assert np.abs(began[64]).max() < first < np.abs(drifted).max()
