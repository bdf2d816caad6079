"""Episodes played together are the episodes played alone, and playing them leaves no trace."""

import random

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from harness.envs import card, make
from harness.train import evaluate
from harness.train.evaluate import LANES, Evaluator

SEEDS = [11, 7, 1_000_003, *range(40, 40 + LANES)]  # more than there are lanes


def evaluator(name, wrappers=()):
    return Evaluator(lambda: make(card(name), wrappers, training=False))


class Agent:
    """Acts by a fixed function of the observation."""

    def __init__(self, act):
        self.act = act

    def predict(self, observation, state, episode_start, deterministic, action_masks):
        return np.stack([self.act(each) for each in observation]), None


class Hasty(Agent):
    """A recurrent agent: turns round every third step of an episode, counted in its state."""

    def __init__(self):
        self.shapes = set()

    def predict(self, observation, state, episode_start, deterministic, action_masks):
        self.shapes.add((observation.shape, episode_start.shape, episode_start.dtype))
        state = np.zeros(len(observation), int) if state is None else state
        state = np.where(episode_start, 0, state + 1)
        return (state // 3 % 2).astype(int), state


class Gambler(Agent):
    """Draws from every global generator, as learners do when they sample."""

    def __init__(self):
        pass

    def predict(self, observation, state, episode_start, deterministic, action_masks):
        drawn = random.random() + np.random.random(len(observation))
        drawn = drawn + torch.rand(len(observation)).numpy()
        return (drawn > 1.5).astype(int), None


class Counter(gym.Env):
    """Pays np.float32(0.1) a step, for as many steps as its seed has it; keeps its actions."""

    made = 0

    def __init__(self, observation_space=None, action_space=None):
        type(self).made += 1
        self.observation_space = observation_space or spaces.Box(0, np.inf, (1,), np.float32)
        self.action_space = action_space or spaces.Discrete(2)
        self.actions = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.length, self.time = seed % 13 + 1, 0
        return self._observe(), {}

    def step(self, action):
        assert self.time < self.length, "stepped after its end"
        self.actions.append(action)
        self.time += 1
        return self._observe(), np.float32(0.1), self.time == self.length, False, {}

    def _observe(self):
        time = np.array([self.time], np.float32)
        if isinstance(self.observation_space, spaces.Dict):
            return {"time": time, "half": time / 2}
        return self.time if isinstance(self.observation_space, spaces.Discrete) else time


class Telling(Counter):
    """Allows one action only: the other one than last time."""

    def action_masks(self):
        return np.array([self.time % 2 == 0, self.time % 2 == 1])


def push(observation):
    return int(observation.sum() > 0)


def swing(observation):
    return np.tanh(observation[-1:] * 3).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("CartPole-v1", push),
        ("Acrobot-v1", push),
        ("Pendulum-v1", swing),
        ("MountainCarContinuous-v0", swing),
        ("DeepSea-10", lambda observation: int(observation.argmax() % 3 == 0)),
        ("MiniGrid-Empty-Random-5x5-v0", lambda observation: int(observation.sum() * 1e3) % 3),
    ],
)
def test_episodes_played_together_are_those_played_one_by_one(name, act):
    returns, lengths = [], []
    for seed in SEEDS:
        env = make(card(name), training=False)
        observation, _ = env.reset(seed=seed)
        rewards, over = [], False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(act(observation))
            rewards.append(float(reward))
            over = terminated or truncated
        returns.append(sum(rewards))
        lengths.append(len(rewards))

    played = evaluator(name).play(Agent(act), SEEDS)

    assert played.returns == returns
    assert played.lengths == lengths


def test_an_agent_with_memory_starts_each_episode_anew_and_always_sees_one_shape():
    agent = Hasty()
    together = evaluator("CartPole-v1").play(agent, SEEDS)
    for seed, length in zip(SEEDS, together.lengths, strict=True):
        env, steps, over = make(card("CartPole-v1")), 0, False
        env.reset(seed=seed)
        while not over:
            _, _, over, _, _ = env.step(steps // 3 % 2)
            steps += 1
        assert length == steps
    assert agent.shapes == {((LANES, 4), (LANES,), np.dtype(bool))}


def test_every_seed_is_played_once_in_the_order_given():
    seeds = [5 * k for k in range(3 * LANES + 1)]
    played = Evaluator(Counter).play(Agent(push), seeds)
    assert played.lengths == [seed % 13 + 1 for seed in seeds]


def test_the_number_of_lanes_decides_nothing_for_an_agent_that_treats_rows_alike(monkeypatch):
    expected = evaluator("CartPole-v1").play(Agent(push), SEEDS)
    monkeypatch.setattr(evaluate, "LANES", 3)
    assert evaluator("CartPole-v1").play(Agent(push), SEEDS) == expected


@pytest.mark.parametrize("deterministic", [True, False])
def test_an_evaluation_leaves_every_global_generator_as_it_was(deterministic):
    def drawn():
        return random.random(), np.random.random(), float(torch.rand(1))

    def seeded():
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)

    seeded()
    expected = drawn()
    seeded()
    evaluator("CartPole-v1").play(Gambler(), SEEDS, deterministic)
    assert drawn() == expected


