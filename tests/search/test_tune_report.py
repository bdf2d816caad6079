"""What a search's report says and draws, and what it says matters."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from fake_tune import FILE, attempt_in, hill, plan, run

from baselines import noise_scale
from harness.config.space import Range
from harness.config.strict import load, parse
from harness.report.plot import Plot
from harness.search import figures, noise, path, study, surrogate
from harness.search.dimension import dimensions
from harness.search.evidence import Evidence
from harness.search.figures import FIGURES
from harness.search.plan import CONFIRMATION, PATH, TUNING
from harness.store.reader import Store
from harness.sweep.best import Best
from harness.train.run import rehearse

# The default of the second arm stands on the slope of the hill.
TWO = (
    FILE.replace("agent: pid\n", "agent: pid\n    hparams: {kp: 60.0}\n")
    .replace(
        "arms:\n",
        "arms:\n  weak:\n    agent: pid\n    space:\n      ki: {why: Idle., low: 0.0, high: 1.0}\n",
    )
    .replace("test_seeds: 6", "test_seeds: 6, path_seeds: 4")
)


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """A tenth of them draws the same figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogate, "RESAMPLES", 4)
        patch.setattr(surrogate, "TREES", 16)
        yield


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Two arms: one that finds the hill, one that has nothing to find."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "fake.yaml").write_text(
        TWO.replace("kp: {why: A hill., low: 1.0", "kp: {why: A hill., low: 0.1")
    )
    store = Store(folder)

    def score(spec):
        if spec.hparams["kp"] > 70:
            return "ValueError: it broke\nTraceback"
        return hill(spec)

    of = study.read(folder / "fake.yaml")
    found = [study.run(one, store, attempt_in(store, score), lambda text: None) for one in of]
    return found, study.write_report(found, store)


@pytest.mark.slow
def test_the_report_shows_what_each_arm_was_given_and_what_it_took(studies):
    found, page = studies
    text = page.read_text()

    assert "Each arm was given 12 trials." in text
    for one in found:
        spent = sum(trial.user_attrs["steps"] for trial in one.trials)
        assert f"{spent:,}" in text
        assert f"{one.confirmation.gap:+.3f}" in text


@pytest.mark.slow
def test_every_figure_is_written_or_has_nothing_to_show(studies):
    found, page = studies
    for one in found:
        for name, kind in FIGURES.items():
            there = (page.parent / f"{one.plan.label}_{name}.png").exists()
            assert there == isinstance(kind.plot(one), Plot)
            assert there == (page.parent / f"{one.plan.label}_{name}.pdf").exists()
    drawn = {name for name, kind in FIGURES.items() if isinstance(kind.plot(found[1]), Plot)}
    assert drawn == set(FIGURES) - {"batch_map"}


@pytest.mark.slow
def test_the_report_is_the_same_byte_for_byte(studies, tmp_path):
    found, page = studies
    before = {file.name: file.read_bytes() for file in page.parent.iterdir()}

    study.report.write(found, Store(page.parents[3]), page.parent)

    assert {file.name: file.read_bytes() for file in page.parent.iterdir()} == before


@pytest.mark.slow
def test_best_yaml_reads_back_with_its_provenance(studies):
    found, page = studies
    file = page.parent.parent / "pid" / study.BEST
    winner = parse(load(file), Best)

    origin = winner.provenance
    assert winner.hparams == found[1].confirmation.selected.specs[0].hparams
    assert origin.optimism_gap == pytest.approx(found[1].confirmation.gap, abs=1e-6)
    assert origin.tuning_seeds == list(range(TUNING, TUNING + 6))
    assert origin.confirmation_seeds == list(range(CONFIRMATION, CONFIRMATION + 3))
    first = found[1].plan.first_test_seed
    assert origin.test_seeds == list(range(first, first + 6))
    assert origin.trials["all"] == 12
    assert origin.difference.low <= origin.difference.point <= origin.difference.high


@pytest.mark.slow
def test_what_matters_is_told_from_what_does_not(studies):
    one = studies[0][1]
    importance = {
        method: surrogate.importance(one.plan, one.shown, method) for method in surrogate.EVALUATORS
    }

    assert importance["fANOVA"]["kp"].point > 2 * importance["fANOVA"]["kd"].point
    for shares in importance.values():
        assert sum(share.point for share in shares.values()) == pytest.approx(1)
        assert all(share.low <= share.high for share in shares.values())


@pytest.mark.slow
def test_the_marginal_of_a_hill_is_highest_at_its_top(studies):
    one = studies[0][1]
    kp, _ = dimensions(one.plan.space)
    marginal = one.forest.marginal(kp)

    top = marginal.grid[int(np.argmax(marginal.point))]
    assert 3 < top < 35  # the hill's is at 10
    assert (marginal.low <= marginal.high).all()


@pytest.mark.slow
def test_the_path_leads_from_the_default_to_the_selected_one_on_seeds_of_its_own(studies):
    one = studies[0][1]
    first, *_, last = one.path
    differing = {
        name
        for name, value in one.confirmation.selected.specs[0].hparams.items()
        if value != one.plan.base[0].hparams[name]
    }

    assert first.specs[0].hparams == one.plan.base[0].hparams
    assert last.specs[0].hparams == one.confirmation.selected.specs[0].hparams
    assert len(one.path) == len(differing) + 1
    assert {spec.seed for step in one.path for spec in step.specs} == set(range(PATH, PATH + 4))


