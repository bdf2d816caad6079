"""How much of a budget is learned from, where an update needs a rollout."""

from __future__ import annotations

import numpy as np
import pytest
from probe_envs_agents import Masked, discrete
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv
from tiny import ENTRIES, each
from tiny_agents import make, tiny

from baselines.api import NoProgress
from baselines.rollout import last_two
from baselines.sb3 import ALGORITHMS
from baselines.sb3_family import OnPolicy
from baselines.target import load
from harness.cli import check
from harness.sweep.expand import expand

ON_POLICY = [name for name in ENTRIES if issubclass(ENTRIES[name].load().Config, OnPolicy)]
PLAIN = [name for name in ON_POLICY if name in ALGORITHMS]


def lengths(agent):
    """Of the rollouts that are learned from, while it learns."""
    found, train = [], agent.model.train

    def watched():
        found.append(agent.model.rollout_buffer.buffer_size)
        train()

    agent.model.train = watched
    return found


@pytest.mark.parametrize(
    ("budget", "lengths"),
    [(40, []), (41, [6, 5]), (45, [8, 7]), (49, [10, 9]), (50, []), (7, [7]), (11, [6, 5])],
)
def test_the_last_two_rollouts_share_what_no_whole_ones_fill(budget, lengths):
    assert list(last_two(budget, 10)) == lengths


@pytest.mark.parametrize("name", each(ON_POLICY))
def test_an_on_policy_learner_learns_from_every_step_that_its_environments_share(name):
    agent = make(name, steps=75)  # two environments: 3 whole rollouts of 10 steps each, and 7
    learned = lengths(agent)
    assert agent.learn(NoProgress()) == 74
    assert learned == [10, 10, 9, 8]
    assert all(np.isfinite(value).all() for value in agent.weights().values())


@pytest.mark.parametrize("name", PLAIN)
def test_where_whole_rollouts_fill_the_budget_it_is_sb3s_own_bit_for_bit(name):
    env = Masked if name == "maskable_ppo" else discrete
    agent = make(name, steps=80, env=env)
    agent.learn(NoProgress())
    given = dict(tiny(name))
    for ours in ("normalize", "n_envs", "policy"):
        del given[ours]
    given["policy_kwargs"] = given["policy_kwargs"].model_dump(exclude_none=True)
    algorithm = load(ALGORITHMS[name].target, BaseAlgorithm)
    policy = "MlpLstmPolicy" if name == "recurrent_ppo" else "MlpPolicy"
    plain = algorithm(policy, DummyVecEnv([env, env]), seed=0, device="cpu", **given)
    plain.env.seed(1000)
    plain.learn(80)

    for key, value in plain.policy.state_dict().items():
        np.testing.assert_array_equal(agent.weights()[f"policy.{key}"], value.numpy())


def test_a_schedule_falls_over_the_steps_that_are_learned_from():
    agent = make("ppo", steps=51, learning_rate="lin_1e-3")
    rates, train = [], agent.model.train

    def watched():
        train()
        rates.append(agent.model.policy.optimizer.param_groups[0]["lr"])

    agent.model.train = watched
    agent.learn(NoProgress())
    # 50 steps: a rollout of 20, one of 16 and one of 14.
    assert rates == pytest.approx([1e-3 * 30 / 50, 1e-3 * 14 / 50, 0.0])


@pytest.mark.parametrize("name", ["maskable_ppo", "recurrent_ppo"])
def test_a_rollout_is_never_cut_to_a_length_whose_last_minibatch_is_one_step(name):
    agent = make(name, steps=33, n_envs=1)  # 2 whole rollouts of 10, and 7 + 6
    agent.learn(NoProgress())
    short = make(name, steps=22, n_envs=1, batch_size=5)  # 10, then 6 + 6: one is left over 5
    learned = lengths(short)
    assert short.learn(NoProgress()) == 20
    assert learned == [10, 10]
    assert all(np.isfinite(value).all() for value in short.weights().values())


def test_a_search_by_episodes_reports_the_steps_before_its_last_update():
    agent = make("ars")
    before, update = [], agent.model._do_one_update

    def watched(*args):
        update(*args)  # whole: the one that the budget cuts raises
        before.append(agent.model.num_timesteps)

    agent.model._do_one_update = watched
    assert agent.learn(NoProgress()) == before[-1] < agent.model.num_timesteps


@pytest.mark.parametrize(
    ("hparams", "words"),
    [
        ("train_freq: 600", "dqn on CartPole-v1 will train on 600 of 1,000"),
        ("train_freq: 99", ""),
    ],
)
def test_check_says_where_rollouts_leave_more_than_a_hundredth_of_the_budget(
    tmp_path, hparams, words
):
    path, rest = tmp_path / "short.yaml", "learning_starts: 0, learning_rate: 1e-3"
    path.write_text(
        "name: short\nquestion: Is it short?\nenvs: [CartPole-v1]\nseeds: 3\nsteps: 1000\n"
        f"arms:\n  dqn: {{agent: dqn, hparams: {{{hparams}, {rest}}}}}\n  ppo: {{agent: ppo}}\n"
    )
    warnings = [f"{words} steps: the rest is less than a whole rollout."] if words else []
    assert check.unused_steps(expand(path).sweep) == warnings
