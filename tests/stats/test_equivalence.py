"""Two arms are found equal but for a margin by bets that seldom win if they are not."""

from __future__ import annotations

import numpy as np
import pytest

from harness.spec import Decide
from harness.stats import equivalence
from harness.stats.equivalence import FRACTIONS, capitals, fewest
from harness.stats.sequential import Pair, follow
from harness.stats.uncertainty import unavailable

ERROR = 0.05


def coins(rng, chance, n, runs=1):
    return (rng.random((runs, n, 1)) < chance) * 1.0


def found(x, y, margin=0.2, error=ERROR):
    return equivalence(np.reshape(x, (-1, 1)), np.reshape(y, (-1, 1)), margin, error)


def after(x, y, margin, most):
    """The seeds after which it is found that two arms are equivalent; `most` + 1: not by then."""
    z = np.clip(x, 0, 1) - np.clip(y, 0, 1)
    z = ((z + 1) / 2).T  # (seeds, experiments)
    grown = [capitals(each, (1 + margin) / 2) for each in (z, 1 - z)]
    enough = np.minimum(*(np.maximum.accumulate(each) for each in grown)) >= 2 / ERROR
    return np.where(enough.any(axis=0), enough.argmax(axis=0) + 1, most + 1)


# The numbers by which the method was chosen -------------------------------------------------------


@pytest.mark.parametrize(("margin", "seeds"), [(0.2, 22), (0.1, 45)])
def test_the_seeds_after_which_arms_that_tie_are_equivalent(margin, seeds):
    assert fewest(margin, ERROR) == seeds
    ones = np.ones(seeds)
    assert found(ones[:-1], ones[:-1], margin).p > ERROR
    assert found(ones, ones, margin).p <= ERROR


NOISE = {
    "SD 0.1": lambda rng, shape: np.clip(0.5 + 0.1 * rng.normal(size=shape), 0, 1),
    "SD 0.2": lambda rng, shape: np.clip(0.5 + 0.2 * rng.normal(size=shape), 0, 1),
    "0.95 succeed": lambda rng, shape: (rng.random(shape) < 0.95) * 1.0,
    "0.9 succeed": lambda rng, shape: (rng.random(shape) < 0.9) * 1.0,
}


@pytest.mark.parametrize(
    ("kind", "margin", "median", "by_30"),
    [
        ("SD 0.1", 0.2, 25, 0.96), ("SD 0.2", 0.2, 31, 0.42), ("0.95 succeed", 0.2, 43, 0.15),
        ("0.9 succeed", 0.2, 66, 0.02), ("SD 0.1", 0.1, 57, 0.0), ("SD 0.2", 0.1, 93, 0.0),
        ("0.95 succeed", 0.1, 149, 0.0), ("0.9 succeed", 0.1, 262, 0.0),
    ],
)  # fmt: skip
def test_how_soon_equal_arms_are_found_equivalent(kind, margin, median, by_30):
    rng = np.random.default_rng(1)
    seeds = after(*(NOISE[kind](rng, (2_000, 500)) for _ in range(2)), margin, 500)
    assert np.median(seeds) == pytest.approx(median, rel=0.05)
    assert (seeds <= 30).mean() == pytest.approx(by_30, abs=0.03)


@pytest.mark.parametrize("margin", [0.1, 0.2])
@pytest.mark.parametrize("kind", ["ceiling", "coins", "normal"])
def test_arms_that_lie_apart_by_the_margin_are_seldom_found_equivalent(kind, margin):
    rng, shape = np.random.default_rng(2), (2_000, 400)
    better, worse = {
        "ceiling": (np.ones(shape), rng.random(shape) < 1 - margin),
        "coins": (rng.random(shape) < 0.5 + margin / 2, rng.random(shape) < 0.5 - margin / 2),
        "normal": 0.3 + np.array([[[margin]], [[0.0]]]) + 0.05 * rng.normal(size=(2, *shape)),
    }[kind]  # fmt: skip
    wrong = after(better * 1.0, worse * 1.0, margin, 400) <= 400
    assert wrong.mean() <= 0.018 + 3 * 0.003


# What must hold -----------------------------------------------------------------------------------


def test_a_capital_is_the_mean_over_fractions_of_products():
    z, m = np.array([0.5, 0.4, 0.9]), 0.6
    by_hand = [
        np.mean([np.prod(1 - f * (z[:n] - m) / (1 - m)) for f in FRACTIONS]) for n in (1, 2, 3)
    ]
    assert capitals(z, m) == pytest.approx(by_hand)
    mirrored = [np.mean([np.prod(1 + f * (z[:n] - m) / m) for f in FRACTIONS]) for n in (1, 2, 3)]
    assert capitals(1 - z, 1 - m) == pytest.approx(mirrored)


