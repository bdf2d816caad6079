"""Spaces as data: every agent has one that it can take, and Optuna gives back what was meant."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_tune import FILE, facts, plan, run, trials
from pydantic import ValidationError
from tiny import ENTRIES

from harness.config.space import Range
from harness.config.strict import validate
from harness.config.tree import get
from harness.search import loop, study, suggest
from harness.search.dimension import Dimension

SLOW = pytest.mark.slow
LEARNERS = [
    pytest.param(name, marks=SLOW if entry.goals else ())  # those train in PyBullet
    for name, entry in ENTRIES.items()
    if entry.learns
]
RANGES = {
    "real": {"low": 0.1, "high": 0.9},
    "log": {"low": 1e-5, "high": 1e-1, "log": True},
    "step": {"low": 0.0, "high": 1.0, "step": 0.25},
    "whole": {"low": 1, "high": 9},
    "whole log": {"low": 1, "high": 1000, "log": True},
    "powers": {"low": 4, "high": 4096, "powers_of": 4},
    "one minus": {"low": 0.9, "high": 0.9999, "one_minus": True, "log": True},
    "choices": {"choices": [None, True, "x", [64, 64], 0.5]},
}


def a_range(**keys):
    found, problems = validate({"why": "Because."} | keys, Range)
    assert found is not None, problems
    return found


def environment(agent):
    entry = ENTRIES[agent]
    return "CartPole-v1" if "discrete" in entry.actions else "Pendulum-v1"


@pytest.mark.parametrize("agent", LEARNERS)
def test_every_learner_ships_a_space_whose_ends_it_can_take(agent):
    if ENTRIES[agent].goals:
        pytest.importorskip("pybullet")
        arm = {"agent": agent, "wrappers": ["goal_observation"]}
        env = "PushPoseDirections-v0" if "discrete" in ENTRIES[agent].actions else "PushPose-v0"
    else:
        arm, env = {"agent": agent}, environment(agent)
    (found,) = study.shipped(agent, env, 50_000, 10, arm)

    assert len(found.space) >= 3
    assert all(one.why.endswith(".") for one in found.space.values())


@pytest.mark.parametrize("agent", ["ppo", "dqn", "sac", "a2c", "ppo_rnd"])
def test_the_default_of_the_class_is_a_point_of_its_space(agent):
    (found,) = study.shipped(agent, environment(agent), 50_000, 10)

    inside = suggest.default_params(found.space, found.base[0].hparams)

    assert inside is not None
    for name, value in suggest.chosen(found.space, inside).items():
        assert value == get(found.base[0].hparams, name)


@pytest.mark.parametrize("keys", RANGES.values(), ids=RANGES)
def test_what_is_drawn_lies_inside_and_stands_for_what_is_written(keys):
    one = a_range(**keys)
    dimension = Dimension("x", one)
    study = suggest.optuna.create_study(sampler=suggest.optuna.samplers.RandomSampler(seed=1))
    for _ in range(50):
        trial = study.ask({"x": dimension.kind})
        value = dimension.decode(trial.params["x"])
        if one.choices is not None:
            assert value in one.choices
            assert dimension.encode(value) == trial.params["x"]
            continue
        assert one.low <= value <= one.high
        assert isinstance(value, int) == isinstance(one.low, int)
        assert math.isclose(dimension.encode(value), trial.params["x"], rel_tol=1e-3)


def test_one_minus_and_log_spread_discounts_evenly_over_horizons():
    one = Dimension("x", a_range(low=0.9, high=0.999, one_minus=True, log=True))
    study = suggest.optuna.create_study(sampler=suggest.optuna.samplers.RandomSampler(seed=1))
    drawn = [study.ask({"x": one.kind}).params["x"] for _ in range(400)]

    gammas = np.array([one.decode(x) for x in drawn])

    assert abs(np.mean(gammas > 0.99) - 0.5) < 0.1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"low": 1.0}, "give `choices`, or `low` and `high`"),
        ({"low": 1, "high": 8, "choices": [1, 2]}, "not both"),
        ({"low": 8, "high": 1}, "`low` must be less than `high`"),
        ({"low": 1, "high": 10, "powers_of": 2}, "10 is no whole power of 2"),
        ({"low": 0.1, "high": 1.0, "log": True, "step": 0.1}, "goes without `log`"),
        ({"low": 0.5, "high": 1.0, "log": True, "one_minus": True}, "`high` must be below 1"),
        ({"choices": [1, 2], "log": True}, "`choices` have no order"),
    ],
)
def test_a_range_that_means_nothing_is_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        Range.model_validate({"why": "Because."} | keys)


def test_conditional_hyperparameters_are_drawn_only_where_they_apply(tmp_path):
    (of,) = study.shipped("ppo", "Pendulum-v1", 50_000, 10)
    before = [suggest.first(of)]
    for _ in range(12):
        before.append(suggest.draw(of, before))

    for trial in before:
        chosen = suggest.chosen(of.space, trial.params)
        assert ("sde_sample_freq" in chosen) == chosen["use_sde"]
    assert {suggest.chosen(of.space, t.params)["use_sde"] for t in before} == {False, True}


def test_trials_are_scored_as_the_card_says_that_agents_act():
    (found,) = study.shipped("ppo", "MiniGrid-Unlock-v0", 50_000, 10)
    assert not found.base[0].evaluation.deterministic


def test_ranges_for_continuous_actions_are_left_out_where_actions_are_discrete():
    (discrete,) = study.shipped("ppo", "CartPole-v1", 50_000, 10)

    assert "use_sde" not in discrete.space


@SLOW
@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random", "grid"])
def test_every_sampler_gives_the_same_study_twice_and_looks_elsewhere_than_the_default(
    tmp_path, sampler
):
    text = FILE.replace("\nseeds: 6", f"\nsampler: {sampler}\nseeds: 6")
    if sampler == "grid":
        text = text.replace("low: 1.0, high: 100.0, log: true", "choices: [1.0, 10.0, 40.0]")
        text = text.replace("low: 0.0, high: 4.0", "low: 0.0, high: 4.0, step: 2.0")
    told = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        of = plan(tmp_path / name, text)
        run(of, tmp_path / name)
        told.append(facts(trials(of, tmp_path / name)))

    assert told[0] == told[1]
    params = [str(sorted(trial[3].items())) for trial in told[0]]
    assert len(set(params)) == (9 if sampler == "grid" else 12)
    assert len(params) == (10 if sampler == "grid" else 12)  # the default, and the whole grid


@pytest.mark.parametrize(
    ("pruner", "firsts"), [("successive_halving", {100}), ("hyperband", {100, 300, 900, 1000})]
)
def test_halving_gives_longer_runs_to_the_trials_that_lead(tmp_path, pruner, firsts):
    halving = f"pruner: {{name: {pruner}, first: 100, factor: 3}}"
    text = FILE.replace("\nseeds: 6", f"\nseeds: 3\n{halving}")
    of = plan(tmp_path, text.replace("{trials: 12}", "{trials: 16}"))
    run(of, tmp_path)
    found = trials(of, tmp_path)

    rungs = {100, 300, 900, 1000}
    assert all(set(trial.intermediate_values) <= rungs for trial in found)
    full = [trial for trial in found if trial.user_attrs[loop.FULL]]
    stopped = [trial for trial in found if trial.state.name == "PRUNED"]
    assert len(full) + len(stopped) == 16 and len(stopped) >= 6
    assert full[0].number == 0
    assert all(max(trial.intermediate_values) == 1000 for trial in full)
    for trial in stopped:
        last = max(trial.intermediate_values)
        same = [t for t in found if last in t.intermediate_values]
        same = [t for t in same if of.bracket(t.number) == of.bracket(trial.number)]
        assert any(t.intermediate_values[last] > trial.intermediate_values[last] for t in same)
    assert {min(trial.intermediate_values) for trial in found} == firsts
