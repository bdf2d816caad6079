"""What is made otherwise about one task, and what comes of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness import stats
from harness.spec import Decide
from harness.stats import Pair, Variation

RNG = np.random.default_rng(0)


def arms(runs=8, gains=(0.0, 0.0, 1.0), noise=0.2):
    """One ahead of the other by so much on each task."""
    shape = runs, len(gains)
    return RNG.normal(0.4, noise, shape) + np.array(gains), RNG.normal(0.4, noise, shape)


def test_of_a_single_task_there_is_nothing_to_make_otherwise():
    assert not list(stats.variations(1))
    assert len(list(stats.variations(3))) == 3 * len(stats.CHANGES)


def test_leaving_a_task_out_is_never_having_had_it():
    x, y = arms()
    found = stats.judge(x, y, Variation("left out", 2, 3), "a", "b")

    other = stats.difference(x[:, :2], y[:, :2], stats.iqm, "a", "b")
    assert found.difference.point == other.point
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (other.low, other.high), abs=0.02
    )
    assert found.p == stats.permutation_p(x[:, :2], y[:, :2])
    assert found.improvement.point == stats.improvement(x[:, :2], y[:, :2]).point


def test_a_task_that_counts_double_is_there_twice_but_its_seeds_once():
    x, y = arms()
    found = stats.judge(x, y, Variation("counts double", 2, 3), "a", "b").difference

    twice = [0, 1, 2, 2]
    assert found.point == stats.iqm(x[:, twice]) - stats.iqm(y[:, twice])
    copied = stats.difference(x[:, twice], y[:, twice], stats.iqm, "a", "b")
    assert found.high - found.low > copied.high - copied.low  # a copy is no new run


def test_weighted_rank_sums_have_the_law_of_all_ways_to_deal_the_runs():
    x, y, weights = RNG.integers(0, 4, (3, 2)), RNG.integers(0, 4, (3, 2)), (1, 2)
    both = np.concatenate([x, y]).astype(float)

    def total(ours):
        """Of each task by itself, over the runs that are ours there."""
        score = 0.0
        for task, chosen in enumerate(ours):
            mine, theirs = both[list(chosen), task], np.delete(both[:, task], list(chosen))
            wins = (mine[:, None] > theirs).sum() + (mine[:, None] == theirs).sum() / 2
            score += weights[task] * (wins - len(mine) * len(theirs) / 2)
        return abs(score)

    ways = list(itertools.product(itertools.combinations(range(6), 3), repeat=2))
    seen = total([(0, 1, 2)] * 2)
    expected = np.mean([total(way) >= seen - 1e-9 for way in ways])
    assert stats.permutation_p(x.astype(float), y.astype(float), weights) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "factor"), [("reference half as far", 2.0), ("reference twice as far", 0.5)]
)
def test_another_reference_is_another_scale_of_its_task_and_moves_no_rank(change, factor):
    x, y = arms()
    found = stats.judge(x, y, Variation(change, 2, 3), "a", "b")

    scale = [1.0, 1.0, factor]
    assert found.difference.point == stats.iqm(x * scale) - stats.iqm(y * scale)
    assert found.p == stats.permutation_p(x, y)


def test_looks_along_the_way_are_judged_without_a_task():
    x, y = arms(10, noise=0.1)
    pair, plan = Pair(x, y, ("a", "b")), Decide()
    with_all, without, one = (
        stats.follow_otherwise([pair], plan, Variation("left out", task, 3))[0]
        for task in (0, 2, 1)
    )
    assert with_all.state == one.state == "supported"
    assert without.state == "open"
    alone = Pair(x[:, :1], y[:, :1], ("a", "b", "task"))  # a claim on one task is as it was
    assert stats.follow_otherwise([alone], plan, Variation("left out", 0, 3))[0].pair.x is alone.x
    with pytest.raises(ValueError, match="weights"):
        stats.follow_otherwise([pair], plan, Variation("counts double", 0, 3))


def test_places_of_arms_that_tie_are_shared():
    assert stats.ranks([1.0, 3.0, 3.0, 0.0]).tolist() == [3, 1, 1, 4]
    same = np.ones((6, 2))
    shares = stats.rank_shares({"a": same, "b": same, "c": 0 * same}, stats.iqm, "final")
    assert shares.tolist() == [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


def test_places_over_resamples_are_as_uncertain_as_the_runs():
    x, y = arms(10, gains=(0.1, 0.1), noise=0.3)
    shares = stats.rank_shares({"a": x, "b": y}, stats.iqm, "final")
    assert np.allclose(shares.sum(axis=0), 1) and np.allclose(shares.sum(axis=1), 1)
    apart = stats.rank_shares({"a": x + 9, "b": y}, stats.iqm, "final")
    assert apart[0, 0] == 1.0 > shares[0, 0]
