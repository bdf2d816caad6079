"""A sweep's report says how true its arms' models are, and leaves no run out silently."""

from __future__ import annotations

import fake_store
import pytest
from fake_report import report, write_report

from harness.report.evidence import Evidence
from harness.report.number import significant
from harness.report.results import models
from harness.report.results.figures import FIGURES
from harness.store.reader import Store

ENV = "DeepSea-20"
ERRORS = (0.1, 0.3, 0.2)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def sweep(store, measured, **more):
    """Three seeds of two arms, of which some runs of the second have a model."""
    found = fake_store.sweep(("ppo", "rnd"), (ENV,), seeds=3)
    fake_store.write_sweep(store, found, finish=True)
    for run in found.runs:
        if run.arm == "rnd" and run.seed in measured:
            fake_store.write_model(store, run, ERRORS[run.seed], **more)
    return found


def row(table):
    (only,) = table.rows
    return dict(zip(table.head, only, strict=True))


def test_medians_and_ranges_of_the_arms_that_have_a_model(store):
    evidence = Evidence(sweep(store, {0, 1, 2}), store)
    found, dreams = row(models.table(evidence)), row(models.returns(evidence))

    assert (found["arm"], found["k"]) == ("rnd", "10")
    assert found["error +1"] == found["error +k"] == "0.20 {0.10, 0.30}"
    assert found["own policy: error +1"] == found["own policy: error +k"] == found["error +1"]
    assert found["least slope +k"] == "0.80 {0.70, 0.90}"
    assert found["log likelihood +k"] == "-0.20 {-0.30, -0.10}"
    assert found["termination recall"] == "80.0 % {70.0 %, 90.0 %}"
    assert found["termination precision"] == found["rare reward recall"] == "-"
    assert found["reconstruction error"] == "0.10 {0.050, 0.15}"
    assert dreams["real return"] == "2.00 {2.00, 2.00}"
    assert dreams["imagined at 0.5"] == "2.00 {2.00, 2.00}"
    assert dreams["exploitation gap"] == "0.20 {0.10, 0.30}"


def test_every_measured_run_has_a_row_of_its_own(store):
    table = models.by_seed(Evidence(sweep(store, {0, 2}), store))
    rows = [dict(zip(table.head, cells, strict=True)) for cells in table.rows]

    assert [(each["arm"], each["seed"], each["error +1"]) for each in rows] == [
        ("rnd", str(seed), significant(ERRORS[seed])) for seed in (0, 2)
    ]
    assert all(each["final score"] for each in rows)


def test_errors_by_dimension_of_the_observation(store):
    evidence = Evidence(sweep(store, {0, 1, 2}), store)
    table = models.by_number(evidence)
    found = [dict(zip(table.head, cells, strict=True)) for cells in table.rows]

    assert [each["of the observation"] for each in found] == ["dimension 1", "dimension 2"]
    assert found[1]["error +1"] == found[1]["error +k"] == "0.40 {0.20, 0.60}"
    assert [each["slope +k"] for each in found] == ["1.0 {1.0, 1.0}", "0.80 {0.70, 0.90}"]


def test_of_an_ensemble_disagreement_stands_beside_the_error_policy_by_policy(store):
    evidence = Evidence(sweep(store, {0, 1, 2}), store)
    table = models.doubts(evidence)
    found = [dict(zip(table.head, cells, strict=True)) for cells in table.rows]

    assert {each["policy"] for each in found} >= {"random", "trained"}
    for each in found:
        assert each["disagreement +1"] == each["disagreement +k"] == "0.40 {0.20, 0.60}"
        assert each["error +1"] == "0.20 {0.10, 0.30}"
        assert each["correlation +k"] == "0.80 {0.70, 0.90}"


@pytest.mark.parametrize("lacking", [None, "missing"])
def test_a_model_that_is_no_ensemble_has_no_disagreement(store, lacking):
    evidence = Evidence(sweep(store, {0, 1, 2}), store)
    for run in evidence.models.values():
        for policy in run["policies"].values():
            policy.pop("disagreement")  # measured before there was such a number
            if lacking is None:
                policy["disagreement"] = None

    assert models.doubts(evidence).rows == ()


def test_an_arm_of_which_a_run_was_not_measured_has_no_number(store):
    evidence = Evidence(sweep(store, {0, 2}), store)
    found = row(models.table(evidence))

    assert (
        found["error +1"] == row(models.returns(evidence))["exploitation gap"] == "- (2 of 3 runs)"
    )
    assert models.errors(evidence, ENV) == ""


@pytest.mark.parametrize("stale", [{"weights": "1" * 64}, {"version": 0}])
def test_measures_of_other_weights_or_of_another_version_are_none(store, stale):
    assert models.table(Evidence(sweep(store, {0, 1, 2}, **stale), store)).rows == ()


def test_the_page_has_the_section_only_where_models_were_measured(store):
    figures = [name for name in FIGURES if name.startswith("model_")]
    assert "## World models" not in report(store, sweep(store, set()), figures)

    folder = write_report(store, sweep(store, {0, 1, 2}), figures)
    text, files = (folder / "report.md").read_text(), {path.name for path in folder.iterdir()}
    assert "## World models" in text
    assert {"table_models.csv", "table_model_returns.csv", "table_model_numbers.csv"} <= files
    assert {f"model_errors_{ENV}.png", f"model_likelihoods_{ENV}.png"} <= files
    assert f"model_learning_{ENV}.pdf" in files
