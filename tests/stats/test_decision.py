"""Tests and designs: p-values are exact, families hold together, and power is what it says."""

from __future__ import annotations

import itertools

import fake_store
import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from harness import stats
from harness.spec import Claim
from harness.stats import permutation, power, uncertainty


def brute_force(x: np.ndarray, y: np.ndarray) -> float:
    """Deal the runs of each task to the two arms in every way, and count wins."""
    chances = []
    for task in range(x.shape[1]):
        pool = np.concatenate([x[:, task], y[:, task]])
        chances.append([_chance(pool, list(mine)) for mine in
                        itertools.combinations(range(len(pool)), len(x))])  # fmt: skip
    dealt = np.array([sum(deal) for deal in itertools.product(*chances)])
    middle = dealt.mean()
    return float((np.abs(dealt - middle) >= abs(dealt[0] - middle) - 1e-9).mean())


def _chance(pool: np.ndarray, mine: list[int]) -> float:
    ours, theirs = pool[mine], np.delete(pool, mine)
    return float(np.mean(np.sign(ours[:, None] - theirs)))


@pytest.mark.parametrize("decimals", [0, 1, 8], ids=["many ties", "some ties", "no ties"])
@pytest.mark.parametrize("shape", [(3, 1), (4, 1), (3, 2), (3, 3), (2, 4)])
def test_a_p_value_counts_every_way_to_deal_the_runs(shape, decimals):
    rng = np.random.default_rng([*shape, decimals])
    x, y = np.round(rng.normal(0.5, 1, shape), decimals), np.round(rng.normal(size=shape), decimals)
    assert stats.permutation_p(x, y) == pytest.approx(brute_force(x, y), abs=1e-12)


def test_arms_may_have_unequal_numbers_of_runs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, 1, (7, 1)), rng.normal(size=(4, 1))
    assert stats.permutation_p(x, y) == pytest.approx(brute_force(x, y), abs=1e-12)
    assert stats.permutation_p(y, x) == pytest.approx(stats.permutation_p(x, y))


@pytest.mark.parametrize("n", [6, 10, 30])
def test_without_ties_it_is_the_exact_test_of_mann_and_whitney(n):
    rng = np.random.default_rng(n)
    x, y = rng.normal(0.6, 1, (n, 1)), rng.normal(size=(n, 1))
    expected = mannwhitneyu(x[:, 0], y[:, 0], method="exact").pvalue
    assert stats.permutation_p(x, y) == pytest.approx(expected, rel=1e-9)


def test_gaps_are_not_runs():
    x, y = np.array([[3.0], [4.0], [np.nan]]), np.array([[1.0], [2.0], [np.nan]])
    assert stats.permutation_p(x, y) == pytest.approx(2 / 6)


@pytest.mark.parametrize(("n", "tasks"), [(3, 1), (6, 1), (10, 1), (3, 5), (10, 10)])
def test_the_smallest_p_is_reached_when_every_run_wins_and_never_below(n, tasks):
    ours, theirs = np.ones((n, tasks)), np.zeros((n, tasks))
    assert stats.permutation_p(ours, theirs) == pytest.approx(permutation.smallest_p(n, n, tasks))


def test_equal_arms_are_told_apart_no_more_often_than_alpha():
    rng = np.random.default_rng(0)
    found = [stats.permutation_p(*rng.normal(size=(2, 8, 2))) <= 0.05 for _ in range(2_000)]
    assert np.mean(found) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2_000)
    assert np.mean(found) > 0.03  # and it is no empty promise


def test_a_loss_is_as_significant_as_a_win():
    x, y = np.random.default_rng(0).normal(size=(2, 6, 2))
    assert stats.permutation_p(x + 1, y) == pytest.approx(stats.permutation_p(-x - 1, -y))


def test_holm_is_the_textbook_example():
    """Holm (1979) by hand: 4 * .01, 3 * .015, 2 * .03 and 1 * .04, each at least the one before."""
    assert stats.holm([0.03, 0.01, 0.04, 0.015]) == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert stats.holm([0.5, 0.9]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_a_family_of_true_nulls_is_seldom_rejected_in_any_member():
    rng = np.random.default_rng(0)
    rejected = [min(stats.holm(rng.random(5))) <= 0.05 for _ in range(4_000)]
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.012)


# What a design can show --------------------------------------------------------------------------


