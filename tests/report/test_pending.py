"""A half-done sweep says what is missing, and decides nothing that missing runs could change."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import fake_store
import pytest
from fake_report import report, write_report
from rich.console import Console

from harness import stats
from harness.cli import status
from harness.report import Options, checklist, write
from harness.report.evidence import Evidence
from harness.report.evidence.verdict import Finding, decide, unexamined
from harness.report.results import claims
from harness.report.results.figures import FIGURES
from harness.spec import Claim
from harness.store.reader import Store
from harness.sweep.record import keep

ARMS, ENVS = ("ppo", "rnd"), ("DeepSea-20", "DeepSea-10")
CLAIM = Claim(text="rnd > ppo on DeepSea-20", better="rnd", worse="ppo", env="DeepSea-20")
OVER_ALL = Claim(text="rnd > ppo by final", better="rnd", worse="ppo")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def half_done(store, *of, seeds=4, failed=()):
    """A sweep of 10 seeds, of which the first few are finished."""
    sweep = fake_store.sweep(ARMS, ENVS, 10, claims=of or (CLAIM,))
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        if (run.arm, run.env, run.seed) in failed:
            fake_store.write_failure(store, run, "ValueError: NaN in the policy")
        elif run.seed < seeds:
            fake_store.write_run(store, run, lambda run, *_: [float(run.arm == "rnd")] * _[-1])
    return sweep


def answer(store, sweep):
    return report(store, sweep).split("## Answer")[1].split("\n## ")[0]


# The answer ---------------------------------------------------------------------------------------


def test_a_claim_with_runs_to_come_is_pending_and_shows_no_number_of_its_own(store):
    text = answer(store, half_done(store))

    assert (
        "- **Pending: rnd against ppo on DeepSea-20** (final score): 8 of 20 runs are finished; "
        "12 missing, about "
    ) in text
    assert "of CPU time." in text
    assert not re.search(r"p = |IQM|cannot tell|Undecided|Brackets are", text)


def test_what_is_to_come_counts_each_run_once_and_names_what_failed(store):
    sweep = half_done(store, OVER_ALL, failed=[("rnd", "DeepSea-10", 2)])
    assert "15 of 40 runs are finished, 1 failed; 24 missing" in answer(store, sweep)


def test_what_nobody_can_estimate_is_named(store):
    sweep = half_done(store)
    mine = tuple(run.model_copy(update={"agent": "mine"}) for run in sweep.runs if run.arm == "rnd")
    theirs = tuple(run for run in sweep.runs if run.arm == "ppo")
    text = answer(store, sweep.model_copy(update={"runs": theirs + mine}))
    assert re.search("16 missing, about .* of CPU time; no estimate for mine .10 runs.", text)


def test_a_run_that_was_interrupted_is_still_to_come(store):
    sweep = half_done(store, seeds=10)
    run = next(run for run in sweep.runs if run.env == "DeepSea-20")
    (store.folder(run) / "result.json").unlink()
    (store.folder(run) / "attempts.jsonl").write_text('{"started": "2026-01-01T00:00:00+00:00"}\n')
    assert "19 of 20 runs are finished; 1 missing" in answer(store, sweep)


def test_a_claim_of_which_a_run_failed_is_undecided_once_nothing_is_to_come(store):
    text = answer(store, half_done(store, seeds=10, failed=[("rnd", "DeepSea-20", 2)]))
    assert "Undecided: rnd against ppo" in text
    assert "9 of 10 runs of rnd are finished" in text


def test_a_claim_is_decided_while_runs_of_others_are_to_come_if_they_cannot_change_it(store):
    other = Claim(text="rnd > ppo on DeepSea-10", better="rnd", worse="ppo", env="DeepSea-10")
    sweep = half_done(store, CLAIM, other, seeds=10)
    run = next(run for run in sweep.runs if run.env == "DeepSea-10")
    (store.folder(run) / "result.json").unlink()

    first, second = re.findall(r"- \*\*.*", answer(store, sweep))

    assert first.startswith("- **Supported: rnd beats ppo on DeepSea-20**")
    assert "(at most 2.2e-05 after Holm)" in first
    assert second.startswith("- **Pending: rnd against ppo on DeepSea-10**")


def test_a_claim_that_can_never_be_decided_is_not_called_pending(store):
    sweep = half_done(store, OVER_ALL).model_copy(update={"anchors": {}})
    text = answer(store, sweep)
    assert "Undecided" in text
    assert "Pending" not in text


@pytest.mark.parametrize(
    ("p", "outcome"),
    [
        (0.01, "supported"),  # 0.02 whatever comes
        (0.04, "pending"),  # 0.08 alone with what comes, 0.04 after a smaller p
        (0.2, "undecided"),  # whatever comes
    ],
)
def test_holms_correction_waits_for_claims_that_are_pending(p, outcome):
    up = stats.Estimate(0.9, 0.8, 1.0, 10, "interval")
    to_come = unexamined(CLAIM, "runs are to come", pending=True)

    first, second = decide([Finding(CLAIM, up, up, up, up, p), to_come])

    assert (first.outcome, second.outcome) == (outcome, "pending")
    if outcome == "pending":
        assert first.why == "its runs have ended, but Holm's correction waits for another claim"
        assert "p = " not in claims.answer(first, str)


# Around the answer --------------------------------------------------------------------------------


def test_failed_and_missing_runs_stand_right_after_the_answer(store):
    sweep = half_done(store, failed=[("rnd", "DeepSea-10", 2)])
    text = report(store, sweep)
    html = (store.sweep_folder("fake") / "report" / "report.html").read_text()

    assert re.findall("^## (.*)", text, re.M)[:2] == ["Answer", "Failed and missing runs"]
    assert text.count("1 of rnd on DeepSea-10: `ValueError: NaN in the policy`") == 1
    sections = re.findall(r'<section[^>]* id="([^"]*)"', html)
    assert sections[:2] == ["answer", "failed-and-missing-runs"]


def test_the_paper_names_failed_and_missing_runs_before_its_results(store):
    sweep = half_done(store, failed=[("rnd", "DeepSea-10", 2)])
    folder = store.sweep_folder("fake") / "report"

    write_report(store, sweep)

    tex = (folder / "paper" / "main.tex").read_text()
    reason = tex.index(r"1 of rnd on DeepSea-10: \texttt{ValueError: NaN in the policy}")
    head = tex.index(r"\section{Failed and missing runs}")
    assert tex.index("Pending: rnd") < head < reason < tex.index(r"\input{methods}")


def test_no_empty_figure_is_drawn_while_no_arm_has_all_of_its_runs(store, monkeypatch):
    asked = []
    kind = replace(FIGURES["aggregates"], fill=lambda *_: asked.append("filled") or "")
    monkeypatch.setitem(FIGURES, "aggregates", kind)
    left_out = "aggregate over environments are left out, because no arm has all of its runs"
    sweep = half_done(store)

    assert left_out in report(store, sweep, ["aggregates"])
    assert not asked
    for run in sweep.runs:
        if run.arm == "ppo":
            fake_store.write_run(store, run)
    assert left_out not in report(store, sweep, ["aggregates"])
    assert asked


def test_a_finished_sweep_has_no_such_section(store):
    sweep = half_done(store, seeds=10)
    assert "Failed and missing runs" not in report(store, sweep)


def test_the_checklist_is_pending_and_cannot_be_handed_in_whatever_its_author_says(store):
    yes = checklist.AuthorsAnswer(answer="yes", because="It is obvious.")
    evidence = Evidence(half_done(store), store)

    entries = {entry.name: entry for entry in checklist.fill(evidence, {"claims": yes})}

    pending = {name for name, entry in entries.items() if entry.answer == "PENDING"}
    assert pending >= {"runs", "claims", "variation", "significance", "compute"}
    assert entries["runs"].why.startswith("16 of 40 runs are finished; 24 missing")
    flaws = write(evidence.sweep, store, store.root / "report", Options(figures=())).flaws
    assert any(flaw.startswith("runs: PENDING. 16 of 40") for flaw in flaws)


def test_status_says_what_each_claim_waits_for(store):
    other = Claim(text="rnd > ppo on DeepSea-10", better="rnd", worse="ppo", env="DeepSea-10")
    sweep = half_done(store, CLAIM, other)
    for run in sweep.runs:
        if run.env == "DeepSea-10":
            fake_store.write_run(store, run)
    console = Console(file=io.StringIO(), width=160)

    console.print(status.of_sweep(sweep, store))

    text = " ".join(console.file.getvalue().split())
    assert "28 of 40 runs are finished; 12 missing, about" in text
    assert f"{CLAIM.text} pending: 8 of 20 runs are finished; 12 missing, about" in text
    assert f"{other.text} its runs have ended: see `harness report fake`" in text


# Looks --------------------------------------------------------------------------------------------


def test_looking_at_a_half_done_sweep_and_going_on_is_not_stamped(store):
    sweep = half_done(store)
    (store.sweep_folder("fake") / "sweep.json").unlink()
    keep(sweep, store)
    report(store, sweep)

    keep(sweep, store)  # the same command again
    for run in sweep.runs:
        if not store.finished(run):
            fake_store.write_run(store, run)

    assert "Warning" not in answer(store, sweep)


def test_stopping_early_is_stamped(store):
    sweep = half_done(store)
    (store.sweep_folder("fake") / "sweep.json").unlink()
    keep(sweep, store)
    report(store, sweep)

    fewer = sweep.model_copy(update={"runs": tuple(r for r in sweep.runs if r.seed < 4)})
    keep(fewer, store)

    text = answer(store, fewer)
    assert "Pending" not in text
    assert "Seeds were dropped on " in text
    assert "after a report had been written: 10 before, 4 after." in text
