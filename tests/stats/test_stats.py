"""The statistics agree with rliable's, with closed forms, and with what an interval promises."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from fake_store import spec
from rliable import library, metrics
from scipy.stats import binomtest, kstwo, norm, t, trim_mean

from harness import stats
from harness.spec import Anchor, Anchors
from harness.stats import Curve, MissingRuns, aggregate, resample, score, uncertainty
from harness.stats.crosscheck import numpy_seed

RLIABLE = {
    "IQM": metrics.aggregate_iqm,
    "Median": metrics.aggregate_median,
    "Mean": metrics.aggregate_mean,
    "Optimality gap": metrics.aggregate_optimality_gap,
}
SHAPES = [(1, 1), (3, 1), (5, 2), (10, 3), (7, 5), (10, 10)]
TAUS = np.linspace(-0.2, 1.2, 29)


def scores(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Bimodal, as sparse rewards make them, with some noise."""
    rng = np.random.default_rng([seed, *shape])
    return (rng.random(shape) < 0.6) + 0.1 * rng.normal(size=shape)


def assert_same_interval(samples: np.ndarray, interval: np.ndarray, resamples: int) -> None:
    """Both ends of another's interval lie where its Monte-Carlo error, 5 sd wide, puts them."""
    for end, level in zip(np.ravel(interval), (0.025, 0.975), strict=True):
        error = 5 * np.sqrt(level * (1 - level) / resamples)
        low, high = np.quantile(samples, [max(0, level - error), min(1, level + error)])
        assert low - 1e-12 <= end <= high + 1e-12


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", stats.AGGREGATES)
def test_a_point_estimate_is_the_one_of_rliable(name, shape):
    matrix = scores(shape)
    assert stats.AGGREGATES[name](matrix) == pytest.approx(RLIABLE[name](matrix), abs=1e-12)


@pytest.mark.parametrize("name", stats.AGGREGATES)
def test_the_estimate_of_one_matrix_is_a_float(name):
    assert isinstance(stats.AGGREGATES[name](scores((5, 2))), float)


@pytest.mark.parametrize("name", stats.AGGREGATES)
def test_an_interval_is_the_one_of_rliable_but_for_monte_carlo_error(name):
    matrix = scores((10, 4))
    with numpy_seed(0):
        _, theirs = library.get_interval_estimates(
            {"x": matrix}, lambda s: np.array([RLIABLE[name](s)]), reps=1_000
        )
    samples = resample.bootstrap(matrix, stats.AGGREGATES[name], stats.generator("x"))
    assert_same_interval(samples, theirs["x"], 1_000)


@pytest.mark.parametrize(("runs", "others"), [(3, 3), (10, 10), (8, 5)])
def test_the_probability_of_improvement_is_the_one_of_rliable_with_ties(runs, others):
    x = np.round(scores((runs, 4)), 1)
    y = np.round(scores((others, 4), seed=1), 1)
    assert (x[:, None] == y[None]).any(), "there are ties to count"
    expected = metrics.probability_of_improvement(x, y)
    assert stats.improvement(x, y).point == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("runs", [6, 10])
@pytest.mark.parametrize("tasks", [1, 3])
def test_where_one_arm_always_wins_the_chance_of_it_is_not_certain(runs, tasks):
    ones, zeros = np.ones((runs, tasks)), np.zeros((runs, tasks))
    found = stats.improvement(ones, zeros)
    assert (found.point, found.high) == (1, 1)
    # Wilson's limit of as many successes in as many trials, with Student's t.
    square = t.ppf(0.975, tasks * 2 * (runs - 1)) ** 2 / (runs * tasks)
    assert found.low == pytest.approx(1 / (1 + square))
    assert stats.improvement(zeros, ones).high == pytest.approx(1 - found.low)


def test_the_limits_of_an_improvement_are_the_chances_at_t_standard_deviations():
    x, y = scores((8, 2)) + 0.2, scores((10, 2), seed=1)
    found = stats.improvement(x, y)
    for limit in (found.low, found.high):
        deviation = np.sqrt(limit * (1 - limit) / (2 * 8))
        distance = abs(found.point - limit) / deviation
        assert distance == pytest.approx(t.ppf(0.975, 2 * (8 + 10 - 2)))


