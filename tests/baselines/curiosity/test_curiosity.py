"""Curiosity: the intrinsic stream is right, the bonus is about novelty, and PPO is left alone."""

from __future__ import annotations

from itertools import product

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from probe_envs_agents import Corridor
from small_curiosity import (
    SMALL,
    B,
    CuriousPPO,
    CuriousRecurrentPPO,
    D,
    T,
    collect,
    draw,
    transitions,
)
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines import BONUSES, load_bonus
from baselines.api import NoProgress, Task
from baselines.curiosity.agent import agent_class
from baselines.curiosity.ppo import CuriousRollouts
from baselines.curiosity.rnd import RND
from baselines.curiosity.scale import discounted_sums
from baselines.curiosity.settings import Config
from baselines.curiosity.stream import Stream, advantages

PPO_RND = agent_class("ppo", "rnd")
PLAIN = {"random_rollouts": 0}
SEEN = spaces.Box(-np.inf, np.inf, (D,))


class Forked(gym.Env):
    """Only `n` steps in the one right direction each are paid: PPO alone never sees the reward."""

    def __init__(self, n: int = 12) -> None:
        self.n = n
        self.right = np.random.default_rng(0).integers(2, size=(n, n))
        self.observation_space = spaces.Box(0, 1, (n * n,), np.float32)
        self.action_space = spaces.Discrete(2)

    def _observe(self):
        obs = np.zeros((self.n, self.n), np.float32)
        obs[self.row, self.column] = 1
        return obs.flatten()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.row = self.column = 0
        return self._observe(), {}

    def step(self, action):
        right = action == self.right[self.row, self.column]
        paid = right and self.row == self.column == self.n - 2
        self.row += 1
        self.column += 1 if right else -min(self.column, 1)
        reward = float(paid) - 0.01 * right / self.n
        return self._observe(), reward, self.row == self.n - 1, False, {}


def make_ppo(
    env=Corridor, n_envs=4, rnd=None, seed=0, kind=CuriousPPO, **options
) -> CuriousRollouts:
    return kind(
        next(iter(kind.policy_aliases)),
        DummyVecEnv([env] * n_envs),
        bonus="rnd",
        bonus_config=RND.Config(**(rnd or {})),
        curiosity=Config(**options),
        seed=seed,
        device="cpu",
        **SMALL,
    )


def make_rnd(seed: int = 0, **fields) -> RND:
    generator = torch.Generator().manual_seed(seed)
    return RND(SEEN, spaces.Discrete(2), RND.Config(**fields), generator)


def make_stream(bonus: torch.nn.Module | None = None) -> Stream:
    critic = torch.nn.Linear(D, 1)
    return Stream(bonus or make_rnd(), critic, Config(int_gamma=0.9), B)


# The stream


def test_intrinsic_advantages_are_the_weighted_sum_of_later_errors():
    rewards, values = draw(T, B), draw(T + 1, B, seed=1)
    going_on = (draw(T, B, seed=2) > -0.5).float()
    gamma, lam = 0.9, 0.8
    found = advantages(rewards, values[:-1], values[1:], going_on, gamma=gamma, gae_lambda=lam)
    naive = torch.zeros(T, B)
    for start, i in product(range(T), range(B)):
        for t in range(start, T):
            error = rewards[t, i] + gamma * values[t + 1, i] - values[t, i]
            naive[start, i] += (gamma * lam) ** (t - start) * error
            if not going_on[t, i]:
                break
    torch.testing.assert_close(found, naive)


@pytest.mark.parametrize("episodic", [False, True])
def test_episode_ends_matter_to_the_intrinsic_return_only_if_it_is_episodic(episodic):
    stream, ends = make_stream(), torch.zeros(T, B, dtype=torch.bool)
    ends[2, 1] = ends[4, 0] = True
    next_obs = draw(T, B, D)

    def found(**marks):
        return stream.advantages(
            draw(T, B, seed=1),
            draw(T + 1, B, seed=2),
            transitions(next_obs, **marks),
            episodic=episodic,
            gamma=0.9,
            gae_lambda=0.8,
        )

    assert torch.equal(found(), found(terminated=ends)) != episodic
    assert torch.equal(found(), found(truncated=ends)) != episodic


def test_an_episodic_intrinsic_return_bootstraps_through_truncation_and_not_through_termination():
    stream, last = make_stream(), torch.ones(1, B, dtype=torch.bool)
    next_obs, rewards, values = draw(1, B, D), draw(1, B, seed=1), draw(2, B, seed=2)
    options = {"episodic": True, "gamma": 0.9, "gae_lambda": 0.8}
    cut = stream.advantages(rewards, values, transitions(next_obs, truncated=last), **options)
    over = stream.advantages(rewards, values, transitions(next_obs, terminated=last), **options)
    torch.testing.assert_close(over, rewards - values[:1])
    torch.testing.assert_close(cut - over, 0.9 * stream.values(next_obs))


