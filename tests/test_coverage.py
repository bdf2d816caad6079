"""How much of an environment training has seen, as metrics of a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness import coverage, own
from harness.own import Run
from harness.store.run_files import Visits

REACHABLE = np.array([[True, True, False], [True, True, True]])
STEPS = np.array([[0, 50, -1], [10, 100, 20]])
EPISODES = np.array([[1, 3, -1], [1, 7, 2]])


def run(first_steps=STEPS, first_episodes=EPISODES, visits=True, each=1):
    counts = np.full((4, 2, 3), each, np.int64)
    seen = Visits(
        counts, REACHABLE, episodes=np.array(9),
        first_steps=first_steps, first_episodes=first_episodes,
    )  # fmt: skip
    nothing = pd.DataFrame()
    return Run("ppo", "Chain-50", 0, 100, {}, nothing, nothing, {}, seen if visits else None)


def without(array):
    """One cell was never visited."""
    found = array.copy()
    found[1, 0] = -1
    return found


def test_coverage_is_a_share_of_what_can_be_reached():
    assert coverage.coverage(run()) == 1.0
    assert coverage.coverage(run(without(STEPS))) == 0.8


def test_mean_coverage_is_the_area_under_the_curve_of_coverage():
    along = [(without(STEPS)[REACHABLE] <= step).sum() - 1 for step in range(100)]  # -1 is one

    found = coverage.mean_coverage(run(without(STEPS)))

    assert found == pytest.approx(np.mean(along) / 5)


def test_episodes_to_cover_are_those_to_the_last_cell_or_more_than_there_were():
    assert coverage.episodes_to_cover(run()) == 7
    assert coverage.episodes_to_cover(run(first_episodes=without(EPISODES))) == 10


@pytest.mark.parametrize("of", [run(visits=False), run(first_steps=None)])
def test_where_nobody_counted_there_is_no_number(of):
    with pytest.raises(ValueError, match="Chain-50 has no cells"):
        coverage.coverage(of)


def test_an_agent_that_takes_no_steps_in_training_has_no_coverage():
    with pytest.raises(ValueError, match="ppo takes no steps in training"):
        coverage.mean_coverage(run(np.full_like(STEPS, -1), each=0))


@pytest.mark.parametrize("name", ["coverage", "mean_coverage", "episodes_to_cover"])
def test_a_sweep_may_name_each_of_them(name, monkeypatch):
    monkeypatch.setattr("harness.config.study.refused", lambda target: "")

    made = own.metric(f"harness.coverage:{name}")

    assert (made.of, made.name) == ("run", name)
