"""Metrics of the user's own in a report: scores without anchors, and without a better direction."""

from __future__ import annotations

import csv

import fake_store
import pytest
from fake_report import TWO_ARMS, TWO_ENVS, constant, report, rows, write_report

from harness.spec import Claim, Metric
from harness.store import declaration
from harness.store.writer import measured

EFFORT = Metric(
    name="effort", target="mine:effort", of="episode", version="0" * 16, about="Force that is used."
)
CLAIM = Claim(
    text="rnd > ppo on DeepSea-20 by effort",
    better="rnd", worse="ppo", env="DeepSea-20", score="effort",
)  # fmt: skip


def value(run):
    return 100.0 * (run.arm == "rnd") + run.seed


@pytest.fixture
def sweep(store):
    """Two arms on two environments; `effort` has been made of every run."""
    made = fake_store.sweep(TWO_ARMS, TWO_ENVS, 8, claims=(CLAIM,), metrics=(EFFORT,))
    fake_store.write_sweep(store, made, finish=False)
    for run in made.runs:
        fake_store.write_run(store, run, constant(lambda run: float(run.arm == "ppo")))
        measured(
            store.folder(run), EFFORT, fake_store.weights(run), [value(run) - 1, value(run) + 1]
        )
    return made


def forget(store, run, error=""):
    """As if the metric had failed in a run; without an error, as if it had not been tried."""
    measured(store.folder(run), EFFORT, fake_store.weights(run) if error else "other", [], error)


def test_a_claim_by_a_metric_is_about_its_numbers_and_calls_neither_direction_better(store, sweep):
    text = report(store, sweep)

    assert "**Supported: rnd lies above ppo on DeepSea-20** (effort): IQM 103.5 [" in text
    assert "against 3.5 [" in text
    assert "beats" not in text


def test_a_metric_has_a_table_a_figure_and_a_column_and_returns_are_written_as_before(store, sweep):
    page = write_report(store, sweep, ("seeds", "aggregates"))

    text = (page / "report.md").read_text()
    assert "### Metric effort (force that is used; mean of the 100 episodes after training)" in text
    of_metric = {(row["env"], row["arm"]): row["iqm"] for row in rows(store, "table_metric_effort")}
    assert of_metric["DeepSea-20", "rnd"] == "103.5"
    assert "| ppo | 1.00 [1.00, 1.01] |" in (page / "table_final.md").read_text()
    assert (page / "seeds_effort.png").exists()
    assert not (page / "aggregates_effort.png").exists()
    assert "higher is better" not in (page / "table_metric_effort.md").read_text().lower()
    with (page / "scores.csv").open() as file:
        scores = {(r["arm"], r["env"], r["seed"]): r["effort"] for r in csv.DictReader(file)}
    assert scores["rnd", "DeepSea-10", "3"] == "103.0"


def test_the_methods_and_the_checklist_say_what_a_metric_is(store, sweep):
    page = write_report(store, sweep)

    for file in ("report.md", "checklist.md"):
        assert "`mine:effort`, of source `0000000000000000`" in (page / file).read_text()
    methods = (page / "paper/methods.tex").read_text()
    assert r"of source \texttt{0000000000000000}" in methods.replace(r"\allowbreak{}", "")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("ZeroDivisionError: division by zero (mine.py:7), in episode 3", "mine.py:7"),
        ("", "it was not measured"),
    ],
)
def test_a_run_without_a_number_is_missing_and_said_and_no_survivors_are_averaged(
    store, sweep, error, why
):
    forget(store, sweep.runs[8 * 2], error)  # rnd on DeepSea-20, seed 0

    text = report(store, sweep)

    assert "effort has no number of 1 of 32 finished runs, first rnd on DeepSea-20, seed 0" in text
    assert why in text
    assert "**Undecided: rnd against ppo on DeepSea-20** (effort): 7 of 8 runs of rnd" in text
    assert "| rnd | - (7 of 8 runs) | 103.5 [" in text
    assert "| ppo | 3.5 [" in text
    checklist = (store.sweep_folder("fake") / "report/checklist.md").read_text()
    assert "1 estimates have no interval: effort of rnd on DeepSea-20 (7 of 8 runs)." in checklist


def test_a_metric_that_was_changed_is_another_one_and_the_claim_by_it_too(sweep):
    changed = sweep.model_copy(update={"metrics": (EFFORT.model_copy(update={"version": "1"}),)})

    before, after = (declaration.content_of(CLAIM, each) for each in (sweep, changed))

    assert before != after
