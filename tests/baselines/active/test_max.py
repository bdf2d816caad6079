"""MAX with Gaussian networks: the divergence, the models, and what exploring by them is worth."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from probe_envs_agents import continuous
from scipy.stats import spearmanr
from tiny import NESTED

from baselines import state
from baselines.active.agent import Config, Max
from baselines.active.ensemble import Gaussians, Models, fit
from baselines.active.gaussian_dynamics import GaussianDynamics
from baselines.active.imagined import Imagined
from baselines.active.transition import Batch
from baselines.active.utility import jensen_renyi
from baselines.api import Barrier, NoProgress, Task
from baselines.world_models.action import ActionCode

PUSH = spaces.Box(-1.0, 1.0, (1,), np.float32)
OPEN = torch.full((2,), -torch.inf), torch.full((2,), torch.inf)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# THE DIVERGENCE


def quadratic_entropy(density, dx):
    return -np.log((density**2).sum() * dx)


def test_the_divergence_is_that_of_the_densities_summed_over_a_grid():
    rng = np.random.default_rng(0)
    means, log_variances = rng.normal(size=(4, 1)), rng.normal(-1, 0.5, size=(4, 1))
    x = np.linspace(-12, 12, 200_001)
    std = np.exp(0.5 * log_variances)
    each = np.exp(-0.5 * ((x - means) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    dx = x[1] - x[0]
    expected = quadratic_entropy(each.mean(axis=0), dx)
    expected -= np.mean([quadratic_entropy(density, dx) for density in each])

    found = jensen_renyi(torch.tensor(means), torch.tensor(log_variances))
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_the_divergence_is_that_of_draws_in_three_dimensions():
    """The mixture's quadratic entropy is -log of the mean density of its own draws."""
    rng = np.random.default_rng(1)
    means, log_variances = rng.normal(size=(3, 3)), rng.normal(-0.5, 0.3, size=(3, 3))
    members = torch.distributions.Independent(
        torch.distributions.Normal(torch.tensor(means), torch.tensor(log_variances).div(2).exp()), 1
    )
    weights = torch.distributions.Categorical(torch.ones(3, dtype=torch.double))
    mixture = torch.distributions.MixtureSameFamily(weights, members)
    torch.manual_seed(2)
    mixed = -mixture.log_prob(mixture.sample((400_000,))).exp().mean().log()
    single = -members.log_prob(members.sample((400_000,))).exp().mean(dim=0).log()

    found = jensen_renyi(torch.tensor(means), torch.tensor(log_variances))
    assert found.item() == pytest.approx((mixed - single.mean()).item(), abs=0.01)


