"""Every start of a run is accounted for, also those that came to nothing."""

from __future__ import annotations

import csv
import io
import json

import fake_store
import pytest
from fake_report import write_report
from rich.console import Console

from harness.cli import status
from harness.report.evidence import Evidence
from harness.report.results import runs as compute
from harness.store import writer
from harness.store.cost import spent
from harness.store.reader import Store

ARMS = ("ppo", "rnd")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def attempts(store, run, *lines):
    folder = store.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "attempts.jsonl").write_text(text)


START = {"started": "2026-01-01T00:00:00+00:00", "pid": 1, "host": "host"}
END = {"ended": "2026-01-01T00:01:00+00:00"}
COST = {"wall_seconds": 50.0, "cpu_seconds": 40.0, "peak_memory_mb": 900.0}
BEAT = {"wall_seconds": 5.0, "cpu_seconds": 4.0, "peak_memory_mb": 90.0}


def test_an_attempt_costs_what_it_wrote_down_or_what_its_last_beat_said(store):
    run = fake_store.spec("ppo", "DeepSea-20", 0)
    fake_store.write_run(store, run)
    failed, old = END | {"outcome": "failed"} | COST, END | {"outcome": "interrupted"}
    finished = END | {"outcome": "finished"}
    attempts(store, run, START, failed, START, old, START, START, finished)
    assert [tuple(one) for one in store.status(run).tries] == [
        ("failed", 50.0, 40.0, 900.0),
        ("interrupted", 60.0, None, None),  # an older run: when, but not how much
        ("lost", None, None, None),
        ("finished", 20.0, 19.0, 300.0),  # as in result.json
    ]
    fake_store.remove_result(store, run)
    (store.folder(run) / "progress.json").write_text(json.dumps({"step": 1, "steps": 2} | BEAT))
    attempts(store, run, START)
    assert [tuple(one) for one in store.status(run).tries] == [("lost", 5.0, 4.0, 90.0)]


def test_a_killed_attempt_is_closed_with_its_last_beat_before_the_next_one_wipes_it(store):
    run = fake_store.spec("ppo", "DeepSea-20", 0)
    folder = store.folder(run)
    folder.mkdir(parents=True)
    writer.Record(folder, run).progress(100)  # and no word since
    writer.Record(folder, run).failed(ValueError("no"))
    lost, failed = store.status(run).tries
    assert (lost.outcome, failed.outcome) == ("lost", "failed")
    for one in (lost, failed):
        assert one.wall_seconds >= 0
        assert one.cpu_seconds >= 0
        assert one.peak_memory_mb > 10


def test_what_failed_is_in_the_sums_and_what_nobody_measured_is_said(store):
    sweep = fake_store.sweep(ARMS, ("DeepSea-20",), 3)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs[1:]:
        fake_store.write_run(store, run)  # 19 + seed seconds of CPU, 300 + seed MB
    failed, old = END | {"outcome": "failed"} | COST, END | {"outcome": "failed"}
    attempts(store, sweep.runs[0], START, failed, START, old)
    evidence = Evidence(sweep, store)
    table = compute.cost(evidence)
    assert table.head == (
        "arm", "attempts", "without result", "wall s", "CPU s", "CPU s without result", "peak MB",
    )  # fmt: skip
    assert table.rows == (
        ("ppo", "4", "2", "153.0", "81.0", "40.0", "900"),
        ("rnd", "3", "0", "63.0", "60.0", "0.0", "302"),
        ("(all arms)", "7", "2", "216.0", "141.0", "40.0", "900"),
    )
    assert compute.account(evidence).unknown == (
        "Not recorded, and counted as 0: CPU time of 1 of 7 attempts."
    )


def test_page_checklist_paper_and_status_give_one_account_of_failed_attempts(store):
    sweep = fake_store.sweep(ARMS, ("DeepSea-20",), 3)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run)
    failed, finished = END | {"outcome": "failed"} | COST, END | {"outcome": "finished"}
    attempts(store, sweep.runs[0], START, failed, START, finished)
    account = (
        "7 attempts took 176.0 s of wall time and 160.0 s of CPU time; "
        "1 left no result and took 50.0 s of wall time and 40.0 s of CPU time."
    )
    folder = write_report(store, sweep)
    with (folder / "table_compute.csv").open() as file:
        whole = list(csv.reader(file))[-1]
    assert whole == ["(all arms)", "7", "1", "176.0", "160.0", "40.0", "900"]
    assert account in (folder / "checklist.md").read_text()
    assert account in (folder / "paper" / "methods.tex").read_text()
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(status.of_sweep(sweep, store))
    assert account in console.export_text()


def test_an_attempt_under_way_is_not_one_that_left_no_result(store, monkeypatch):
    run = fake_store.spec("ppo", "DeepSea-20", 0)
    fake_store.write_interruption(store, run)
    (store.folder(run) / "progress.json").write_text(json.dumps({"step": 1, "steps": 2} | BEAT))
    assert spent([store.status(run)]).lost.attempts == 1
    monkeypatch.setattr(Store, "running", lambda *_: True)
    total, lost = spent([store.status(run)])
    assert (total.attempts, total.cpu_seconds, lost.attempts) == (1, 4.0, 0)


def test_a_run_that_two_arms_share_is_paid_once(store):
    sweep = fake_store.sweep(("ppo",), ("DeepSea-20",), 3)
    twins = [run.model_copy(update={"arm": "twin"}) for run in sweep.runs]
    sweep = fake_store.sweep(("ppo", "twin"), ("DeepSea-20",), runs=(*sweep.runs, *twins))
    fake_store.write_sweep(store, sweep)
    rows = {row[0]: row[3] for row in compute.cost(Evidence(sweep, store)).rows}
    assert rows["ppo"] == rows["twin"] == rows["(all arms)"]


@pytest.mark.parametrize("state", ["finished", "failed", "interrupted"])
def test_status_names_the_symptoms_of_a_run_however_it_ended(store, state):
    sweep = fake_store.sweep(("ppo",), ("DeepSea-20",), 1)
    (run,) = sweep.runs
    seen = {"symptoms": [["exploded", "train/loss", 1024, "2e+21"]]}
    if state == "finished":
        fake_store.write_run(store, run, result=seen)
    else:
        fake_store.write_interruption(store, run)
        name = "failure.json" if state == "failed" else "progress.json"
        facts = {"error": "ValueError: no", "traceback": "", "step": 1024, "steps": 2048}
        (store.folder(run) / name).write_text(json.dumps(facts | seen))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(status.of_sweep(sweep, store))
    line = (
        "exploded in 1 of 1 runs of ppo: train/loss: 2e+21 (step 1,024), ppo on DeepSea-20, seed 0"
    )
    assert line in console.export_text()
