"""A run that takes more and more memory, or time for a step, says so; what only fills does not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fake_store import edit_result, sweep, write_sweep
from tiny import files, store_at, tiny

from harness.report.evidence import Evidence, warning
from harness.store.growth import SAMPLES, Growth, Sample, grown, samples
from harness.train.run import Job, run

STEPS = 100_000
AT = np.linspace(0, 1, SAMPLES + 1)  # of the budget


def taken(seconds=lambda x: 60 * x, memory=lambda x: 300.0 + 0 * x, episodes=lambda x: 1_000 * x):
    """Samples of a run; all are functions of the part of the budget that is over."""
    return [
        Sample(int(STEPS * x), float(seconds(x)), float(memory(x)), int(episodes(x))) for x in AT
    ]


def kinds(*given, **options):
    return [symptom.kind for symptom in grown(*given, **options)]


FLAT = {
    "even": taken(),
    "quick at first, where nothing is learned yet": taken(lambda x: np.maximum(x, 20 * x - 2)),
    "a machine that is slower for a while": taken(lambda x: 60 * x + 30 * np.clip(x - 0.5, 0, 0.2)),
    "a little dearer": taken(lambda x: 60 * (x + 0.3 * x**2)),
    "shorter and shorter episodes, of which each costs a reset": taken(
        lambda x: 20 * x + 40 * x**3, episodes=lambda x: 4_000 * x**3 + 100 * x
    ),
    "too short to tell": taken(lambda x: x**3),
    "memory that jumps once": taken(memory=lambda x: 300.0 + 400 * (x > 0.7)),
    "memory that fills early": taken(memory=lambda x: 300.0 + 2_000 * np.minimum(x, 0.3)),
    "memory that grows a little": taken(memory=lambda x: 300.0 + 60 * x),
}


@pytest.mark.parametrize("how", FLAT)
def test_what_does_not_grow_to_the_end_is_let_be(how):
    assert kinds(FLAT[how]) == []


def test_a_step_that_costs_more_and_more_is_named_with_both_costs():
    (symptom,) = grown(taken(lambda x: 30 * (x + 2 * x**2)))

    assert symptom.kind == "slows down" and symptom.step == 0
    assert symptom.value == "0.45 ms at first, 1.35 ms at the end"


def test_a_step_that_costs_more_and_more_is_told_whether_episodes_become_longer_or_never_end():
    dearer = lambda x: 30 * (x + 2 * x**2)  # noqa: E731

    for episodes in (lambda x: 1_000 * x**0.5, lambda x: 8):
        assert kinds(taken(dearer, episodes=episodes)) == ["slows down"]


def test_memory_that_grows_with_every_part_is_named_with_both_sizes():
    (symptom,) = grown(taken(memory=lambda x: 300.0 + 400 * x))

    assert (symptom.kind, symptom.step) == ("memory grows", STEPS // 2)
    assert symptom.value == "500 MB halfway, 700 MB at the end"


def test_a_buffer_that_fills_to_the_end_is_expected_and_what_grows_beside_it_is_not():
    filling = taken(memory=lambda x: 300.0 + 2_000 * x)

    assert kinds(filling, filling_mb=1_000.0) == []
    assert kinds(filling, filling_mb=500.0) == ["memory grows"]


def test_steps_before_learning_are_not_compared_with_those_after():
    def seconds(x):
        learning = max(x - 0.25, 0)
        return 60 * (0.1 * x + 0.9 * learning + learning**2 / 3)  # a little dearer in the end

    learns = taken(seconds)

    assert kinds(learns) == ["slows down"]
    assert kinds(learns, learning_starts=int(0.25 * STEPS)) == []


def test_of_a_run_whose_beginning_nobody_saw_nothing_is_told():
    whole = taken(lambda x: 30 * (x + 2 * x**2), lambda x: 300.0 + 400 * x)

    assert kinds(whole) == ["slows down", "memory grows"]
    assert kinds([each for each in whole if each.step > 0.6 * STEPS]) == []


def test_a_run_is_sampled_at_even_distances_whatever_its_progress():
    growth = Growth(1_000)
    for step in range(0, 1_001, 7):
        growth.at(step, step / 10, lambda: 1.0)

    assert len(growth.samples) in range(30, SAMPLES + 1)
    assert samples(json.loads(json.dumps(growth.samples))) == growth.samples


def test_every_run_keeps_its_samples(tmp_path):
    store, spec = store_at(tmp_path), tiny("ppo")

    run(spec, Job(store.root))

    found = samples(json.loads(files(store, spec, "result.json"))["samples"])
    assert [found[0].step, found[-1].step] == [0, spec.steps]
    assert found[-1].seconds > found[0].seconds and found[0].memory_mb > 30
    assert found[-1].episodes > 1


def test_a_report_warns_of_runs_that_grow_and_calls_no_learner_broken(tmp_path):
    store, of = store_at(tmp_path), sweep(("ppo", "rnd"), ("DeepSea-10",), seeds=2)
    write_sweep(store, of)
    row = ["memory grows", "memory", 10_000, "500 MB halfway, 700 MB at the end"]
    edit_result(store.folder(of.runs[0]), lambda facts: facts.update(symptoms=[row]))

    found = warning.warnings(Evidence(of, store))

    (text,) = [each for each in found if "memory" in each]
    assert text.startswith("1 of 4 runs took more and more memory, or more and more time")
    assert "memory grows in 1 of 2 runs of ppo: memory: 500 MB halfway, 700 MB" in text
    assert not [each for each in found if "broken learner" in each]
