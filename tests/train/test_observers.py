"""Sacred's other observers: asked for by URL; refused before training if out of reach."""

from __future__ import annotations

import sqlite3

import pytest
from tiny import store_at, tiny

from harness.sweep.order import in_order
from harness.train.executors import EXECUTORS
from harness.train.run import Job
from harness.train.sacred_log import unreachable

NOTHING_LISTENS = "mongodb://127.0.0.1:9/sacred"


@pytest.mark.slow
def test_runs_that_start_together_all_reach_one_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'sacred.db'}"
    store = store_at(tmp_path)
    specs = [tiny("random", seed) for seed in range(12)]

    EXECUTORS["processes"](in_order(specs), Job(store.root, (url,)), 6, lambda: None)

    rows = sqlite3.connect(tmp_path / "sacred.db").execute("select run_id, status, result from run")
    found = {run_id.partition("-")[0]: (status, result) for run_id, status, result in rows}
    assert found == {
        spec.key: ("COMPLETED", store.status(spec).result["final"]["mean"]) for spec in specs
    }


def test_an_observer_that_cannot_be_reached_says_why():
    assert unreachable("sqlite://") is None
    assert "cannot be reached" in unreachable(NOTHING_LISTENS)
    assert "cannot be reached" in unreachable("nosuchdb://x")