def test_members_that_agree_have_nothing_to_teach_and_strangers_the_logarithm_of_their_number():
    means, log_variances = (
        torch.zeros(4, 5, 3),
        torch.randn(5, 3, generator=seeded(0)).expand(4, 5, 3),
    )
    apart = means + 1000.0 * torch.arange(4)[:, None, None]

    torch.testing.assert_close(
        jensen_renyi(means, log_variances), torch.zeros(5), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(jensen_renyi(apart, log_variances), torch.full((5,), np.log(4.0)))


def test_variances_that_differ_count_less_the_smaller_the_decay_is():
    expected = Gaussians(torch.zeros(2, 1, 1), torch.tensor([-5.0, -1.0])[:, None, None])
    kept, moved = expected.wider(1.0), expected.wider(0.1)

    torch.testing.assert_close(kept.log_variances, expected.log_variances)
    # By this entropy, which is not concave, it can be below 0, if barely.
    assert jensen_renyi(*moved).abs() < 0.1 * jensen_renyi(*kept).abs()


# THE MODELS


def linear(rows, seed=0, noise=0.0, low=-1.0, high=1.0):
    """Steps of a known linear system, with what they pay: the action's square."""
    generator = seeded(seed)
    obs = low + (high - low) * torch.rand(rows, 2, generator=generator)
    action = 2 * torch.rand(rows, 1, generator=generator) - 1
    pull = torch.tensor([[0.9, 0.2], [-0.1, 0.8]])
    drift = noise * torch.randn(rows, 2, generator=generator)
    after = obs @ pull.T + action @ torch.tensor([[0.0, 0.5]]) + drift
    return Batch(obs, action, after, action[:, 0] ** 2, torch.zeros(rows))


def fitted(seen, steps=400, size=5):
    models = Models(size, 2, 1, [32, 32], seeded(3))
    optimizer = torch.optim.Adam(models.parameters(), lr=3e-3)
    found = fit(models, optimizer, seen, steps, 64, seeded(4))
    return models, found


def test_the_members_learn_a_linear_system_and_what_it_pays():
    models, _ = fitted(linear(2000, noise=0.02))
    unseen = linear(500, seed=9)
    with torch.no_grad():
        means, _ = models.expected(unseen.obs, unseen.action)
        after = models.after(unseen.obs, means)
        reward, logit = models.outcome(unseen.obs, unseen.action, unseen.next_obs)
    moved = (unseen.next_obs - unseen.obs).std(dim=0)
    error = (after - unseen.next_obs).pow(2).mean(dim=1).sqrt() / moved
    paid = models.reward_mean + models.reward_std * reward

    assert (error < 0.15).all()
    assert (paid - unseen.reward).abs().mean() < 0.05
    assert (torch.sigmoid(logit) < 0.05).all()


def test_the_members_learn_how_much_of_a_step_is_noise():
    """Half of the change's standard deviation is noise in one case, and hardly any in the other."""
    loud, still = linear(4000, noise=0.3), linear(4000, noise=0.0)
    expected = [fitted(seen)[0].expected(seen.obs, seen.action) for seen in (loud, still)]
    share = [each.log_variances.exp().mean().item() for each in expected]
    scale = (loud.next_obs - loud.obs).var(dim=0)
    true = (0.3**2 / scale).mean().item()

    assert share[0] == pytest.approx(min(true, np.exp(-1)), rel=0.3)
    assert share[1] < 0.25 * share[0]


def test_utility_is_less_where_data_is_than_where_none_is_and_falls_with_more_of_it():
    few, _ = fitted(linear(30), steps=200)
    many, _ = fitted(linear(2000), steps=600)
    known, far = linear(200, seed=5), linear(200, seed=6, low=4.0, high=6.0)
    with torch.no_grad():
        at = {
            name: models.utility(batch.obs, batch.action, 0.1).mean().item()
            for name, models, batch in (
                ("few", few, known), ("many", many, known), ("far", many, far)
            )
        }  # fmt: skip

    assert at["many"] < at["few"] < at["far"]
    assert at["many"] < 0.1 * at["far"]


def test_members_see_minibatches_of_their_own_and_begin_apart():
    models, found = fitted(linear(200), steps=5)

    assert not torch.equal(models.members.weights[0][0], models.members.weights[0][1])
    assert set(found) == {"train/model_loss", "train/reward_loss", "train/continue_loss"}


# IN THE MODELS


def imagined(models, decay=0.1, horizon=3, bounds=OPEN, lanes=16):
    return Imagined(models, linear(50).obs, bounds, ActionCode(PUSH), horizon, lanes, decay)


def test_an_imagined_episode_pays_the_utility_and_is_cut_off_at_its_horizon():
    models, _ = fitted(linear(500), steps=100)
    dream = imagined(models)
    dream.reset(seed=0)
    actions = np.full((16, 1), 0.5, np.float32)
    for step in range(1, 4):
        before = dream._obs.clone()
        _, paid, terminated, truncated, infos = dream.step(actions)
        with torch.no_grad():
            utility = models.utility(before, torch.full((16, 1), 0.5), 0.1)
        np.testing.assert_allclose(paid, utility, rtol=1e-6)
        assert (truncated == ((step == 3) & ~terminated)).all()
    assert not np.array_equal(infos["final_obs"], models.normalized(dream._obs).numpy())


def test_for_the_task_an_imagined_episode_pays_the_reward_that_was_learned():
    models, _ = fitted(linear(2000))
    dream = imagined(models, decay=None)
    dream.reset(seed=0)

    for push in (0.0, 1.0):
        paid = dream.step(np.full((16, 1), push, np.float32))[1]
        np.testing.assert_allclose(paid, push**2, atol=0.15)


def test_nothing_is_imagined_beyond_the_bounds_of_observations():
    models, _ = fitted(linear(500), steps=50)
    bounds = torch.full((2,), -0.2), torch.full((2,), 0.2)
    dream = imagined(models, bounds=bounds)
    dream.reset(seed=0)
    _, _, _, _, infos = dream.step(np.ones((16, 1), np.float32))
    low, high = (models.normalized(bound).numpy() for bound in bounds)

    assert (infos["final_obs"] >= low - 1e-6).all()
    assert (infos["final_obs"] <= high + 1e-6).all()


# THE AGENT

SMALL = NESTED["max"]


def agent(steps=150, seed=0, barrier=None, env=continuous, **hparams):
    task = Task(env, steps, seed=seed, env_seed=7, barrier=barrier)
    return Max(task, Config(**SMALL | hparams))


@pytest.mark.parametrize("exploration", ["active", "reactive", "random"])
def test_rewards_have_no_part_in_exploring(exploration):
    class Paid(gym.RewardWrapper):
        def reward(self, reward):
            return -3.0 * float(reward) + 1.0

    chosen = {"exploration": exploration, "exploration_steps": None}
    plain, paid = agent(**chosen), agent(env=lambda: Paid(continuous()), **chosen)
    plain.learn(NoProgress())
    paid.learn(NoProgress())

    for name, value in plain.weights().items():
        if "outcomes" not in name and "reward" not in name:
            np.testing.assert_array_equal(value, paid.weights()[name], err_msg=name)


def test_the_task_begins_when_exploration_is_over_and_another_policy_acts():
    exploring, tasked = agent(exploration_steps=None), agent(exploration_steps=150)
    rows = np.linspace(-1, 1, 30).reshape(10, 3).astype(np.float32)
    exploring.learn(NoProgress())
    tasked.learn(NoProgress())
    ours, theirs = exploring.weights(), tasked.weights()

    assert not ours["on_task"] and theirs["on_task"]
    same = [name for name in ours if name.startswith("explorer.policy")]
    assert all(np.array_equal(ours[name], theirs[name]) for name in same)
    assert not np.array_equal(exploring.predict(rows)[0], tasked.predict(rows)[0])


@pytest.mark.parametrize("exploration", ["active", "reactive"])
@pytest.mark.parametrize("barrier", [10, 60, 100])  # before the first fit, exploring, at the task
def test_what_is_resumed_learns_the_bits_that_it_would_have_learned(exploration, barrier):
    chosen = {"exploration": exploration, "exploration_steps": 84}
    torch.manual_seed(0)
    first = agent(barrier=barrier, **chosen)
    with pytest.raises(Barrier):
        first.learn(NoProgress())
    kept, shared = first.kept(), state.generators()
    arrays = {name: value.copy() for name, value in state.taken(kept).items()}
    rows = {name: array.copy() for name, array in kept.rings["lived"].arrays.items()}
    later = [agent(**chosen), agent(**chosen, seed=1)]
    for each in later:
        state.put_back(each.kept(), arrays)
        for name, array in each.kept().rings["lived"].arrays.items():
            array[:] = rows[name]
        state.set_generators(shared)
        each.learn(NoProgress())

    for name, value in later[0].weights().items():
        np.testing.assert_array_equal(value, later[1].weights()[name], err_msg=name)


class Line(gym.Env):
    """A point that is pushed along a line from its middle; the right end pays and ends it."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = PUSH

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-0.1, 0.1)
        self.time = 0
        return np.array([self.place], np.float32), {}

    def step(self, action):
        self.place = float(np.clip(self.place + 0.05 * float(action[0]), -1, 1))
        self.time += 1
        over = self.place >= 0.9
        return np.array([self.place], np.float32), float(over), over, self.time >= 60, {}


@pytest.mark.slow
def test_what_was_explored_without_reward_solves_the_task():
    steps, chosen = 1500, Config(exploration_steps=1000, learning_starts=100, policy_steps=50)
    learner = Max(Task(Line, steps, seed=0, env_seed=0), chosen)
    learner.learn(NoProgress())
    env = Line()
    obs, over, cut, total = env.reset(seed=5)[0], False, False, 0.0
    while not (over or cut):
        obs, reward, over, cut, _ = env.step(learner.predict(obs[None])[0][0])
        total += reward

    assert total == 1.0


def test_the_model_draws_what_its_members_expect_and_its_likelihood_is_a_density():
    models, _ = fitted(linear(2000, noise=0.2), steps=200)
    dynamics = GaussianDynamics(models, OPEN, (2,), ActionCode(PUSH), decay=0.1)
    side = torch.linspace(-8, 8, 150)
    changes = torch.cartesian_prod(side, side)  # in units of the standard deviation
    first, actions = (
        np.zeros((len(changes), 2), np.float32),
        np.zeros((len(changes), 1), np.float32),
    )
    after, guess = dynamics.step(dynamics.begin(first), actions)
    _, drawn = dynamics.step(dynamics.begin(first), actions, seeded(0))
    density = np.exp(guess.log_prob(models.after(torch.zeros(2), changes).numpy()))

    np.testing.assert_allclose(drawn.observations.mean(axis=0), guess.observations[0], atol=0.02)
    np.testing.assert_array_equal(guess.observations, after.numpy())
    assert guess.dimensions == 2
    assert density.sum() * float(side[1] - side[0]) ** 2 == pytest.approx(1.0, rel=1e-3)


def test_where_nothing_was_seen_the_members_disagree_and_err_most():
    models, _ = fitted(linear(500), steps=300)
    dynamics = GaussianDynamics(models, OPEN, (2,), ActionCode(PUSH), decay=0.1)
    unseen = linear(300, seed=8, low=-4.0, high=4.0)
    state_ = dynamics.begin(unseen.obs.numpy())
    apart = dynamics.disagreement(state_, unseen.action.numpy())
    _, guess = dynamics.step(state_, unseen.action.numpy())
    error = np.linalg.norm(guess.observations - unseen.next_obs.numpy(), axis=1)

    assert apart.shape == (300,)
    assert spearmanr(apart, error).statistic > 0.5
