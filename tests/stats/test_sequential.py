"""Looks after every block of seeds keep the error, and find what a fixed number would find."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.spec import Decide
from harness.stats import permutation_p, prospect
from harness.stats.sequential import Pair, Paths, attainable, follow, share

PLAN = Decide()
RND = Path(__file__).parents[2] / "docs/results/rnd/scores.csv"
SPAN = np.array([[0.0], [1.0]])


def paths(plan=PLAN, levels=None, names=("test",), n=2_000):
    return Paths(plan, np.array([plan.alpha]) if levels is None else levels, names, n)


def ended(x, y, names, plan=PLAN, n=500):
    """By the test alone, at one level: whether it is decided, and after how many seeds."""
    of = paths(plan, names=names, n=n)
    for seeds in plan.looks:
        of.look(x[:seeds], y[:seeds])
        if of.p <= plan.alpha:
            return True, seeds
    return False, plan.cap


def share_decided(shift, experiments, seed, n=500):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(experiments, 2, PLAN.cap, 1))
    found = [ended(x + shift, y, (str(i),), n=n) for i, (x, y) in enumerate(scores)]
    return np.mean(found, axis=0)


# The numbers by which the rule was chosen ---------------------------------------------------------


@pytest.mark.parametrize("stream", range(3))
def test_six_successes_against_six_failures(stream):
    levels = np.geomspace(0.005, 0.02, 300)
    of = paths(levels=levels, names=(str(stream),), n=50_000)
    of.look(np.ones((6, 1)), np.zeros((6, 1)))

    exact = 2 / math.comb(12, 6) / share(6, 30)
    assert exact == pytest.approx(0.0108, abs=5e-5)
    assert of.p == pytest.approx(exact, rel=3.5 / math.sqrt(50_000 * 2 / math.comb(12, 6)))


@pytest.mark.parametrize(("claims", "seeds"), [(1, 6), (3, 6), (5, 10), (10, 10)])
def test_when_all_fail_against_all_succeed_few_claims_are_decided_at_the_first_look(claims, seeds):
    assert prospect.certain(PLAN, 1, claims) == seeds
    assert prospect.certain(PLAN.model_copy(update={"block": 2}), 1, claims) == min(seeds, 8)


def test_equal_arms_are_seldom_decided():
    decided, _ = share_decided(0.0, 80, seed=3)
    assert decided <= 0.051 + 3 * 0.025


def test_a_difference_of_one_standard_deviation_is_mostly_decided_early():
    decided, seeds = share_decided(1.0, 80, seed=4)
    assert decided == pytest.approx(0.92, abs=3 * 0.03)
    assert seeds == pytest.approx(17.5, abs=3 * 0.9)


@pytest.mark.slow
def test_the_test_alone_as_it_was_measured():
    decided, _ = share_decided(0.0, 3_000, seed=14, n=2_000)
    assert decided == pytest.approx(0.051, abs=3 * 0.004)
    decided, seeds = share_decided(1.0, 3_000, seed=15, n=2_000)
    assert decided == pytest.approx(0.92, abs=3 * 0.005)
    assert seeds == pytest.approx(17.5, abs=3 * 0.13)


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "decided", "seeds"), [(0.0, 0.034, None), (1.0, 0.89, 19.0)])
def test_the_rule_as_it_was_measured(shift, decided, seeds):
    """The test and the interval at the level of the look."""
    rng, n = np.random.default_rng(16), 400
    courses = [
        follow([Pair(rng.normal(size=(30, 1)) + shift, rng.normal(size=(30, 1)), (str(i),))], PLAN)[
            0
        ]
        for i in range(n)
    ]
    found = [course.decided for course in courses]
    assert np.mean(found) == pytest.approx(decided, abs=3 * math.sqrt(decided / n))
    if seeds:
        assert np.mean([c.seeds for c in courses]) == pytest.approx(seeds, abs=3 * 0.4)


@pytest.mark.slow
def test_what_check_expects_agrees_with_the_rule():
    one = next(each for each in prospect.prospects(PLAN, 1, 1) if each.effect == 1.0)
    assert one.decided == pytest.approx(0.89, abs=0.07)
    assert one.seeds == pytest.approx(19.0, abs=1.6)
    assert one.cap == pytest.approx(0.93, abs=0.04)


def test_the_claims_of_rnd_from_their_own_runs():
    """As docs/statistics.md tells it: looked at after six seeds, and all ten at once."""
    runs = pd.read_csv(RND)
    runs = runs[runs.env == "DeepSea-20"].sort_values("seed")
    pairs = []
    for better, worse, score in (
        ("rnd", "ppo", "final"), ("rnd", "ppo", "auc"), ("rnd", "no_obs_norm", "auc"),
    ):  # fmt: skip
        x, y = (runs[runs.arm == arm][score].to_numpy()[:, None] for arm in (better, worse))
        names = (*sorted((better, worse)), "DeepSea-20", score)
        pairs.append(Pair(x, y, names, better, worse, np.array([[0.0], [0.99]])))
    courses = follow(pairs, PLAN)
    decided = [(course.state, course.seeds) for course in courses]
    assert decided == [("supported", 6), ("supported", 6), ("open", 10)]
    assert [round(course.looks[-1].p, 3) for course in courses] == [0.011, 0.012, 0.22]
    assert [round(course.looks[-1].adjusted, 3) for course in courses[:2]] == [0.032, 0.032]
    assert permutation_p(pairs[2].x, pairs[2].y) == pytest.approx(0.11, abs=0.005)


# What must hold of every path ---------------------------------------------------------------------

LEVELS = np.geomspace(0.002, 1.0, 60)


def scores(kind, seed, tasks=2):
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(2, 14, tasks)) + np.array([0.7, 0.0])[:, None, None]
    return {"apart": drawn, "ties": drawn.round(), "zero-one": (drawn > 0.5) * 1.0}[kind]


@pytest.mark.parametrize("kind", ["apart", "ties", "zero-one"])
@pytest.mark.parametrize("seed", range(3))
def test_p_never_rises_and_hangs_on_no_order(kind, seed):
    x, y = scores(kind, seed)
    plan = Decide(first=6, block=4, cap=14)
    here, swapped, shuffled = (paths(plan, LEVELS) for _ in range(3))
    before = 1.0
    order = np.array([3, 1, 2, 5, 0, 4, *range(9, 5, -1), *range(13, 9, -1)])
    for n in plan.looks:
        here.look(x[:n], y[:n])
        swapped.look(y[:n], x[:n])
        shuffled.look(x[order][:n], y[:n])
        assert here.p == swapped.p == shuffled.p <= before
        assert here.side == -swapped.side == shuffled.side
        before = here.p


@pytest.mark.parametrize("kind", ["apart", "ties", "zero-one"])
def test_with_one_look_as_many_paths_are_as_far_out_as_the_exact_test_counts(kind):
    x, y = scores(kind, 5)
    of = paths(Decide(first=14, block=1, cap=14), n=50_000)
    of.look(x, y)
    assert of.as_far == pytest.approx(permutation_p(x, y), abs=0.008)


def test_arms_that_tie_altogether_are_told_apart_by_nothing():
    of, same = paths(levels=LEVELS), np.ones((14, 1))
    for n in (6, 10, 14):
        of.look(same[:n], same[:n])
    assert (of.p, of.side, of.as_far, of.outside) == (1.0, 0, 1.0, 0.0)


def test_at_every_level_no_more_paths_are_stopped_than_may_be():
    x, y = scores("zero-one", 7, tasks=1)
    plan = Decide(first=6, block=2, cap=14)
    of = paths(plan, LEVELS)
    for n in plan.looks:
        of.look(x[:n], y[:n])
        assert (of._stopped.mean(axis=1) <= LEVELS * share(n, plan.cap) + 1e-9).all()


@pytest.mark.parametrize("kind", ["apart", "ties", "zero-one"])
@pytest.mark.parametrize("seed", range(4))
def test_a_path_is_stopped_where_its_chance_of_improvement_leaves_the_boundary(kind, seed):
    x, y = scores(kind, seed)
    never = np.empty((0, 2))  # a second claim: its first step of Holm's correction is stricter
    pairs = [Pair(x, y, ("a",)), Pair(never, never, ("b",))]
    course = follow(pairs, Decide(first=6, block=4, cap=14), paths=2_000)[0]

    beyond = [abs(look.improvement.point - 0.5) + 0.5 > look.boundary for look in course.looks]
    strictly = [abs(look.improvement.point - 0.5) + 0.5 > look.first_step for look in course.looks]
    for i, look in enumerate(course.looks):
        assert 0.5 <= look.boundary <= look.first_step <= 1.0
        assert (look.p <= PLAN.alpha) == any(beyond[: i + 1])
        assert (look.p <= PLAN.alpha / 2) == any(strictly[: i + 1])


def test_fewer_seeds_give_the_same_first_looks():
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(2, 30, 1)) + np.array([0.2, 0.0])[:, None, None]
    whole = follow([Pair(x, y, ("a",))], PLAN, paths=2_000)[0]
    part = follow([Pair(x[:17], y[:20], ("a",))], PLAN, paths=2_000)[0]
    assert part.state == "open"
    assert part.looks == whole.looks[:3]
    assert [look.seeds for look in whole.looks] == [6, 10, 14, 18, 22, 26, 30]


def test_what_is_decided_is_looked_at_no_more_and_the_family_counts_what_has_no_runs():
    ones, none = np.ones((30, 1)), np.empty((0, 1))
    winner = Pair(ones, 0 * ones, ("a",), span=SPAN)
    first, loser, absent = follow(
        [winner, Pair(0 * ones, ones, ("b",), span=SPAN), Pair(none, none, ("c",))], PLAN
    )
    assert (first.state, loser.state, absent.state) == ("supported", "contradicted", "open")
    assert first.seeds == loser.seeds == 6
    assert first.looks[0].adjusted > 2 * first.looks[0].p
    assert absent.looks == []


def test_a_claim_is_given_up_only_if_asked_and_from_half_of_the_cap_on():
    rng = np.random.default_rng(9)
    x = rng.normal(size=(30, 1))
    pair = Pair(x, x[::-1].copy(), ("a",))
    asked = follow([pair], PLAN.model_copy(update={"futility": True}), paths=1_000)[0]
    assert asked.state == "given up"
    assert 15 <= asked.seeds < 30
    assert follow([pair], PLAN, paths=1_000)[0].state == "undecided"


def test_seeds_beyond_the_cap_continue_the_same_looks():
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(2, 38, 1)) + np.array([0.5, 0.0])[:, None, None]
    plan = Decide(first=6, block=4, cap=10, reserve=0.2)
    at_cap = follow([Pair(x[:10], y[:10], ("a",))], plan, paths=2_000)[0]
    assert at_cap.state == "undecided"
    longer = plan.model_copy(update={"beyond": 38})
    beyond = follow([Pair(x, y, ("a",))], longer, paths=2_000)[0]
    assert beyond.looks[:2] == at_cap.looks
    assert [round(look.spent, 3) for look in beyond.looks[:4]] == [0.48, 0.8, 0.857, 0.889]


def test_a_reserve_leaves_error_for_seeds_beyond_the_cap():
    assert share(30, 30) == 1.0
    assert share(30, 30, 0.2) == pytest.approx(0.8)
    assert [share(n, 30, 0.2) for n in (60, 10**9)] == pytest.approx([0.9, 1.0])


@pytest.mark.parametrize(
    ("plan", "tasks", "least"),
    [
        (Decide(first=6, block=4, cap=6), 1, 2 / 924),
        (Decide(first=4, block=1, cap=5), 1, 1.0),  # no look has an interval
        (PLAN, 1, 1 / 50_000),
        (Decide(first=6, block=4, cap=10, reserve=0.5), 1, 2 / 924 / 70 / 0.5),
        (Decide(first=6, block=4, cap=10, reserve=0.5, beyond=14), 5, 1 / 50_000 / (1 - 5 / 14)),
        (Decide(first=1_000, block=1_000, cap=10_000), 1, 1 / 50_000),
    ],
)
def test_the_smallest_p_that_looks_can_give(plan, tasks, least):
    assert attainable(plan, tasks) == pytest.approx(least)
