"""The simulation of claims with a margin: a sample of `harness calibrate --equivalence`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.config.shipped import shipped
from harness.stats import margin
from harness.stats.margin import SEEDS, Cell, Row, cells, rows

TABLE = shipped("configs") / "equivalence.csv"
DOCUMENT = (Path(__file__).parents[2] / "docs/statistics.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(TABLE)


def error(share, trials):
    return (share * (1 - share) / trials) ** 0.5


@pytest.mark.parametrize(("by", "wrong"), [(0.1, 0.54), (0.2, 0.27)])
def test_with_a_ceiling_students_tests_are_wrong_in_every_second_or_fourth_sweep(by, wrong):
    found = rows(Cell("all 1, the other 0 or 1", by, by), 1_000)[0]
    assert (found.seeds, found.student) == (6, pytest.approx(wrong, abs=3 * error(wrong, 1_000)))
    assert found.student == pytest.approx((1 - by) ** 6, abs=3 * error(wrong, 1_000))


@pytest.mark.parametrize("scores", margin.SCORES)
def test_bets_are_seldom_wrong_at_the_margin_and_their_intervals_hold(scores):
    for found in rows(Cell(scores, 0.2, 0.2), 1_000):
        assert found.found <= 0.02 + 3 * error(0.02, 1_000)
        assert found.covered >= 0.95 - 3 * error(0.95, 1_000)


def test_the_shipped_table_has_every_row_and_keeps_the_error(table):
    made = list(zip(table.scores, table.margin, table.apart, table.seeds, strict=True))
    assert made == [(*cell, n) for cell in cells() for n in SEEDS]
    apart = table[table.apart > 0]
    assert (apart.found <= 0.02).all()
    assert (table.covered >= 0.95).all()
    ceiling = apart[(apart.seeds == 6) & (apart.scores == "all 1, the other 0 or 1")]
    assert list(ceiling.student) == pytest.approx([0.54, 0.27], abs=0.02)


def test_the_document_has_the_shipped_numbers(table):
    for head, body in margin.summary([Row(*each) for each in table.itertuples(index=False)]):
        for line in (head, *body):
            assert f"| {' | '.join(line)} |" in DOCUMENT


@pytest.mark.slow
def test_the_shipped_table_is_what_its_simulation_gives(table):
    cell = Cell("normal, SD 0.1", 0.1, 0.1)
    trials = int(table.trials.iloc[0])
    shown = table[(table.scores == cell.scores) & (table.margin == 0.1) & (table.apart == 0.1)]
    assert [row.student for row in rows(cell, trials)] == list(shown.student)