def test_a_path_changes_what_is_conditional_together_with_its_condition():
    (of,) = study.shipped("ppo", "Pendulum-v1", 50_000, 10)
    groups = path._groups(of, {"gamma": 0.9, "use_sde": True, "sde_sample_freq": 4})

    assert groups == [["gamma"], ["use_sde", "sde_sample_freq"]]


def test_trials_outside_the_space_do_not_teach_the_forest(tmp_path):
    of = plan(tmp_path, FILE.replace("low: 1.0, high: 100.0", "low: 20.0, high: 100.0"))
    found = run(of, tmp_path)

    assert found.trials[0].params == {}
    assert found.trials[0].value is not None
    assert found.trials[0] not in surrogate.usable(found.trials)
    assert len(found.shown) == 11


def test_a_search_whose_trials_are_all_worth_the_same_says_that_nothing_matters(tmp_path):
    found = run(plan(tmp_path), tmp_path, lambda spec: 100.0)

    shown = {name: kind.plot(found) for name, kind in FIGURES.items()}

    assert isinstance(shown["history"], Plot)
    assert shown["importance"] == "no trial has a value of its own"


# What stands for a value -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "drawn", "text"),
    [
        ({"low": 0.9, "high": 0.99, "one_minus": True, "log": True}, 0.05, "1 - x 0.05"),
        ({"low": 32, "high": 256, "powers_of": 2}, 6, "x 64"),
        ({"low": 1e-4, "high": 1e-2, "log": True}, 3e-4, "x 0.0003"),
        ({"choices": [[64, 64], [256]]}, "[64,64]", "x 64-64"),
    ],
)
def test_a_value_in_a_figure_stands_beside_the_name_that_it_is_of(tmp_path, keys, drawn, text):
    space = {"x": Range.model_validate({"why": "Because."} | keys)}
    (one,) = dimensions(space)

    assert f"{one.label} {one.text(drawn)}" == text


@pytest.mark.parametrize(("keys", "place"), [({"powers_of": 2}, 6.0), ({}, 64.0)])
def test_the_noise_scale_stands_where_a_batch_of_that_size_does(tmp_path, keys, place):
    sizes = Range.model_validate({"why": "Because.", "low": 32, "high": 256} | keys)
    of = plan(tmp_path)._replace(space={"batch_size": sizes})
    (one,) = dimensions(of.space)
    found = Evidence(of, [], None, None, noise=[64.0])

    assert figures._noise_places(found, one, *one.reach) == [("Q1", place)]


# The gradient noise scale ------------------------------------------------------------------------


def test_the_noise_scale_of_gaussian_gradients_is_what_made_them():
    rng = torch.Generator().manual_seed(0)
    mean, deviation, size = torch.full((50,), 0.1), 2.0, 16  # |G|^2 = 0.5, tr(Sigma) = 200
    found = []
    for _ in range(400):
        samples = mean + deviation * torch.randn(8, size, 50, generator=rng)
        found.append(noise_scale.estimates(samples.mean(dim=1), size))

    signal, spread = np.mean(found, axis=0)

    assert signal == pytest.approx(0.5, rel=0.1)
    assert spread == pytest.approx(200.0, rel=0.02)


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_measuring_the_noise_scale_changes_nothing_that_is_learned(env):
    short = {"hparams": {"n_steps": 128, "n_epochs": 2, "policy_kwargs": {"net_arch": [32, 32]}}}
    (of,) = study.shipped("ppo", env, 512, 2, {"agent": "ppo", "only": ["gamma"]} | short)
    (spec,) = of.specs({}, of.pool(PATH, 1))
    agents = []

    def look(agent):
        agents.append(agent)
        return noise_scale.watch(agent)

    samples = rehearse(spec, look)
    rehearse(spec, lambda agent: agents.append(agent))

    assert [sample.step for sample in samples] == [128, 256, 384, 512]
    assert all(np.isfinite(sample).all() and sample.noise > 0 for sample in samples)
    measured, plain = (agent.weights() for agent in agents)
    assert all((measured[name] == plain[name]).all() for name in plain)


def test_the_noise_scale_is_measured_once_and_kept(tmp_path, monkeypatch):
    arm = {"agent": "ppo", "only": ["gamma"], "hparams": {"n_steps": 64, "n_epochs": 1}}
    (of,) = study.shipped("ppo", "CartPole-v1", 256, 2, arm)
    specs = of.specs({}, of.pool(PATH, 1))
    first = noise.measure(specs, tmp_path)
    monkeypatch.setattr(noise.run, "rehearse", None)

    assert noise.measure(specs, tmp_path) == first
    assert len(json.loads((tmp_path / noise.FILE).read_text())[specs[0].key]) == 4


def test_the_scale_is_the_ratio_of_means_in_each_quarter():
    samples = [(10, 1.0, 30.0), (20, 3.0, 10.0), (35, -1.0, 5.0), (70, 0.5, 5.0), (100, 0.1, 7.0)]

    found = noise.scale([samples], 100)

    assert found[0] == 40.0 / 4.0
    assert np.isnan(found[1])
    assert found[2:] == [10.0, 70.0]


def test_an_agent_that_is_no_ppo_has_no_noise_scale(tmp_path):
    (of,) = study.shipped("tabular_q", "CartPole-v1", 256, 2)

    assert noise.measure(of.specs({}, of.pool(PATH, 1)), tmp_path) == []
