"""Environments without anchors: everything but what needs a normalised score."""

from __future__ import annotations

import fake_store
import pytest
from fake_report import CLAIM, TWO_ARMS, TWO_ENVS, constant, report


@pytest.fixture
def sweep(store):
    made = fake_store.sweep(TWO_ARMS, TWO_ENVS, 8, claims=(CLAIM,))
    made = made.model_copy(update={"anchors": {}})
    fake_store.write_sweep(store, made, finish=False)
    for run in made.runs:
        fake_store.write_run(store, run, constant(lambda run: float(run.arm == "rnd")))
    return made


def test_scores_and_claims_on_an_environment_need_no_anchors(store, sweep):
    text = report(store, sweep)

    assert "**Supported: rnd beats ppo on DeepSea-20**" in text
    assert "| rnd | 1." in text
    assert "(reference on the card)" not in text


def test_what_averages_over_environments_is_left_out_and_says_why(store, sweep):
    text = report(store, sweep, ("curves", "aggregates"))

    assert "no random and reference score is known for DeepSea-20, DeepSea-10" in text
    assert "aggregates_final.png" not in text
    assert "curves.png" in text
    assert "the random policy" not in text
