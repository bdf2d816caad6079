"""Estimates come from what was measured, closest first."""

from __future__ import annotations

import pytest
from tiny import store_at, tiny

from harness import config, cost
from harness.run import Job, run


@pytest.fixture
def store(tmp_path):
    """A store in which one run of the random agent on CartPole is finished."""
    found = store_at(tmp_path)
    run(tiny("random"), Job(found.root))
    cost.lookup.cache_clear()
    return found


def test_runs_in_the_store_are_the_best_guide(store):
    spec = tiny("random", seed=1, steps=10_000)

    found = cost.estimate([spec, spec], store)

    result = store.status(tiny("random")).result
    per_step = result["cpu_seconds"] / tiny("random").steps
    assert found.basis == "runs in this store"
    assert found.cpu_seconds == pytest.approx(2 * 10_000 * per_step, rel=0.01)
    assert found.peak_memory_mb == result["peak_memory_mb"]


def test_shipped_measurements_stand_in_for_what_was_never_run_here(store):
    found, basis = cost.lookup("ppo", "CartPole-v1", store.root)

    assert basis == "shipped measurements"
    assert (
        found
        == config.read(config.shipped("configs") / "costs.yaml", cost.CostFile).agents["ppo"][
            "CartPole-v1"
        ]
    )
    assert cost.lookup("ppo", "Acrobot-v1", store.root)[1] == "measurements in other environments"
    assert cost.lookup("nobody", "Acrobot-v1", store.root) == (cost.GUESS, "a guess")


def test_the_file_that_is_written_reads_back_as_what_was_measured(store, tmp_path):
    path = tmp_path / "costs.yaml"
    path.write_text(cost.text(store.root))

    assert config.read(path, cost.CostFile).agents == cost.measured(store.root)
