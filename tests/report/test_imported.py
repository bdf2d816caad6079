"""Reports of runs that were not made here: all numbers, and no claim of what is not known."""

from __future__ import annotations

import json
import re

import pytest
from fake_report import report, rows
from foreign import monitor, table, tidy

from harness.store.foreign.names import Names
from harness.store.foreign.source import Source
from harness.sweep.imported import take

ARMS = {"a": 1.0, "b": 3.0}
CLAIM = "b > a on CartPole-v1 by final"
# What the records of a run that was made here prove, in the words of a report.
PROVEN = (
    r"\braw returns? of", "disjoint", "training never sees", "that training", "greedily",
    "same for every arm", "attempts took", "Every hyper-parameter of every arm:", "harness sweep",
)  # fmt: skip


def imported(store, tmp_path, claims=(CLAIM,), **more):
    path = tidy(tmp_path / "s.csv", ARMS, **more)
    return take(Source(path), "fake", store, claims, "harness import s.csv --as fake").sweep


def test_an_import_has_its_scores_claims_curves_and_aggregates(store, tmp_path):
    text = report(store, imported(store, tmp_path), ("curves", "aggregates"))

    assert "**Supported: b beats a on CartPole-v1** (final score): IQM 3.4 [" in text
    assert "curves.png" in text and "aggregates_final.png" in text
    assert {row["arm"]: row["iqm"] for row in rows(store, "table_final")} == {
        "a": "1.4", "b": "3.4",
    }  # fmt: skip


def test_no_sentence_says_what_only_a_run_that_was_made_here_proves(store, tmp_path):
    text = report(store, imported(store, tmp_path), ("curves", "seeds"))
    folder = store.sweep_folder("fake") / "report"
    texts = [text, *((folder / name).read_text() for name in ("checklist.md", "paper/methods.tex"))]

    assert [words for words in PROVEN for each in texts if re.search(words, each)] == []
    assert "How they were made is not known" in text
    assert "the final score is the last score of each run" in text
    assert "harness import s.csv --as fake\nharness report fake" in text


def test_a_claim_of_an_import_was_not_declared_before_its_runs(store, tmp_path):
    text = report(store, imported(store, tmp_path))

    assert "when 16 of its 16 runs had finished: nothing shows that it was declared before" in text
    assert "0 of 1 were declared before" in (
        store.sweep_folder("fake") / "report" / "checklist.md"
    ).read_text()  # fmt: skip


def test_the_checklist_says_no_where_nothing_is_known(store, tmp_path):
    report(store, imported(store, tmp_path))
    with (store.sweep_folder("fake") / "report" / "checklist.csv").open() as file:
        text = file.read()
    answers = dict(re.findall(r"^(?:ml|neurips),(\w+),.*?,(Yes|No|UNANSWERED),", text, re.M))

    yes = {name for name, answer in answers.items() if answer == "Yes"}
    assert yes == {"statistics", "variation", "significance"}
    for name in ("splits", "dependencies", "training_code", "hyperparameters", "runs", "runtime"):
        assert answers[name] == "No"


def test_every_file_that_the_checklist_points_to_is_there(store, tmp_path):
    report(store, imported(store, tmp_path))
    folder = store.sweep_folder("fake") / "report"
    named = re.findall(r"\]\(([\w.]+)\)", (folder / "checklist.md").read_text())

    assert named and not [name for name in named if not (folder / name).exists()]


def test_single_scores_have_no_curve_and_the_report_says_so(store, tmp_path):
    lines = (f"{arm},CartPole-v1,{seed},{i + seed}" for i, arm in enumerate("ab")
             for seed in range(8))  # fmt: skip
    path = table(tmp_path / "s.csv", *lines, head="arm,env,seed,return\n")
    sweep = take(Source(path), "fake", store, ["b > a by final"]).sweep

    text = report(store, sweep, ("curves", "sample_efficiency", "seeds"))

    assert "Learning curves: not drawn, because single scores were imported" in text
    assert "16 are single scores without a curve, which leaves out its area" in text
    assert "Area under" not in text and "| CartPole-v1 | not known | 0-7 |" in text


def test_curves_that_begin_later_are_drawn_and_averaged_where_they_are(store, tmp_path):
    lines = (f"a,CartPole-v1,{seed},{step},{step}" for seed in range(8) for step in (500, 1000))
    sweep = take(Source(table(tmp_path / "s.csv", *lines)), "fake", store).sweep

    text = report(store, sweep, ("curves",))

    assert "trapezoids from its first step" in text
    assert [row["iqm"] for row in rows(store, "table_auc")] == ["750.0"]


