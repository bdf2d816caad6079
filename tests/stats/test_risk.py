"""Risk: exact chances against simulation and against SciPy, means and falls against plain sums."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest

from harness import stats


def test_the_worst_quarter_counts_the_run_at_its_edge_in_part():
    assert stats.worst_mean([4.0, 1.0, 3.0, 2.0]) == 1.0
    assert stats.worst_mean(range(10)) == pytest.approx((0 + 1 + 0.5 * 2) / 2.5)
    assert stats.worst_mean([5.0]) == 5.0
    assert stats.worst_mean([1.0, 2.0, 3.0], share=1.0) == pytest.approx(2.0)


def test_the_worst_quarter_of_many_runs_is_that_of_their_distribution():
    draws = np.random.default_rng(0).normal(size=200_000)

    # The mean of a standard normal below its quartile: -phi(z) / 0.25.
    assert stats.worst_mean(draws) == pytest.approx(-1.2711, abs=0.01)


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")]])
def test_nothing_is_averaged_over_a_score_that_is_missing(scores):
    with pytest.raises(ValueError, match=r"missing|no score"):
        stats.worst_mean(scores)


@pytest.mark.parametrize("n", [2, 6, 10, 30])
def test_a_next_run_lies_within_the_range_as_often_as_said_whatever_the_distribution(n):
    rng = np.random.default_rng(n)
    for draw in (rng.normal, rng.standard_cauchy):
        runs = draw(size=(40_000, n + 1))
        seen, following = runs[:, :-1], runs[:, -1]
        inside = (seen.min(axis=1) < following) & (following < seen.max(axis=1))
        assert inside.mean() == pytest.approx(stats.next_within(n), abs=0.012)


@pytest.mark.parametrize("n", [2, 6, 10, 46])
def test_the_range_holds_its_share_in_95_of_100_sweeps(n):
    draws = np.sort(np.random.default_rng(n).random((40_000, n)), axis=1)
    held = draws[:, -1] - draws[:, 0]  # of a uniform distribution, that is the share

    assert np.mean(held >= stats.held(n)) == pytest.approx(0.95, abs=0.006)


def test_46_runs_hold_nine_tenths_and_one_holds_nothing():
    assert stats.held(46) >= 0.9 > stats.held(45)
    assert stats.held(1) == 0.0


@pytest.mark.parametrize(("happened", "n"), [(0, 10), (1, 10), (10, 10), (3, 7), (0, 1)])
def test_limits_of_a_chance_are_those_of_clopper_and_pearson(happened, n):
    found = stats.chance(happened, n)
    theirs = binomtest(happened, n).proportion_ci(0.95, method="exact")

    assert found.point == happened / n
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_of_no_run_there_is_no_chance():
    with pytest.raises(ValueError, match="no run"):
        stats.chance(0, 0)


def test_a_drawdown_is_the_deepest_fall_below_the_best_before():
    assert stats.drawdown([0, 5, 3, 8, 6, 7]) == 2
    assert stats.drawdown([0, 5, 1, 8, 6]) == 4
    assert stats.drawdown([1, 2, 3]) == 0


def test_steady_progress_is_no_dispersion():
    steady = np.arange(20) * 3.0
    wobbling = steady + 2 * (-1.0) ** np.arange(20)

    assert stats.dispersion(steady) == 0
    assert stats.dispersion(wobbling) == pytest.approx(8)
    assert np.isnan(stats.dispersion([1.0, 2.0]))


def test_the_worst_quarter_of_several_tasks_is_the_mean_of_each():
    scores = np.random.default_rng(0).normal(size=(5, 10, 3))
    each = [np.mean([stats.worst_mean(matrix[:, task]) for task in range(3)]) for matrix in scores]
    assert stats.cvar(scores) == pytest.approx(np.array(each))

    scores[:, 8:, 1] = np.nan  # a task with fewer runs
    short = stats.worst_mean(scores[0, :8, 1])
    others = [stats.worst_mean(scores[0, :, task]) for task in (0, 2)]
    assert stats.cvar(scores[0]) == pytest.approx((short + sum(others)) / 3)


def test_deals_that_are_drawn_agree_with_all_deals():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 5, 1)) + np.array([0.8, 0.0])[:, None, None]
    both = np.concatenate([x, y])
    seen = abs(stats.cvar(x) - stats.cvar(y))
    gaps = [
        abs(stats.cvar(both[list(ours)]) - stats.cvar(np.delete(both, list(ours), axis=0)))
        for ours in itertools.combinations(range(10), 5)
    ]
    exact = np.mean(np.array(gaps) >= seen - 1e-9)
    assert stats.permutation_of(stats.cvar, x, y, rng) == pytest.approx(exact, abs=0.015)


def test_equal_arms_are_seldom_told_apart_by_their_worst_quarters():
    rng = np.random.default_rng(2)
    found = [
        stats.permutation_of(stats.cvar, *rng.normal(size=(2, 12, 1)) ** 3, rng, deals=199)
        for _ in range(400)
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * 0.011
