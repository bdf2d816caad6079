"""A dream is an environment, as certain and as long as it is told to be."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from family import some
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from probe_envs_agents import continuous, discrete
from small_world_model import D, memory, trained
from stable_baselines3 import PPO

from baselines.api import Task
from baselines.world_models import dream
from baselines.world_models.action import ActionCode
from baselines.world_models.dream import Dream
from baselines.world_models.learner import DreamVecEnv
from baselines.world_models.vae import Code
from baselines.world_models.world_model import Config, WorldModel
from harness.envs.deep_sea import DeepSea


def dreams(model=None, num_envs=3, starts=None, **options):
    model = model or memory()
    starts = torch.zeros(1, D) if starts is None else starts
    actions = ActionCode(spaces.Box(-1, 1, (1,), np.float32))
    code = Code(starts, torch.zeros_like(starts))
    return Dream(model, code, actions, dream.Config(**{"horizon": 500} | options), num_envs)


def played(env, steps=40, seed=0):
    rng = np.random.default_rng(seed)
    found = [env.reset(seed=seed)[0]]
    for _ in range(steps):
        found += env.step(rng.uniform(-1, 1, (env.num_envs, 1)).astype(np.float32))[:4]
    return found


def test_a_dream_is_a_vector_environment():
    env = dreams(horizon=5)
    observations, _ = env.reset(seed=0)

    assert isinstance(env, gym.vector.VectorEnv)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert env.observation_space.contains(observations)
    for _ in range(7):
        actions = np.zeros((3, 1), np.float32)
        assert env.action_space.contains(actions)
        observations, rewards, terminated, truncated, _ = env.step(actions)
        assert env.observation_space.contains(observations)
        assert rewards.shape == terminated.shape == truncated.shape == (3,)


def test_the_same_seed_dreams_the_same_and_another_one_does_not():
    one, same, other = (played(dreams(), seed=seed) for seed in (0, 0, 1))

    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_dreaming_draws_nothing_from_the_global_generators():
    env = dreams()
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    played(env)

    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(before_numpy, np.random.get_state()[1])


def test_a_dream_is_cut_off_at_its_horizon_and_begins_anew_in_the_same_step():
    starts = torch.tensor([[7.0, 8.0]])
    env = dreams(starts=starts, horizon=4, termination="off")
    env.reset(seed=0)
    ends = [env.step(np.zeros((3, 1), np.float32)) for _ in range(8)]

    assert [bool(end[3].all()) for end in ends] == [False, False, False, True] * 2
    assert not any(end[2].any() for end in ends)
    first = np.array([[7, 8, *[0] * 5]] * 3, np.float32)
    np.testing.assert_array_equal(ends[3][0], first)
    assert not np.array_equal(ends[3][4]["final_obs"], first)


@pytest.mark.parametrize(
    ("limit", "options", "horizon"), [(7, {}, 7), (7, {"horizon": 5}, 5), (None, {}, 1000)]
)
def test_a_dream_may_be_as_long_as_an_episode(limit, options, horizon):
    def make_env():
        env = DeepSea(4)
        return gym.wrappers.TimeLimit(env, limit) if limit else env

    agent = WorldModel(Task(make_env, steps=10), Config(dream=dream.Config(**options)))
    assert agent.dream(2).config.horizon == horizon


def certain(logit):
    model = memory()
    with torch.no_grad():
        model.termination[-1].weight.zero_()
        model.termination[-1].bias.fill_(logit)
    return model


@pytest.mark.parametrize(
    ("termination", "logit", "share"),
    [
        ("sample", math.log(0.25 / 0.75), 0.25),
        ("threshold", math.log(0.25 / 0.75), 0.0),
        ("threshold", 0.1, 1.0),
        ("off", 50.0, 0.0),
    ],
)
def test_a_dream_ends_by_a_draw_by_a_threshold_or_never(termination, logit, share):
    env = dreams(certain(logit), num_envs=4000, termination=termination)
    env.reset(seed=0)
    ended = env.step(np.zeros((4000, 1), np.float32))[2]

    assert ended.mean() == pytest.approx(share, abs=0.03)


def test_a_hotter_dream_is_less_certain():
    def spread(temperature):
        env = dreams(num_envs=4000, temperature=temperature)
        env.reset(seed=0)
        return env.step(np.zeros((4000, 1), np.float32))[0][:, :D].std()

    assert spread(0.1) < 0.5 * spread(1.0) < 0.5 * spread(3.0)


def test_the_temperature_goes_in_a_line_over_the_controllers_training():
    fixed, falling = (
        dream.Config(temperature=2.0),
        dream.Config(temperature=2.0, temperature_final=1.0),
    )

    assert [fixed.temperature_at(part) for part in (0, 0.5, 1)] == [2, 2, 2]
    assert [falling.temperature_at(part) for part in (0, 0.5, 1)] == [2, 1.5, 1]


@pytest.mark.parametrize("cell", some(["lstm", "transformer"], but={"transformer"}))
def test_the_controller_sees_asleep_what_it_sees_awake(cell):
    """The dream's latents as observations of real life: M remembers the same."""
    rnn = {"head": "deterministic", "cell": cell}
    agent = trained(rnn=rnn, dream={"termination": "off", "horizon": 1000})
    env, state = agent.dream(2), None
    features, _ = env.reset(seed=0)
    size = agent.eye.latent_size
    for t in range(5):
        observations = agent.eye.decode(torch.from_numpy(features[:, :size]))
        actions, state = agent.predict(observations, state, np.array([t == 0] * 2))
        features = env.step(actions)[0]

        hidden = agent.memory.hidden(state).numpy()
        np.testing.assert_allclose(hidden, features[:, size:], atol=1e-4)


@pytest.mark.parametrize("env", [discrete, continuous])
def test_ppo_of_stable_baselines3_trains_in_a_dream(env):
    asleep = DreamVecEnv(trained(env).dream(4))
    model = PPO("MlpPolicy", asleep, n_steps=8, batch_size=16, seed=0)
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    model.learn(64)

    assert model.num_timesteps == 64
    assert any(not torch.equal(before[k], v) for k, v in model.policy.state_dict().items())


def test_a_dream_that_is_cut_off_is_a_truncation_to_stable_baselines3():
    env = DreamVecEnv(dreams(horizon=2, termination="off"))
    env.reset()
    env.step(np.zeros((3, 1), np.float32))
    observations, _, ended, infos = env.step(np.zeros((3, 1), np.float32))

    assert ended.all()
    assert all(info["TimeLimit.truncated"] for info in infos)
    assert not np.array_equal(infos[0]["terminal_observation"], observations[0])
