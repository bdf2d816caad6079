"""Beside the score: the other way of acting, unseen variants, metrics of training, measures."""

from __future__ import annotations

import fake_store
import numpy as np
import pytest
from fake_report import ONE_ENV, TWO_ARMS, report, rows

from harness.report.results import acting
from harness.spec import ReportOptions


def test_scores_on_variants_that_training_never_saw_are_shown_with_the_gap_within_runs(store):
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
def test_both_ways_of_acting_are_printed_where_they_differ_by_more_than_their_error(store, made):
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


def test_where_both_ways_of_acting_score_alike_one_sentence_says_so(store):
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
def test_with_few_seeds_all_must_say_that_the_ways_of_acting_differ(store, differences, apart):
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
@pytest.mark.parametrize(("seeds", "most"), [
    (3, 0.30), pytest.param(5, 0.11, marks=pytest.mark.slow),
    pytest.param(6, 0.08, marks=pytest.mark.slow), pytest.param(10, 0.06, marks=pytest.mark.slow),
])  # fmt: skip
def test_ways_of_acting_that_are_alike_are_seldom_said_to_differ(scores, seeds, most):
    rng = np.random.default_rng(0)
    found = [
        acting.compared("", str(i), True, SAME_POLICY[scores](rng, seeds)).apart for i in range(100)
    ]
    assert np.mean(found) <= most


def test_runs_that_were_played_in_one_way_are_counted_and_never_averaged_over(store):
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


def test_a_metric_of_training_is_shown_as_its_mean_over_the_last_fifth(store):
    options = ReportOptions(baseline="ppo", metrics=("rollout/remote",))
    sweep = fake_store.sweep(("ppo", "rnd", "episodic"), ONE_ENV, 8, report=options)
    fake_store.write_sweep(store, sweep)
    for run in sweep.runs:
        if run.arm == "rnd" or (run.arm == "episodic" and run.seed < 7):
            told = [0.9] * 8 + [0.1 + 0.01 * run.seed, 0.3 + 0.01 * run.seed]
            fake_store.write_run(store, run, metrics={"rollout/remote": told})
    text = report(store, sweep)

    assert "### rollout/remote: training metric, mean of the last 20 % of steps" in text
    found = {row["arm"]: row["DeepSea-20"] for row in rows(store, "table_rollout_remote")}
    assert found["rnd"].startswith("0.235 [")
    assert found["episodic"] == "- (7 of 8 runs)"
    assert found["ppo"] == ""


def test_what_environments_measure_is_shown_beside_the_score(store):
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