@pytest.mark.parametrize("seed", range(6))
def test_the_interval_and_the_verdict_are_one(seed):
    rng = np.random.default_rng(seed)
    x, y = 0.5 + 0.02 * seed + rng.normal(size=(2, 40)) * 0.1
    y -= 0.1 * seed
    for margin in (0.05, 0.1, 0.2, 0.3, 0.5):
        of = found(x, y, margin)
        decided = of.p <= ERROR
        assert (decided and of.side > 0) == (-margin < of.low and of.high < margin)
        assert (decided and of.side < 0) == (of.low > margin or of.high < -margin)
    assert of.low < of.x - of.y < of.high
    assert of.level == 1 - ERROR


def test_which_arm_comes_first_does_not_matter():
    x, y = np.random.default_rng(3).random((2, 30))
    here, there = found(x, y), found(y, x)
    assert (here.within, here.beyond) == pytest.approx((there.within, there.beyond))
    assert (here.low, here.high) == pytest.approx((-there.high, -there.low))


def test_scores_beyond_the_anchors_count_as_the_anchors():
    x, y = np.full(30, 1.7), np.full(30, 1.0)
    assert found(x, y) == found(y, y)


def test_an_arm_far_away_is_not_equivalent():
    of = found(np.ones(10), np.zeros(10))
    assert of.p <= ERROR
    assert of.side == -1
    assert of.low > 0.2


def test_environments_are_averaged_within_a_seed():
    rng = np.random.default_rng(4)
    x, y = rng.random((2, 30, 3))
    whole = equivalence(x, y, 0.2, ERROR)
    means = equivalence(x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True), 0.2, ERROR)
    assert whole == pytest.approx(means)


def test_runs_without_a_partner_are_left_out():
    x, y = np.random.default_rng(5).random((2, 30))
    assert found(x, y[:20]) == found(x[:20], y[:20])


@pytest.mark.parametrize("scores", ["normal", "zero-one", "ceiling"])
def test_the_interval_holds_the_difference_at_all_looks_together(scores):
    rng, missed = np.random.default_rng(6), 0
    draws = {
        "normal": [lambda n, m=mean: m + 0.1 * rng.normal(size=n) for mean in (0.4, 0.6)],
        "zero-one": [lambda n: rng.random(n) < 0.7] * 2,
        "ceiling": [np.ones, lambda n: rng.random(n) < 0.8],
    }
    true = {"normal": -0.2, "zero-one": 0.0, "ceiling": 0.2}[scores]
    for _ in range(200):
        x, y = (draw(60) * 1.0 for draw in draws[scores])
        of = found(x, y)  # the interval after 60 seeds lies in all those before
        missed += not of.low <= true <= of.high
    assert missed / 200 <= 0.05 + 3 * 0.0154


# Along the way ------------------------------------------------------------------------------------

PLAN = Decide()


def nothing(*_):
    """Of what a look shows beside p."""
    return (unavailable("not looked at"),) * 4


def test_looks_find_equal_arms_equivalent_and_apart_ones_not():
    ones = np.ones((30, 1))
    same, apart, other = follow(
        [
            Pair(ones, ones, ("a",), margin=0.3),
            Pair(ones, 0 * ones, ("b",), margin=0.3),
            Pair(ones, 0 * ones, ("c",), span=np.array([[0.0], [1.0]])),
        ],
        PLAN,
        paths=5_000,
    )
    assert (same.state, apart.state, other.state) == ("equivalent", "not equivalent", "supported")
    assert same.seeds == next(n for n in PLAN.looks if n >= fewest(0.3, 0.05 / 3))
    assert apart.seeds == 14
    assert {each.correction for each in (same, apart, other)} == {"Bonferroni"}
    assert other.looks[0].adjusted == pytest.approx(3 * other.looks[0].p)
    assert all(np.isnan(look.spent) for look in same.looks)
    assert same.looks[-1].level == pytest.approx(1 - 0.05 / 3)


def test_at_the_cap_what_is_not_decided_is_undecided():
    x, y = coins(np.random.default_rng(7), 0.6, 30, 2)
    assert follow([Pair(x, y, ("a",), margin=0.1)], PLAN)[0].state == "undecided"


def test_looks_end_as_all_seeds_at_once_do():
    """A capital that was reached stays reached."""
    rng = np.random.default_rng(8)
    for _ in range(40):
        x, y = np.clip(0.5 + 0.2 * rng.normal(size=(2, 30, 1)), 0, 1)
        looked = follow([Pair(x, y, ("a",), margin=0.2)], PLAN)[0].decided
        assert looked == (equivalence(x, y, 0.2, ERROR).p <= ERROR)


def test_equal_arms_are_seldom_called_different_along_the_way():
    rng = np.random.default_rng(9)
    states = [
        follow([Pair(*coins(rng, 0.5, 30, 2), ("a",), margin=0.2)], PLAN, estimates=nothing)[
            0
        ].state
        for _ in range(150)
    ]
    assert states.count("not equivalent") / 150 <= 0.025 + 3 * 0.0127