def test_the_performance_profile_is_the_one_of_rliable():
    matrix = scores((10, 3))
    ours = aggregate.profile(TAUS)(matrix)
    assert ours == pytest.approx(library.score_distributions(matrix, TAUS), abs=1e-12)
    with numpy_seed(0):
        _, theirs = library.create_performance_profile({"x": matrix}, TAUS, reps=500)
    low, high = stats.percentile(
        resample.bootstrap(matrix, aggregate.profile(TAUS), stats.generator("x"), 2_000)
    )
    assert np.abs(np.stack([low, high]) - theirs["x"]).max() <= 2 / matrix.size  # two steps of it


def test_statistics_of_many_matrices_at_once_are_those_of_each():
    many = scores((6, 10, 3))
    for statistic in (*stats.AGGREGATES.values(), aggregate.profile(TAUS)):
        each = np.stack([statistic(one) for one in many])
        assert statistic(many) == pytest.approx(each, abs=1e-12)


def test_the_expanded_interval_of_a_normal_mean_is_nearly_students():
    """Whose interval is exact there: 10 seeds on one task, of which the mean is looked at."""
    rng, ratios = np.random.default_rng(0), []
    for _ in range(30):
        matrix = rng.normal(size=(10, 1))
        samples = resample.bootstrap(matrix, stats.mean, rng, 4_000)
        low, high = uncertainty.interval(samples, 10, 9)
        ratios.append((high - low) / (2 * 2.262 * matrix.std(ddof=1) / np.sqrt(10)))
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("n", "df"), [(3, 10), (6, 5), (10, 90)])
def test_few_seeds_widen_an_interval_and_many_do_not(n, df):
    quantile = t.ppf(0.975, df) * np.sqrt(n / (n - 1))
    assert 1 - 2 * uncertainty.tail(n, df) == pytest.approx(
        norm.cdf(quantile) - norm.cdf(-quantile)
    )
    assert 1 - 2 * uncertainty.tail(10**6, 10**6) == pytest.approx(0.95, abs=1e-5)


@pytest.mark.parametrize(("variances", "runs", "df"), [
    ([1, 1, 1], [6, 6, 6], 15),  # tasks that vary alike
    ([1, 0, 0], [6, 6, 6], 5),  # one that alone decides
    ([3, 1], [10, 10], 9 * 16 / 10),
    ([0, 0], [6, 6], 10),  # nothing varies
])  # fmt: skip
def test_the_degrees_of_freedom_are_those_of_the_tasks_that_vary(variances, runs, df):
    found = uncertainty.freedom(np.array(variances, dtype=float), np.array(runs))
    assert found == pytest.approx(df)


def test_the_jackknife_finds_the_task_that_varies():
    noisy = scores((10, 4)) * [10, 0.1, 0.1, 0.1]
    shares = uncertainty.task_variances(noisy, stats.mean)
    assert shares == pytest.approx(noisy.var(axis=0, ddof=1) / 10 / 4**2)


def test_one_noisy_task_widens_the_interval_as_if_it_were_alone():
    rng = np.random.default_rng(1)
    quiet = rng.normal(size=(6, 5)) * [1, 1e-6, 1e-6, 1e-6, 1e-6]
    alone = stats.mean(quiet[:, :1]), *uncertainty.limits(quiet[:, :1], stats.mean, rng)[1:]
    among = uncertainty.limits(quiet, stats.mean, rng)
    assert 5 * (among.high - among.low) == pytest.approx(alone[2] - alone[1], rel=0.05)


@pytest.mark.parametrize("statistic", stats.AGGREGATES.values())
def test_runs_that_all_tie_have_no_interval(statistic):
    found = stats.estimate(np.full((30, 5), 0.7), statistic, "x")
    assert found.shows == "tied"
    assert np.isnan(found.low)


