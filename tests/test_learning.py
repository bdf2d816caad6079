"""The shipped settings learn what they are shipped for: one whole run each, as a user starts it."""

from __future__ import annotations

import pytest
from tiny import store_at

from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.train.run import Job, run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "env", "steps", "low", "high"),
    [
        ("ppo", "CartPole-v1", 100_000, 475, 500),
        ("dqn", "CartPole-v1", 50_000, 475, 500),
        # A fourth of the budget in docs/dreamer.md, whose run takes a quarter of an hour here.
        ("dreamer", "CartPole-v1", 2_500, 150, 500),
        ("tabular_q", "CartPole-v1", 100_000, 195, 500),
        # Random actions score 0.56.
        ("ppo", "MinAtar-Breakout-v0", 40_960, 2, 10),
        # Chance finds the treasure once in a million episodes: only the bonus leads to it.
        ("ppo_rnd", "DeepSea-20", 100_000, 0.9, 0.99),
        ("ppo", "DeepSea-20", 100_000, -0.01, 0.01),
    ],
)
def test_a_run_with_shipped_settings_scores_what_it_should(agent, env, steps, low, high, tmp_path):
    store, spec = store_at(tmp_path), resolve(Request(agent, env, steps))

    run(spec, Job(store.root))

    assert low <= store.status(spec).result["final"]["mean"] <= high
