"""The page of what a sweep costs in the cloud: its numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.config.shipped import shipped
from harness.store.estimate import SHIPPED, Experience
from harness.store.reader import Store
from harness.sweep.expand import expand

TEXT = (Path(__file__).parents[2] / "docs" / "first-300-dollars.md").read_text(encoding="utf-8")
PRICES = re.findall(
    r"^\| `harness check (\w+) --workers (\d+) --per-hour ([\d.]+)` \|"
    r".*\| (.+) \| (.+) \| (.+) \|$",
    TEXT,
    flags=re.M,
)
MACHINES = re.findall(r"^\| [^`|].*\| (\d[\d.]*) \| ([\d,]+) \| ([\d,]+) \|$", TEXT, flags=re.M)
CREDIT, WEEKEND = 300, 62  # dollars; hours from Friday evening to Monday morning


@pytest.mark.parametrize(("name", "cores", "price", "runs", "hours", "dollars"), PRICES)
def test_a_price_is_what_the_command_says_on_the_machine_that_was_measured(
    name, cores, price, runs, hours, dollars, tmp_path
):
    found = {run.key: run for run in expand(shipped("ablations") / f"{name}.yaml").sweep.made}
    estimate = Experience(Store(tmp_path), probe=None).estimate(found.values())
    of_100 = 100 * estimate.cpu_seconds / 3600 / len(found)

    assert not estimate.unknown and all(SHIPPED in source for source in estimate.sources)
    assert (runs, hours) == (str(len(found)), f"{of_100:.2g}")
    assert dollars == f"{of_100 / int(cores) * float(price):.2g}"


def test_the_page_has_prices():
    assert len(PRICES) == 4


def test_what_the_credit_lasts_follows_from_the_price_of_an_hour():
    assert len(MACHINES) == 4
    for price, lasts, weekend in MACHINES:
        assert lasts == f"{CREDIT / float(price):,.0f}"
        assert weekend == f"{WEEKEND * float(price):,.0f}"