@pytest.mark.parametrize("n", [6, 10])
def test_the_difference_of_arms_that_each_tie_allows_for_what_was_not_seen(n):
    ones, zeros = np.ones((n, 1)), np.zeros((n, 1))
    found = stats.difference(ones, zeros, stats.iqm, "x", "y")
    unseen = 1 - 0.025 ** (1 / n)  # of runs that score otherwise, at most
    off = (unseen - 0.25) / 0.5  # the part of the middle half that they fill
    assert found.point == 1
    assert found.low == pytest.approx(1 - 2 * off, abs=0.02)
    wider = stats.difference(ones, zeros, stats.iqm, "x", "y", span=np.array([[-9.0], [1.0]]))
    assert wider.low < found.low
    assert wider.high == pytest.approx(1 + off * 9, abs=0.2)


@pytest.mark.parametrize(("runs", "settled"), [(10, False), (12, False), (13, True), (30, True)])
def test_runs_that_all_tie_settle_a_difference_once_there_are_enough(runs, settled):
    """With 13 equal runs at most a quarter of all may differ (0.025^(1/13) > 0.75)."""
    found = stats.difference(np.ones((runs, 1)), np.ones((runs, 1)), stats.iqm, "x", "y")
    assert found.shows == "tied"
    assert (found.low == found.high == 0) == settled
    assert np.isnan(found.low) != settled


def test_a_band_of_the_whole_line_is_wider_than_that_of_each_point():
    runs = np.cumsum(np.random.default_rng(0).normal(size=(10, 1, 30)), axis=2)
    found = stats.band(runs, stats.curve_iqm, ("x",))
    assert (found.low_all <= found.low).all()
    assert (found.high <= found.high_all).all()
    assert (found.high_all - found.low_all).mean() > 1.2 * (found.high - found.low).mean()


def test_a_point_at_which_all_runs_tie_is_no_certain_point_of_the_whole_line():
    runs = np.cumsum(np.random.default_rng(0).normal(size=(10, 1, 30)), axis=2)
    runs[..., :5] = 0
    found = stats.band(runs, stats.curve_iqm, ("x",))
    assert (found.low[:5] == found.high[:5]).all()
    assert (found.low_all[:5] < -0.1).all()


def test_too_few_seeds_have_no_band_of_the_whole_line():
    runs = np.cumsum(np.random.default_rng(0).normal(size=(6, 1, 30)), axis=2)
    assert np.isnan(stats.band(runs, stats.curve_iqm, ("x",)).low_all).all()


def test_the_bands_of_a_profile_are_those_of_clopper_and_pearson_and_of_kolmogorov():
    matrix = scores((10, 2))
    found = stats.profile_band(matrix, TAUS)
    for i, above in enumerate((matrix[None] > TAUS[:, None, None]).sum(axis=(1, 2))):
        share = binomtest(int(above), 20).proportion_ci(0.95)
        assert (found.low[i], found.high[i]) == pytest.approx(share)
    off = kstwo.ppf(0.95, 20)
    middle = np.argmin(np.abs(found.point - 0.5))
    assert found.high_all[middle] == pytest.approx(found.point[middle] + off)


def test_runs_are_resampled_within_their_task():
    matrix = np.tile([0.0, 1.0, 5.0], (8, 1))  # tasks differ, runs do not
    assert np.ptp(resample.bootstrap(matrix, stats.mean, stats.generator("x"))) == 0


def test_a_curve_is_resampled_run_by_run():
    levels = scores((9, 2))
    runs = levels[..., None] * np.ones(5)  # each run keeps its level along training
    samples = resample.bootstrap(runs, stats.curve_iqm, stats.generator("x"), 50)
    assert np.ptp(samples, axis=1).max() == pytest.approx(0, abs=1e-12)
    assert np.ptp(samples[:, 0]) > 0


def test_memory_is_bounded_by_chunks_that_lose_no_resample(monkeypatch):
    monkeypatch.setattr(resample, "_CHUNK", 100)
    samples = resample.bootstrap(scores((7, 2)), stats.iqm, stats.generator("x"), 1_001)
    assert samples.shape == (1_001,)
    assert len(np.unique(samples)) > 100


