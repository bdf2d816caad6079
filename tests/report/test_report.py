"""A report says what the store holds: the answer, the gaps, and nothing of the day it was made."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import fake_store
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from harness import stats
from harness.report import contents, plot, write
from harness.report import evidence as evidence_module
from harness.report.document import Table
from harness.report.number import fixed, short
from harness.report.plot import Cells, Line, Points
from harness.report.render import markdown, seaborn, style
from harness.report.render.latex import tabular
from harness.report.results import acting, caption, maps
from harness.report.results.figures import FIGURES
from harness.spec import Claim, ReportOptions, ResolvedSweep
from harness.stats import calibration, crosscheck
from harness.store.reader import Store

TWO_ARMS = ("ppo", "rnd")
ONE_ENV = ("DeepSea-20",)
TWO_ENVS = ("DeepSea-20", "DeepSea-10")
CLAIM = Claim(text="rnd > ppo on DeepSea-20", better="rnd", worse="ppo", env="DeepSea-20")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def text_only(monkeypatch):
    """Figures take most of the time of a report."""
    monkeypatch.setattr(contents, "FIGURES", {})


def report(store: Store, sweep: ResolvedSweep) -> str:
    return write(sweep, store, store.sweep_folder(sweep.name) / "report").page.read_text()


def rows(store: Store, name: str) -> list[dict[str, str]]:
    with (store.sweep_folder("fake") / "report" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def constant(level):
    """Runs that all score `level(run)` from the start, a little apart."""
    return lambda run, fraction, rng, n: [level(run) + 0.001 * run.seed] * n


# The answer --------------------------------------------------------------------------------------


def answers(store: Store, level, *claims: Claim, seeds: int = 10) -> list[str]:
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds, claims=claims)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, constant(level))
    return [line for line in report(store, sweep).splitlines() if line.startswith("- **")]


@pytest.mark.parametrize(
    ("rnd", "sentence"),
    [
        (0.9, "- **Supported: rnd beats ppo on DeepSea-20** (final score): IQM 0.90 [0.90, 0.91] "
              "against 0.20 [0.20, 0.21], difference 0.70 [0.70, 0.70], P(improvement) "
              "1.00 [0.69, 1.00], p = 1.1e-05, 10 seeds."),
        (0.1, "- **Contradicted: rnd does worse than ppo on DeepSea-20** (final score): IQM "
              "0.10 [0.10, 0.11] against 0.20 [0.20, 0.21], difference -0.10 [-0.10, -0.10], "
              "P(improvement) 0.00 [0.00, 0.31], p = 1.1e-05, 10 seeds."),
        (0.2, "- **Undecided: rnd against ppo on DeepSea-20** (final score): IQM "
              "0.20 [0.20, 0.21] against 0.20 [0.20, 0.21], difference 0.00 [0.00, 0.00], "
              "P(improvement) 0.50 [0.22, 0.78], p = 1, 10 seeds; the test does not tell them "
              "apart at 0.05."),
    ],
)  # fmt: skip
def test_a_claim_is_answered_in_one_sentence(store, text_only, rnd, sentence):
    assert answers(store, lambda run: {"rnd": rnd, "ppo": 0.2}[run.arm], CLAIM) == [sentence]


def test_a_difference_that_other_seeds_could_reverse_is_undecided(store, text_only):
    (answer,) = answers(store, lambda run: run.seed < {"rnd": 6, "ppo": 4}[run.arm], CLAIM)
    assert answer.startswith("- **Undecided")
    found = re.search(r"difference (\S+) \[(\S+), (\S+)\]", answer)
    point, low, high = map(float, found.groups())
    assert low < 0 < point < high


def test_claims_over_all_environments_are_about_normalised_scores(store, text_only):
    claim = Claim(text="rnd > ppo by auc", better="rnd", worse="ppo", score="auc")
    (answer,) = answers(store, lambda run: 0.495 if run.arm == "rnd" else 0.0, claim)
    assert "rnd beats ppo over all environments** (area under the curve, normalised)" in answer
    assert "Supported" in answer
    assert "IQM 0.50 [" in answer  # 0.495 of 0.99


def test_more_claims_ask_more_of_each(store, text_only):
    def level(run):  # 8 of 10 seeds of rnd reach what none of ppo do
        return float(run.arm == "rnd" and run.seed >= 2)

    (alone,) = answers(store, level, CLAIM)
    family = answers(store, level, CLAIM, CLAIM, CLAIM, CLAIM)
    text = (store.sweep_folder("fake") / "report" / "report.md").read_text()
    assert "Supported" in alone
    assert all("Undecided" in answer and "after Holm)" in answer for answer in family)
    assert "after Holm's correction for all 4 claims" in text


@pytest.mark.parametrize(("seeds", "decided"), [(2, False), (5, False), (6, True)])
def test_too_few_seeds_decide_nothing_whatever_the_difference(store, text_only, seeds, decided):
    (answer,) = answers(store, lambda run: run.arm == "rnd", CLAIM, seeds=seeds)
    assert ("rnd beats ppo" in answer) == decided
    assert (f"{seeds} seeds give no interval, and decide nothing" in answer) != decided


def test_six_seeds_are_too_few_for_many_claims(store, text_only):
    found = answers(store, lambda run: run.arm == "rnd", *[CLAIM] * 30, seeds=6)
    assert all("Undecided" in answer and "(0.065 after Holm)" in answer for answer in found)


def test_a_claim_needs_only_its_own_two_arms_on_all_environments(store, text_only):
    claim = Claim(text="rnd > ppo by final", better="rnd", worse="ppo")
    runs = [fake_store.spec(arm, env, s) for arm in TWO_ARMS for env in TWO_ENVS for s in range(6)]
    runs += [fake_store.spec("episodic", "DeepSea-10", seed) for seed in range(6)]
    sweep = fake_store.sweep((*TWO_ARMS, "episodic"), TWO_ENVS, runs=tuple(runs), claims=(claim,))
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, constant(lambda run: run.arm == "rnd"))
    assert "Supported: rnd beats ppo over all environments" in report(store, sweep)


def history(store: Store, sweep: ResolvedSweep, *lines: dict) -> None:
    facts = {"at": "2026-02-03T04:05:06+00:00", "seeds": [0, 1, 2], "claims": [], "reported": False}
    facts |= {"declares": [], "finished": {}}
    facts |= {"declares": [], "arms": {}, "finished": {}}
    path = store.sweep_folder(sweep.name) / "history.jsonl"
    path.write_text("".join(json.dumps(facts | line) + "\n" for line in lines))


@pytest.mark.parametrize(
    ("change", "stamp"),
    [
        ({"seeds": [0, 1, 2, 3]}, "Seeds were added on 2026-02-03, after a report had been"),
        ({"seeds": [0, 1]}, "Seeds were dropped on 2026-02-03, after a report had been"),
        ({"claims": ["a > b by final"]}, "The claims were changed on 2026-02-03, after a report"),
    ],
)
def test_what_was_changed_after_looking_is_stamped_on_the_report(store, text_only, change, stamp):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3)
    fake_store.write_sweep(store, sweep)
    history(store, sweep, {}, change)
    assert stamp not in report(store, sweep)
    history(store, sweep, {}, change | {"reported": True})
    assert f"> **Warning.** {stamp}" in report(store, sweep)


def test_an_objection_that_was_overridden_is_printed(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, anyway=("rnd > ppo by final: 3 seeds",))
    fake_store.write_sweep(store, sweep)
    assert "(--anyway). rnd > ppo by final: 3 seeds." in report(store, sweep)


def test_the_report_says_what_coverage_to_expect_at_its_own_number_of_seeds(store, text_only):
    for seeds, simulated in ((2, None), (6, 6), (12, 10)):
        sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds)
        fake_store.write_sweep(store, sweep)
        text = report(store, sweep)
        assert ("hold the truth, in the worst of the simulated kinds of scores" in text) == bool(
            simulated
        )
        if simulated:
            least = stats.worst("IQM", seeds, 1)
            share = f"{100 * least.coverage:.1f} %"
            assert f"| IQM | 1 | {share} | {least.scores} | {simulated} |" in text


# Gaps --------------------------------------------------------------------------------------------


def with_gap(store: Store) -> ResolvedSweep:
    """Two arms on two environments; the last run of rnd on DeepSea-20 raised."""
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 8, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep, finish=False)
    gone = next(r for r in sweep.runs if (r.arm, r.env, r.seed) == ("rnd", "DeepSea-20", 7))
    for run in sweep.runs:
        if run != gone:
            fake_store.write_run(store, run)
    fake_store.write_failure(store, gone, "ValueError: NaN in the policy")
    return sweep


def test_a_failed_run_is_shown_with_its_reason_and_never_averaged_over(store, text_only):
    text = report(store, with_gap(store))
    assert "1 of rnd on DeepSea-20: `ValueError: NaN in the policy`" in text
    assert "32 runs: 1 failed, 31 finished." in text
    assert "| rnd | - (7 of 8 runs) | 0." in text
    assert "**Undecided: rnd against ppo on DeepSea-20** (final score): 7 of 8 runs of rnd" in text
    found = {(row["arm"], row["env"]): row for row in rows(store, "table_final")}
    row = found["rnd", "DeepSea-20"]
    assert (row["iqm"], row["shows"], row["runs"], row["planned"]) == ("", "missing", "7", "8")


def test_a_figure_leaves_out_an_arm_with_a_gap_and_says_so(store):
    sweep = with_gap(store)
    evidence = evidence_module.gather(sweep, store)
    with style.applied():
        bars, profiles, curves = (
            seaborn.draw(FIGURES[name].plot(evidence, "final"))
            for name in ("aggregates", "profiles", "curves")
        )
    assert "15 of 16 runs" in texts(bars)
    assert "not drawn: rnd (15 of 16 runs)" in texts(profiles)
    assert len(profiles.axes[0].collections) == 1  # one shaded band: that of ppo
    assert "run by run: rnd (7 of 8 runs) on DeepSea-20" in texts(curves)
    thin = [line for line in curves.axes[0].lines if line.get_linewidth() == 0.5]
    assert len(thin) == 7  # the runs that there are, each on its own


def test_nothing_finished_still_gives_a_report(store):
    options = ReportOptions(scores=("final",))
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, claims=(CLAIM,), report=options)
    fake_store.write_sweep(store, sweep, finish=False)
    fake_store.write_interruption(store, sweep.runs[0])
    text = report(store, sweep)
    assert "6 runs: 1 interrupted, 5 missing." in text
    assert "0 of 6 runs are finished; 6 missing" in text


def test_every_run_is_counted_in_the_run_table(store, text_only):
    sweep = with_gap(store)
    report(store, sweep)
    (row,) = (r for r in rows(store, "runs") if r["arm"] == "rnd")
    counts = {name: row[name] for name in ("planned", "launched", "finished", "failed")}
    assert counts == {"planned": "16", "launched": "16", "finished": "15", "failed": "1"}
    (cost,) = (r for r in rows(store, "table_compute") if r["arm"] == "rnd")
    assert (cost["attempts"], cost["without result"]) == ("16", "1")


def test_what_a_run_costs_is_told_for_each_environment_by_itself(store, text_only):
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


# Comparability -----------------------------------------------------------------------------------


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
def test_runs_of_other_code_versions_machines_and_devices_are_told_arm_by_arm(
    store, text_only, words, other
):
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


def test_arms_of_which_equal_shares_were_made_on_two_machines_do_not_differ(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 4, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    for run in sweep.runs[::2]:
        machine = fake_store.MACHINE | {"cpu": "Another"}
        fake_store.write_run(store, run, result={"machine": machine})

    text = report(store, sweep)

    assert "(cpu: Another in every arm (2 each); A processor in every arm (2 each))." in text
    assert "The two arms differ" not in text


def test_a_learner_that_another_arm_never_imports_does_not_part_them(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    for run in sweep.runs:
        if run.arm == "rnd":
            more = fake_store.SOURCES | {"baselines.curiosity.rnd": "c" * 16}
            fake_store.write_run(store, run, result={"sources": more})

    text = report(store, sweep)

    assert "Warning" not in text
    assert "The two arms differ" not in text


def test_code_with_uncommitted_changes_is_told_with_its_arms(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3)
    fake_store.write_sweep(store, sweep)
    dirty = {"git": {"commit": "0123abc", "dirty": True}}
    fake_store.write_run(store, sweep.runs[-1], result=dirty)

    text = report(store, sweep)

    assert "> **Warning.** Made from code with uncommitted changes: rnd (1 run)." in text


def test_a_record_that_sacred_lost_raises_a_visible_warning(store, text_only):
    sweep = fake_store.sweep(seeds=2)
    fake_store.write_sweep(store, sweep)
    assert "Sacred" not in report(store, sweep)
    fake_store.write_run(store, sweep.runs[0], result={"sacred": {"id": "x", "complete": False}})

    assert "> **Warning.** Sacred's record is incomplete for 1 of 30 runs" in report(store, sweep)


def test_scores_on_variants_that_training_never_saw_are_shown_with_the_gap_within_runs(
    store, text_only
):
    sweep = fake_store.sweep(("rnd",), ("DeepSea-10",), 10)
    fake_store.write_sweep(store, sweep)
    assert "never seen" not in report(store, sweep)
    for i, run in enumerate(sweep.runs):
        seen, unseen = 0.9 + 0.01 * i, 0.4 + 0.01 * i
        scores = {"final": {"mean": seen}, "test": {"mean": unseen}}
        fake_store.write_run(store, run, result=scores)

    line = next(x for x in report(store, sweep).splitlines() if x.startswith("| DeepSea-10 | rnd"))

    # Every run loses exactly 0.5: the gap has no spread, though the scores have.
    assert line.endswith("| 0.50 [0.50, 0.50] |")
    assert "| 0.94 [0." in line


def play_in_both_ways(store, sweep, differences):
    """Runs that score 0.5 + 0.01 * seed greedily, and so much more by sampling: by arm."""
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        greedy = {"mean": 0.5 + 0.01 * run.seed}
        sampled = {"mean": greedy["mean"] + differences[run.arm][run.seed]}
        final, other = (greedy, sampled) if run.evaluation.deterministic else (sampled, greedy)
        other = {"deterministic": not run.evaluation.deterministic, **other}
        fake_store.write_run(store, run, result={"final": final, "other_mode": other})


def sampling(sweep):
    """The same, scored by sampling."""
    runs = [
        run.model_copy(
            update={"evaluation": run.evaluation.model_copy(update={"deterministic": False})}
        )
        for run in sweep.runs
    ]
    return sweep.model_copy(update={"runs": tuple(runs)})


NOISE = [0.01, -0.01, 0.02, -0.02, 0.0, 0.01, -0.03, 0.03, -0.01, 0.0]
FAR = [0.4 + noise for noise in NOISE]
IN_BOTH_WAYS = "### Acting greedily and by sampling"


@pytest.mark.parametrize("made", [lambda sweep: sweep, sampling], ids=["greedy", "sampled"])
def test_both_ways_of_acting_are_printed_where_they_differ_by_more_than_their_error(
    store, text_only, made
):
    sweep = made(fake_store.sweep(TWO_ARMS, ONE_ENV, 10))
    play_in_both_ways(store, sweep, {"ppo": FAR, "rnd": NOISE})

    text = report(store, sweep)

    assert IN_BOTH_WAYS in text and "in 1 of 2 pairs of an arm and an environment" in text
    (row,) = rows(store, "table_modes")
    assert row["arm"] == "ppo"
    greedily = sweep.runs[0].evaluation.deterministic
    assert row["scored"] == ("greedily" if greedily else "by sampling")
    assert row["greedily"].startswith("0.55 [") and row["by sampling"].startswith("0.94 [")
    assert row["difference within a run"].startswith("-0.40 [")
    paper = (store.sweep_folder("fake") / "report" / "paper" / "main.tex").read_text()
    assert r"\input{tables/table_modes}" in paper


def test_where_both_ways_of_acting_score_alike_one_sentence_says_so(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 10)
    play_in_both_ways(store, sweep, {"ppo": NOISE, "rnd": [0.0] * 10})

    said = "in none of 2 pairs of an arm and an environment do the two differ by more than their"

    assert said in report(store, sweep)
    folder = store.sweep_folder("fake") / "report"
    assert said in " ".join((folder / "paper" / "methods.tex").read_text().split())
    assert not (folder / "table_modes.csv").exists()


@pytest.mark.parametrize(
    ("differences", "apart"),
    [
        ([0.1, 0.4, 0.9], True),  # no interval, and all of one sign
        ([0.1, 0.4, -0.1], False),
        ([0.2, 0.2, 0.2], True),  # they tie
        ([0.0, 0.0, 0.0], False),
        ([0.3], True),  # nothing is known of its error
        ([0.0], False),
        ([0.5] * 2 + [0.0] * 8, False),  # most seeds say that they are alike
    ],
)
def test_with_few_seeds_all_must_say_that_the_ways_of_acting_differ(
    store, text_only, differences, apart
):
    sweep = fake_store.sweep(("ppo",), ONE_ENV, len(differences))
    play_in_both_ways(store, sweep, {"ppo": differences})
    report(store, sweep)

    assert (store.sweep_folder("fake") / "report" / "table_modes.csv").exists() == apart


SAME_POLICY = {
    "0 or 1": lambda rng, n: rng.binomial(100, np.tile(rng.beta(2, 2, (n, 1)), 2)) / 100,
    "normal": lambda rng, n: rng.normal(size=(n, 1)) + rng.normal(0, 0.1, (n, 2)),
    "most at 0": lambda rng, n: rng.binomial(100, np.tile(rng.random((n, 1)) < 0.3, 2) / 2) / 100,
}


@pytest.mark.parametrize("scores", SAME_POLICY)
@pytest.mark.parametrize(("seeds", "most"), [(3, 0.30), (5, 0.11), (6, 0.08), (10, 0.06)])
def test_ways_of_acting_that_are_alike_are_seldom_said_to_differ(scores, seeds, most):
    rng = np.random.default_rng(0)
    found = [
        acting.compared("", str(i), True, SAME_POLICY[scores](rng, seeds)).apart for i in range(100)
    ]
    assert np.mean(found) <= most


def test_runs_that_were_played_in_one_way_are_counted_and_never_averaged_over(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 10)
    play_in_both_ways(store, sweep, {"ppo": FAR, "rnd": NOISE})
    fake_store.write_run(store, sweep.runs[0])

    text = report(store, sweep)

    assert (
        "Left out, because runs are missing: 1 more." in text
        and "in none of 1 pair of an arm" in text
    )
    fake_store.write_sweep(store, sweep)
    assert IN_BOTH_WAYS not in report(store, sweep)


def test_a_metric_of_training_is_shown_as_its_mean_over_the_last_fifth(store, text_only):
    options = ReportOptions(baseline="ppo", metrics=("rollout/remote",))
    sweep = fake_store.sweep(("ppo", "rnd", "episodic"), ONE_ENV, 8, report=options)
    fake_store.write_sweep(store, sweep)
    for run in sweep.runs:
        if run.arm == "rnd" or (run.arm == "episodic" and run.seed < 7):
            told = [0.9] * 8 + [0.1 + 0.01 * run.seed, 0.3 + 0.01 * run.seed]
            fake_store.write_metrics(store, run, "rollout/remote", told)
    text = report(store, sweep)

    assert "### rollout/remote: training metric, mean of the last 20 % of steps" in text
    found = {row["arm"]: row["DeepSea-20"] for row in rows(store, "table_rollout_remote")}
    assert found["rnd"].startswith("0.235 [")
    assert found["episodic"] == "- (7 of 8 runs)"
    assert found["ppo"] == ""


def test_what_environments_measure_is_shown_beside_the_score(store, text_only):
    sweep = fake_store.sweep(("ppo", "rnd"), ONE_ENV, 8, report=ReportOptions(baseline="ppo"))
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        measured = {"mean": 0.5, "measures": {"distance, cm": 1.0 + run.seed}}
        told = {"final": measured} if run.arm == "rnd" or run.seed else {}
        fake_store.write_run(store, run, result=told)
    report(store, sweep)

    found = {row["arm"]: row["mean"] for row in rows(store, "table_measures")}
    assert found["rnd"].startswith("4.50 [")
    assert found["ppo"] == "- (7 of 8 runs)"


def test_unequal_budgets_raise_a_visible_warning(store, text_only):
    runs = [fake_store.spec("ppo", "DeepSea-20", seed, 60_000) for seed in range(3)]
    runs += [fake_store.spec("rnd", "DeepSea-20", seed, 30_000) for seed in range(3)]
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, runs=tuple(runs), claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    assert "Warning.** Unequal budgets on DeepSea-20, in steps (60,000: ppo; 30,000: rnd)" in text
    assert "| arm | DeepSea-20 (unequal budgets) |" in text
    assert "**Their budgets differ.**" in text


def test_two_names_for_the_same_runs_are_pointed_out(store, text_only):
    runs = [fake_store.spec("rnd", "DeepSea-20", seed) for seed in range(3)]
    twins = [run.model_copy(update={"arm": "twin"}) for run in runs]
    sweep = fake_store.sweep(("rnd", "twin"), ONE_ENV, 3, runs=(*runs, *twins))
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    assert "rnd and twin are the same runs under two names" in text
    assert "3 runs: 3 finished." in text


def test_arms_on_different_environments_get_no_aggregates_and_a_reason(store):
    runs = [fake_store.spec("ppo", "DeepSea-20", seed) for seed in range(3)]
    runs += [fake_store.spec("rnd", "DeepSea-10", seed) for seed in range(3)]
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 3, runs=tuple(runs))
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    assert "left out, because the arms do not share all environments and seeds." in text
    drawn = {path.stem for path in (store.sweep_folder("fake") / "report").glob("*.png")}
    assert drawn == {"curves", "seeds_final", "seeds_auc"}


def test_an_environment_without_anchors_is_reported_raw(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, ("DeepSea-20", "Elsewhere"), 3)
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    assert "no random and reference score is known for Elsewhere" in text
    assert "| arm | DeepSea-20 | Elsewhere |" in text


def test_what_an_arm_changes_is_listed_against_the_baseline(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 3)
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    assert "| rnd | agent | ppo | ppo_rnd |" in text
    assert "| rnd | int_coef | - | 1.0 |" in text
    assert "learning_rate" not in text  # the same in both


# Tables ------------------------------------------------------------------------------------------


def test_the_three_forms_of_a_table_agree_to_the_last_digit(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 8)
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    folder = store.sweep_folder("fake") / "report"
    latex, markdown = (folder / "table_auc.tex").read_text(), (folder / "table_auc.md").read_text()
    assert markdown in text
    for row in rows(store, "table_auc"):
        cell = f"{row['iqm']} [{row['low']}, {row['high']}]"
        assert cell in markdown
        assert cell in latex


def test_latex_is_escaped_and_has_the_rules_of_booktabs():
    latex = tabular(Table(("arm", "a_b"), (("{x} 50 %", "-1.5"),)))
    assert r"\begin{tabular}{lr}" in latex
    assert r"a\_b \\" in latex
    assert r"\{x\} 50 \% & $-$1.5 \\" in latex
    assert re.findall(r"\\(top|mid|bottom)rule", latex) == ["top", "mid", "bottom"]


def test_a_bar_in_a_cell_does_not_end_it():
    assert r"a \| b" in markdown.table(Table(("x",), (("a | b",),)))


def test_few_seeds_are_written_as_few(store, text_only):
    alone, ranged = r"\| rnd \| [\d.]+ \|", r"\| rnd \| [\d.]+ \{[\d.]+, [\d.]+\} \|"
    for seeds, pattern in ((2, alone), (4, ranged)):
        sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds)
        fake_store.write_sweep(store, sweep)
        assert re.search(pattern, report(store, sweep))


def test_numbers_are_written_plainly():
    assert fixed(2)(-0.001) == "0.00"
    assert fixed(1)(499.96) == "500.0"
    assert [short(n) for n in (0, 500, 20_000, 1_500_000)] == ["0", "500", "20k", "1.5M"]


def many_seeds(store: Store, seeds: int, missing: int = 0) -> ResolvedSweep:
    """rnd is better by 0.2 on two seeds of three, and worse by 0.05 on the third."""
    sweep = fake_store.sweep(
        ("ppo", "rnd"), ONE_ENV, seeds, report=ReportOptions(scores=("final",))
    )
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs[: len(sweep.runs) - missing]:
        level = 0.5 if run.arm == "ppo" else 0.7 if run.seed % 3 else 0.45
        fake_store.write_run(store, run, lambda run, fraction, rng, n, level=level: [level] * n)
    return sweep


def test_with_many_seeds_it_is_said_how_often_fewer_would_have_misled(store, text_only):
    report(store, many_seeds(store, 20))
    found = {row["fewer seeds"]: row for row in rows(store, "table_fewer_seeds")}
    # 7 of 20 seeds are worse, and the mean of 3 is worse only if all 3 are. The IQM of all is over
    # 2 of the worse and 8 of the better ones.
    worse = math.comb(7, 3) / math.comb(20, 3)
    assert list(found) == ["3", "5", "10"]
    assert found["3"]["opposite"] == f"{100 * worse:.1f} %"
    assert (found["3"]["arms"], found["3"]["all seeds"]) == ("rnd - ppo", "20")
    assert found["3"]["difference"] == "0.15"


def test_with_few_seeds_no_subset_of_them_is_asked(store, text_only):
    assert "fewer seeds" not in report(store, many_seeds(store, 19))


def test_fewer_seeds_of_an_arm_with_a_gap_say_nothing(store, text_only):
    report(store, many_seeds(store, 20, missing=1))
    for row in rows(store, "table_fewer_seeds"):
        assert (row["difference"], row["opposite"]) == ("- (19 of 20 runs)", "")


def test_a_figure_counts_the_misled_by_the_number_of_seeds(store):
    evidence = evidence_module.gather(many_seeds(store, 20), store)
    (panel,) = FIGURES["fewer_seeds"].plot(evidence, "final").panels
    (line,) = panel.of(Line)
    assert line.x.tolist() == list(range(1, 11))
    assert line.y[0] == pytest.approx(100 * 7 / 20)
    assert line.y[-1] < 1


# Maps --------------------------------------------------------------------------------------------

SEA = np.tri(10, dtype=bool)


def mapped(store: Store, unmapped: int = 0) -> ResolvedSweep:
    """ppo stays in the first column; rnd is everywhere but there, in the last quarter alone."""
    sweep = fake_store.sweep(("ppo", "rnd", "script"), TWO_ENVS, 3)
    fake_store.write_sweep(store, sweep)
    column = np.zeros((10, 10), int)
    column[:, 0] = 5
    counts = {
        "ppo": np.stack([column] * 4),
        "rnd": np.stack([column, column, column, SEA * 7 - column // 5 * 7]),
        "script": np.zeros((4, 10, 10), int),
    }
    runs = [run for run in sweep.runs if run.env == "DeepSea-10"]
    for run in runs:
        if run.arm != "rnd" or run.seed >= unmapped:
            fake_store.write_visits(store, run, counts[run.arm], SEA)
    return sweep


def rows_of(store: Store, sweep: ResolvedSweep):
    """By title: the cells in each panel of that row; the plot."""
    shown = FIGURES["visits"].plot(evidence_module.gather(sweep, store), "DeepSea-10")
    rows = [shown.panels[i : i + 4] for i in range(0, len(shown.panels), 4)]
    return {row[0].title: [next(panel.of(Cells)) for panel in row] for row in rows}, shown


def test_a_map_shows_the_share_of_each_cell_of_all_seeds_together(store):
    found, shown = rows_of(store, mapped(store))
    assert list(found) == ["ppo", "rnd"]  # the script took no steps in training
    early, late = found["ppo"][0].values, found["rnd"][3].values
    assert early[:, 0] == pytest.approx(np.full(10, 0.1))
    assert np.isnan(early[:, 1:]).all()
    assert late[SEA & (np.arange(10) > 0)].sum() == pytest.approx(1)
    assert np.isnan(late[:, 0]).all() and np.isnan(late[~SEA]).all()
    names = [panel.x.label for panel in shown.panels[-4:]]
    assert (names[0], names[-1]) == ("0 to 5k steps", "15k to 20k steps")


def test_cells_never_visited_are_hatched_and_those_out_of_reach_blank(store):
    found, shown = rows_of(store, mapped(store))
    hatched = found["ppo"][0].hatched
    assert hatched[5, 1]
    assert not hatched[5, 0]  # visited
    assert not hatched[1, 5]  # out of reach
    with style.applied():
        outline = seaborn.draw(shown).axes[0].patches[0].get_path()
    assert outline.contains_point((1, 5)) and not outline.contains_point((0, 5))


def test_a_map_marks_where_all_episodes_begin_and_what_they_have_to_reach(store):
    sweep = mapped(store)
    ends = np.zeros((2, 10, 10), int)
    ends[0, 0, 0], ends[1, 9, 9] = 40, 40
    for run in sweep.runs:
        if run.env == "DeepSea-10":
            with np.load(store.folder(run) / "visits.npz") as saved:
                facts = dict(saved)
            np.savez(store.folder(run) / "visits.npz", **facts, starts=ends[0], goals=ends[1])
            fake_store.seal(store.folder(run))
    _, shown = rows_of(store, sweep)
    for panel in shown.panels:
        spots = {spot.look.name: (spot.x.item(), spot.y.item()) for spot in panel.of(Points)}
        assert spots == {"start": (0, 0), "goal": (9, 9)}
    assert [look.name for look in shown.legend] == ["start", "goal"]


def test_a_map_says_which_runs_it_lacks(store):
    found, _ = rows_of(store, mapped(store, unmapped=1))
    assert list(found) == ["ppo", "rnd (2 of 3 runs)"]
    assert np.nansum(found["rnd (2 of 3 runs)"][3].values) == pytest.approx(1)


def test_an_arm_without_any_map_keeps_its_row_and_says_so(store):
    found, _ = rows_of(store, mapped(store, unmapped=3))
    assert list(found) == ["ppo", "rnd (0 of 3 runs)"]
    assert all(np.isnan(cells.values).all() for cells in found["rnd (0 of 3 runs)"])


def test_only_environments_with_cells_have_a_map(store, monkeypatch):
    monkeypatch.setattr(contents, "FIGURES", {"visits": FIGURES["visits"]})
    text = report(store, mapped(store))
    assert "### Visits in training, DeepSea-10\n\n![" in text
    assert "(visits_DeepSea-10.png)" in text
    assert "DeepSea-20.png" not in text


def test_the_colours_of_a_map_are_told_apart_in_grey():
    red, green, blue, _ = np.moveaxis(colormaps[maps.COLOURS](np.linspace(0, 1, 64)), -1, 0)
    assert (np.diff(0.299 * red + 0.587 * green + 0.114 * blue) < 0).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_missing_runs_are_laid_out(name, store):
    evidence = evidence_module.gather(fake_store.sweep(), store)
    shown = FIGURES[name].plot(evidence, subject(name))
    if not isinstance(shown, str):
        with style.applied():
            style.lay_out(seaborn.draw(shown))


# Figures -----------------------------------------------------------------------------------------


def subject(name: str) -> str:
    """What a figure is drawn for."""
    return "DeepSea-20" if FIGURES[name].per_env else "final"


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Eight arms, five of them with long names, on four environments; by the number of seeds."""

    @cache
    def gather(seeds):
        arms = (*TWO_ARMS, "no_obs_norm", "no_reward_norm", "episodic", "int_coef=0.1",
                "int_coef=1", "without_everything_at_once")  # fmt: skip
        store = Store(tmp_path_factory.mktemp("crowded"))
        long_names = ("MountainCarContinuous-v0", "MiniGrid-MultiRoom-N4-S5-v1")
        sweep = fake_store.sweep(arms, (*TWO_ENVS, *long_names), seeds)
        pair = sweep.anchors["DeepSea-20"]
        made_of = {"ppo": (), "no_obs_norm": ("reward_normalisation",),
                   "no_reward_norm": ("observation_normalisation",),
                   "rnd": ("observation_normalisation", "reward_normalisation")}  # fmt: skip
        facts = {"anchors": dict.fromkeys(sweep.envs, pair), "components": made_of}
        sweep = sweep.model_copy(update=facts)
        fake_store.write_sweep(store, sweep)
        sea = np.tri(20, dtype=int)
        for run in sweep.runs:
            if run.env == "DeepSea-20" and run.arm != "without_everything_at_once":
                fake_store.write_visits(store, run, np.stack([sea] * 4), sea > 0)
            if run.env == "DeepSea-20":
                fake_store.write_model(store, run, 0.1 + run.seed)
            if run.env in ("DeepSea-20", long_names[1]) and run.arm in TWO_ARMS and seeds == 6:
                speed = 1e-4 if run.arm == "ppo" else 3e-3  # CPU seconds of a step
                fake_store.write_clock(store, run, lambda step, speed=speed: step * speed)
        return evidence_module.gather(sweep, store)

    return gather


