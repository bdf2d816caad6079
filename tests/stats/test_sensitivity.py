"""What tuning on each environment gains, and how often its interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from harness import stats
from harness.stats.sensitivity import FEWEST_SEEDS


def test_without_noise_it_is_the_definition():
    gamma = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.6]])  # (settings, environments)
    found = stats.sensitivity(np.repeat(gamma[:, None], 4, axis=1))

    assert found.one.point == found.one.low == pytest.approx(0.6)
    assert found.each.point == pytest.approx((0.9 + 0.8) / 2)
    assert found.gain.point == found.gain.high == pytest.approx(0.25)


def test_a_setting_is_never_scored_by_the_seed_that_chose_it():
    """Of many settings that are worth nothing, the best of noise is worth nothing."""
    rng = np.random.default_rng(0)
    found = [stats.sensitivity(rng.normal(size=(100, 5, 3))) for _ in range(200)]

    assert np.mean([each.one.point for each in found]) == pytest.approx(0.0, abs=0.08)
    assert np.mean([each.each.point for each in found]) == pytest.approx(0.0, abs=0.08)
    assert all(each.gain.point >= 0 <= each.gain.low for each in found)


def test_two_seeds_give_points_and_one_gives_nothing():
    scores = np.random.default_rng(1).normal(size=(4, 2, 2))

    assert FEWEST_SEEDS == 3
    assert stats.sensitivity(scores).gain.shows == "point"
    with pytest.raises(ValueError, match="two are needed"):
        stats.sensitivity(scores[:, :1])


def failing(mu, rng, seeds):
    """A tenth of the runs ends at 0."""
    runs = mu[:, None] + 0.05 * rng.normal(size=(len(mu), seeds, mu.shape[1]))
    return np.where(rng.random(runs.shape) < 0.1, 0.0, runs), 0.9 * mu


def normal(mu, rng, seeds):
    luck = 0.2 * rng.normal(size=(1, seeds, mu.shape[1]))  # of a seed, with all settings
    return mu[:, None] + luck + 0.3 * rng.normal(size=(len(mu), seeds, mu.shape[1])), mu


def solved(mu, rng, seeds):
    return (rng.random((len(mu), seeds, mu.shape[1])) < mu[:, None]) * 1.0, mu


COVERAGE = {"normal": (normal, 0.95), "solved or not": (solved, 0.95), "failing": (failing, 0.90)}


@pytest.mark.parametrize("kind", COVERAGE)
@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize("envs", [2, 5])
def test_the_intervals_hold_the_truth_as_often_as_the_documents_say(kind, seeds, envs):
    draw, least = COVERAGE[kind]
    rng = np.random.default_rng([seeds, envs])
    held = []
    for trial in range(400):
        if trial % 40 == 0:
            mu = np.clip(0.5 + 0.2 * rng.normal(size=(30, 1)) + 0.05 * rng.normal(size=(30, envs)),
                         0, 1)  # fmt: skip
        scores, gamma = draw(mu, rng, seeds)
        one, each = gamma.mean(axis=1).max(), gamma.max(axis=0).mean()
        found = stats.sensitivity(scores)
        held.append(
            [e.low - 1e-9 <= truth <= e.high + 1e-9
             for e, truth in zip(found, (one, each, each - one), strict=True)]
        )  # fmt: skip
    share = np.mean(held, axis=0)
    assert (share[:2] >= least).all() and share[2] >= 0.95