def test_an_interval_depends_on_nothing_but_its_own_scores():
    matrix = scores((10, 3))
    first = stats.estimate(matrix, stats.iqm, "rnd")
    stats.estimate(matrix, stats.iqm, "another arm")
    state = np.random.get_state()[1].copy()
    assert stats.estimate(matrix, stats.iqm, "rnd") == first
    assert (np.random.get_state()[1] == state).all(), "the global generator was used"


def test_the_difference_of_an_arm_to_itself_has_an_interval_around_zero():
    matrix = scores((10, 3))
    gap = stats.difference(matrix, matrix, stats.iqm, "x", "y")
    assert gap.point == 0
    assert gap.low < 0 < gap.high


# Fewer seeds -------------------------------------------------------------------------------------

SIZES = [1, 2, 3, 5, 9]


def misled(x, y, statistic, k, amount) -> stats.FewerSeeds:
    ours, theirs = (stats.studies(scores, statistic, k) for scores in (x, y))
    return stats.fewer_seeds(ours, theirs, amount)


def one_bad_seed(n: int = 10) -> np.ndarray:
    """Every seed is 1 better than none, but for one that is 100 worse: -9.1 in the mean of 10."""
    return np.array([[-100.0]] + [[1.0]] * (n - 1))


@pytest.mark.parametrize("k", SIZES)
def test_fewer_seeds_mislead_whenever_they_miss_the_one_that_decides(k):
    x = one_bad_seed()
    found = misled(x, np.zeros_like(x), stats.mean, k, 10.2)
    # It is among k of 10 with probability k / 10. Without it a subset is off by 10.1, with it by
    # more than 10.2 as long as (101 - k) / k - 9.1 > 10.2, that is for up to 4 seeds.
    assert (found.k, found.n, found.difference) == (k, 10, pytest.approx(-9.1))
    assert found.opposite == pytest.approx(1 - k / 10)
    assert found.off == pytest.approx(k / 10 if k <= 4 else 0.0)
    assert found.equal == 0


@pytest.mark.parametrize("k", SIZES)
def test_fewer_seeds_never_mislead_about_what_is_the_same_in_each(k):
    noise = scores((10, 2))
    found = misled(noise + 0.3, noise, stats.mean, k, 1e-9)
    assert (found.opposite, found.equal, found.off) == (0, 0, 0)


def test_a_subset_that_sees_no_difference_says_neither():
    x = np.array([[1.0]] + [[0.0]] * 5)
    found = misled(x, np.zeros_like(x), stats.mean, 2, 1.0)
    assert (found.opposite, found.equal) == (0, pytest.approx(4 / 6))


def test_without_a_difference_there_is_no_opposite():
    x = scores((6, 1))
    found = misled(x, x, stats.iqm, 3, 0.1)
    assert np.isnan(found.opposite)
    assert (found.equal, found.off) == (1, 0)


@pytest.mark.parametrize(("n", "k"), [(7, 3), (30, 2), (20, 1), (4, 4)])
def test_few_subsets_are_all_tried_once(n, k):
    found = stats.subsets(n, k, np.random.default_rng(0))
    assert {frozenset(map(int, row)) for row in found} == set(
        map(frozenset, itertools.combinations(range(n), k))
    )
    assert len(found) == math.comb(n, k)


def test_many_subsets_are_drawn_evenly_without_repeating_a_seed():
    found = stats.subsets(30, 10, np.random.default_rng(0))
    assert found.shape == (stats.SUBSETS, 10)
    assert all(len(set(row)) == 10 for row in found.tolist())
    share = np.bincount(found.ravel(), minlength=30) / stats.SUBSETS
    assert share == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / stats.SUBSETS))


