"""Where episodes come from: rows aligned, seeds that decide, actions at random."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from gymnasium import spaces
from probe_envs_agents import discrete
from small_world_model import Counter

from baselines.api import NoProgress, Task
from baselines.world_models.action import ActionCode, CorrelatedActions
from baselines.world_models.collect import Collector


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
