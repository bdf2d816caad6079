"""Episodes are written down as evaluation plays them."""

from __future__ import annotations

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

from harness.train.evaluate import Evaluator
from harness.train.recorder import recorded

SEEDS = [7, 3, 11]


def make():
    return gym.make("CartPole-v1")


def leaning():
    """Moves to the side to which the pole leans."""
    return SimpleNamespace(predict=lambda seen, **_: ((seen[:, 2] > 0).astype(int), None))


@pytest.fixture(scope="module")
def found():
    return recorded(make, leaning(), SEEDS, True)


def test_the_steps_are_those_of_the_episodes_that_were_scored(found):
    played, steps = found

    assert played == Evaluator(make).play(leaning(), SEEDS)
    assert [each.rewards.sum() for each in steps] == played.returns
    assert [len(each.actions) for each in steps] == played.lengths


def test_an_action_is_taken_at_the_observation_of_its_row(found):
    for seed, episode in zip(SEEDS, found[1], strict=True):
        assert len(episode.observations) == len(episode.actions) + 1
        np.testing.assert_array_equal(episode.observations[0], make().reset(seed=seed)[0])
        np.testing.assert_array_equal(episode.actions, episode.observations[:-1, 2] > 0)
        assert episode.terminated


def test_without_observations_the_rest_is_the_same(found):
    _, bare = recorded(make, leaning(), SEEDS, True, observed=False)

    for one, other in zip(bare, found[1], strict=True):
        np.testing.assert_array_equal(one.actions, other.actions)
        assert not any(seen is not None for seen in one.observations)