def test_drawn_subsets_mislead_about_as_often_as_all_of_them():
    x = one_bad_seed(30)
    found = misled(x, np.zeros_like(x), stats.mean, 12, 1.0)
    assert math.comb(30, 12) > stats.SUBSETS
    assert found.opposite == pytest.approx(1 - 12 / 30, abs=5 * np.sqrt(0.24 / stats.SUBSETS))
    assert misled(x, np.zeros_like(x), stats.mean, 12, 1.0) == found


# Tasks with unequal numbers of runs --------------------------------------------------------------


def ragged(counts: list[int], seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """The same scores as a matrix with gaps, which stand anywhere, and as one array a task."""
    columns = [scores((n, 1), seed + i)[:, 0] for i, n in enumerate(counts)]
    matrix, rng = np.full((max(counts), len(counts)), np.nan), np.random.default_rng(seed)
    for task, column in enumerate(columns):
        matrix[rng.permutation(max(counts))[: len(column)], task] = column
    return matrix, columns


def test_statistics_of_unequal_tasks_leave_gaps_out():
    matrix, columns = ragged([10, 7, 3])
    means = [column.mean() for column in columns]
    short = [1 - np.minimum(column, 1).mean() for column in columns]
    assert stats.iqm(matrix) == pytest.approx(trim_mean(np.concatenate(columns), 0.25))
    assert stats.mean(matrix) == pytest.approx(np.mean(means))
    assert aggregate.median(matrix) == pytest.approx(np.median(means))
    assert aggregate.optimality_gap(matrix) == pytest.approx(np.mean(short))
    above = [np.mean([(column > tau).mean() for column in columns]) for tau in TAUS]
    assert aggregate.profile(TAUS)(matrix) == pytest.approx(above)


def test_every_task_is_resampled_with_as_many_runs_as_it_has():
    matrix, columns = ragged([10, 7, 3])
    seen = resample.bootstrap(matrix, lambda drawn: drawn, stats.generator("x"), 200)
    for task, column in enumerate(columns):
        there = seen[:, :, task][~np.isnan(seen[:, :, task])]
        assert len(there) == 200 * len(column)
        assert set(there) == set(column)


def test_an_interval_of_unequal_tasks_is_gated_by_the_task_with_the_fewest_runs():
    assert stats.estimate(ragged([10, 8])[0], stats.iqm, "x").shows == "interval"
    assert stats.estimate(ragged([10, 4])[0], stats.iqm, "x").shows == "range"
    x, y = ragged([10, 7])[0], ragged([9, 6], seed=9)[0]
    found = stats.improvement(x, y)
    assert (found.shows, found.n) == ("interval", 6)
    assert found.low < found.point < found.high


# From curves to scores ---------------------------------------------------------------------------


def test_the_area_under_a_line_is_its_middle_however_uneven_the_steps():
    steps = np.array([0.0, 10.0, 70.0, 100.0])
    assert score.auc(Curve(steps, 2 * steps)) == pytest.approx(100.0)
    assert score.auc(Curve(steps, np.full(4, 7.0))) == pytest.approx(7.0)


def test_the_final_evaluation_is_the_end_of_the_curve():
    rows = [("a", "e", 0, "k", step, final, mean, 0.0, 20) for step, final, mean in
            [(0, False, 1.0), (50, False, 2.0), (100, False, 3.0), (100, True, 9.0)]]  # fmt: skip
    names = ["arm", "env", "seed", "key", "step", "final", "mean", "sd", "episodes"]
    (curve,) = stats.curves(pd.DataFrame(rows, columns=names)).values()
    assert list(curve.steps) == [0, 50, 100]
    assert stats.final(curve) == 9.0
    (turned,) = stats.curves(pd.DataFrame(rows[::-1], columns=names)).values()
    assert stats.final(turned) == 9.0 and list(turned.steps) == [0, 50, 100]


@pytest.mark.parametrize("marks", [(False, False), (True, True), (True, False)])
def test_a_curve_without_one_final_evaluation_at_its_end_is_an_error(marks):
    rows = [("a", "e", 0, 50 * i, mark, 1.0) for i, mark in enumerate(marks)]
    frame = pd.DataFrame(rows, columns=["arm", "env", "seed", "step", "final", "mean"])
    with pytest.raises(ValueError, match="no single final evaluation"):
        stats.curves(frame)


def test_the_anchors_are_zero_and_one():
    anchors = Anchors(random=Anchor(score=-200, source=""), reference=Anchor(score=-100, source=""))
    normalised = stats.normalise(np.array([-200.0, -100.0, -150.0, -50.0]), anchors)
    assert normalised == pytest.approx([0, 1, 0.5, 1.5])


def matrix_of(runs: list, missing: list) -> stats.Scores:
    found = {
        (run.arm, run.env, run.seed): Curve(np.array([0.0, 1.0]), np.array([0.0, run.seed + 1.0]))
        for run in runs
        if (run.arm, run.env, run.seed) not in missing
    }
    return stats.score_matrix({run: stats.final(curve) for run, curve in found.items()}, runs)


RUNS = [spec(arm, env, seed) for arm in "ab" for env in ("X", "Y") for seed in range(4)]


def test_every_score_finds_its_cell():
    found = matrix_of(RUNS, [])
    assert found.matrix("a").tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]
    assert found.matrix("b", ["Y"]).tolist() == [[1], [2], [3], [4]]
    assert found.complete(found.arms)