def test_the_deviation_is_of_sums_over_time_and_is_carried_over_rollouts():
    stream, raw = make_stream(), draw(2 * T, B).abs()
    scaled = torch.cat([stream.scale(raw[:T]), stream.scale(raw[T:])])
    sums = np.zeros((2 * T, B))
    for i in range(B):
        total = 0.0
        for t in range(2 * T):
            sums[t, i] = total = 0.9 * total + float(raw[t, i])
    np.testing.assert_allclose(discounted_sums(raw, torch.zeros(B), 0.9), sums, rtol=1e-5)
    np.testing.assert_allclose(stream.moments.var, sums.var(), rtol=1e-5)
    np.testing.assert_allclose(scaled[T:], raw[T:] / sums.std(), rtol=1e-5)


def test_the_scaled_bonus_does_not_depend_on_the_size_of_the_target():
    next_obs, found = draw(T, B, D), []
    for factor in (1.0, 10.0):
        bonus = make_rnd(normalize_obs=False)
        for last in (bonus.target[-1], bonus.predictor[-1]):
            last.weight.data *= factor
        stream = make_stream(bonus)
        found.append(stream.scale(bonus.reward(transitions(next_obs))))
    torch.testing.assert_close(found[0], found[1])


# The bonus


def test_the_bonus_of_what_is_seen_again_falls_and_of_what_is_new_stays():
    bonus = make_rnd()
    seen, unseen = draw(32, D) + 3, draw(32, D, seed=1) - 3
    bonus.update(transitions(torch.cat([seen, unseen])))  # whitened alike: only learning differs
    optimizer = torch.optim.Adam(bonus.predictor.parameters(), 1e-3)

    def mean(obs):
        return bonus.reward(transitions(obs)).mean().item()

    before = mean(seen), mean(unseen)
    for _ in range(300):
        optimizer.zero_grad()
        bonus.loss(transitions(seen)).backward()
        optimizer.step()
    assert mean(seen) < before[0] / 10
    assert mean(unseen) > before[1] / 2


def test_whitening_has_unit_scale_for_what_was_seen_and_clips_what_was_not():
    bonus, seen = make_rnd(), 5 + 3 * draw(1000, D)
    bonus.update(transitions(seen))
    white = bonus.whiten(seen)
    torch.testing.assert_close(white.mean(dim=0), torch.zeros(D), rtol=0, atol=0.02)
    torch.testing.assert_close(white.std(dim=0), torch.ones(D), rtol=0, atol=0.02)
    assert bonus.whiten(torch.full((1, D), 1e6)).max() == 5
    assert torch.equal(make_rnd(normalize_obs=False).whiten(seen), seen)


def test_the_predictor_learns_from_the_asked_share_of_a_minibatch():
    bonus = make_rnd(update_proportion=0.25)
    counts = []
    bonus.predictor.register_forward_hook(lambda _, seen, __: counts.append(len(seen[0])))
    for _ in range(50):
        bonus.loss(transitions(draw(256, D)))
    assert 0.22 < np.mean(counts) / 256 < 0.28


@pytest.mark.parametrize("name", BONUSES)
def test_a_bonus_is_a_number_per_step_and_all_its_state_is_saved(name):
    make = load_bonus(name)
    steps = transitions(draw(T, B, D))
    first, second = (
        make(SEEN, spaces.Discrete(2), make.Config(), torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    )
    first.update(steps)
    raw = first.reward(steps)
    assert raw.shape == (T, B) and not raw.requires_grad and (raw >= 0).all()
    assert not torch.equal(second.reward(steps), raw)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.reward(steps), raw)
    loss = first.loss(steps.flat())
    assert loss.shape == () and loss.requires_grad


# The learner


@pytest.mark.parametrize("kind", [CuriousPPO, CuriousRecurrentPPO])
@pytest.mark.parametrize("truncates", [False, True])
def test_the_last_observation_of_an_episode_earns_the_bonus_and_says_how_it_ended(truncates, kind):
    model = collect(make_ppo(lambda: Corridor(5, truncates), kind=kind, **PLAIN))
    steps, _ = model._rollout
    ends = steps.truncated if truncates else steps.terminated
    expected = torch.arange(1, 17) % 5 == 0
    assert torch.equal(ends, expected[:, None].expand(16, 4))
    assert not (steps.terminated if truncates else steps.truncated).any()
    assert (steps.next_obs[ends] == 99).all()
    assert torch.equal(steps.next_obs[:-1][~ends[:-1]], steps.obs[1:][~ends[:-1]])


@pytest.mark.parametrize("made", [PPO_RND, agent_class("recurrent_ppo", "rnd")])
def test_random_rollouts_are_counted_and_the_budget_is_a_ceiling(made):
    config = made.Config(n_envs=4, random_rollouts=2, **SMALL)
    agent = made(Task(Corridor, steps=300), config)
    seen = []

    class Steps(NoProgress):
        def at(self, step):
            seen.append(step)

    # Two random rollouts of 64 steps; of the policy one of 64, and the rest in two.
    assert agent.learn(Steps()) == 300
    assert seen == list(range(4, 301, 4))
    assert agent.model._n_updates == 3 * SMALL["n_epochs"]


