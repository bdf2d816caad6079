"""A claim with a margin in a report: its sentence, its table, its figure, its family."""

from __future__ import annotations

import fake_store
import pytest
from fake_report import CLAIM, ONE_ENV, TWO_ARMS, TWO_ENVS, constant, report, rows, write_report

from harness.report import checklist
from harness.report.evidence import Evidence
from harness.report.results import claims
from harness.report.results.equivalence import plot_of
from harness.spec import Claim

NEAR = Claim(
    text="rnd ~ ppo on DeepSea-20 by final within 0.3", better="rnd", worse="ppo",
    env="DeepSea-20", margin=0.3,
)  # fmt: skip


def answers(store, level, *claims, seeds=30, envs=ONE_ENV):
    sweep = fake_store.sweep(TWO_ARMS, envs, seeds, claims=claims)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, constant(level))
    return [line for line in report(store, sweep).splitlines() if line.startswith("- **")]


@pytest.mark.parametrize(
    ("rnd", "begin", "end"),
    [
        (0.2, "- **Equivalent: rnd and ppo on DeepSea-20 differ by less than 0.3** (final score, "
              "normalised): mean 0.22 against 0.22, difference 0.00 [-0.", "30 seeds."),
        (0.9, "- **Not equivalent: rnd and ppo on DeepSea-20 differ by more than 0.3** (final "
              "score, normalised): mean 0.92 against 0.22, difference 0.71 [0.", "30 seeds."),
        (0.5, "- **Undecided: whether rnd and ppo on DeepSea-20 differ by less than 0.3**",
              "30 seeds; these seeds leave differences within the margin and beyond it."),
    ],
)  # fmt: skip
def test_a_claim_with_a_margin_is_answered_in_one_sentence(store, rnd, begin, end):
    (answer,) = answers(store, lambda run: {"rnd": rnd, "ppo": 0.2}[run.arm], NEAR)
    assert answer.startswith(begin)
    assert answer.endswith(end)
    assert "(95.0 % interval), anytime p = " in answer
    page = (store.sweep_folder("fake") / "report" / "report.md").read_text()
    assert "It is an interval of bets" in page
    assert "permutation test of ranks gives p" not in page.partition("## Figures")[0]
    (row,) = rows(store, "equivalence")
    assert (row["claim"], row["margin"], row["needed"]) == (NEAR.text, "0.3", "40.0")
    assert answer.startswith(f"- **{row['verdict'].capitalize()}")


def test_a_family_with_a_margin_is_corrected_by_bonferroni(store):
    near, better = answers(store, lambda run: 0.1 + 0.7 * (run.arm == "rnd"), NEAR, CLAIM)
    assert near.startswith("- **Not equivalent")
    assert "(97.5 % interval)" in near
    assert better.startswith("- **Supported")
    assert all("after Bonferroni)" in answer for answer in (near, better))
    page = (store.sweep_folder("fake") / "report" / "report.md").read_text()
    assert "after Bonferroni's correction for all 2 claims" in page
    assert "Holm" not in page.partition("## Figures")[0]
    for text in ("report.html", "paper/main.tex"):
        assert "quivalent" in (store.sweep_folder("fake") / "report" / text).read_text()


def test_over_environments_it_is_about_the_means_of_normalised_scores(store):
    claim = NEAR.model_copy(update={"env": None})
    (answer,) = answers(store, lambda run: 0.495, claim, envs=TWO_ENVS)
    assert "Equivalent: rnd and ppo over all environments differ by less than 0.3" in answer
    assert "mean 0.51 against 0.51" in answer  # 0.495 of 0.99, and a little


def test_a_margin_waits_for_its_runs_alone(store):
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 30, claims=(NEAR, CLAIM.model_copy(
        update={"env": "DeepSea-10", "text": "other"})))  # fmt: skip
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        if run.env == "DeepSea-20":
            fake_store.write_run(store, run, constant(lambda run: 0.2))
    near, other = Evidence(sweep, store).verdicts()
    assert (near.outcome, other.outcome) == ("equivalent", "pending")
    assert not near.bound
    sweep = sweep.model_copy(update={"claims": (NEAR.model_copy(update={"env": "DeepSea-10"}),)})
    evidence = Evidence(sweep, store)
    (waiting,) = evidence.verdicts()
    assert "**Pending: whether rnd and ppo on DeepSea-10 differ by less than 0.3**" in (
        claims.sentence(evidence, waiting)
    )
    assert plot_of(evidence, "") == "the runs of its claims are still to come"


def test_a_failed_run_leaves_it_undecided(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 30, claims=(NEAR,))
    fake_store.write_sweep(store, sweep)
    fake_store.remove_result(store, sweep.runs[0])
    fake_store.write_failure(store, sweep.runs[0], "ValueError: NaN")
    (verdict,) = Evidence(sweep, store).verdicts()
    assert (verdict.outcome, verdict.why) == ("undecided", "29 of 30 runs of ppo are finished")


def test_the_figure_has_the_margin_and_the_interval(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 30, claims=(NEAR,))
    fake_store.write_sweep(store, sweep)
    evidence = Evidence(sweep, store)
    (panel,) = plot_of(evidence, "").panels
    (_, found), *_ = [(v, v.finding.equivalence) for v in evidence.verdicts()]
    *rules, points = panel.marks
    assert [rule.x for rule in rules] == [0.0, -0.3, 0.3]
    assert (points.low[0], points.high[0]) == (found.low, found.high)


def test_the_figure_is_drawn_for_several_claims(store):
    nearer = NEAR.model_copy(update={"margin": 0.4, "text": "nearer", "score": "auc"})
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 30, claims=(NEAR, nearer))
    fake_store.write_sweep(store, sweep)
    folder = write_report(store, sweep, ["equivalence"])
    assert (folder / "equivalence.png").exists()
    assert "### Equal but for a margin" in (folder / "report.md").read_text()


def test_without_a_margin_there_is_no_such_section(store):
    answers(store, lambda run: 0.2, CLAIM, seeds=10)
    assert "Equivalence" not in (store.sweep_folder("fake") / "report" / "report.md").read_text()


def test_the_checklist_counts_it_and_says_how_it_was_decided(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 30, claims=(NEAR,))
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, constant(lambda run: 0.2))
    text = str(checklist.fill(Evidence(sweep, store), {}))
    assert "Claims: 1 equivalent." in text
    assert "by bets, under Bonferroni's correction" in text
