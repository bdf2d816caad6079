"""Arms that differ in more than their settings say so: code, machines, budgets, environments."""

from __future__ import annotations

import re

import fake_store
import pytest
from fake_report import CLAIM, ONE_ENV, TWO_ARMS, TWO_ENVS, report

OTHERS = {
    "versions of the code (harness.train.evaluate, and with it harness.train.run": {
        "sources": fake_store.SOURCES
        | {"harness.train.run": "b" * 16, "harness.train.evaluate": "b" * 16}
    },
    "commits of the code (commit": {"sources": None, "git": {"commit": "4567def", "dirty": False}},
    "package versions (torch": {"packages": fake_store.PACKAGES | {"torch": "2.14.0"}},
    "machines (cpu": {"machine": fake_store.MACHINE | {"cpu": "Another"}},
    "devices (device": {"device": "cuda:0"},
}


@pytest.mark.parametrize(
    ("words", "other"), OTHERS.items(), ids=[next(iter(other)) for other in OTHERS.values()]
)
def test_runs_of_other_code_versions_machines_and_devices_are_told_arm_by_arm(store, words, other):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    first = {"sources": None} if other.get("sources", 0) is None else {}
    for run in sweep.runs:
        fake_store.write_run(store, run, result=first)
    assert "Warning" not in report(store, sweep)
    assert "The two arms differ" not in report(store, sweep)
    for run in sweep.runs:
        if run.arm == "rnd":
            fake_store.write_run(store, run, result=other)

    text = report(store, sweep)

    (warning,) = [line for line in text.splitlines() if line.startswith("> **Warning.**")]
    assert f"The runs come from different {words}: " in warning
    assert re.search(r": (\S.*) in ppo \(3 runs\); (\S.*) in rnd \(3 runs\)\)\.$", warning)
    (claim,) = [line for line in text.splitlines() if line.startswith("- **Un")]
    assert "**The two arms differ in " in claim
    paper = store.sweep_folder("fake") / "report" / "paper" / "main.tex"
    assert "The two arms differ in" in paper.read_text()


def test_arms_of_which_equal_shares_were_made_on_two_machines_do_not_differ(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 4, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    for run in sweep.runs[::2]:
        machine = fake_store.MACHINE | {"cpu": "Another"}
        fake_store.write_run(store, run, result={"machine": machine})

    text = report(store, sweep)

    assert "(cpu: Another in every arm (2 each); A processor in every arm (2 each))." in text
    assert "The two arms differ" not in text


def test_a_learner_that_another_arm_never_imports_does_not_part_them(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    for run in sweep.runs:
        if run.arm == "rnd":
            more = fake_store.SOURCES | {"baselines.curiosity.rnd": "c" * 16}
            fake_store.write_run(store, run, result={"sources": more})

    text = report(store, sweep)

    assert "Warning" not in text
    assert "The two arms differ" not in text


def test_code_with_uncommitted_changes_is_told_with_its_arms(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3)
    fake_store.write_sweep(store, sweep)
    dirty = {"git": {"commit": "0123abc", "dirty": True}}
    fake_store.write_run(store, sweep.runs[-1], result=dirty)

    text = report(store, sweep)

    assert "> **Warning.** Made from code with uncommitted changes: rnd (1 run)." in text


def test_a_record_that_sacred_lost_raises_a_visible_warning(store):
    sweep = fake_store.sweep(seeds=2)
    fake_store.write_sweep(store, sweep)
    assert "Sacred" not in report(store, sweep)
    fake_store.write_run(store, sweep.runs[0], result={"sacred": {"id": "x", "complete": False}})

    assert "> **Warning.** Sacred's record is incomplete for 1 of 30 runs" in report(store, sweep)


def test_unequal_budgets_raise_a_visible_warning(store):
    runs = [fake_store.spec("ppo", "DeepSea-20", seed, 60_000) for seed in range(3)]
    runs += [fake_store.spec("rnd", "DeepSea-20", seed, 30_000) for seed in range(3)]
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, runs=tuple(runs), claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    assert "Warning.** Unequal budgets on DeepSea-20, in steps (60,000: ppo; 30,000: rnd)" in text
    assert "| arm | DeepSea-20 (unequal budgets) |" in text
    assert "**Their budgets differ.**" in text


def test_two_names_for_the_same_runs_are_pointed_out(store):
    runs = [fake_store.spec("rnd", "DeepSea-20", seed) for seed in range(3)]
    twins = [run.model_copy(update={"arm": "twin"}) for run in runs]
    sweep = fake_store.sweep(("rnd", "twin"), ONE_ENV, 3, runs=(*runs, *twins))
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    assert "rnd and twin are the same runs under two names" in text
    assert "3 runs: 3 finished." in text


def test_arms_that_learned_the_same_are_pointed_out_and_on_how_many_seeds(store):
    """Other settings, and another key: the setting never came into effect on two seeds of three."""
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3)
    fake_store.write_sweep(store, sweep)
    assert "learned the same" not in report(store, sweep)

    of = {(run.arm, run.seed): run for run in sweep.runs}
    for seed in (0, 2):
        learned = {"weights": fake_store.weights(of["ppo", seed])}
        folder = store.folder(of["rnd", seed])
        fake_store.edit_result(folder, lambda result, learned=learned: result.update(learned))
    said = "ppo and rnd learned the same, bit for bit, with 2 of 3 seeds on DeepSea-20: what sets"
    assert said in report(store, sweep)


def test_arms_on_different_environments_get_no_aggregates_and_a_reason(store):
    runs = [fake_store.spec("ppo", "DeepSea-20", seed) for seed in range(3)]
    runs += [fake_store.spec("rnd", "DeepSea-10", seed) for seed in range(3)]
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 3, runs=tuple(runs))
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep, ["aggregates", "profiles", "curves", "seeds"])
    assert "left out, because the arms do not share all environments and seeds." in text
    drawn = {path.stem for path in (store.sweep_folder("fake") / "report").glob("*.png")}
    assert drawn == {"curves", "seeds_final", "seeds_auc"}


def test_an_environment_without_anchors_is_reported_raw(store):
    sweep = fake_store.sweep(TWO_ARMS, ("DeepSea-20", "Elsewhere"), 3)
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep, ["aggregates"])
    assert "no random and reference score is known for Elsewhere" in text
    assert "| arm | DeepSea-20 | Elsewhere |" in text


def test_what_an_arm_changes_is_listed_against_the_baseline(store):
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 3)
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    assert "| rnd | agent | ppo | ppo_rnd |" in text
    assert "| rnd | int_coef | - | 1.0 |" in text
    assert "learning_rate" not in text  # the same in both
