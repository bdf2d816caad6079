"""The harness from Python: five nouns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rliable import metrics

import harness as h
from harness.config.strict import UserError

ROOT = Path(__file__).parents[1]
SWEEP = """\
name: tiny
question: Does a controller beat chance?
envs: [CartPole-v1]
seeds: 6
steps: 20
evaluation: {every: 10, episodes: 2, final_episodes: 3}
arms:
  random: {agent: random}
  pid: {agent: pid}
claims: [pid > random by final]
report: {baseline: random}
"""


SCRIPT = """\
import harness as h

print("begins")
print(h.Sweep.load("tiny.yaml").run(workers=2))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """A folder in which a user's script has run a sweep, and what it has printed."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "tiny.yaml").write_text(SWEEP)
    (folder / "script.py").write_text(SCRIPT)
    words, env = [sys.executable, "script.py"], os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


@pytest.fixture(scope="module")
def swept(script):
    folder, _ = script
    return h.results("tiny", folder / "results"), folder / "results"


def test_a_script_that_starts_workers_is_run_once(script):
    _, said = script

    assert said.count("begins") == 1
    assert "<Results of tiny: 12 of 12 runs>" in said


def test_a_sweep_is_run_and_its_results_are_a_tidy_frame(swept):
    results, folder = swept
    frame = h.results("tiny", folder).frame()

    assert results.missing() == []
    assert repr(results) == "<Results of tiny: 12 of 12 runs>"
    assert len(frame) == 2 * 6 * 3  # at 0, 10 and 20 steps
    assert {"arm", "env", "seed", "agent", "step", "final", "score", "hparams.kp"} <= set(frame)
    finals = frame[frame.final].groupby("arm").score.min()
    assert finals["pid"] > finals["random"]


def test_a_report_is_written_from_python(swept):
    page = swept[0].report(figures=False)

    assert "Supported: pid beats random" in (page.parent / "report.md").read_text()


def test_a_trained_agent_acts_in_its_environment(swept):
    results, folder = swept
    spec = next(run for run in results.sweep.runs if run.arm == "pid")
    agent = h.load(spec, folder)
    env = agent.make_env()
    observation, _ = env.reset(seed=0)

    actions, _ = agent.predict(observation[None])

    assert env.action_space.contains(actions[0])
    assert h.load(spec.key, folder).spec == agent.spec


def test_what_is_not_there_is_told_with_the_way_out(swept):
    with pytest.raises(UserError, match="Did you mean 'tiny'"):
        h.results("tinny", swept[1])
    with pytest.raises(UserError, match="no run 'abc'"):
        h.load("abc", swept[1])


def test_statistics_of_bare_arrays_are_rliables():
    scores = np.random.default_rng(0).normal(size=(10, 5))

    assert h.stats.iqm(scores) == pytest.approx(metrics.aggregate_iqm(scores))
    assert h.stats.mean(scores) == pytest.approx(metrics.aggregate_mean(scores))
    assert h.stats.median(scores) == pytest.approx(metrics.aggregate_median(scores))
    assert h.stats.optimality_gap(scores) == pytest.approx(metrics.aggregate_optimality_gap(scores))
    other = scores + 0.3
    wins = metrics.probability_of_improvement(other, scores)
    assert h.stats.compare(other, scores).improvement.point == pytest.approx(wins)


@pytest.mark.parametrize("statistic", ["iqm", "mean", "median", "optimality_gap"])
def test_the_runs_of_one_task_may_be_any_sequence(statistic):
    ask, column = getattr(h.stats, statistic), pd.Series([1.0, 2.0, 4.0, 9.0], index=list("abcd"))

    assert ask(column) == ask(list(column)) == ask(column.to_numpy()[:, None])
    with pytest.raises(ValueError, match="missing"):
        ask([1.0, np.nan])
    with pytest.raises(ValueError, match="no score"):
        ask([])


def test_a_comparison_has_the_estimates_and_the_test_of_a_claim():
    better = h.stats.compare(np.arange(8) + 10.0, np.arange(8))

    assert better.difference.point == pytest.approx(10)
    assert better.difference.low > 0
    assert better.p == pytest.approx(2 / 12870)  # of all ways to deal 16 runs to two arms


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1.0, np.nan], [1.0, 2.0], "missing or not finite"),
        (np.ones((4, 2)), np.ones((4, 3)), "x has 2 tasks, y has 3"),
        (np.ones((2, 2, 2)), np.ones(2), "shape"),
        ([], [1.0], "shape"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(x, y, words):
    with pytest.raises(ValueError, match=words):
        h.stats.compare(x, y)
