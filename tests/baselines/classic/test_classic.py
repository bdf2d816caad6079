"""The controllers and the table that a deep learner has to beat."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from probe_envs_agents import Chain, Pair, continuous, discrete

from baselines.api import NoProgress, Task
from baselines.classic.null import Null
from baselines.classic.pid import PID
from baselines.classic.random import Random
from baselines.classic.tabular_q import TabularQ, falling
from harness.config.shipped import shipped
from harness.config.strict import load


def returns(agent, make_env, episodes):
    """Raw returns of greedy episodes, one after the other."""
    found = []
    for seed in range(episodes):
        env = make_env()
        observation, _ = env.reset(seed=10**6 + seed)
        state, start, over, total = None, True, False, 0.0
        while not over:
            action, state = agent.predict(observation[None], state, np.array([start]))
            observation, reward, terminated, truncated, _ = env.step(action[0])
            start, over, total = False, terminated or truncated, total + reward
        found.append(total)
    return np.array(found)


def cartpole():
    return gym.make("CartPole-v1")


def pendulum():
    return gym.make("Pendulum-v1")


def chain():
    return gym.wrappers.TimeLimit(Chain(), 50)


def chain_cut_after_one_step():
    return gym.wrappers.TimeLimit(Chain(), 1)


@pytest.mark.parametrize(("make_env", "enough"), [(cartpole, 475.0), (pendulum, -300.0)])
def test_fixed_gains_reach_the_deep_learners_scores(make_env, enough):
    agent = PID(Task(make_env, steps=0), PID.Config())

    assert agent.learn(NoProgress()) == 0
    assert returns(agent, make_env, 20).mean() >= enough


def test_pid_without_gains_holds_no_pole():
    agent = PID(Task(cartpole, steps=0), PID.Config(kp=0, kd=0, kp_position=0, kd_position=0))

    assert returns(agent, cartpole, 5).mean() < 50


def test_pid_forgets_its_integral_when_an_episode_begins():
    agent = PID(Task(cartpole, steps=0), PID.Config(ki=1.0))
    leaning = np.array([[0, 0, 0.1, 0], [0, 0, 0.1, 0]], float)
    _, state = agent.predict(leaning, None, np.array([True, True]))
    _, state = agent.predict(leaning, state, np.array([False, True]))

    assert state[0] == pytest.approx(2 * state[1])


def test_pid_says_where_it_can_act():
    with pytest.raises(TypeError, match="CartPoleEnv, PendulumEnv"):
        PID(Task(discrete, steps=0), PID.Config())


@pytest.mark.parametrize("make_env", [discrete, continuous, Pair])
def test_random_actions_fill_the_space_evenly(make_env):
    agent = Random(Task(make_env, steps=0), Random.Config())
    space = make_env().action_space
    observation = make_env().observation_space.sample()
    many = 6000
    batch = (
        {key: np.repeat(part[None], many, 0) for key, part in observation.items()}
        if isinstance(observation, dict)
        else np.repeat(observation[None], many, 0)
    )
    np.random.seed(0)
    actions, _ = agent.predict(batch)
    np.random.seed(0)
    again, _ = agent.predict(batch)

    np.testing.assert_array_equal(actions, again)
    assert all(space.contains(action) for action in actions[:50])
    scaled = actions / (1 if isinstance(space, spaces.Box) else 3)
    expected = np.linspace(-1, 1, 4) if isinstance(space, spaces.Box) else [0, 1 / 3, 2 / 3, 1]
    counts, _ = np.histogram(scaled, expected)
    assert (np.abs(counts - many / 3) < 5 * np.sqrt(many * 2 / 9)).all()


def test_scripts_act_once_for_each_episode_whose_observation_has_parts():
    task = Task(lambda: gym.make("Blackjack-v1"), steps=1)
    batch = (np.array([12, 20]), {"card": (np.array([1, 10]),)}, np.array([0, 1]))

    for script in (Random(task, Random.Config()), Null(task, Null.Config())):
        for observation in (batch, {"parts": batch}):
            assert script.predict(observation)[0].shape == (2,)


def test_random_keeps_to_the_allowed_actions():
    agent = Random(Task(discrete, steps=0), Random.Config())
    masks = np.array([[False, True, True]] * 500)
    actions, _ = agent.predict(np.zeros((500, 3)), action_masks=masks)

    assert set(actions.tolist()) == {1, 2}


def table(make_env, steps, seed=0, **hparams):
    agent = TabularQ(Task(make_env, steps=steps, seed=seed), TabularQ.Config(**hparams))
    agent.learn(NoProgress())
    return agent


@pytest.mark.parametrize("seed", range(3))
def test_a_table_finds_the_far_reward_of_a_chain(seed):
    assert returns(table(chain, 3000, seed), chain, 1) == [1.0]


def test_a_tables_values_are_the_chains_own():
    agent = table(chain, 5000, gamma=0.5, learning_rate=1.0, learning_rate_final=1.0)
    right = np.array([agent._q[agent._visit(np.eye(10, dtype=np.float32)[i]), 1] for i in range(5)])

    np.testing.assert_allclose(right, 0.5 ** np.arange(4, -1, -1))


def test_an_episode_cut_off_goes_on_in_the_table():
    """One step an episode, each cut off: left pays 0.001 for ever."""
    agent = table(chain_cut_after_one_step, 3000, gamma=0.9)
    row = agent._visit(np.eye(10, dtype=np.float32)[0])

    assert agent._q[row, 0] == pytest.approx(0.001 / (1 - 0.9), rel=0.01)


def test_a_bucketed_table_beats_random_play_on_cartpole():
    tuned = load(shipped("configs/agents") / "tabular_q.yaml").data["envs"]["CartPole-v1"]
    agent = table(cartpole, 40_000, **tuned["hparams"])
    chance = returns(Random(Task(cartpole, steps=0), Random.Config()), cartpole, 20)

    assert returns(agent, cartpole, 20).mean() > 4 * chance.mean()


def test_a_table_starts_with_its_initial_value_and_grows():
    agent = TabularQ(Task(Chain, steps=0), TabularQ.Config(initial_value=2.0))
    for i in range(300):
        agent._visit(np.full(10, i, np.float32))

    assert agent.weights()["q"].shape == (300, 2)
    assert (agent.weights()["q"] == 2.0).all()


def test_buckets_must_fit_the_observation():
    with pytest.raises(ValueError, match="bins: 2 numbers, but an observation has 4"):
        TabularQ(Task(cartpole, steps=0), TabularQ.Config(bins=[3, 3]))


def test_a_table_needs_discrete_actions():
    with pytest.raises(TypeError, match="actions must be Discrete"):
        TabularQ(Task(continuous, steps=0), TabularQ.Config())


@pytest.mark.parametrize(("part", "value"), [(0.0, 1.0), (0.5, 0.6), (1.0, 0.2), (3.0, 0.2)])
def test_schedules_fall_in_a_line_then_stay(part, value):
    assert falling(1.0, 0.2, part) == pytest.approx(value)
