"""Lockstep's PPO is SB3's: the same rollout moves the same parameters."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from family import some
from places import FEW, MANY

pytest.importorskip("numba")

from baselines.api import NoProgress, Task
from baselines.lockstep.ppo import PPO, CompiledPPO, flattened
from baselines.lockstep.shown import distinct
from baselines.lockstep.steps import Steps
from baselines.sb3 import agent_class

BASE = {"n_envs": 4, "n_steps": 50, "batch_size": 20, "n_epochs": 5, "learning_rate": 1e-3}
ENVS = {"discrete": "CartPole-v1", "continuous": "Pendulum-v1"}
ENVS |= {"few places": FEW, "many places": MANY}
SETTINGS = {
    "defaults": {},
    "value clipping": {"clip_range_vf": 0.05},
    "an entropy bonus": {"ent_coef": 0.05},
    "advantages as they are": {"normalize_advantage": False},
    "a last minibatch that is smaller": {"batch_size": 32, "n_epochs": 7},
    "a gradient that is never clipped": {"max_grad_norm": 1e6, "vf_coef": 0.1},
    "schedules": {"learning_rate": "lin_1e-3", "clip_range": "lin_0.1"},
    "other networks": {
        "policy_kwargs": {"net_arch": {"pi": [32, 16, 8], "vf": [24]}, "activation_fn": "relu"}
    },
    "noise by the state": {"use_sde": True, "ent_coef": 0.01, "sde_sample_freq": 4},
    "little noise by the state": {"use_sde": True, "policy_kwargs": {"log_std_init": -3.0}},
    "linear networks, noise by the state": {"use_sde": True, "policy_kwargs": {"net_arch": []}},
    "linear networks": {"policy_kwargs": {"net_arch": []}},
}


def made(kind, env, seed=3, **hparams):
    """An agent, ready to learn."""
    config = kind.Config.model_validate(BASE | hparams)
    return kind(Task(lambda: gym.make(env), 10_000, seed=seed, env_seed=11), config)


def twins(env, **hparams):
    """SB3's learner and lockstep's with one rollout in the buffers of both."""
    theirs, ours = made(agent_class("ppo"), env, **hparams), made(PPO, env, **hparams)
    for name, value in theirs.weights().items():
        assert np.array_equal(value, ours.weights()[name]), f"{name} begins elsewhere"
    for each in (theirs.model, ours.model):
        _, callback = each._setup_learn(10_000, None)
        each._update_current_progress_remaining(2_000, 10_000)
    model = ours.model
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    buffer = theirs.model.rollout_buffer
    buffer.reset()
    for name in ("actions", "rewards", "returns", "values", "log_probs", "advantages"):
        getattr(buffer, name)[:] = getattr(model.rollout_buffer, name)
    buffer.observations[:] = model.seen[:-1].reshape(buffer.observations.shape)
    buffer.pos, buffer.full = buffer.buffer_size, True
    return theirs, ours


def train_both(theirs, ours, epochs):
    """One `train` each, with the same minibatches."""
    model, total = ours.model, ours.model.rollout_buffer.rewards.size
    np.random.seed(5)
    orders = np.stack([np.random.permutation(total) for _ in range(epochs)])
    model._update_learning_rate(model.policy.optimizer)
    group = model.policy.optimizer.param_groups[0]
    told = model.fit(model.update_settings(group["lr"], group["eps"]), orders)
    np.random.seed(5)
    theirs.model.n_epochs = epochs
    theirs.model.train()
    return told


def apart(theirs, ours):
    ours = ours.weights()
    return max(abs(value - ours[name]).max() for name, value in theirs.weights().items())


# Every setting with noise by the state or with choices, and every environment with the defaults.
PAIRS = [
    pytest.param(name, env, id=f"{name}-{kind}", marks=[] if often else [pytest.mark.slow])
    for name in SETTINGS
    for kind, env in ENVS.items()
    if "noise" not in name or kind == "continuous"
    for often in ["noise" in name or name == "defaults" or kind == "discrete"]
]


@pytest.mark.parametrize(("name", "env"), PAIRS)
def test_fifty_updates_move_the_parameters_as_sb3_does(name, env):
    theirs, ours = twins(env, **SETTINGS[name])
    start = theirs.weights()

    train_both(theirs, ours, ours.config.n_epochs)

    steps = ours.model.flat.steps
    assert steps >= 49
    assert apart(theirs, ours) < 1e-4
    moved = [abs(value - start[each]).max() for each, value in theirs.weights().items()]
    assert max(moved) > 1e-3, "the test would pass if nothing moved"


@pytest.mark.parametrize("env", ENVS.values(), ids=ENVS)
def test_one_update_moves_the_parameters_as_sb3_does(env):
    theirs, ours = twins(env, batch_size=200)

    train_both(theirs, ours, 1)

    assert ours.model.flat.steps == 1
    assert apart(theirs, ours) < 1e-5


@pytest.mark.parametrize("env", ENVS.values(), ids=ENVS)
def test_what_is_logged_is_what_sb3_logs(env):
    theirs, ours = twins(env, clip_range_vf=0.05, ent_coef=0.01)
    logged = {}
    for agent in (theirs, ours):
        agent.model.logger.name_to_value.clear()

    told = train_both(theirs, ours, 5)
    ours.model._log(told, ours.model.update_settings(1e-3, 1e-5))

    for key, agent in (("theirs", theirs), ("ours", ours)):
        logged[key] = dict(agent.model.logger.name_to_value)
    assert set(logged["ours"]) == set(logged["theirs"])
    for name, value in logged["theirs"].items():
        assert logged["ours"][name] == pytest.approx(value, rel=1e-3, abs=1e-4), name


@pytest.mark.parametrize("env", ENVS.values(), ids=ENVS)
def test_an_update_stops_at_the_same_divergence_as_sb3(env):
    theirs, ours = twins(env, target_kl=0.001, learning_rate=0.01)

    train_both(theirs, ours, 5)

    steps = int(next(iter(theirs.model.policy.optimizer.state.values()))["step"])
    assert 0 < steps < 50 and ours.model.flat.steps == steps
    assert ours.model._n_updates == theirs.model._n_updates
    assert apart(theirs, ours) < 1e-4


@pytest.mark.parametrize("use_sde", [False, True])
def test_advantages_and_the_values_they_start_from_are_sb3s(use_sde):
    _, ours = twins("Pendulum-v1", use_sde=use_sde)
    model, buffer = ours.model, ours.model.rollout_buffer
    with torch.no_grad():
        seen = torch.as_tensor(model.seen)
        values = model.policy.predict_values(seen.reshape(-1, seen.shape[-1])).reshape(51, 4)
        actions = torch.as_tensor(buffer.actions[7])
        _, log_prob, _ = model.policy.evaluate_actions(seen[7], actions)
    assert np.allclose(buffer.values, values[:-1], atol=1e-5)
    assert np.allclose(buffer.log_probs[7], log_prob, atol=1e-5)
    mine = buffer.advantages.copy(), buffer.returns.copy()

    buffer.compute_returns_and_advantage(values[-1], model._last_episode_starts)

    assert np.allclose(mine[0], buffer.advantages, atol=1e-4)
    assert np.allclose(mine[1], buffer.returns, atol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"use_sde": True, "sde_sample_freq": 1}])
def test_actions_are_spread_as_the_policy_says(settings):
    _, ours = twins("Pendulum-v1", n_envs=50, **settings)
    model, shape = ours.model, ours.model.rollout_buffer.actions.shape
    with torch.no_grad():
        seen = torch.as_tensor(model.seen[:-1]).reshape(-1, model.seen.shape[-1])
        spread = model.policy.get_distribution(seen).distribution

    z = (
        model.rollout_buffer.actions - spread.mean.numpy().reshape(shape)
    ) / spread.stddev.numpy().reshape(shape)

    assert z.size == 2500 and abs(z.mean()) < 0.06 and abs(z.std() - 1) < 0.06
    assert abs(np.corrcoef(z[:-1].ravel(), z[1:].ravel())[0, 1]) < 0.06, "drawn anew at every step"
    between = [np.corrcoef(z[:, i, 0], z[:, i + 1, 0])[0, 1] for i in range(49)]
    assert abs(np.mean(between)) < 0.06, "and for every environment"


def test_noise_by_the_state_keeps_its_direction_until_it_is_drawn_anew(monkeypatch):
    drawn, draw = [], CompiledPPO._matrices
    monkeypatch.setattr(
        CompiledPPO, "_matrices", lambda self: drawn.append(draw(self)) or drawn[-1]
    )
    _, ours = twins("Pendulum-v1", use_sde=True, sde_sample_freq=10)
    seen, policy = torch.as_tensor(ours.model.seen[:-1]), ours.model.policy

    with torch.no_grad():
        hidden = policy.mlp_extractor.forward_actor(seen)
        moved = ours.model.rollout_buffer.actions - policy.action_net(hidden).numpy()

    assert len(drawn) == 5
    matrices = np.repeat(drawn, 10, axis=0)
    assert np.allclose(moved, np.einsum("teh,teha->tea", hidden.numpy(), matrices), atol=1e-4)


def test_choices_are_drawn_with_the_probabilities_of_the_policy():
    _, ours = twins("CartPole-v1", n_envs=50)
    model = ours.model
    with torch.no_grad():
        for parameter in model.policy.action_net.parameters():
            parameter.mul_(500)  # which at first hardly prefers one
    callback = ours.model._setup_learn(10_000, None)[1]
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    chosen = model.rollout_buffer.actions.ravel()
    right = np.exp(model.rollout_buffer.log_probs.ravel())
    right = np.where(chosen == 1, right, 1 - right)

    off = (chosen - right) / np.sqrt(right * (1 - right))
    assert right.std() > 0.1 and abs(off.mean()) < 0.06 and abs(off.std() - 1) < 0.06


@pytest.mark.parametrize("normalize", [False, True, {"obs": False}, {"reward": False}])
@pytest.mark.parametrize("env", some([*ENVS.values(), "FrozenLake-v1"], but={FEW, MANY}))
def test_environments_are_stepped_as_sb3_steps_them(env, normalize):
    if env == "FrozenLake-v1" and normalize is not False:
        normalize = {"obs": False}  # VecNormalize takes no numbers of a set
    theirs, ours = (
        made(kind, env, normalize=normalize).model.env for kind in (agent_class("ppo"), PPO)
    )
    for each in (theirs, ours):
        each.seed(11)
    assert np.array_equal(theirs.reset(), ours.reset())
    steps, rng, ends = Steps(ours), np.random.default_rng(0), 0
    for _ in range(450):
        if isinstance(theirs.action_space, gym.spaces.Discrete):
            actions = rng.integers(theirs.action_space.n, size=4)
        else:
            actions = rng.uniform(-2, 2, (4, 1)).astype(np.float32)

        wanted, found = theirs.step(actions), steps.step(list(actions))

        for theirs_each, ours_each in zip(wanted[:3], found[:3], strict=True):
            assert np.array_equal(theirs_each, ours_each)
        cut = {
            i: info["terminal_observation"]
            for i, info in enumerate(wanted[3])
            if info["TimeLimit.truncated"]
        }
        assert set(cut) == set(steps.cut)
        assert all(np.array_equal(steps.cut[i][0], cut[i]) for i in cut)
        ends += int(wanted[2].sum())
    assert ends > 3


class Cut(gym.Wrapper):
    """Pays 1 for every step, and is cut short after five, or ends by itself."""

    def __init__(self, ends):
        super().__init__(gym.make("CartPole-v1"))
        self.ends = ends

    def reset(self, **given):
        self.steps = 0
        return self.env.reset(**given)

    def step(self, action):
        self.steps += 1
        seen, *_ = self.env.step(action)
        over = self.steps == 5
        return seen, 1.0, over and self.ends, over and not self.ends, {}


@pytest.mark.parametrize("ends", [False, True], ids=["truncated", "terminated"])
def test_what_a_time_limit_cuts_off_is_worth_its_value_and_an_end_is_worth_nothing(ends):
    config = PPO.Config(n_steps=20, batch_size=20, gamma=0.5)
    agent = PPO(Task(lambda: Cut(ends), 100, env_seed=1), config)
    model = agent.model
    _, callback = model._setup_learn(100, None)

    model.collect_rollouts(model.env, callback, model.rollout_buffer, 20)

    rewards = model.rollout_buffer.rewards[:, 0]
    last = [t for t in range(20) if t % 5 == 4]
    assert all((rewards[t] == 1.0) == (ends or t not in last) for t in range(20))
    starts = model.rollout_buffer.episode_starts[:, 0]
    assert starts.tolist() == [float(t % 5 == 0) for t in range(20)]


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
    config = PPO.Config(n_steps=64, n_epochs=2)
    agent = PPO(Task(Square, 128), config)

    assert agent.learn(NoProgress()) == 128

    seen = np.zeros((5, 2, 3), np.float32)
    for greedy in (True, False):
        assert agent.predict(seen, deterministic=greedy)[0].shape == (5, 2, 2)


def test_equal_rows_are_shown_once_and_of_sparse_ones_only_what_is_not_zero():
    for env, sparse in (("CartPole-v1", False), (FEW, False), (MANY, True)):
        rows = flattened(twins(env)[1].model.seen)
        shown, of = distinct(rows)

        assert np.array_equal(shown.rows[of], rows)
        assert len(shown.rows) == len(np.unique(rows, axis=0))
        assert (len(shown.rows) < len(rows) / 4) == ("Places" in env)
        assert (len(shown.starts) > 1) == sparse


@pytest.mark.parametrize("env", ENVS.values(), ids=ENVS)
def test_a_learner_that_diverges_raises_as_sb3_does(env):
    theirs, ours = made(agent_class("ppo"), env), made(PPO, env)
    for agent in (theirs, ours):
        with torch.no_grad():
            next(agent.model.policy.value_net.parameters()).fill_(torch.inf)

    with pytest.raises(ValueError, match=r"invalid values|constraint"):
        theirs.learn(NoProgress())
    with pytest.raises(FloatingPointError, match="diverged"):
        ours.learn(NoProgress())


# What it refuses ----------------------------------------------------------------------------------


def test_what_is_not_compiled_is_refused_by_name():
    chosen = {"activation_fn": "elu", "squash_output": True, "full_std": False}
    config = PPO.Config.model_validate({"use_sde": True, "policy_kwargs": chosen})

    refused = [key.removeprefix("policy_kwargs.") for key, _ in PPO.refuses(config)]
    assert refused == ["squash_output", "full_std", "activation_fn"]
    assert not list(PPO.refuses(PPO.Config()))