@pytest.mark.parametrize("kind", [CuriousPPO, CuriousRecurrentPPO])
def test_the_random_rollout_starts_the_statistics_and_trains_the_predictor_only(kind):
    model = make_ppo(kind=kind, random_rollouts=1, warmup_epochs=5)
    before = {name: value.clone() for name, value in model.get_parameters()["policy"].items()}
    predictor = model.stream.bonus.predictor[0].weight.clone()
    model.learn(64)
    assert model.stream.bonus.moments.count == 64
    assert model.stream.moments.count == 0, "the deviation counts from the first trained rollout on"
    assert not torch.equal(model.stream.bonus.predictor[0].weight, predictor)
    for name, value in model.policy.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_memory_of_a_recurrent_policy_follows_the_random_rollout():
    model = make_ppo(kind=CuriousRecurrentPPO, random_rollouts=1)
    model.n_steps = 18  # the last episode has shown 0, 1 and 2 when it ends
    collect(model)
    assert (model._last_obs == 3).all() and not model._last_episode_starts.any()
    state = None
    for place in range(3):
        _, state = model.policy.predict(np.full((4, 1), place, np.float32), state)
    for held, expected in zip(model._last_lstm_states.pi, state, strict=True):
        np.testing.assert_allclose(held, expected, rtol=1e-5, atol=1e-7)
        assert held.abs().max() > 0.01


def test_a_random_rollout_draws_nothing_from_the_generator_of_the_policy():
    model = make_ppo(kind=CuriousRecurrentPPO, random_rollouts=1)
    before = torch.get_rng_state()
    collect(model)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("normalized", [True, False])
def test_where_the_advantage_is_normalised_the_weight_of_a_bonus_alone_cancels(normalized):
    policies = []
    for weight in (0.1, 1.0):
        model = make_ppo(Forked, int_coef=weight, ext_coef=0.0)
        model.normalize_advantage = normalized
        model.learn(512)
        policies.append(
            torch.cat([each.flatten() for each in model.policy.action_net.parameters()])
        )

    assert torch.allclose(*policies, atol=1e-5) == normalized


def test_a_saved_learner_gives_the_same_bonus(tmp_path):
    made = PPO_RND
    config = made.Config(n_envs=4, **SMALL)
    trained, loaded = (made(Task(Corridor, 256, seed=s), config) for s in (0, 1))
    trained.learn(NoProgress())
    trained.save(tmp_path)
    loaded.load(tmp_path)
    by_sb3 = CuriousPPO.load(tmp_path / "model.zip", device="cpu")
    steps = transitions(torch.arange(6.0).reshape(3, 2, 1))
    raw = trained.model.stream.bonus.reward(steps)
    for model in (loaded.model, by_sb3):
        assert torch.equal(model.stream.bonus.reward(steps), raw)
        assert torch.equal(model.stream.moments.var, trained.model.stream.moments.var)
    weights = trained.weights()
    assert {"stream.bonus.moments.var", "stream.critic.0.weight"} <= weights.keys()
    assert all(np.array_equal(value, weights[name]) for name, value in loaded.weights().items())


def test_equal_seeds_learn_equal_weights_and_other_seeds_others():
    one, same, other = (make_ppo(seed=s).learn(256).stream.state_dict() for s in (0, 0, 1))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["bonus.predictor.0.weight"], other["bonus.predictor.0.weight"])


def test_the_config_of_the_learner_is_ppo_s_the_curiosity_s_and_the_bonus_s():
    fields = set(PPO_RND.Config.model_fields)
    assert {"n_envs", "clip_range", "normalize"} <= fields
    assert set(Config.model_fields) | set(RND.Config.model_fields) <= fields


@pytest.mark.slow
def test_it_finds_a_reward_that_ppo_does_not():
    settings = {"n_steps": 60, "batch_size": 160, "n_epochs": 4, "ent_coef": 0.01}
    envs, steps = DummyVecEnv([Forked] * 16), 48_000
    ppo = PPO("MlpPolicy", envs, seed=0, device="cpu", **settings).learn(steps)
    rnd = CuriousPPO(
        "MlpPolicy",
        DummyVecEnv([Forked] * 16),
        bonus="rnd",
        bonus_config=RND.Config(),
        curiosity=Config(),
        seed=0,
        device="cpu",
        **settings,
    ).learn(steps)
    assert greedy_return(ppo) < 0.1
    assert greedy_return(rnd) > 0.9


def greedy_return(model: PPO) -> float:
    env, total, over = Forked(), 0.0, False
    obs, _ = env.reset()
    while not over:
        action, _ = model.predict(obs, deterministic=True)
        obs, reward, over, _, _ = env.step(action)
        total += reward
    return total
