"""World models: losses by hand, data aligned, dreams that are environments, stages that stand."""

from __future__ import annotations

import math
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from probe_envs_agents import continuous, discrete
from pydantic import ValidationError
from scipy.special import logsumexp
from scipy.stats import norm
from stable_baselines3 import PPO
from tiny import NESTED

from baselines import api
from baselines.api import NoProgress, Task
from baselines.world_models import controller, dream, mdn_rnn, vae
from baselines.world_models.action import ActionCode, CorrelatedActions
from baselines.world_models.collect import Collector
from baselines.world_models.controller import Evolved, Policy
from baselines.world_models.dream import Dream
from baselines.world_models.episode import Episode, pack, unpack, windows
from baselines.world_models.learner import DreamVecEnv
from baselines.world_models.mdn_rnn import MDNRNN, Mixture
from baselines.world_models.vae import Code
from baselines.world_models.world_model import STAGES, Config, WorldModel
from harness.envs.deep_sea import DeepSea
from harness.seeding import ROOM, streams

# Windows, steps, latent numbers, mixture parts: all different, so that no axis stands for another.
N, L, D, K = 3, 6, 2, 4
COLOURS = spaces.Box(0, 255, (64, 64, 3), np.uint8)


class Counter(gym.Env):
    """Observes how many steps it has done in all, and in this episode; ends after `length`."""

    def __init__(self, length: int = 4, truncates: bool = False) -> None:
        self.observation_space = spaces.Box(-1e6, 1e6, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.length, self.truncates, self.total = length, truncates, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return np.array([self.total, 0], np.float32), {}

    def step(self, action):
        self.at += 1
        self.total += 1
        end = self.at == self.length
        obs = np.array([self.total, self.at], np.float32)
        return obs, float(self.at), end and not self.truncates, end and self.truncates, {}


class Picture(gym.Env):
    """A bright bar that walks over an image with the action."""

    def __init__(self) -> None:
        self.observation_space = COLOURS
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.time = 30, 0
        return self._observe(), {}

    def step(self, action):
        self.at, self.time = self.at + 2 * int(action) - 1, self.time + 1
        return self._observe(), 1.0, self.time >= 8, False, {}

    def _observe(self):
        image = np.zeros(COLOURS.shape, np.uint8)
        image[:, self.at : self.at + 4] = 255
        return image


def merge(base, more):
    return {key: {**base.get(key, {}), **more.get(key, {})} for key in {**base, **more}}


def make(env=discrete, steps=120, seed=0, **groups):
    config = WorldModel.Config(**merge(NESTED["world_model"], groups))
    return WorldModel(Task(env, steps=steps, seed=seed, env_seed=1000), config)


def trained(env=discrete, **groups):
    agent = make(env, **groups)
    agent.learn(NoProgress())
    return agent


def memory(**options):
    options = {"hidden_size": 5, "mixtures": K} | options
    torch.manual_seed(0)
    return MDNRNN(D, 1, mdn_rnn.Config(**options))


def batch(seed=0, n=N):
    rng = np.random.default_rng(seed)
    shapes = (n, L + 1, D), (n, L, 1), (n, L)
    latents, actions, rewards = (
        torch.tensor(rng.normal(size=shape), dtype=torch.float32) for shape in shapes
    )
    terminated, mask = torch.zeros(n, L), torch.ones(n, L)
    terminated[0, -1] = 1
    return [latents, actions, rewards, terminated, mask]


def episode(first, steps, terminated=True):
    """Observation t is first + t; action t is 100 more; its reward is 1000 more."""
    seen = first + np.arange(steps + 1.0)
    return Episode(seen[:, None], seen[:-1] + 100, seen[:-1] + 1000, terminated)


def total(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def mixture(seed=0, lead=(N,)):
    rng = np.random.default_rng(seed)
    logits, means, log_stds = torch.tensor(rng.normal(size=(3, *lead, D, K)))
    return Mixture(torch.log_softmax(logits, dim=-1), means, log_stds)


# Sizes of the paper.


@pytest.mark.parametrize(("latent_size", "parameters"), [(32, 4_348_547), (64, 4_446_915)])
def test_the_convolutional_vae_has_the_papers_parameter_count(latent_size, parameters):
    assert total(vae.ConvVAE(COLOURS, vae.Config(latent_size=latent_size))) == parameters


def test_the_mdn_rnn_and_the_controller_have_the_papers_parameter_counts():
    found = MDNRNN(32, 3, mdn_rnn.Config(hidden_size=256, mixtures=5, net_arch=[]))

    assert total(found.rnn) + total(found.mixture) == 422_368
    assert Policy(32 + 256, 3, []).size == 867


# Losses by hand.


def test_the_vaes_loss_is_the_squared_error_and_the_divergence_above_its_floor():
    code = Code(torch.tensor([[1.0, 0.0], [0.1, 0.0]]), torch.tensor([[2.0, 1.0], [1.0, 1.0]]))
    decoded, target = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    first = 0.5 * (1 + 4 - 1 - math.log(4))

    found = vae.vae_loss(decoded, target, code, kl_coef=2.0, kl_tolerance=0.1)

    assert found.tolist() == pytest.approx([5 + 2 * first, 9 + 2 * 0.2], rel=1e-6)


def test_the_log_likelihood_of_a_mixture_is_scipys():
    parts, target = mixture(), torch.tensor(np.random.default_rng(1).normal(size=(N, D)))
    logs = norm.logpdf(target.numpy()[..., None], parts.means.numpy(), parts.log_stds.exp().numpy())

    found = mdn_rnn.mixture_log_prob(parts, target)

    np.testing.assert_allclose(found, logsumexp(logs + parts.log_weights.numpy(), axis=-1))


def test_a_far_target_has_a_finite_likelihood():
    assert torch.isfinite(mdn_rnn.mixture_log_prob(mixture(), torch.full((N, D), 1e4))).all()


@pytest.mark.parametrize("temperature", [0.25, 1.0, 2.0])
def test_the_temperature_divides_log_weights_and_multiplies_variances(temperature):
    parts = Mixture(
        torch.log(torch.tensor([0.8, 0.2])).expand(100_000, 1, 2),
        torch.tensor([0.0, 100.0]).expand(100_000, 1, 2),
        torch.tensor([0.0, 0.0]).expand(100_000, 1, 2),
    )
    drawn = mdn_rnn.mixture_sample(parts, temperature, torch.Generator().manual_seed(0))
    odds = (0.2 / 0.8) ** (1 / temperature)
    near = drawn[drawn < 50]

    assert (drawn > 50).double().mean().item() == pytest.approx(odds / (1 + odds), abs=0.005)
    assert near.std().item() == pytest.approx(math.sqrt(temperature), rel=0.02)


def test_the_mean_of_a_mixture_is_the_mean_of_its_draws():
    parts = mixture(lead=(1,))
    many = Mixture(*(part.expand(100_000, D, K) for part in parts))
    drawn = mdn_rnn.mixture_sample(many, 1.0, torch.Generator().manual_seed(0))

    np.testing.assert_allclose(drawn.mean(dim=0), mdn_rnn.mixture_mean(parts)[0], atol=0.05)


def test_the_losses_are_what_their_parts_say():
    model, (latents, actions, rewards, terminated, mask) = memory(), batch()
    found = model.losses(latents, actions, rewards, terminated, mask)
    hidden = model.unroll(latents[:, :-1], actions)
    parts = model.next_latent(hidden, latents[:, :-1])
    reward, logit = model.outcome(hidden, latents[:, 1:])
    p = torch.sigmoid(logit)
    entropy = -(terminated * p.log() + (1 - terminated) * (1 - p).log())

    log_prob = mdn_rnn.mixture_log_prob(parts, latents[:, 1:])
    assert found.latent.item() == pytest.approx(-log_prob.mean().item(), rel=1e-5)
    assert found.reward.item() == pytest.approx((reward - rewards).pow(2).mean().item(), rel=1e-5)
    assert found.termination.item() == pytest.approx(entropy.mean().item(), rel=1e-5)


def test_reward_and_termination_do_not_shape_the_recurrent_network():
    model = memory()
    found = model.losses(*batch())
    (found.reward + found.termination).backward()

    assert all(p.grad is None for p in [*model.rnn.parameters(), *model.mixture.parameters()])
    assert all(p.grad.abs().sum() > 0 for p in model.termination.parameters())


def test_deviations_have_a_floor():
    model = memory(min_log_std=-3.0)
    with torch.no_grad():
        model.mixture[-1].weight.mul_(100)
    parts = model.next_latent(torch.randn(N, 5), torch.zeros(N, D))

    assert parts.log_stds.min() >= -3.0
    assert parts.log_stds.max() > 3.0


@pytest.mark.parametrize("head", ["mixture", "deterministic"])
def test_a_change_is_told_relative_to_the_latent(head):
    hidden, latents = torch.randn(N, 5), torch.randn(N, D)
    change, plain = (memory(head=head, predict_delta=delta) for delta in (True, False))

    np.testing.assert_allclose(
        change.next_latent(hidden, latents).means.detach(),
        (plain.next_latent(hidden, latents).means + latents[..., None]).detach(),
    )


# Masks and alignment.


def test_windows_hold_every_step_once_and_never_two_episodes():
    episodes = [episode(0, 7), episode(50, 3, terminated=False)]
    found = windows(episodes, 4)
    seen = np.concatenate([one.observations for one in episodes])[found.rows(), 0]
    real = found.mask()

    assert found.length.tolist() == [4, 3, 3]
    assert seen[:, 0].tolist() == [0, 4, 50]
    np.testing.assert_array_equal(found.actions[real], seen[:, :-1][real] + 100)
    np.testing.assert_array_equal(found.rewards[real], seen[:, :-1][real] + 1000)
    np.testing.assert_array_equal(seen[:, 1:][real], seen[:, :-1][real] + 1)
    assert found.terminated.sum(axis=1).tolist() == [0, 1, 0]
    assert found.terminated[1, 2] == 1


def test_packed_episodes_come_back():
    episodes = [episode(0, 7), episode(50, 1, terminated=False), episode(9, 2)]

    for before, after in zip(episodes, unpack(pack(episodes)), strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_is_masked_does_not_count():
    model, parts = memory(), batch()
    parts[4][1:, 2:] = 0
    before = model.losses(*parts)
    parts[0][1:, 3:] = 7.0
    for part in parts[1:4]:
        part[1:, 2:] = 1.0
    after = model.losses(*parts)

    for a, b in zip(before, after, strict=True):
        assert a.item() == pytest.approx(b.item(), rel=1e-6)


def test_a_batch_of_one_has_the_loss_that_it_has_among_others():
    model, parts = memory(), batch()
    parts[4][1:] = 0
    together = model.losses(*parts)
    alone = model.losses(*(part[:1] for part in parts))

    for a, b in zip(together, alone, strict=True):
        assert a.item() == pytest.approx(b.item(), rel=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_step_by_step_the_memory_goes_where_it_goes_at_once(cell):
    model, (latents, actions, *_) = memory(cell=cell), batch()
    state = torch.zeros(N, model.state_size)
    together = model.unroll(latents[:, :-1], actions)

    for t in range(L):
        state = model.advance(latents[:, t], actions[:, t], state)
        torch.testing.assert_close(model.hidden(state), together[:, t])


def test_an_action_tells_the_latent_after_it_and_not_the_one_at_which_it_is_taken():
    """The next latent is the action: foretold only if the two are paired rightly."""
    rng = torch.Generator().manual_seed(0)
    model = memory(hidden_size=16, predict_delta=False, head="deterministic")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        actions = torch.rand(32, L, 1, generator=rng) * 2 - 1
        latents = torch.cat([torch.zeros(32, 1, D), actions.expand(-1, -1, D)], dim=1)
        zeros, ones = torch.zeros(32, L), torch.ones(32, L)
        loss = model.losses(latents, actions, zeros, zeros, ones).latent
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.02  # the variance of an action is 1/3


@pytest.mark.parametrize("truncates", [False, True])
def test_collected_episodes_end_with_their_last_observation_and_begin_with_a_reset(truncates):
    collector = Collector(Task(lambda: Counter(truncates=truncates), steps=10), NoProgress())
    episodes = collector.collect(lambda observation, first: 0, 10)

    assert [len(one) for one in episodes] == [4, 4, 2]
    assert [one.observations[:, 1].tolist() for one in episodes[:2]] == [[0, 1, 2, 3, 4]] * 2
    assert episodes[1].observations[:, 0].tolist() == [4, 5, 6, 7, 8]
    assert episodes[0].rewards.tolist() == [1, 2, 3, 4]
    # A truncation is no termination, nor is the cut at the end of the budget.
    assert [one.terminated for one in episodes] == [not truncates, not truncates, False]
    assert episodes[0].terminations().tolist() == [False] * 3 + [not truncates]


def test_the_last_step_of_a_round_is_told_when_the_round_has_been_learned_from():
    told = []

    class Diary(NoProgress):
        def at(self, step):
            told.append(step)

    collector = Collector(Task(Counter, steps=10), Diary())
    collector.collect(lambda observation, first: 0, 6)
    assert told == [1, 2, 3, 4, 5]
    collector.release()
    collector.collect(lambda observation, first: 0, 10)
    collector.close()

    assert told == list(range(1, 11))


def test_an_episode_is_played_from_the_first_flag_on():
    flags = []
    collector = Collector(Task(Counter, steps=6), NoProgress())
    collector.collect(lambda observation, first: flags.append((observation[1], first)) or 0, 6)

    assert flags == [(0, True), (1, False), (2, False), (3, False), (0, True), (1, False)]


def test_an_episode_is_given_up_after_so_many_steps_without_a_reward():
    class Sparse(Counter):
        def step(self, action):
            observation, _, *end = super().step(action)
            return observation, 1.0 if self.at == 3 else -1.0, *end

    collector = Collector(Task(lambda: Sparse(9), steps=100), NoProgress())
    lengths = [
        len(collector.play(lambda observation, first: 0, 100, patience=patience))
        for patience in (2, 3, 8, None)
    ]

    assert lengths == [2, 3 + 3, 9, 9]
    assert collector.steps == sum(lengths)


def test_a_seed_decides_an_episode_and_not_what_was_played_before():
    collector = Collector(Task(discrete, steps=100, env_seed=7), NoProgress())

    def first_observation(seed=None):
        return collector.play(lambda observation, first: 0, 100, seed).observations[0].tolist()

    begun, again = first_observation(), first_observation()
    assert first_observation(7) == begun != again
    assert first_observation(8) == first_observation(8)


# Actions.


@pytest.mark.parametrize(
    "space",
    [spaces.Discrete(3, start=5), spaces.Box(np.float32([-2, 0]), np.float32([2, 10]))],
)
def test_random_actions_are_uniform_and_like_the_one_before_them(space):
    actions = CorrelatedActions(space, 0.8, np.random.default_rng(0))
    drawn = [actions.draw() for _ in range(20_000)]

    assert all(space.contains(action) for action in drawn[:100])
    if isinstance(space, spaces.Discrete):
        counts = np.bincount(drawn, minlength=8)[5:] / len(drawn)
        np.testing.assert_allclose(counts, 1 / 3, atol=0.03)
        kept = np.mean([a == b for a, b in pairwise(drawn)])
        assert kept == pytest.approx(0.8 + 0.2 / 3, abs=0.02)
    else:
        share = (np.array(drawn) - space.low) / (space.high - space.low)
        np.testing.assert_allclose(np.quantile(share, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.03)
        assert np.corrcoef(share[:-1, 0], share[1:, 0])[0, 1] == pytest.approx(0.79, abs=0.03)


def test_a_new_episode_forgets_the_last_action():
    kept = CorrelatedActions(spaces.Discrete(1000), 0.999, np.random.default_rng(0))
    first = [kept.draw() for _ in range(3)]
    kept.start()

    assert len(set(first)) == 1
    assert kept.draw() != first[0]


def test_continuous_actions_are_coded_between_minus_one_and_one():
    space = spaces.Box(np.float32([-2, 0]), np.float32([2, 10]))
    code = ActionCode(space)
    corners = np.stack([space.low, space.high])

    assert code.encode(corners).tolist() == [[-1, -1], [1, 1]]
    np.testing.assert_allclose(code.decode(torch.tensor([[-20.0, -20.0], [20.0, 20.0]])), corners)


def test_discrete_actions_are_coded_one_hot_from_their_start():
    code = ActionCode(spaces.Discrete(3, start=5))

    assert code.encode(np.array([5, 7])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert code.decode(torch.tensor([[0.0, 2.0, 1.0]])).tolist() == [6]


def test_actions_without_bounds_are_refused():
    with pytest.raises(ValueError, match="bounds"):
        ActionCode(spaces.Box(-np.inf, np.inf, (1,)))


# The dream.


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


def test_the_controller_sees_asleep_what_it_sees_awake():
    """The dream's latents as observations of real life: M remembers the same."""
    agent = trained(rnn={"head": "deterministic"}, dream={"termination": "off", "horizon": 1000})
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


# The controller.


def test_many_policies_at_once_do_what_each_does_alone():
    policy = Policy(4, 2, [3])
    rng = np.random.default_rng(0)
    rows, features = rng.normal(size=(5, policy.size)), rng.normal(size=(5, 7, 4))
    found = policy(torch.tensor(rows), torch.tensor(features))

    for row, seen, outputs in zip(rows, features, found, strict=True):
        inner = np.tanh(seen @ row[:12].reshape(4, 3) + row[12:15])
        np.testing.assert_allclose(outputs, inner @ row[15:21].reshape(3, 2) + row[21:])


def test_the_evolution_strategy_climbs_and_leaves_the_global_generator_alone():
    config = controller.Config(episodes=1, sigma=0.5)
    evolved = Evolved(config, 2, ActionCode(spaces.Discrete(2)), lambda n: None)
    goal, played = np.arange(evolved.policy.size) / 3, []

    def play(parameters, seed):
        played.append(-((parameters - goal) ** 2).sum())
        return played[-1] if len(played) <= 1600 else None

    before = np.random.get_state()[1].copy()
    evolved.fit_real(0, play, lambda metrics: None)

    np.testing.assert_array_equal(before, np.random.get_state()[1])
    np.testing.assert_allclose(evolved.parameters, goal, atol=0.05)


@pytest.mark.parametrize("learner", ["ppo", "sac"])
def test_an_algorithm_of_stable_baselines3_may_be_the_controller(learner, tmp_path):
    hparams = {"n_envs": 2, "policy_kwargs": {"net_arch": [4]}}
    hparams |= {"n_steps": 8, "batch_size": 8} if learner == "ppo" else {"learning_starts": 10}
    group = {"learner": learner, "steps": 40, "hparams": hparams}
    agent = trained(continuous, controller=group)
    untrained = make(continuous, controller=group)
    batch = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    before = untrained.weights()
    agent.save(tmp_path)
    untrained.load(tmp_path)

    assert any(not np.array_equal(before[key], value) for key, value in agent.weights().items())
    np.testing.assert_array_equal(agent.predict(batch)[0], untrained.predict(batch)[0])


def test_the_controller_may_learn_awake_within_the_budget():
    share = {"real_share": 0.5, "inputs": "z", "episodes": 1, "population": 2}
    agent, logs = make(controller=share), []

    class Diary(NoProgress):
        def log(self, step, metrics):
            logs.append((step, metrics))

    assert agent.learn(Diary()) == 120
    assert sum(len(one) for one in agent.train + agent.held_out) == 60
    awake = [step for step, metrics in logs if "controller/train_return" in metrics]
    assert len(awake) >= 2
    assert all(60 < step < 120 for step in awake)
    assert agent.controller.parameters.any()


@pytest.mark.parametrize("shared", [True, False])
def test_candidates_of_a_generation_may_play_the_same_episodes(shared):
    config = controller.Config(population=3, episodes=2, real_share=0.5, shared_starts=shared)
    evolved = Evolved(config, 2, ActionCode(spaces.Discrete(2)), lambda n: None)
    starts = []

    def play(parameters, start):
        starts.append(start)
        return 0.0 if len(starts) <= 12 else None

    evolved.fit_real(0, play, lambda metrics: None)

    assert starts[:12] == ([0, 1] * 3 + [2, 3] * 3 if shared else [None] * 12)


def test_the_controller_never_learns_on_an_episode_that_judges(monkeypatch):
    seeds = []

    class Watched(gym.Wrapper):
        def reset(self, *, seed=None, options=None):
            seeds.append(seed)
            return super().reset(seed=seed, options=options)

    monkeypatch.setattr(api, "RESET_SEEDS", 3)  # used up soon
    share = {"real_share": 0.5, "episodes": 1, "population": 2, "shared_starts": True}
    make(lambda: Watched(discrete()), controller=share).learn(NoProgress())

    assert {seed for seed in seeds if seed is not None} == {1000, 1001, 1002}


def test_a_run_has_room_for_the_seeds_of_its_resets():
    rooms = [streams(seed).env for seed in range(100)]
    assert len(set(rooms)) == 100
    assert all(room % api.RESET_SEEDS == 0 and room + api.RESET_SEEDS <= ROOM for room in rooms)


# The agent.


def test_each_round_adds_its_part_of_the_budget_and_trains_again():
    lengths, agent = [], make(data={"rounds": 3})
    fit = agent.fit_vae

    def spy(progress, step):
        lengths.append((step, sum(len(one) for one in agent.train + agent.held_out)))
        fit(progress, step)

    agent.fit_vae = spy
    agent.learn(NoProgress())

    assert lengths == [(40, 40), (80, 80), (120, 120)]


def test_later_rounds_are_collected_by_the_controller():
    first = make(data={"rounds": 2, "exploration": 0.0})
    first.learn(NoProgress())
    chosen = first.train[-1]
    # With nothing but zeros in C every action is the first one.
    idle = make(data={"rounds": 2, "exploration": 0.0}, controller={"generations": 0})
    idle.learn(NoProgress())

    assert len({int(a) for one in idle.train[:3] for a in one.actions}) == 3
    assert not idle.train[-1].actions.any()
    assert chosen.actions.any()


def test_what_is_held_out_is_never_learned_from():
    agent = trained()
    held_out = {one.observations[0, 1] for one in agent.held_out}

    assert len(agent.held_out) == 1
    assert not held_out & {one.observations[0, 1] for one in agent.train}
    assert sum(len(one) for one in agent.train + agent.held_out) == 120


@pytest.mark.parametrize("kind", ["identity", "mlp"])
def test_a_stage_run_alone_on_loaded_stages_does_what_it_did_before(kind, tmp_path):
    groups = {"vae": {"kind": kind, "latent_size": 2, "net_arch": [4], "epochs": 1}}
    agent = trained(**groups)
    agent.save(tmp_path)
    other = make(**groups)
    for stage in STAGES[:3]:
        other.load_stage(stage, tmp_path)
    other.fit_controller(NoProgress(), 0)

    for key, value in agent.weights().items():
        np.testing.assert_array_equal(value, other.weights()[key], err_msg=key)


def test_every_stage_logs_its_losses_on_both_sides_of_the_split():
    names = set()

    class Diary(NoProgress):
        def log(self, step, metrics):
            assert all(type(value) is float for value in metrics.values())
            names.update(metrics)

    make(vae={"kind": "mlp", "latent_size": 2, "epochs": 1}).learn(Diary())

    for stage in ("vae", "rnn"):
        assert {f"{stage}/train_loss", f"{stage}/validation_loss"} <= names
    assert {"controller/train_return", "controller/validation_return"} <= names


def test_pixels_go_through_all_stages():
    group = {"channels": [4, 4, 4, 4], "latent_size": 3, "epochs": 2, "batch_size": 20}
    agent = trained(Picture, steps=40, vae=group | {"learning_rate": 1e-2})
    first, _ = Picture().reset()
    actions, _ = agent.predict(first[None])

    assert actions.shape == (1,)
    assert agent.eye.decode(vae.encode(agent.eye, first[None]).mean).shape == (1, 64, 64, 3)
    assert vae.encode(agent.eye, np.stack([first] * 300)).mean.shape == (300, 3)


@pytest.mark.parametrize("kind", ["identity", "mlp"])
def test_vectors_are_scaled_by_the_first_data_and_come_back(kind):
    rng = np.random.default_rng(0)
    eye = vae.make_eye(spaces.Box(-9, 9, (2,), np.float32), vae.Config(kind=kind, latent_size=2))
    seen = (rng.normal(size=(500, 2)) * [3, 0.1] + [5, 0]).astype(np.float32)
    eye.see(seen)
    eye.see(seen * 10)

    scaled = eye.scale.read(seen)
    np.testing.assert_allclose(scaled.mean(dim=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(dim=0), 1, atol=1e-2)
    np.testing.assert_allclose(eye.scale.write(scaled), seen, atol=1e-5)


def test_a_vae_learns_to_reconstruct():
    agent = make(vae={"kind": "mlp", "latent_size": 3, "kl_coef": 0.001, "epochs": 200,
                      "learning_rate": 1e-2, "batch_size": 50}, rnn={"epochs": 0},
                 controller={"generations": 0})  # fmt: skip
    agent.learn(NoProgress())
    seen = np.concatenate([one.observations for one in agent.train])
    error = agent.eye.decode(vae.encode(agent.eye, seen).mean) - seen

    assert (error.std(axis=0) / seen.std(axis=0)).max() < 0.3


@pytest.mark.parametrize(
    "groups",
    [
        {"rnn": {"trained": "none"}},
        {"rnn": {"trained": "heads"}},
    ],
)
def test_a_reservoir_keeps_its_random_recurrent_weights(groups):
    before, after = make(**groups).weights(), trained(**groups).weights()
    changed = {key for key in before if not np.array_equal(before[key], after[key])}

    assert not any(key.startswith("rnn.rnn") for key in changed)
    heads = any(key.startswith("rnn.mixture") for key in changed)
    assert heads == (groups["rnn"]["trained"] == "heads")


def test_a_controller_without_memory_does_not_look_at_it():
    agent = trained(controller={"inputs": "z"})
    batch = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    _, state = agent.predict(batch, None, np.ones(5, bool))
    again, _ = agent.predict(batch, state + 1, np.zeros(5, bool))

    assert agent.dream(2).single_observation_space.shape == (3,)
    np.testing.assert_array_equal(again, agent.predict(batch)[0])


def test_the_memory_of_a_lane_ends_with_its_episode():
    agent = trained()
    batch = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    _, state = agent.predict(batch, None, np.array([True, True]))
    _, carried = agent.predict(batch, state, np.array([False, True]))
    _, fresh = agent.predict(batch, None, np.array([True, True]))

    assert not torch.equal(carried[0], fresh[0])
    torch.testing.assert_close(carried[1], fresh[1])


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        ({"controller": {"hparams": {"gamma": 0.9}}}, "cma has its settings"),
        ({"controller": {"learner": "ppo", "hparams": {"gama": 0.9}}}, "gama"),
        ({"controller": {"learner": "ppo", "hparams": {"normalize": True}}}, "scaled already"),
        ({"controller": {"learner": "ppo", "real_share": 0.5}}, "learns in dreams"),
        ({"controller": {"real_share": 0.5}, "data": {"rounds": 2}}, "rounds must be 1"),
        ({"controller": {"patience": 5}}, "for a real_share above 0"),
        ({"controller": {"shared_starts": True}}, "for a real_share above 0"),
        ({"dream": {"temperature": 0.0}}, "temperature"),
        ({"rnn": {"hidden_size": 2.5}}, "hidden_size"),
    ],
)
def test_what_does_not_go_together_is_refused(groups, match):
    with pytest.raises(ValidationError, match=match):
        WorldModel.Config(**groups)


def test_images_of_another_size_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match="resize"):
        vae.make_eye(spaces.Box(0, 255, (84, 84, 3), np.uint8), vae.Config())
