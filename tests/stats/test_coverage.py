"""The shipped table of coverages is what the simulation finds, and it decides what is printed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from harness import stats
from harness.stats import calibration, coverage
from harness.stats.coverage import Cell

TABLE = calibration.shipped_table()
DOCUMENT = (Path(__file__).parents[2] / "docs/statistics.md").read_text(encoding="utf-8")


def shipped(statistic: str, seeds: int, tasks: int, scores: str) -> calibration.Coverage:
    (row,) = (
        row for row in TABLE
        if (row.statistic, row.seeds, row.tasks, row.scores) == (statistic, seeds, tasks, scores)
    )  # fmt: skip
    return row


@pytest.mark.slow
def test_the_shipped_table_has_every_row_of_the_simulation():
    names = [
        (row.statistic, row.seeds, row.tasks, row.scores)
        for cell in coverage.cells()
        for row in coverage.rows(cell, 1)
    ]
    assert [(row.statistic, row.seeds, row.tasks, row.scores) for row in TABLE] == names
    fewer = {row.statistic for row in TABLE if row.trials != coverage.TRIALS}
    assert fewer == {calibration.WORST_DIFFERENCE}
    assert {row.trials for row in TABLE} == {coverage.TRIALS, coverage.WORST_TRIALS}
    assert calibration.shipped_path().read_text() == calibration.text(TABLE)


@pytest.mark.parametrize("statistic", [*stats.AGGREGATES, stats.DIFFERENCE, stats.EFFECT])
@pytest.mark.parametrize("seeds", [3, 6, 7, 10, 12, 25, 40])
@pytest.mark.parametrize("tasks", [1, 2, 5, 9])
def test_what_is_printed_covers_as_often_as_it_says(statistic, seeds, tasks):
    like = [
        row for row in TABLE
        if row.statistic == statistic
        and row.tasks == (1 if tasks < 5 else 5)
        and row.seeds == max(n for n in coverage.SEEDS if n <= seeds)
    ]  # fmt: skip
    least = min(row.coverage for row in like)
    shows = stats.gate(statistic, seeds, tasks)
    assert stats.worst(statistic, seeds, tasks).coverage == least
    assert (shows == "interval") <= (least >= 0.9)
    assert (shows == "stamped") <= (least >= 0.8)


def test_the_hardest_scores_of_every_kind_are_in_the_table():
    kinds = defaultdict(set)
    for row in TABLE:
        kinds[row.statistic].add(row.scores)
    for statistic in stats.AGGREGATES:
        assert {"log-normal", "90:10", "one noisy task", "five unlike tasks"} <= kinds[statistic]
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            assert f"exactly 0 or 1, {share} are 1" in kinds[statistic]


def test_arms_of_equal_middle_are_seldom_told_apart():
    claims = [row for row in TABLE if row.statistic == calibration.CLAIM]
    error = np.sqrt(0.05 * 0.95 / coverage.TRIALS)
    assert len(claims) > 100
    # As far off as the worst of so many rows may be.
    assert max(1 - row.coverage for row in claims) <= stats.ALPHA + 3 * error


@pytest.mark.parametrize("statistic", [stats.IMPROVEMENT, stats.PROFILE, stats.PROFILE_LINE])
def test_limits_without_resamples_hold_with_any_number_of_seeds(statistic):
    assert min(row.coverage for row in TABLE if row.statistic == statistic) >= 0.9


def test_no_band_is_said_to_hold_the_whole_line_that_holds_it_less_than_93_times_in_100():
    assert not stats.holds_lines(stats.CURVE_LINE, 6, 1)
    assert stats.holds_lines(stats.CURVE_LINE, 10, 1)
    assert stats.worst(stats.CURVE_LINE, 10, 1).coverage >= 0.93


def test_the_row_that_is_quoted_is_no_better_than_the_design():
    assert {(row.seeds, row.tasks) for row in calibration.expected("IQM", 12, 3)} == {(10, 1)}
    assert {(row.seeds, row.tasks) for row in calibration.expected("IQM", 99, 8)} == {(30, 5)}
    assert calibration.expected("IQM", 2, 1) == ()


def test_the_documented_table_is_the_shipped_one():
    head, body = stats.summary(TABLE)
    for cells in (head, *body):
        assert f"| {' | '.join(cells)} |" in DOCUMENT


def test_a_true_value_is_that_of_its_distribution():
    normal, solved = (coverage._truth(name, 1) for name in ("normal", "exactly 0 or 1, 0.7 are 1"))
    names = list(stats.AGGREGATES)
    assert normal[names.index("IQM")] == pytest.approx(0, abs=0.01)
    assert solved[names.index("IQM")] == pytest.approx(0.9, abs=0.01)  # (0.75 - 0.3) / 0.5
    assert solved[names.index("Mean")] == pytest.approx(0.7, abs=0.01)


# A sample of the simulation, made anew: 200 experiments a row, a coverage of .95 is known to .015.
SAMPLE = [
    Cell("arms", 6, 1, "72:28, little noise"),
    Cell("arms", 8, 1, "70:30"),
    Cell("arms", 10, 1, "exactly 0 or 1, 0.7 are 1"),
    Cell("arms", 10, 5, "one noisy task"),
    Cell("arms", 5, 5, "five unlike tasks"),
    Cell("pair", 6, 1, "normal, P = 0.97"),
    Cell("pair", 10, 5, "0 or 1 against a constant, P = 0.9"),
    Cell("profile", 10, 1, "normal"),
    Cell("curve", 10, 1, "steps from exactly 0 to 1", 101),
]


@pytest.mark.slow
@pytest.mark.parametrize("cell", SAMPLE, ids=str)
def test_the_simulation_made_anew_finds_what_the_table_says(cell):
    for row in coverage.rows(cell, 200):
        known = shipped(row.statistic, row.seeds, row.tasks, row.scores)
        printed = max(20, known.printed * 200)
        error = np.sqrt(max(0.01, known.coverage * (1 - known.coverage)) / printed)
        assert row.coverage == pytest.approx(known.coverage, abs=4.5 * error)
