"""Every bonus is about novelty and fits its learner; each has the closed form of its paper."""

from __future__ import annotations

import copy
from functools import cache

import gymnasium as gym
import numpy as np
import pytest
import torch
from family import some
from gymnasium import spaces
from probe_envs_agents import Corridor, continuous
from pydantic import ValidationError
from sb3_contrib import RecurrentPPO
from small_curiosity import (
    NOWHERE,
    SMALL,
    B,
    CuriousPPO,
    CuriousRecurrentPPO,
    D,
    T,
    collect,
    draw,
    learn,
    line,
    make,
    same,
    walk,
)
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv
from tiny import LIKE_RND

from baselines import BONUSES, load_bonus
from baselines.api import NoProgress, Task
from baselines.curiosity.agent import agent_class
from baselines.curiosity.diagnostic import Diagnostic
from baselines.curiosity.feature import Actions
from baselines.curiosity.icm import ICM
from baselines.curiosity.scale import Scaled
from baselines.curiosity.settings import Config, settings_of
from baselines.curiosity.stream import Stream

EPISODIC = [name for name in BONUSES if load_bonus(name).reach == "episode"]
LIFELONG = [name for name in BONUSES if name not in EPISODIC]
# Every learner with every bonus that it takes. In every test run PPO has one that looks at steps
# and one that looks at episodes, and a memory has one.
PAIRS = [("ppo", name) for name in BONUSES] + [("recurrent_ppo", name) for name in LIFELONG]
MARKS = {
    (learner, name): [pytest.mark.slow] * (name in LIKE_RND and (learner, name) != ("ppo", "ngu"))
    for learner, name in PAIRS
}
OF = {"ppo": CuriousPPO, "recurrent_ppo": CuriousRecurrentPPO}
KINDS = [pytest.param(OF[learner], name, marks=MARKS[learner, name]) for learner, name in PAIRS]
CLASSES = [pytest.param(agent_class(*pair), marks=MARKS[pair]) for pair in PAIRS]


def small(kind):
    """Of a learner: short rollouts, and a narrow memory if it has one."""
    recurrent = issubclass(kind, CuriousRecurrentPPO)
    return SMALL | ({"policy_kwargs": {"lstm_hidden_size": 8}} if recurrent else {})


def make_ppo(bonus, env=Corridor, n_envs=4, fields=None, ppo=None, kind=CuriousPPO, **shared):
    return kind(
        next(iter(kind.policy_aliases)),
        DummyVecEnv([env] * n_envs),
        bonus=bonus,
        bonus_config=load_bonus(bonus).Config(**(fields or {})),
        curiosity=settings_of(load_bonus(bonus).reach)(**{"random_rollouts": 0} | shared),
        seed=0,
        device="cpu",
        **small(kind) | (ppo or {}),
    )


# All bonuses


@cache
def plain(kind, steps=256):
    """What is learned without us."""
    algorithm = {CuriousPPO: PPO, CuriousRecurrentPPO: RecurrentPPO}[kind]
    policy, envs = next(iter(kind.policy_aliases)), DummyVecEnv([Corridor] * 4)
    model = algorithm(policy, envs, seed=0, device="cpu", **small(kind)).learn(steps)
    return dict(model.policy.state_dict())


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_without_its_coefficient_the_learner_is_ppo_bit_for_bit(kind, name):
    model = make_ppo(name, kind=kind, int_coef=0.0, ext_coef=1.0).learn(256)
    assert same(dict(model.policy.state_dict()), plain(kind))


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_with_its_coefficient_the_learner_is_not_ppo(kind, name):
    model = make_ppo(name, kind=kind, int_coef=1.0, ext_coef=1.0).learn(64)
    assert not same(dict(model.policy.state_dict()), plain(kind, 64))


@pytest.mark.parametrize("name", EPISODIC)
def test_a_recurrent_learner_refuses_bonuses_that_begin_anew_with_the_episode(name):
    with pytest.raises(ValueError, match=f"bonus {name} .* reset with every episode: "):
        make_ppo(name, kind=CuriousRecurrentPPO)


