"""The optimism gap is about choosing: where nothing is chosen, its mean is 0."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from fake_tune import FILE, plan
from family import some

from harness.search import confirm, figures, loop
from harness.search.evidence import Evidence
from harness.search.path import Step
from harness.search.plan import TUNING
from harness.search.score import Outcome

LEVELS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # of five environments: far apart beside the seeds
SPREAD = 0.1

SCORES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "log-normal": lambda rng, shape: rng.lognormal(size=shape),
}


def plan_of(folder, value, envs, seeds, test_seeds):
    """A search over so many environments, all of them one that there is under other names."""
    text = FILE.replace("seeds: 6\n", f"seeds: {seeds}\nvalue: {value}\n", 1)
    of = plan(folder, text.replace("test_seeds: 6", f"test_seeds: {test_seeds}"))
    (base,) = of.base
    return of._replace(base=tuple(base.model_copy(update={"env": f"e{i}"}) for i in range(envs)))


def gap(of, tuned, tested):
    """Of (seeds, environments) scores that nothing has chosen."""
    scores = [tuned[i.seed - TUNING, int(i.env[1:])] for i in of.instances()]
    trial = SimpleNamespace(user_attrs={loop.SCORES: scores})
    outcome = Outcome(tuple(tested.ravel()), 0, 0, 0.0, None)
    return confirm.promised(of, trial) - confirm.rerun_value(of, outcome)


@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("envs", some([1, 5], but={1}))
@pytest.mark.parametrize(
    "value", some(["mean - 1.0*se", "iqm", "iqm - 1.0*se", "mean"], but={"iqm", "mean"})
)
@pytest.mark.parametrize("seeds", [(3, 5), (5, 3)], ids=["3 tune, 5 test", "5 tune, 3 test"])
def test_without_a_choice_the_mean_gap_is_zero(tmp_path, scores, envs, value, seeds):
    """The two share their first seeds: no mean depends on that, and noise does."""
    of, draw = plan_of(tmp_path, value, envs, *seeds), SCORES[scores]
    rng = np.random.default_rng([envs, *seeds])
    gaps = []
    for _ in range(400):
        drawn = LEVELS[:envs] + SPREAD * draw(rng, (max(seeds), envs))
        gaps.append(gap(of, *(drawn[:n] for n in seeds)))
    error = np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 4 * error


@pytest.mark.parametrize("n", [3, 10])
def test_the_standard_error_knows_seeds_and_not_how_hard_an_environment_is(tmp_path, n):
    """Over all draws its square has the variance of the mean over seeds."""
    of, rng = plan_of(tmp_path, "mean - 1.0*se", 5, n, n), np.random.default_rng(n)
    instances, squares = of.pool(0, n), []
    for _ in range(1_000):
        scores = (LEVELS + SPREAD * rng.normal(size=(n, 5))).ravel()
        squares.append((scores.mean() - of.value(scores, instances)) ** 2)
    assert np.mean(squares) == pytest.approx(SPREAD**2 / (5 * n), rel=0.1)


def test_of_one_seed_in_each_environment_nothing_is_subtracted(tmp_path):
    of = plan_of(tmp_path, "mean - 1.0*se", 5, 1, 2)
    assert of.value(LEVELS, of.pool(0, 1)) == pytest.approx(LEVELS.mean())


def test_the_same_numbers_have_no_gap(tmp_path):
    of = plan_of(tmp_path, "iqm - 1.0*se", 5, 6, 6)
    scores = np.random.default_rng(0).normal(size=(6, 5))
    assert gap(of, scores, scores) == pytest.approx(0, abs=1e-12)


def test_the_interval_of_a_step_on_the_path_knows_seeds_and_not_environments(tmp_path):
    """Six seeds that agree in each of five unlike environments leave nothing to doubt."""
    of = plan_of(tmp_path, "mean", 5, 6, 6)
    scores = LEVELS + 1e-6 * np.arange(6)[:, None]
    step = Step("", [], Outcome(tuple(scores.ravel()), 0, 0, 0.0, None))
    (panel,) = figures.path(Evidence(of, [], None, None, (step,))).panels
    _, row = panel.marks
    assert 0 < row.high - row.low < 1e-4