def claims(count: int, env: str | None = "DeepSea-20") -> tuple[Claim, ...]:
    return tuple(Claim(text=str(i), better="rnd", worse="ppo", env=env) for i in range(count))


def abilities(seeds: int, count: int, env: str | None = "DeepSea-20", **more):
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20", "DeepSea-10"), seeds, **more)
    return stats.abilities(sweep.model_copy(update={"claims": claims(count, env)}))


@pytest.mark.parametrize(
    ("seeds", "count", "possible"), [(5, 1, False), (6, 1, True), (6, 23, True), (6, 24, False)]
)
def test_a_claim_that_no_outcome_could_support_is_known_beforehand(seeds, count, possible):
    """24 * 2 / C(12, 6) is above 0.05, and 23 times it is not."""
    assert all(bool(one.impossible) != possible for one in abilities(seeds, count))


def test_what_is_called_impossible_is_so_for_the_best_outcome_there_is():
    for count in (23, 24):
        (one, *_) = abilities(6, count)
        best = stats.permutation_p(np.ones((6, 1)), np.zeros((6, 1)))
        assert one.adjusted == pytest.approx(stats.holm([best] * count)[0])


def test_the_way_out_that_is_named_is_one():
    (one, *_) = abilities(6, 24)
    assert "raise `seeds` to 7 or more" in one.impossible
    assert not abilities(7, 24)[0].impossible


def test_arms_that_never_meet_cannot_be_compared():
    runs = [
        fake_store.spec("ppo", env, s) for env in ("DeepSea-20", "DeepSea-10") for s in range(9)
    ]
    runs += [fake_store.spec("rnd", "DeepSea-10", seed) for seed in range(9)]
    (there,) = abilities(9, 1, "DeepSea-20", runs=tuple(runs))
    (overall,) = abilities(9, 1, None, runs=tuple(runs))
    assert there.impossible == "rnd is not trained on DeepSea-20"
    assert "say on which environment" in overall.impossible
    assert not abilities(9, 1, "DeepSea-10", runs=tuple(runs))[0].impossible


def decided(shift: float, runs: int, tasks: int, rng: np.random.Generator) -> bool:
    """A claim about two arms so many standard deviations apart, one of three of a family."""
    x, y = rng.normal(shift, 1, (runs, tasks)), rng.normal(size=(runs, tasks))
    parts = [stats.Part("", 1, x), stats.Part("", -1, y)]
    interval = uncertainty.contrast_limits(parts, stats.iqm, [rng, rng], 400)
    return stats.permutation_p(x, y) <= 0.05 / 3 and interval.low > 0


@pytest.mark.parametrize(("runs", "tasks"), [pytest.param(8, 2, marks=pytest.mark.slow), (10, 1)])
def test_the_detectable_effect_is_decided_at_the_promised_rate_and_a_smaller_one_is_not(
    runs, tasks
):
    effect, rng = stats.detectable(runs, tasks, 3), np.random.default_rng(5)

    def rate(shift: float) -> float:
        return np.mean([decided(shift, runs, tasks, rng) for _ in range(500)])

    assert rate(effect) == pytest.approx(stats.POWER, abs=0.07)  # twice .018, 3 times
    assert rate(effect / 2) < 0.5


def test_the_interval_makes_a_decision_rarer_than_the_test_alone(monkeypatch):
    both = stats.detectable(10, 1, 1)
    monkeypatch.setattr(power, "lower_end", lambda *_: np.inf)  # it never stands in the way
    power.detectable.cache_clear()
    assert both > power.detectable(10, 1, 1) + 0.05
    power.detectable.cache_clear()


def test_more_seeds_environments_and_fewer_claims_detect_less():
    base = stats.detectable(8, 1, 2)
    assert stats.detectable(16, 1, 2) < base
    assert stats.detectable(8, 3, 2) < base
    assert stats.detectable(8, 1, 10) > base
    assert stats.detectable(3, 1, 1) == np.inf


@pytest.mark.parametrize(("n", "alpha"), [(6, 0.05), (6, 0.01), (7, 0.05), (3, 0.05)])
def test_the_limit_of_the_test_is_where_its_p_value_passes_alpha(n, alpha):
    sums = [2 * sum(mine) for mine in itertools.combinations(range(1, 2 * n + 1), n)]
    distance = np.abs(np.array(sums) - n * (2 * n + 1))
    within = [d for d in distance if (distance >= d).mean() <= alpha]
    assert permutation.critical_sum(n, 1, alpha) == min(within, default=np.inf)
