"""What is missing, failed or broken is counted and named, and never averaged over."""

from __future__ import annotations

import re

import fake_store
import pytest
from fake_report import CLAIM, TWO_ARMS, TWO_ENVS, report, rows, with_gap

from harness.spec import Claim


def test_a_failed_run_is_shown_with_its_reason_and_never_averaged_over(store):
    text = report(store, with_gap(store))
    assert "1 of rnd on DeepSea-20: `ValueError: NaN in the policy`" in text
    assert "32 runs: 1 failed, 31 finished." in text
    assert "| rnd | - (7 of 8 runs) | 0." in text
    assert "**Undecided: rnd against ppo on DeepSea-20** (final score): 7 of 8 runs of rnd" in text
    found = {(row["arm"], row["env"]): row for row in rows(store, "table_final")}
    row = found["rnd", "DeepSea-20"]
    assert (row["iqm"], row["shows"], row["runs"], row["planned"]) == ("", "missing", "7", "8")


def test_every_run_is_counted_in_the_run_table(store):
    sweep = with_gap(store)
    report(store, sweep)
    (row,) = (r for r in rows(store, "runs") if r["arm"] == "rnd")
    counts = {name: row[name] for name in ("planned", "launched", "finished", "failed")}
    assert counts == {"planned": "16", "launched": "16", "finished": "15", "failed": "1"}
    (cost,) = (r for r in rows(store, "table_compute") if r["arm"] == "rnd")
    assert (cost["attempts"], cost["without result"]) == ("16", "1")


def test_what_a_run_costs_is_told_for_each_environment_by_itself(store):
    arms, envs = ("ppo", "rnd"), ("DeepSea-10", "DeepSea-20")
    runs = [fake_store.spec(arm, env, seed) for arm in arms for env in envs for seed in range(2)]
    runs = [run for run in runs if (run.arm, run.env) != ("rnd", "DeepSea-20")]
    for run in runs:
        cost = 10.0 * (1 + envs.index(run.env)) + run.seed
        fake_store.write_run(store, run, result={"cpu_seconds": cost})
    report(store, fake_store.sweep(arms=arms, envs=envs, runs=tuple(runs)))

    assert rows(store, "cpu_seconds") == [
        {"arm": "ppo", "DeepSea-10": "10.5", "DeepSea-20": "20.5"},
        {"arm": "rnd", "DeepSea-10": "10.5", "DeepSea-20": ""},
    ]


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ([0.98, 0.98], "58,800"),
        ([0.98, 0.5], "30,000 to 58,800"),
        ([0.99, 0.995], ""),
        ([0, 0], ""),  # it learns nothing
    ],
)
def test_the_steps_that_were_learned_from_are_told_where_they_fall_short_of_the_budget(
    store, used, words
):
    sweep = fake_store.sweep(TWO_ARMS, ["DeepSea-20"], 2)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        part = used[run.seed] if run.arm == "rnd" else 1
        fake_store.write_run(store, run, result={"steps_trained": int(part * run.steps)})
    text = report(store, sweep)
    steps = sweep.runs[0].steps
    told = re.findall(r"rnd on DeepSea-20 learned from (.*): the rest held no update", text)
    assert told == ([f"{words} of {steps:,} steps"] if words else [])
    cells = re.findall(r"after ([^|]*) steps \|", text)
    assert set(cells) == ({words} if words else set())
    column = [row["steps_trained"] for row in rows(store, "scores") if row["arm"] == "rnd"]
    assert column == [str(int(part * steps)) for part in used]


def test_runs_of_a_broken_learner_are_counted_and_named_at_the_top_beside_their_claims(store):
    other = Claim(text="ppo > rnd on DeepSea-10", better="ppo", worse="rnd", env="DeepSea-10")
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 3, claims=(CLAIM, other))
    fake_store.write_sweep(store, sweep, finish=False)
    exploded = ["exploded", "train/value_loss", 1024, "1.46e+21"]
    for run in sweep.runs:
        ill = run.arm == "rnd" and run.env == "DeepSea-20" and run.seed > 0
        result = {"symptoms": [exploded, ["no entropy", "train/std", 2048, "0"]] if ill else []}
        fake_store.write_run(store, run, result=result)
    text = report(store, sweep)
    assert (
        "> **Warning.** 2 of 12 runs show symptoms of a broken learner. They count with the score "
        "that they have. exploded in 2 of 6 runs of rnd: train/value_loss: 1.46e+21 (step 1,024), "
        "rnd on DeepSea-20, seed 1; no entropy in 2 of 6 runs of rnd: train/std: 0 (step 2,048), "
        "rnd on DeepSea-20, seed 1."
    ) in text
    stamp = "**Of 3 runs of rnd, symptoms of a broken learner: exploded in 2, no entropy in 2.**"
    first, second = [line for line in text.splitlines() if line.startswith("- **Undecided")]
    assert stamp in first
    assert "symptoms" not in second
    assert [row["symptoms"] for row in rows(store, "runs")] == ["0", "2"]
    checklist = (store.sweep_folder("fake") / "report" / "checklist.md").read_text()
    assert "With symptoms of a broken learner, and in the numbers: 2 runs." in checklist
