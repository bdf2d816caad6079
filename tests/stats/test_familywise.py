"""The simulation of looks along the way: a sample of what `harness calibrate --sequential` runs."""

from __future__ import annotations

from harness.spec import Decide
from harness.stats.familywise import Cell, row


def test_a_difference_ends_sooner_than_none_and_is_decided_more_often():
    none, large = (row(Cell("normal", 1, 1, shift), Decide(), 12) for shift in (0.0, 2.0))
    assert none.seeds > 25 > 12 > large.seeds
    assert none.decided <= 0.25 < 0.75 <= large.decided


def test_any_claim_of_a_family_is_decided_at_least_as_often_as_each():
    found = row(Cell("exactly 0 or 1, 0.5 are 1", 5, 3, 0.0), Decide(cap=10), 8)
    assert found.any_decided >= found.decided
    assert (found.claims, found.tasks, found.trials) == (3, 5, 8)
