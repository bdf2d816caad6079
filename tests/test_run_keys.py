"""No run that ships gets another key unseen: its finished runs would be stale."""

from __future__ import annotations

import pytest
import run_keys
from run_keys import SEARCHES, SWEEPS
from tiny import ENTRIES

COMMITTED = run_keys.committed()


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_shipped_ablation_has_the_runs_that_it_had(path):
    assert run_keys.of_sweep(path) == COMMITTED[f"ablations/{path.name}"]


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.stem)
def test_every_shipped_search_has_the_runs_that_it_had(path):
    assert run_keys.of_search(path) == COMMITTED[f"configs/search/{path.name}"]


@pytest.mark.parametrize("name", [name for name in ENTRIES if f"harness run {name}" in COMMITTED])
def test_a_single_run_of_every_agent_has_the_key_that_it_had(name):
    assert run_keys.of_agent(name) == COMMITTED[f"harness run {name}"]


def test_what_no_longer_ships_has_no_digest():
    here = [f"ablations/{path.name}" for path in SWEEPS]
    here += [f"configs/search/{path.name}" for path in SEARCHES]
    assert set(COMMITTED) <= {*here, *(f"harness run {name}" for name in ENTRIES)}
