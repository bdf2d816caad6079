"""Dreamer behind the door that every agent comes in by."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import psutil
import pytest
import torch
from gymnasium import spaces
from probe_envs_agents import Walk
from small_dreamer import BUTTONS, KINDS, batch, config, draw, endless, generator, make, shake
from torch.distributions import Normal

from baselines.api import NoProgress
from baselines.world_models import open_loop
from baselines.world_models.action import CorrelatedActions
from baselines.world_models.dreamer import agent as dreamer
from baselines.world_models.dreamer.dynamics import GUESSES
from baselines.world_models.dreamer.replay import Replay
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.senses import ObservationCode
from baselines.world_models.dreamer.symlog import symexp, symlog
from baselines.world_models.dreamer.world import World
from baselines.world_models.dreaming import Reconstructing, Tempered
from baselines.world_models.episode import Episode
from harness.seeding import untouched_rng

# The agent


def test_a_lane_is_forgotten_where_its_episode_begins_and_carried_where_it_does_not():
    agent = make()
    shake(agent.model.world, agent.model.actor)
    obs = draw(2, 3).numpy()
    _, fresh = agent.predict(obs, None, np.array([True, True]))
    _, carried = agent.predict(obs, fresh, np.array([True, False]))

    assert torch.equal(carried.state.deter[0], fresh.state.deter[0])
    assert not torch.equal(carried.state.deter[1], fresh.state.deter[1])


def test_lanes_do_not_see_one_another():
    agent = make()
    shake(agent.model.world, agent.model.actor)
    obs = draw(4, 3, 3).numpy()
    together, alone = None, None
    for t in range(4):
        _, together = agent.predict(obs[t], together)
        _, alone = agent.predict(obs[t, 1:2], alone)

    torch.testing.assert_close(together.state.deter[1:2], alone.state.deter, rtol=1e-5, atol=1e-6)


def test_the_first_update_comes_when_the_config_says():
    for changed in ({"learning_starts": 13}, {"learning_starts": 0}, {"batch_length": 23}):
        agent, seen = make(endless, steps=28, **changed), []

        class Noted(NoProgress):
            def at(self, step, agent=agent, seen=seen):
                if agent.trainer.optimizer.updates == 0:
                    seen.append(step)

        agent.learn(Noted())
        assert seen[-1] == agent._config.least_steps()


def test_metrics_are_means_since_the_last_log_and_name_every_loss():
    logs = []

    class Noted(NoProgress):
        def log(self, step, metrics):
            logs.append((step, metrics))

    make(steps=70).learn(Noted())

    [(step, metrics)] = logs
    assert step == 70
    for name in ("reconstruction", "reward", "continue", "dyn", "rep"):
        assert {f"train/{name}_loss", f"validation/{name}_loss"} <= metrics.keys()
    assert metrics["rollout/ep_len_mean"] == 10.0
    assert all(type(value) is float for value in metrics.values())


def test_validation_takes_the_rows_since_the_last_update_and_changes_nothing(monkeypatch):
    def learned(every):
        monkeypatch.setattr(dreamer, "VALIDATE_EVERY", every)
        judged, updated, agent = [], [], make(steps=60)
        latest, update = Replay.latest, agent.trainer.update
        monkeypatch.setattr(
            Replay,
            "latest",
            lambda replay, *args: judged.append(replay._added) or latest(replay, *args),
        )
        monkeypatch.setattr(
            agent.trainer, "update", lambda *args: updated.append(len(judged)) or update(*args)
        )
        agent.learn(NoProgress())
        monkeypatch.setattr(Replay, "latest", latest)
        return agent.weights(), judged, updated

    often, judged, updated = learned(1)
    never, *_ = learned(10**9)

    assert updated == list(range(1, len(judged) + 1))  # each before its update
    for name, value in often.items():
        np.testing.assert_array_equal(value, never[name])


def test_a_loss_over_the_last_rows_is_that_of_all_where_they_are_all():
    world, rows = make().model.world, batch(T=6)

    def loss(last):
        return world.loss(rows, generator(), last).loss.item()

    assert loss(6) == loss(0)
    assert loss(2) != loss(0)


def test_normalisation_counts_what_training_met_and_nothing_else():
    agent = make(endless, steps=20, learning_starts=20, normalize=True)
    met, add = [], agent._seen.encode
    agent._seen.encode = lambda rows: met.append(add(rows)) or met[-1]
    agent.learn(NoProgress())
    seen = np.concatenate(met)
    agent.predict(np.full((3, 3), 50.0))
    weights = agent.weights()

    assert len(seen) == weights["world.senses.moments.count"] >= 21  # one more for each reset
    np.testing.assert_allclose(weights["world.senses.moments.mean"], seen.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        weights["world.senses.moments.var"], seen.var(axis=0), rtol=1e-5, atol=1e-12
    )


def test_normalised_vectors_have_no_unit_and_come_back_as_they_were():
    one, other = (World((3,), 3, config(normalize=True), generator()).senses for _ in range(2))
    rows = draw(50, 3)
    one.meet(rows)
    other.meet(1000 * rows + 7)

    torch.testing.assert_close(one.target(rows), other.target(1000 * rows + 7), atol=1e-4, rtol=0)
    unit = (rows - rows.mean(dim=0)) / rows.std(dim=0, correction=0)
    torch.testing.assert_close(one.target(rows), symlog(unit), atol=1e-5, rtol=0)
    np.testing.assert_allclose(one.restore(symlog(unit)), rows, atol=1e-5)


SPACES = {
    "vector": spaces.Box(-9.0, 9.0, (3,), np.float32),
    "grid": spaces.Box(-9.0, 9.0, (2, 3), np.float64),
    "one of": spaces.Discrete(9, start=2),
    "image": spaces.Box(0, 255, (8, 8, 3), np.uint8),
    "few bytes": spaces.Box(0, 255, (3, 3, 2), np.uint8),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_observations_come_back_from_the_rows_that_stand_for_them(space):
    space.seed(0)
    code, seen = ObservationCode(space), np.stack([space.sample() for _ in range(5)])
    rows = code.encode(seen)

    assert rows.shape == (5, *code.shape)
    assert rows.dtype == (np.uint8 if space is SPACES["image"] else np.float32)
    np.testing.assert_allclose(code.restore(rows), seen, rtol=1e-6)


def test_the_optimiser_is_saved_too(tmp_path):
    agent = make()
    agent.learn(NoProgress())
    agent.save(tmp_path)
    restored = make(seed=3)
    restored.load(tmp_path)
    rows = batch()
    for each in (agent, restored):
        each.trainer.generator.manual_seed(0)
        each.trainer.update(rows)

    one, other = agent.weights(), restored.weights()
    assert all(np.array_equal(one[name], other[name]) for name in one)


class Picture(gym.Env):
    """A square image, brighter by each push."""

    def __init__(self, side, action_space):
        self.observation_space = spaces.Box(0, 255, (side, side, 3), np.uint8)
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self._image(), {}

    def step(self, action):
        self.time += 1
        return self._image(), 1.0, False, self.time == 9, {}

    def _image(self):
        return np.full(self.observation_space.shape, 20 * self.time, np.uint8)


@pytest.mark.parametrize("space", [spaces.Discrete(2), spaces.Box(-2.0, 2.0, (2,), np.float32)])
def test_it_learns_from_images_with_either_kind_of_action(space):
    agent = make(lambda: Picture(16, space), steps=24)
    before = agent.weights()
    agent.learn(NoProgress())
    after = agent.weights()

    assert agent.model.world.senses.encoder.width == 4 * 16
    assert not np.array_equal(
        before["world.senses.decoder.linear.weight"], after["world.senses.decoder.linear.weight"]
    )
    actions, _ = agent.predict(np.zeros((2, 16, 16, 3), np.uint8))
    assert all(space.contains(action) for action in actions)


def test_an_image_that_cannot_be_halved_down_to_four_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="square with a side of 8, 16, 32"):
        make(lambda: Picture(20, spaces.Discrete(2)))


class Bandit(gym.Env):
    """One step; the action that the observation names pays 1."""

    def __init__(self, action_space):
        self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.side = float(self.np_random.integers(2) * 2 - 1)
        return np.array([self.side], np.float32), {}

    def step(self, action):
        push = float(action[0]) if isinstance(self.action_space, spaces.Box) else 2.0 * action - 1
        return np.zeros(1, np.float32), float(push * self.side > 0), True, False, {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "space",
    [spaces.Discrete(2), spaces.Box(-1.0, 1.0, (1,), np.float32)],
    ids=["discrete", "continuous"],
)
def test_it_learns_which_action_pays_in_which_state(space):
    short = {"batch_length": 8, "batch_size": 16, "imagination_horizon": 1, "gamma": 0.5}
    fast = {"learning_rate": 4e-3, "learning_starts": 50, "train_freq": 2, "units": 32}
    fast |= {"free_nats": 32 / 3}  # a nat for each row: with a tenth of it half of the seeds learn
    agent = make(lambda: Bandit(space), steps=1000, **short, **fast)
    agent.learn(NoProgress())

    actions, _ = agent.predict(np.array([[-1.0], [1.0]], np.float32))
    signs = actions[:, 0] > 0 if isinstance(space, spaces.Box) else actions == 1
    assert signs.tolist() == [False, True]


class Memory(NoProgress):
    """Bytes that the process holds, at some steps."""

    def __init__(self, *steps):
        self.held = dict.fromkeys(steps, 0)

    def at(self, step):
        if step in self.held:
            self.held[step] = psutil.Process().memory_info().rss


@pytest.mark.slow
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_memory_stays_flat_once_the_replay_is_full(where):
    memory = Memory(1_000, 3_000)
    make(endless, steps=3_000, buffer_size=300, replay=where, train_freq=2).learn(memory)
    early, late = memory.held.values()

    assert late - early < 2e6  # 1,000 updates later; the losses of as many, kept, take 300 MB


# As a model


class Seen(Walk):
    """The walk, as an observation of another kind."""

    def __init__(self, space, actions):
        super().__init__(actions)
        self.observation_space = space

    def _observe(self):
        place = int(self.place) + 4
        if isinstance(self.observation_space, spaces.Discrete):
            return place + int(self.observation_space.start)
        return np.full(self.observation_space.shape, place, self.observation_space.dtype)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_it_is_judged_through_the_door_of_all_models(kind, space):
    agent = make(lambda: Seen(space, kind.code.space), steps=20)
    agent.learn(NoProgress())
    episodes = [played(agent, seed) for seed in range(2)]
    dynamics = agent.dynamics()
    found = open_loop.roll_out(dynamics, episodes, 3)
    likely = open_loop.log_likelihoods(dynamics, episodes, 2, samples=2, generator=generator())
    outcomes = open_loop.outcomes(dynamics, episodes)

    assert found.predicted.shape == found.observed.shape
    assert len(outcomes.rewards) == sum(len(episode) for episode in episodes)
    assert np.isfinite([*found.predicted.ravel(), *likely, *outcomes.rewards_predicted]).all()
    assert ((outcomes.terminations > 0) & (outcomes.terminations < 1)).all()


def played(agent, seed):
    """One episode of its environment, as `Episode` keeps it."""
    env, rng = agent._task.make_env(), np.random.default_rng(seed)
    actions = CorrelatedActions(env.action_space, 0.0, rng)
    seen, taken, rewards, over = [env.reset(seed=seed)[0]], [], [], False
    while not over:
        taken.append(actions.draw())
        observation, reward, terminated, truncated, _ = env.step(taken[-1])
        seen.append(observation)
        rewards.append(reward)
        over = terminated or truncated
    return Episode(np.stack(seen), np.array(taken), np.array(rewards), terminated)


def test_as_a_model_it_sees_what_it_sees_when_it_acts():
    agent = make()
    shake(agent.model.world)
    dynamics, obs, actions = agent.dynamics(), draw(4, 2, 3).numpy(), np.array([[0, 2, 1]] * 2).T
    mind, state = agent._initial(2), dynamics.begin(obs[0])
    for t in range(4):
        if t:
            mind = mind._replace(action=BUTTONS.code.encode(actions[t - 1]))
            state = dynamics.observe(state, actions[t - 1], obs[t])
        with torch.no_grad():
            mind = agent._think(agent.model, obs[t], mind, None, deterministic=True)

    torch.testing.assert_close(state, mind.state)


def test_a_dreamed_step_tells_what_the_heads_say_of_the_state_that_it_leads_to():
    agent = make()
    shake(agent.model.world)
    dynamics, world = agent.dynamics(), agent.model.world
    world.senses.error.copy_(torch.tensor([0.5, 1.0, 2.0]))
    state, came = dynamics.begin(draw(5, 3).numpy()), draw(5, 3, seed=1)
    after, found = dynamics.step(state, np.arange(5) % 3, generator(1))
    again, _ = dynamics.step(state, np.arange(5) % 3, generator(1))
    with torch.no_grad():
        features = after.features()
        output = world.senses.decoder(features)
        expected = Normal(output, world.senses.error.sqrt()).log_prob(symlog(came)).sum(dim=-1)
        heads = world.rewards(features), 1 - world.continues(features)

    torch.testing.assert_close(again, after)
    np.testing.assert_allclose(found.observations, symexp(output), rtol=1e-5)
    np.testing.assert_allclose(found.rewards, heads[0])
    np.testing.assert_allclose(found.terminations, heads[1])
    np.testing.assert_allclose(found.log_prob(came.numpy()), expected, rtol=1e-5)
    assert found.dimensions == 3


def test_the_best_guess_of_a_step_is_a_mean_of_draws_and_always_the_same():
    agent = make()
    shake(agent.model.world)
    dynamics, world, came = agent.dynamics(), agent.model.world, draw(2, 3, seed=1)
    state, actions = dynamics.begin(draw(2, 3).numpy()), np.array([1, 2])
    with untouched_rng(0):
        before = torch.get_rng_state()
        after, found = dynamics.step(*dynamics.step(state, actions)[:1], actions)
        assert torch.equal(torch.get_rng_state(), before)
    again, _ = dynamics.step(*dynamics.step(state, actions)[:1], actions)
    with torch.no_grad():
        features = after.state.features()
        output = world.senses.decoder(features)
        rewards = world.rewards(features).view(2, GUESSES).mean(dim=1)
        scale = world.senses.error.sqrt()
        each = Normal(output, scale).log_prob(symlog(came).repeat_interleave(GUESSES, 0))
        density = each.sum(dim=-1).view(2, GUESSES).exp().mean(dim=1).log()

    torch.testing.assert_close(again, after)
    rows = symexp(output).view(2, GUESSES, 3)
    assert rows.std(dim=1).min() > 0
    np.testing.assert_allclose(found.observations, rows.mean(dim=1), rtol=1e-5)
    np.testing.assert_allclose(found.rewards, rewards, rtol=1e-5)
    np.testing.assert_allclose(found.log_prob(came.numpy()), density, rtol=1e-5)


def test_draws_have_the_priors_probabilities_and_a_temperature_makes_them_less_sure():
    agent = make()
    shake(agent.model.world)
    dynamics, rssm = agent.dynamics(), agent.model.world.rssm
    state = dynamics.begin(draw(1, 3).numpy())
    many, actions = State(*(part.expand(20_000, -1) for part in state)), np.full(20_000, 1)
    hot, (guess, _) = dynamics.tempered(3.0), dynamics.step(state, actions[:1])
    drawn = dynamics.step(many, actions, generator())[0]
    hotter = hot.step(many, actions, generator())[0]
    with torch.no_grad():
        prior = rssm.prior(drawn.deter[:1]).flatten(-2)[0]

    torch.testing.assert_close(drawn.stoch.mean(dim=0), prior, atol=0.015, rtol=0)
    assert hotter.stoch.mean(dim=0).max() < prior.max() - 0.05
    torch.testing.assert_close(hot.step(state, actions[:1])[0], guess)


def test_what_it_sees_is_what_it_decodes_from_the_posterior():
    agent = make()
    shake(agent.model.world)
    dynamics = agent.dynamics()
    state = dynamics.begin(draw(2, 3).numpy())
    with torch.no_grad():
        expected = symexp(agent.model.world.senses.decoder(state.features()))

    assert isinstance(dynamics, Reconstructing) and isinstance(dynamics, Tempered)
    np.testing.assert_allclose(dynamics.rebuild(state), expected, rtol=1e-5)
