"""The simulation of looks along the way: a sample of what `harness calibrate --sequential` runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.config.shipped import shipped
from harness.stats import familywise
from harness.stats.familywise import Cell, Row, cells, row

TABLE = shipped("configs") / "looks.csv"
DOCUMENT = (Path(__file__).parents[2] / "docs/statistics.md").read_text(encoding="utf-8")


def test_a_difference_ends_sooner_than_none_and_is_decided_more_often():
    none, large = (row(Cell("every block", "normal", 1, 1, shift), 12) for shift in (0.0, 2.0))
    assert none.seeds > 25 > 12 > large.seeds
    assert none.decided <= 0.25 < 0.75 <= large.decided


def test_any_claim_of_a_family_is_decided_at_least_as_often_as_each():
    found = row(Cell("once, 10 seeds", "exactly 0 or 1, 0.5 are 1", 5, 3, 0.0), 8)
    assert found.any_decided >= found.decided
    assert (found.claims, found.tasks, found.trials, found.seeds) == (3, 5, 8, 10)


def test_the_shipped_table_has_every_row_and_keeps_the_error():
    table = pd.read_csv(TABLE)
    made = [Cell(r.looks, r.scores, r.tasks, r.claims, r.shift) for r in table.itertuples()]
    assert made == list(cells())
    exchangeable = table[(table["shift"] == 0) & (table.scores != "normal, spread 1:5")]
    error = (0.05 * 0.95 / exchangeable.trials) ** 0.5
    assert (exchangeable.any_decided <= 0.05 + 3 * error).all()
    apart = table[(table["shift"] == 1.0) & (table.looks == "every block")].iloc[0]
    assert apart.decided == pytest.approx(0.89, abs=0.06)
    assert apart.seeds == pytest.approx(19.0, abs=1.5)


def test_the_document_has_the_shipped_numbers():
    rows = [Row(*each) for each in pd.read_csv(TABLE).itertuples(index=False)]
    head, body = familywise.summary(rows)
    for line in (head, *body):
        assert f"| {' | '.join(line)} |" in DOCUMENT
    for each in rows:
        if each.shift:
            means = f"{each.decided:.3f} | {each.seeds:.1f} | {each.covered:.3f}"
            assert f"| {each.looks} | {each.shift:g} SD | {means} |" in DOCUMENT


@pytest.mark.slow
def test_the_shipped_table_is_what_its_simulation_gives():
    table = pd.read_csv(TABLE)
    made = [Row(*each) for each in table.itertuples(index=False)]
    shown = next(each for each in made if (each.looks, each.scores) == ("every block", "Cauchy"))
    cell = Cell(shown.looks, shown.scores, shown.tasks, shown.claims, shown.shift)
    assert familywise.row(cell, shown.trials) == shown
