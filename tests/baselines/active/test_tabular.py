"""MAX in a table: the divergence, the planner, and what exploring by them is worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from baselines.active.dynamics import TabularDynamics
from baselines.active.planner import plan
from baselines.active.tabular import Config, MaxTabular, draw
from baselines.active.utility import entropy, jensen_shannon
from baselines.api import NoProgress, Task
from harness import envs


def test_models_that_agree_have_nothing_to_teach():
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 2))

    np.testing.assert_allclose(jensen_shannon(np.stack([p, p, p])), 0, atol=1e-15)


def test_models_that_each_are_sure_of_something_else_have_the_entropy_of_their_number():
    certain = np.eye(5)[:, None, :]  # (K, 1, C)

    assert jensen_shannon(certain) == pytest.approx(np.log(5))


def test_the_divergence_is_the_information_that_an_outcome_has_about_the_model():
    """As the mutual information of an outcome and of which model is true, summed by hand."""
    p = np.random.default_rng(1).dirichlet(np.ones(6), size=4)  # (K, C)
    joint = p / len(p)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)

    assert jensen_shannon(p) == pytest.approx((joint * np.log(joint / apart)).sum())
    assert entropy(np.array([0.5, 0.5, 0.0])) == pytest.approx(np.log(2))


def test_draws_have_the_moments_of_a_dirichlet_distribution():
    counts, weight = np.array([3.0, 1.0, 0.0, 0.0]), 0.4
    drawn = draw(counts, weight, 40_000, np.random.default_rng(2))
    concentration = counts + weight / 4
    mean = concentration / concentration.sum()

    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=5e-3)
    variance = mean * (1 - mean) / (1 + concentration.sum())
    np.testing.assert_allclose(drawn.var(axis=0), variance, atol=3e-3)


def test_draws_of_a_tiny_concentration_are_probabilities_still():
    drawn = draw(np.zeros((3, 50)), 1e-6, 10, np.random.default_rng(3))

    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn.sum(axis=-1), 1)


@pytest.mark.parametrize("horizon", [1, 2, 4])
def test_a_plan_is_worth_what_the_best_of_all_policies_is(horizon):
    """Against every policy of its own for every step ahead, by enumeration."""
    rng = np.random.default_rng(4)
    states, actions, gamma = 2, 2, 0.9
    rewards = rng.normal(size=(states, actions))
    model = rng.dirichlet(np.ones(states + 1), size=(states, actions))[..., :-1]
    rules = list(itertools.product(range(actions), repeat=states))  # an action in each state

    def value(ahead):
        """Of following these rules, one a step."""
        worth = np.zeros(states)
        for rule in reversed(ahead):
            at = np.arange(states), np.array(rule)
            worth = rewards[at] + gamma * model[at] @ worth
        return worth

    best = np.max([value(each) for each in itertools.product(rules, repeat=horizon)], axis=0)
    np.testing.assert_allclose(plan(rewards, model, gamma, horizon).max(axis=1), best)


def explored(exploration, seed, size=10, episodes=8, **hparams):
    """A learner, and how many of the transitions it tried."""
    card = envs.card(f"Chain-{size}")
    config = Config(exploration=exploration, **hparams)
    task = Task(lambda: envs.make(card), episodes * (size + 9), seed=seed, env_seed=seed)
    agent = MaxTabular(task, config)
    agent.learn(NoProgress())
    return agent, np.count_nonzero(agent.weights()["counts"].sum(axis=-1))


def test_active_exploration_tries_all_transitions_of_a_chain_sooner_than_chance_or_reaction():
    tried = {
        name: [explored(name, seed)[1] for seed in range(3)]
        for name in ("active", "reactive", "random")
    }

    assert tried["active"] == [20, 20, 20]
    assert max(tried["reactive"] + tried["random"]) < 20


def test_what_was_explored_without_reward_solves_the_task():
    agent, _ = explored("active", seed=0)
    card = envs.card("Chain-10")
    env = envs.make(card)
    state, over, total = env.reset(seed=0)[0], False, 0.0
    while not over:
        state, reward, _, over, _ = env.step(agent.predict(np.array([state]))[0][0])
        total += reward

    assert total == card.scale().reference.score


def test_noise_is_worth_less_the_better_it_is_known():
    card = envs.card("ChainTrap-10")
    agent = MaxTabular(Task(lambda: envs.make(card), 400), Config(exploration="random"))
    before = agent._utility.copy()
    agent.learn(NoProgress())
    agent._plan()

    assert (agent._utility[0] < 0.2 * before[0]).all()


def test_the_model_draws_what_it_says_and_tells_how_likely_it_was():
    import torch

    model = np.array([[[0.2, 0.6, 0.2]], [[0.0, 1.0, 0.0]]])  # (S, A, S + 1)
    rewards, utility = np.array([[3.0], [0.0]]), np.array([[0.7], [0.1]])
    dynamics = TabularDynamics(model, rewards, utility, first_state=5, first_action=1)
    state = dynamics.begin(np.full(4000, 5))
    actions = np.ones(4000, int)
    after, drawn = dynamics.step(state, actions, torch.Generator().manual_seed(0))
    _, guess = dynamics.step(state, actions)

    assert set(drawn.observations) == {5, 6}
    assert np.mean(drawn.observations == 6) == pytest.approx(0.75, abs=0.03)
    assert (drawn.observations == after + 5).all()
    assert (guess.observations == 6).all()
    assert (dynamics.disagreement(state, actions) == 0.7).all()
    assert guess.rewards[0] == 3.0
    assert guess.terminations[0] == 0.2
    np.testing.assert_allclose(np.exp(guess.log_prob(np.full(4000, 5))), 0.25)


def test_a_model_that_was_loaded_disagrees_where_nothing_was_tried(tmp_path):
    agent, _ = explored("random", seed=0)
    agent.save(tmp_path)
    other = MaxTabular(Task(lambda: envs.make(envs.card("Chain-10")), 10), Config())
    other.load(tmp_path)
    tried = agent.weights()["counts"].sum(axis=-1)
    utility = other.dynamics().utility

    assert utility[tried == 0].min() > 5 * utility[tried > 5].max()