@pytest.mark.parametrize("name", FIGURES)
def test_no_label_is_clipped_and_nothing_meets_the_legend(crowded, name):
    with style.applied():
        evidence = crowded(20 if name == "fewer_seeds" else 6)
        figure = seaborn.draw(FIGURES[name].plot(evidence, subject(name)))
        style.lay_out(figure)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        frame = figure.bbox.padded(1)
        for text in figure.findobj(Text):
            if text.get_text() and text not in unseen(figure):
                box = text.get_window_extent(renderer)
                assert frame.containsx(box.x0) and frame.containsx(box.x1), text
                assert frame.containsy(box.y0) and frame.containsy(box.y1), text
        for legend in figure.legends:
            box = legend.get_window_extent(renderer)
            others = [axes.get_tightbbox(renderer) for axes in figure.axes]
            others += [text.get_window_extent(renderer) for text in figure.texts]
            assert not any(box.overlaps(other) for other in others)
        for axes in figure.axes:
            names = [text for text in axes.get_xticklabels() if text not in unseen(figure)]
            ends = sorted(text.get_window_extent(renderer).intervalx.tolist() for text in names)
            assert all(a[1] <= b[0] for a, b in pairwise(ends)), axes.get_title()


def unseen(figure: Figure) -> set[Text]:
    """Labels of ticks beyond the ends of their axis, which matplotlib keeps and does not draw."""
    found = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    found.update((tick.label1, tick.label2))
    return found