def test_a_missing_run_is_an_error_where_it_would_count_and_nowhere_else():
    found = matrix_of(RUNS, [("a", "X", 2)])
    with pytest.raises(MissingRuns, match="7 of 8 runs"):
        found.matrix("a")
    with pytest.raises(MissingRuns, match="3 of 4 runs"):
        found.matrix("a", ["X"])
    assert found.matrix("a", ["Y"]).shape == (4, 1)
    assert found.matrix("b").shape == (4, 2)


def test_a_run_that_was_never_planned_is_not_missing():
    runs = [run for run in RUNS if (run.arm, run.env) != ("a", "Y")]
    found = matrix_of(runs, [])
    assert not found.complete(found.arms)
    assert found.count("a") == (4, 4)
    assert found.matrix("a", ["X"]).shape == (4, 1)


# What may be shown of few seeds ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "tasks", "shows"),
    [
        (1, 1, "point"),
        (2, 10, "point"),
        (3, 1, "range"),
        (5, 4, "range"),
        (3, 5, "stamped"),
        (5, 10, "stamped"),
        (6, 1, "stamped"),
        (8, 1, "interval"),
        (10, 3, "interval"),
    ],
)
def test_few_seeds_show_less(n, tasks, shows):
    matrix = scores((n, tasks))
    found = stats.estimate(matrix, stats.iqm, "x")
    assert found.shows == shows
    assert np.isfinite(found.low) == (shows != "point")
    assert found.n == n
    if shows == "range":
        each = [stats.iqm(run[None]) for run in matrix]
        assert (found.low, found.high) == (min(each), max(each))


@pytest.mark.parametrize(("runs", "shows"), [
    ((5, 1), "point"), ((5, 6), "stamped"), ((6, 1), "interval"), ((8, 1), "interval"),
])  # fmt: skip
def test_a_difference_shows_what_its_smaller_arm_allows(runs, shows):
    more = scores((10, runs[1]))
    assert stats.difference(more, scores(runs), stats.iqm, "x", "y").shows == shows


@pytest.mark.parametrize("name", ["Mean", "Median", "Optimality gap"])
@pytest.mark.parametrize("n", [6, 10])
def test_a_statistic_that_rare_failures_decide_shows_the_range_of_few_seeds(name, n):
    """Of 10 seeds of which one in ten fails, a third of all experiments sees none that does."""
    matrix = scores((n, 1))
    found = stats.estimate(matrix, stats.AGGREGATES[name], "x")
    each = stats.AGGREGATES[name](matrix[:, None])
    assert (found.shows, found.low, found.high) == ("range", each.min(), each.max())


def test_what_was_never_simulated_has_no_interval():
    assert (
        stats.estimate(scores((30, 1)), lambda values: values.max(axis=(-2, -1))).shows == "range"
    )
