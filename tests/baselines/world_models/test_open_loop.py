"""A model judged as a model: errors, likelihoods and rare events against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from probe_envs_agents import discrete
from scipy.stats import norm
from tiny import NESTED

from baselines.api import NoProgress, Task
from baselines.world_models import dreaming, open_loop, truth
from baselines.world_models.episode import Episode
from baselines.world_models.world_model import WorldModel


def trained(rnn):
    groups = NESTED["world_model"]
    config = WorldModel.Config(**groups | {"rnn": groups["rnn"] | rnn})
    agent = WorldModel(Task(discrete, steps=120, env_seed=1000), config)
    agent.learn(NoProgress())
    return agent


class Walk:
    """x' = x + a + noise: as `open_loop.Dynamics`, with everything known in closed form."""

    def __init__(self, bias=0.0, std=1.0):
        self.bias, self.std = bias, std

    def begin(self, observations):
        return observations.astype(float)

    def observe(self, state, actions, observations):
        return observations.astype(float)

    def step(self, state, actions, generator=None):
        mean = state + actions[:, None] + self.bias
        drawn = mean
        if generator is not None:
            drawn = mean + self.std * torch.randn(mean.shape, generator=generator).numpy()
        return drawn, open_loop.Prediction(
            drawn,
            drawn[:, 0],
            (drawn[:, 0] > 2).astype(float),
            lambda seen: norm.logpdf(seen, mean, self.std).sum(axis=1),
            state.shape[1],
        )


