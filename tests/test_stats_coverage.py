"""The shipped table of coverages is what the simulation finds, and it is good enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import stats
from harness.stats import coverage

TABLE = coverage.shipped_table()
DOCUMENT = (Path(__file__).parent.parent / "docs/statistics.md").read_text(encoding="utf-8")


def test_the_shipped_table_has_every_row_of_the_simulation():
    assert [(row.seeds, row.tasks, row.scores) for row in TABLE] == coverage.cells()
    assert {row.trials for row in TABLE} == {coverage.TRIALS}
    assert coverage.shipped_path().read_text() == coverage.text(list(TABLE))


@pytest.mark.parametrize("row", [row for row in TABLE if row.shows == "interval"], ids=str)
def test_no_interval_is_printed_unstamped_that_covers_less_than_ninety_percent(row):
    assert row.iqm >= 0.9
    assert row.difference >= 0.9


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_arms_of_equal_middle_are_seldom_told_apart(row):
    assert row.wrong <= stats.ALPHA + 3 * np.sqrt(0.05 * 0.95 / row.trials)


def test_the_row_that_is_quoted_is_no_better_than_the_design():
    (first, *_) = stats.expected(12, 3)
    assert (first.seeds, first.tasks) == (10, 1)
    (first, *_) = stats.expected(30, 8)
    assert (first.seeds, first.tasks) == (20, 5)
    assert stats.expected(5, 1) == []  # no interval is printed there


def test_the_true_iqm_of_normal_scores_is_zero_and_of_log_normal_ones_below_their_mean():
    assert coverage.true_iqm("normal") == pytest.approx(0, abs=0.005)
    assert 1 < coverage.true_iqm("log-normal") < np.exp(0.5)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_the_documented_table_is_the_shipped_one(row):
    shares = " | ".join(f"{share:.3f}" for share in (row.iqm, row.difference, row.wrong))
    line = f"| {row.seeds} | {row.tasks} | {row.scores} | {row.shows} | {shares} |"
    assert line in DOCUMENT


@pytest.mark.slow
@pytest.mark.parametrize("name", coverage.SCORES_OF)
@pytest.mark.parametrize(("seeds", "tasks"), [(6, 1), (10, 1), (20, 1), (6, 5), (10, 5), (20, 5)])
def test_an_interval_covers_at_least_ninety_percent(seeds, tasks, name):
    found = coverage.cell(seeds, tasks, name, trials=600)
    error = 3 * np.sqrt(0.1 * 0.9 / 600)
    assert found.iqm >= 0.9 - error
    assert found.difference >= 0.9 - error
    (shipped,) = (r for r in TABLE if (r.seeds, r.tasks, r.scores) == (seeds, tasks, name))
    assert found.iqm == pytest.approx(shipped.iqm, abs=0.05)