def test_an_evaluation_repeats_itself_whatever_was_drawn_or_played_before():
    used = evaluator("CartPole-v1", [{"name": "sticky_actions"}])
    first = used.play(Gambler(), SEEDS)
    used.play(Gambler(), SEEDS[5:])
    np.random.random(7)
    torch.rand(7)
    assert used.play(Gambler(), SEEDS) == first
    assert evaluator("CartPole-v1", [{"name": "sticky_actions"}]).play(Gambler(), SEEDS) == first


def test_other_seeds_are_other_episodes():
    first, second = (
        evaluator("CartPole-v1").play(Gambler(), seeds) for seeds in (SEEDS, SEEDS[::-1])
    )
    assert first.returns != second.returns


def test_environments_are_kept_from_one_evaluation_to_the_next():
    Counter.made = 0
    kept = Evaluator(Counter)
    kept.play(Agent(push), [1, 2])
    kept.play(Agent(push), SEEDS)
    kept.play(Agent(push), SEEDS)
    assert Counter.made == LANES


def test_returns_are_summed_in_double_precision():
    played = Evaluator(Counter).play(Agent(push), [12])
    assert played.returns == [sum([float(np.float32(0.1))] * 13)]
    assert type(played.returns[0]) is float


@pytest.mark.parametrize("asked", [50.0, -50.0])
def test_continuous_actions_are_clipped_to_their_space(asked):
    space = spaces.Box(-1.0, 2.0, (1,), np.float32)
    env = Counter(action_space=space)
    Evaluator(lambda: env).play(Agent(lambda _: np.array([asked])), [4])
    assert {float(action[0]) for action in env.actions} == {2.0 if asked > 0 else -1.0}
    assert all(space.contains(action) for action in env.actions)


def test_an_agent_whose_actions_are_not_numbers_has_diverged():
    with pytest.raises(FloatingPointError, match="diverged"):
        evaluator("Pendulum-v1").play(Agent(lambda _: np.array([np.nan])), [0])


def test_an_environment_that_masks_actions_tells_the_agent():
    class Obedient(Agent):
        def predict(self, observation, state, episode_start, deterministic, action_masks):
            return action_masks.argmax(axis=1), None

    envs = []
    Evaluator(lambda: envs.append(Telling()) or envs[-1]).play(Obedient(push), [7, 8, 9])
    assert [env.actions for env in envs] == [[k % 2 for k in range(n)] for n in (8, 9, 10)]


def test_without_masks_the_agent_gets_none():
    class Asking(Agent):
        def predict(self, observation, state, episode_start, deterministic, action_masks):
            assert action_masks is None
            return np.zeros(len(observation), int), None

    assert Evaluator(Counter).play(Asking(push), [0]).lengths == [1]


def test_the_protocol_says_whether_the_agent_acts_greedily():
    class Told(Agent):
        def predict(self, observation, state, episode_start, deterministic, action_masks):
            told.append(deterministic)
            return np.zeros(len(observation), int), None

    for greedy in (True, False):
        told = []
        Evaluator(Counter).play(Told(push), [0], greedy)
        assert told == [greedy]


def test_observations_that_are_dictionaries_are_batched_by_key():
    box = spaces.Box(0, np.inf, (1,), np.float32)
    seen = []

    class Reader(Agent):
        def predict(self, observation, state, episode_start, deterministic, action_masks):
            seen.append(observation)
            return np.zeros(len(observation["time"]), int), None

    made = lambda: Counter(spaces.Dict(time=box, half=box))  # noqa: E731 - a factory
    assert Evaluator(made).play(Reader(push), [2, 5]).lengths == [3, 6]
    # The first episode is over after 3 steps: its row stays as it was to the end.
    assert [batch["time"].tolist() for batch in seen] == [[[min(k, 3)], [k]] for k in range(6)]
    assert all((2 * batch["half"] == batch["time"]).all() for batch in seen)


def test_observations_that_are_numbers_make_a_batch_of_numbers():
    made = lambda: Counter(spaces.Discrete(20))  # noqa: E731 - a factory
    assert Evaluator(made).play(Agent(lambda time: time % 2), [2, 5]).lengths == [3, 6]