def walks(n=4, steps=9, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        actions = rng.normal(size=steps + i)
        moves = actions[:, None] + noise * rng.normal(size=(steps + i, 1))
        seen = np.concatenate([np.zeros((1, 1)), np.cumsum(moves, axis=0)])
        found.append(Episode(seen, actions, seen[1:, 0], True))
    return found


def test_a_true_model_has_no_error_and_full_skill():
    found = open_loop.roll_out(Walk(), walks(), horizon=5)
    errors = open_loop.errors(found, np.ones(1))

    # Episodes of 9, 10, 11 and 12 steps have 5, 6, 7 and 8 starting points.
    assert np.bincount(found.episode).tolist() == [5, 6, 7, 8]
    np.testing.assert_allclose(errors.model, 0, atol=1e-12)
    np.testing.assert_allclose(errors.skill, 1)
    np.testing.assert_allclose(found.rewards_predicted, found.rewards)
    assert open_loop.useful_horizon(errors.skill) == 5


def test_errors_grow_with_the_horizon_as_a_bias_adds_up_and_are_in_units_of_deviation():
    found = open_loop.roll_out(Walk(bias=0.5), walks(), horizon=3, context=2, every=2)
    errors = open_loop.errors(found, np.array([2.0]))

    np.testing.assert_allclose(errors.model[:, 0], [0.25, 0.5, 0.75])
    assert sorted(set(found.start.tolist())) == [2, 4, 6, 8]
    moved = (found.observed - found.known)[..., 0] / 2
    np.testing.assert_allclose(errors.persistence[:, 0] ** 2, (moved**2).mean(axis=1))
    np.testing.assert_allclose(errors.skill, 1 - (errors.model / errors.persistence)[:, 0] ** 2)


class Sluggish(Walk):
    """Moves half as far as it is told to, and sees everything one to the right."""

    def step(self, state, actions, generator=None):
        state, prediction = super().step(state, actions / 2, generator)
        return state, prediction._replace(observations=prediction.observations + 1)


@pytest.mark.parametrize(("model", "slope"), [(Walk(), 1.0), (Sluggish(), 0.5), (Walk(0.5), 1.0)])
def test_the_slope_is_the_share_of_the_way_that_is_predicted(model, slope):
    """Walks in which as many go left as right, so that a constant drift says nothing of it."""
    there = walks(n=30, steps=9)
    back = [Episode(-e.observations, -e.actions, -e.rewards, True) for e in there]
    slopes = open_loop.slopes(open_loop.roll_out(model, there + back, horizon=5))

    assert np.isnan(slopes[0]).all()  # nothing has moved since the first step ahead
    np.testing.assert_allclose(slopes[1:], slope)


def test_what_never_moves_has_no_slope():
    still = [Episode(np.zeros((8, 1)), np.zeros(7), np.zeros(7), True)]

    assert np.isnan(open_loop.slopes(open_loop.roll_out(Walk(), still, horizon=5))).all()


def test_too_long_a_horizon_is_refused():
    with pytest.raises(ValueError, match="50 steps"):
        open_loop.roll_out(Walk(), walks(), horizon=50)


def test_the_useful_horizon_ends_where_skill_first_falls():
    assert open_loop.useful_horizon(np.array([0.9, 0.6, 0.4, 0.8])) == 2
    assert open_loop.useful_horizon(np.array([np.nan, 1.0])) == 0


def test_likelihoods_are_those_of_the_random_walk():
    """One step has deviation 1; k steps have root k, which no single step can tell."""
    episodes = walks(n=60, steps=5, noise=1.0)
    found = open_loop.log_likelihoods(
        Walk(), episodes, 4, samples=100, generator=torch.Generator().manual_seed(0)
    )
    data = open_loop.roll_out(Walk(), episodes, 4)
    gap = (data.observed - data.predicted)[..., 0]
    expected = [norm.logpdf(gap[k], 0, math.sqrt(k + 1)).mean() for k in range(4)]

    assert found[0] == pytest.approx(expected[0], abs=1e-9)
    np.testing.assert_allclose(found, expected, atol=0.08)


def test_terminations_and_rare_rewards_are_counted():
    found = open_loop.Outcomes(
        rewards_predicted=np.array([0.0, 0.1, 0.9, 0.2, 0.0]),
        rewards=np.array([0.0, 0.0, 1.0, 1.0, 0.0]),
        terminations=np.array([0.9, 0.2, 0.6, 0.4, 0.1]),
        terminated=np.array([True, False, False, True, False]),
    )
    ends, rewards = open_loop.termination_detection(found), open_loop.reward_errors(found)

    assert ends == (0.5, 0.5, pytest.approx(1 / 3))
    assert rewards.detection == (0.5, 1.0, 0.0)
    assert rewards.mean_absolute == pytest.approx((0.1 + 0.1 + 0.8) / 5)
    expected = np.corrcoef(found.rewards, found.rewards_predicted)[0, 1]
    assert rewards.correlation == pytest.approx(expected)


def test_every_step_of_every_episode_is_judged_once_from_the_truth_before_it():
    episodes = walks(n=3)
    found = open_loop.outcomes(Walk(), episodes)

    assert len(found.rewards) == sum(len(one) for one in episodes)
    assert found.terminated.sum() == 3
    np.testing.assert_allclose(found.rewards_predicted, found.rewards)


def test_what_is_never_the_case_has_no_recall():
    no = np.zeros(3, bool)

    assert math.isnan(open_loop.detection(no, no).recall)
    assert open_loop.detection(no, no).false_alarms == 0


def test_a_world_model_is_judged_through_the_same_door():
    agent = trained({"epochs": 30, "learning_rate": 1e-2})
    found = open_loop.roll_out(agent.dynamics(), agent.train, 3)
    errors = open_loop.errors(found, open_loop.deviations(agent.train))
    generator = torch.Generator().manual_seed(0)
    logs = open_loop.log_likelihoods(
        agent.dynamics(), agent.train[:3], 2, samples=3, generator=generator
    )

    assert errors.model.shape == (3, 3)
    assert errors.skill[0] > 0.5
    assert np.isfinite(logs).all()
    assert len(open_loop.outcomes(agent.dynamics(), agent.held_out).rewards) == 10


def test_the_deterministic_head_has_a_likelihood_by_its_measured_noise():
    agent = trained({"head": "deterministic"})
    noise = agent.memory.noise.exp()
    logs = open_loop.log_likelihoods(
        agent.dynamics(), agent.held_out, 1, samples=1, generator=torch.Generator()
    )

    assert (noise > 1e-3).all() and (noise < 10).all()
    assert np.isfinite(logs).all()


def test_a_tempered_model_spreads_its_draws_and_guesses_the_same():
    agent = trained({"epochs": 5})
    one = agent.train[0]
    wide, narrow = (
        dreaming.fan(agent.dynamics().tempered(tau), one, start=2, horizon=3, samples=200, seed=0)
        for tau in (4.0, 0.25)
    )

    np.testing.assert_array_equal(wide.guess, narrow.guess)
    assert (wide.draws[:, 0].std(axis=0) > 2 * narrow.draws[:, 0].std(axis=0)).all()
    np.testing.assert_array_equal(wide.truth, one.observations[2:6])
    assert isinstance(agent.dynamics(), dreaming.Tempered)


def test_what_is_seen_through_the_identity_is_the_truth():
    agent = trained({})
    dynamics, seen = agent.dynamics(), np.eye(3, dtype=np.float32)
    shown = dreaming.fan(dynamics, agent.train[0], start=1, horizon=4, samples=2, seed=0)

    assert isinstance(dynamics, dreaming.Reconstructing)
    np.testing.assert_allclose(dynamics.rebuild(dynamics.begin(seen)), seen, atol=1e-6)
    np.testing.assert_allclose(shown.seen, shown.truth[1:], atol=1e-6)
    assert truth.reconstruction(dynamics, agent.train, np.ones(3)) < 1e-6


def test_a_dreamed_return_ends_with_its_dream():
    """From 0, with a step of 1 each time, the end comes with observation 3, and pays 1 + 2 + 3."""

    def act(seen, memory, starts):
        memory = np.zeros(len(seen)) if memory is None else memory + 1
        assert starts.all() == (memory == 0).all()
        return np.ones(len(seen)), memory

    first = np.array([[0.0], [1.0]])
    found = dreaming.dreamed_returns(Walk(std=0.0), act, first, limit=50, seed=0)
    cut = dreaming.dreamed_returns(Walk(std=0.0), act, first, limit=2, seed=0)

    assert found.tolist() == [6.0, 5.0]
    assert cut.tolist() == [3.0, 5.0]


class Doubtful(Walk):
    """Wrong by what was pushed too hard, which two members of it dispute."""

    def __init__(self, sure=False):
        super().__init__()
        self.sure = sure

    def disagreement(self, state, actions):
        return np.full(len(actions), 0.5) if self.sure else np.abs(actions)

    def step(self, state, actions, generator=None):
        return super().step(state, 2 * actions, generator)


def test_disagreement_that_grows_with_the_error_correlates_with_it_one_step_ahead():
    episodes = walks(n=6, steps=12)
    found, _ = truth.judge(Doubtful(), episodes, np.ones(1), seed=0)
    rollouts = open_loop.roll_out(Doubtful(), episodes, truth.reach(episodes).horizon)

    assert found["doubt_correlation"][0] == pytest.approx(1.0)
    assert all(-1 <= value <= 1 for value in found["doubt_correlation"])
    np.testing.assert_allclose(
        rollouts.disagreement[0], np.abs(rollouts.predicted - rollouts.observed)[0, :, 0]
    )


def test_disagreement_that_is_always_the_same_tells_nothing_and_a_model_alone_has_none():
    episodes = walks(n=6, steps=12)
    same, _ = truth.judge(Doubtful(sure=True), episodes, np.ones(1), seed=0)
    alone, _ = truth.judge(Walk(), episodes, np.ones(1), seed=0)

    assert same["disagreement"] == [0.5] * len(same["error"])
    assert np.isnan(same["doubt_correlation"]).all()
    assert alone["disagreement"] is None and alone["doubt_correlation"] is None