def test_arms_differ_in_more_than_colour():
    looks = list(plot.looks([str(i) for i in range(8)]).values())
    assert len({look.marker for look in looks}) == 8
    assert len({look.colour for look in looks}) == 8
    assert all(a.dashes != b.dashes for a, b in pairwise(looks))


SCRIPT = """
import sys
from pathlib import Path
from harness import report
from harness.store.reader import Store
store = Store(Path(sys.argv[1]))
report.write(store.sweep("fake"), store, Path(sys.argv[2]))
heavy = {"torch", "jax", "gymnasium", "stable_baselines3", "baselines"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_same_store_gives_the_same_bytes_and_no_learner_is_imported(
    store, tmp_path, monkeypatch
):
    monkeypatch.setattr(crosscheck, "RESAMPLES", 2_000)  # as in the other process
    options = ReportOptions(scores=("final",))
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 6, claims=(CLAIM,), report=options)
    fake_store.write_sweep(store, sweep)
    here, there = tmp_path / "here", tmp_path / "there"
    write(sweep, store, here)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(store.root), str(there)],
        check=True, env=os.environ | {"PYTHONHASHSEED": "1"}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    digests = [
        {
            str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in folder.rglob("*.*")
        }
        for folder in (here, there)
    ]
    assert digests[0] == digests[1]
    suffixes = {".md", ".csv", ".tex", ".pdf", ".png", ".bib", ".html", ".json"}
    assert {Path(name).suffix for name in digests[0]} == suffixes
    assert "paper/figures/curves.pdf" in digests[0]
    pdf = (here / "curves.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf and b"/Type3" not in pdf  # TrueType, embedded


def test_files_of_an_earlier_report_do_not_stay(store, text_only):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3)
    fake_store.write_sweep(store, sweep)
    more = sweep.report.model_copy(update={"scores": ("final", "auc")})
    less = sweep.report.model_copy(update={"scores": ("final",)})
    report(store, sweep.model_copy(update={"report": more}))
    folder = store.sweep_folder("fake") / "report"
    assert (folder / "table_auc.csv").exists() and (folder / "paper/tables/table_auc.tex").exists()
    report(store, sweep.model_copy(update={"report": less}))
    assert not (folder / "table_auc.csv").exists()
    assert not (folder / "paper/tables/table_auc.tex").exists()


@pytest.mark.parametrize(
    ("figure", "seeds", "envs", "says"),
    [
        ("aggregates", 2, 1, "There is no bar: with 2 seeds no interval covers often enough."),
        ("aggregates", 4, 1, "A dotted line is the range of the single seeds"),
        ("aggregates", 8, 1, "A bar of IQM is a 95 % interval"),
        ("aggregates", 8, 1, "A dotted line of Median, Mean and Optimality gap is the range"),
        ("aggregates", 6, 1, "Stamped: with 6 seeds a 95 % interval of the IQM holds the truth in"),
        ("path", 4, 5, "Stamped: with 3 seeds a 95 % interval of the IQM"),
        ("components", 4, 1, "There is no bar"),
        ("components", 6, 1, "A bar is a 95 % interval of the stratified bootstrap"),
        ("improvement", 6, 1, "A bar is a 95 % score interval"),
        ("profiles", 6, 1, "The band is a 95 % interval of Clopper and Pearson"),
        ("curves", 6, 1, "pointwise."),
        ("curves", 10, 1, "between the thin lines lies the whole line at 95 %"),
        ("curves", 4, 1, "The band is the range of the single seeds"),
    ],
)
def test_a_caption_says_what_its_bars_are(figure, seeds, envs, says, store):
    names = tuple(f"E{i}" for i in range(envs))
    sweep = fake_store.sweep(TWO_ARMS, names, seeds)
    evidence = evidence_module.gather(sweep, store)
    kind = FIGURES[figure]
    words = caption.fill(kind.caption, evidence, "final", True, kind.statistics)
    assert says in words.marks


@pytest.mark.parametrize("name", FIGURES)
def test_a_caption_that_tells_of_bars_knows_whose_they_are(name):
    kind = FIGURES[name]
    if {"{bar}", "{comparison}", "{band}"} & set(re.findall(r"\{\w+\}", kind.caption)):
        assert all(calibration.expected(statistic, 10, 5) for statistic in kind.statistics)


# Budgets ------------------------------------------------------------------------------------------


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
    store, text_only, used, words
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


# Broken learners ---------------------------------------------------------------------------------


def test_runs_of_a_broken_learner_are_counted_and_named_at_the_top_beside_their_claims(
    store, text_only
):
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


@pytest.mark.parametrize("seeds", [6, 10, 13, 20])
def test_arms_whose_runs_all_tie_are_told_apart_with_any_number_of_seeds(store, text_only, seeds):
    (answer,) = answers_of_ties(store, seeds, {"rnd": 0.99, "ppo": 0.0})
    assert answer.startswith("- **Supported: rnd beats ppo on DeepSea-20**")
    assert ("difference 0.99 (ties)" in answer) == (seeds >= 13)


def test_arms_that_tie_at_one_value_are_undecided(store, text_only):
    (answer,) = answers_of_ties(store, 20, {"rnd": 0.5, "ppo": 0.5})
    assert answer.startswith("- **Undecided")


def answers_of_ties(store: Store, seeds: int, level: dict[str, float]) -> list[str]:
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, lambda run, fraction, rng, n: [level[run.arm]] * n)
    return [line for line in report(store, sweep).splitlines() if line.startswith("- **")]


@pytest.mark.parametrize(("seeds", "stamped"), [(6, True), (8, False)])
def test_a_stamp_is_explained_where_it_stands_in_the_paper_too(store, text_only, seeds, stamped):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    report(store, sweep)
    tex = (store.sweep_folder("fake") / "report" / "paper" / "main.tex").read_text()
    assert ("Stamped: with 6 seeds" in tex) == stamped