def test_a_recurrent_learner_refuses_counts_of_the_episode():
    fields = {"count_scope": "lifelong_first_visit"}
    with pytest.raises(ValueError, match=r"bonus count as it is set .* with every episode: "):
        make_ppo("count", kind=CuriousRecurrentPPO, fields=fields)


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_the_intrinsic_advantage_is_that_of_a_naive_loop_and_joins_the_extrinsic_one(kind, name):
    model = make_ppo(name, kind=kind, int_coef=3.0, ext_coef=0.5)
    before = copy.deepcopy(model.stream)
    collect(model)
    # The twin's mixture is the extrinsic advantage.
    twin = make_ppo(name, kind=kind, int_coef=0.0, ext_coef=1.0)
    extrinsic = collect(twin).rollout_buffer.advantages
    (steps, _), settings = model._rollout, settings_of(load_bonus(name).reach)()
    raw = before.bonus.reward(steps).numpy().astype(float)
    sums, total = np.zeros_like(raw), np.zeros(raw.shape[1])
    for t in range(len(raw)):
        sums[t] = total = settings.int_gamma * total + raw[t]
    rewards = raw / sums.std()
    last = torch.as_tensor(model._last_obs)[None]
    values = before.values(torch.cat([steps.obs, last])).numpy()
    ends = (steps.terminated & settings.int_episodic).numpy()
    naive, follows = np.zeros_like(raw), np.zeros(raw.shape[1])
    for t in reversed(range(len(raw))):
        error = rewards[t] + settings.int_gamma * values[t + 1] * ~ends[t] - values[t]
        follows = naive[t] = error + settings.int_gamma * model.gae_lambda * ~ends[t] * follows
    expected = 0.5 * extrinsic + 3.0 * naive
    np.testing.assert_allclose(model.rollout_buffer.advantages, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", BONUSES)
def test_asking_for_the_bonus_changes_nothing(name):
    bonus, steps = make(name), walk(draw(T + 1, B, D))
    bonus.update(walk(draw(T + 1, B, D, seed=1)))
    before = copy.deepcopy(bonus.state_dict())
    once = bonus.reward(steps)
    assert torch.equal(bonus.reward(steps), once)
    assert same(bonus.state_dict(), before)


@pytest.mark.parametrize("name", some(BONUSES, but={"disagreement"}))  # takes as long as three
def test_the_bonus_of_what_comes_again_falls_and_of_what_is_new_stays(name):
    bonus, places = make(name, obs_dim=8), torch.eye(8)
    seen = walk(places[torch.arange(33) % 4][:, None].expand(-1, B, -1))  # round and round
    new = walk(places[torch.tensor([4, 5])][:, None].expand(-1, B, -1))

    def bonuses():
        first = seen.each(lambda part: part[:1])
        return bonus.reward(first).mean(), bonus.reward(new).mean()

    before = bonuses()
    bonus.update(seen)
    learn(bonus, seen)
    after = bonuses()
    assert after[0] < 0.5 * before[0]
    assert after[1] > 0.5 * before[1]
    assert after[1] > 2 * after[0]


@pytest.mark.parametrize("name", [name for name in BONUSES if name != "disagreement"])
def test_the_last_observation_of_an_episode_earns_its_own_bonus(name):
    bonus, places = make(name), draw(T + 1, B, D)
    ends = NOWHERE.clone()
    ends[3, 1] = True
    steps = walk(places, ends)
    bonus.update(steps)
    elsewhere = steps.next_obs.clone()
    elsewhere[3, 1] += 1
    raw, other = bonus.reward(steps), bonus.reward(steps._replace(next_obs=elsewhere))
    assert raw[3, 1] != other[3, 1]


@pytest.mark.parametrize("name", BONUSES)
def test_the_end_of_an_episode_matters_to_bonuses_that_begin_anew_with_it_and_to_no_other(name):
    bonus, ends = make(name), NOWHERE.clone()
    ends[2, 1] = True
    places = draw(3, D)[torch.arange(T + 1) % 3][:, None].expand(-1, B, -1)
    raw, cut = bonus.reward(walk(places)), bonus.reward(walk(places, ends))
    assert torch.equal(raw, cut) == (name in LIFELONG)
    assert torch.equal(raw[:3], cut[:3]) or name == "ngu"  # its distances have a common mean
    truncated = walk(places)._replace(truncated=ends)
    assert torch.equal(bonus.reward(truncated), cut)


@pytest.mark.parametrize("name", EPISODIC)
def test_an_episode_that_goes_on_is_remembered_until_it_ends_or_all_is_reset(name):
    bonus = make(name)
    places = draw(2, D)[torch.arange(T + 1) % 2][:, None].expand(-1, B, -1)
    ended = NOWHERE.clone()
    ended[-1] = True
    bonus.update(walk(places, ended))
    unchanged = bonus.reward(walk(places))
    bonus.update(walk(places))
    # RIDE has been there three times, and divides by the root of four.
    assert (bonus.reward(walk(places))[0] < 0.501 * unchanged[0]).all()
    bonus.episode.forget()
    assert (bonus.reward(walk(places))[0] > 0.9 * unchanged[0]).all()


@pytest.mark.parametrize("kind", CLASSES)
def test_a_saved_learner_gives_the_same_bonus_in_the_middle_of_an_episode(kind, tmp_path):
    config = kind.Config(n_envs=4, **small(kind.algorithm))
    trained, loaded = (kind(Task(Corridor, 256, seed=s), config) for s in (0, 1))
    trained.learn(NoProgress())
    trained.save(tmp_path)
    loaded.load(tmp_path)
    by_sb3 = kind.algorithm.load(tmp_path / "model.zip", device="cpu")
    steps = walk(torch.arange(24.0).reshape(6, 4, 1) % 5)
    raw = trained.model.stream.bonus.reward(steps)
    assert not torch.equal(kind(Task(Corridor, 256), config).model.stream.bonus.reward(steps), raw)
    for model in (loaded.model, by_sb3):
        assert torch.equal(model.stream.bonus.reward(steps), raw)
    weights = trained.weights()
    assert all(np.array_equal(value, weights[key]) for key, value in loaded.weights().items())


@pytest.mark.parametrize("kind", CLASSES)
def test_continuous_actions_are_explored_too(kind):
    agent = kind(Task(continuous, 128), kind.Config(n_envs=2, **small(kind.algorithm)))
    agent.learn(NoProgress())
    assert all(np.isfinite(value).all() for value in agent.weights().values())
    steps, returns = agent.model._rollout
    assert steps.actions.shape == (16, 2, 1) and returns.std() > 0


@pytest.mark.parametrize("name", BONUSES)
def test_the_unit_of_the_bonus_does_not_matter_to_the_learner(name):
    class Louder(torch.nn.Module):
        def __init__(self, bonus, factor):
            super().__init__()
            self.bonus, self.factor = bonus, factor

        def reward(self, steps):
            return self.factor * self.bonus.reward(steps)

    steps, found = walk(draw(T + 1, B, D)), []
    for factor in (1.0, 1000.0):
        stream = Stream(Louder(make(name), factor), torch.nn.Linear(D, 1), Config(), B)
        found.append(stream.scale(stream.bonus.reward(steps)))
    torch.testing.assert_close(*found)


# Shared settings


def test_a_share_of_a_minibatch_is_never_empty():
    steps = walk(draw(T + 1, B, D)).flat()
    generator = torch.Generator().manual_seed(0)
    sizes = [len(steps.share(p, generator).obs) for p in (1, 0.5, 1e-6)]
    assert sizes[0] == len(steps.obs) > sizes[1] > sizes[2] == 1


@pytest.mark.parametrize("name", BONUSES)
def test_only_bonuses_of_the_episode_have_intrinsic_returns_that_end_with_it(name):
    assert agent_class("ppo", name).Config().int_episodic == (name in EPISODIC)


def test_the_intrinsic_coefficient_falls_in_a_straight_line():
    config = Config(int_coef=2.0, ext_coef=1.0, int_coef_end=0.5)
    assert [config.coefficients(done) for done in (0, 0.5, 1)] == [(1, 2), (1, 1.5), (1, 1)]


def test_reward_counts_only_after_the_share_that_goes_without():
    config = Config(ext_coef=2.0, reward_free=0.25)
    assert [config.coefficients(done)[0] for done in (0, 0.24, 0.25, 1)] == [0, 0, 2, 2]


@pytest.mark.parametrize(("settings", "equal"), [({"ext_coef": 0.0}, True), ({}, False)])
def test_a_reward_free_policy_knows_nothing_of_rewards(settings, equal):
    def paid(factor):
        env = gym.wrappers.TransformReward(Corridor(), lambda reward: factor * reward)
        env.reset(seed=0)
        return env

    def learned(factor):
        # Without its value loss the critic cannot act on the policy through the common norm.
        model = make_ppo("count", lambda: paid(factor), ppo={"vf_coef": 0.0}, **settings)
        return dict(model.learn(256).policy.state_dict())

    assert same(learned(1.0), learned(-5.0)) == equal


@pytest.mark.parametrize("kind", ["moving", "running"])
def test_a_moving_unit_forgets_down_to_its_floor_and_a_running_one_does_not_stop_there(kind):
    config = Config(deviation=kind, deviation_memory=100 * B, deviation_floor=0.5)
    scaled, sample = Scaled(make("rnd"), config, 0.0, B), draw(100, B)
    scaled.count(sample)
    first = scaled.unit()
    torch.testing.assert_close(first.double(), sample.double().std(correction=0), rtol=1e-5, atol=0)
    scaled.count(0 * sample)
    assert 0.6 * first < scaled.unit() < 0.8 * first  # half of what it remembers is 0
    for _ in range(50):
        scaled.count(0 * sample)
    assert (scaled.unit() == pytest.approx(float(first) / 2)) == (kind == "moving")


def test_the_learner_divides_by_the_unit_that_it_is_told_to():
    model = collect(make_ppo("rf", deviation="moving", deviation_memory=8))
    assert model.stream.moments.count == 8
    assert collect(make_ppo("rf")).stream.moments.count == SMALL["n_steps"] * 4
    assert collect(make_ppo("rf", normalize_reward=False)).stream.unit() == 1


def test_a_bonus_with_models_of_actions_refuses_kinds_that_they_do_not_know():
    with pytest.raises(TypeError, match="MultiDiscrete"):
        make("icm", space=spaces.MultiDiscrete([2, 2]))


def test_a_wrong_feature_space_is_refused():
    with pytest.raises(ValidationError, match="feature_space"):
        ICM.Config(feature_space="reverse")


def test_models_see_continuous_actions_within_their_bounds():
    code = Actions(spaces.Box(-1.0, 2.0, (2,), np.float32))
    assert torch.equal(
        code(torch.tensor([[-3.0, 0.5], [0.0, 9.0]])), torch.tensor([[-1, 0.5], [0, 2]])
    )
    guess = torch.tensor([[0.0, 0.0]])
    assert code.loss(guess, torch.tensor([[1.0, 5.0]])) == 0.5 * (1 + 4)


# Diagnostics


def test_coverage_counts_states_and_tells_the_bonus_of_new_ones_from_that_of_known_ones():
    diagnostic, steps = Diagnostic(), walk(line(0, 1, 2, 1, 2, 3))
    found = diagnostic.metrics(steps, torch.tensor([[8.0], [4], [1], [1], [6]]))
    assert found == {
        "rollout/states": 3, "rollout/new_states": pytest.approx(0.6),
        "curiosity/raw_bonus_new": 6, "curiosity/raw_bonus_known": 1,
    }  # fmt: skip
    assert diagnostic.metrics(steps, None) == {"rollout/states": 3, "rollout/new_states": 0}


def test_states_that_never_come_again_are_not_counted():
    diagnostic = Diagnostic()
    assert diagnostic.metrics(walk(draw(T + 1, B, D)), None) == {}
    assert diagnostic.visits is None


@pytest.mark.parametrize("kind", CLASSES)
def test_what_a_learner_tells_are_its_bonus_its_return_and_its_coverage(kind):
    told = []

    class Told(NoProgress):
        def log(self, step, metrics):
            told.append({key.partition("/")[2]: metrics[key] for key in metrics})

    kind(Task(Corridor, 256), kind.Config(n_envs=4, **small(kind.algorithm))).learn(Told())
    last = told[-1]
    expected = {"raw_bonus", "scaled_bonus", "raw_return", "scaled_return"}
    assert expected | {"bonus_loss", "int_value_loss", "states", "raw_bonus_known"} <= last.keys()
    assert last["states"] == 5  # 1 to 4, and the last one
    assert ("raw_bonus_learned" in last) == (kind.bonus in LIFELONG)
    ratio = last["raw_bonus"] / last["scaled_bonus"], last["raw_return"] / last["scaled_return"]
    assert ratio[0] == pytest.approx(ratio[1], rel=1e-4)