@pytest.mark.parametrize("apart", [0, 7])
def test_a_curve_of_runs_with_scores_at_different_steps_says_how_it_is_drawn(
    store, tmp_path, apart
):
    lines = (f"a,CartPole-v1,{seed},{step},{step}" for seed in range(8)
             for step in (0, 500 + apart * seed, 1000))  # fmt: skip
    sweep = take(Source(table(tmp_path / "s.csv", *lines)), "fake", store).sweep

    assert ("interpolated linearly" in report(store, sweep, ("curves",))) == bool(apart)


def test_budgets_that_differ_are_shown_and_those_that_hardly_do_are_no_warning(store, tmp_path):
    def ending(at):
        lines = (f"{arm},E-v0,{seed},{step},1" for arm in "ab" for seed in range(8)
                 for step in (0, at(arm, seed)))  # fmt: skip
        path = table(tmp_path / "s.csv", *lines)
        name = f"fake{at('b', 1)}"
        return report(store, take(Source(path), name, store).sweep)

    near = ending(lambda arm, seed: 1000 + seed)
    assert "Unequal budgets" not in near and "| E-v0 | 1,000 to 1,007 | 0-7 |" in near
    assert "Unequal budgets on E-v0, in steps (1,000: a; 2,000: b)" in ending(
        lambda arm, seed: 2000 if arm == "b" else 1000
    )


def test_returns_of_training_are_called_so(store, tmp_path):
    for seed in range(8):
        monitor(tmp_path / "runs" / str(seed) / "monitor.csv", [(seed, 9, i) for i in range(200)])
    names = Names({"arm": "ppo"}, "{seed}")

    text = report(store, take(Source(tmp_path / "runs", names=names), "fake", store).sweep)

    assert "They are returns of training episodes, and no evaluation" in text
    assert "the mean return of the last training episodes of each run, at most 100" in text


@pytest.mark.parametrize("seeds", [2, 3])
def test_few_seeds_have_no_interval_whoever_made_them(store, tmp_path, seeds):
    text = report(store, imported(store, tmp_path, seeds=seeds))

    assert "**Undecided: b against a on CartPole-v1**" in text
    assert f"{seeds} seeds give no interval, and decide nothing" in text


def test_what_a_tracker_counts_is_not_called_environment_steps(store, tmp_path):
    head = "run_id,key,value,step,timestamp\n"
    lines = (f"r{seed},ret,{seed},{step},0" for seed in range(8) for step in (1, 2))
    path = table(tmp_path / "m.csv", *lines, head=head)
    names = Names({"arm": "a", "env": "E-v0"}, "r{seed}")

    text = report(store, take(Source(path, names=names), "fake", store).sweep)

    methods = (store.sweep_folder("fake") / "report" / "paper" / "methods.tex").read_text()
    assert "what its steps count" in text and "Budgets in steps are" in methods
    assert "environment steps" not in text


def test_the_page_lists_imported_runs_without_attempts_or_a_command(store, tmp_path):
    report(store, imported(store, tmp_path))
    page = (store.sweep_folder("fake") / "report" / "report.html").read_text()
    data = json.loads(re.search(r'<script [^>]*id="data"[^>]*>(.*?)</script>', page, re.S)[1])

    assert {run["state"] for run in data["runs"]} == {"imported"}
    assert {run["attempts"] for run in data["runs"]} == {None}
    assert {group["command"] for group in data["groups"]} == {""}
    folders = {store.root / group["folder"] / run["key"]
               for run in data["runs"] for group in [data["groups"][run["group"]]]}  # fmt: skip
    assert all((folder / "spec.json").exists() for folder in folders)


def test_settings_that_differ_between_the_runs_of_an_arm_are_said_to(store, tmp_path):
    head = "arm,env,seed,return,hparams.lr,hparams.run\n"
    lines = (f"a,E-v0,{seed},1,3e-4,{seed}" for seed in range(3))
    sweep = take(Source(table(tmp_path / "s.csv", *lines, head=head)), "fake", store).sweep
    report(store, sweep)

    assert {row["setting"]: row["value"] for row in rows(store, "hyperparameters")} == {
        "agent": "not known: imported", "lr": "0.0003", "run": "differs between runs",
    }  # fmt: skip
