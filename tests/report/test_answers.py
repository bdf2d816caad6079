"""A claim is answered in one sentence, and what weakens the answer stands beside it."""

from __future__ import annotations

import json
import re

import fake_store
import pytest
from fake_report import CLAIM, ONE_ENV, TWO_ARMS, TWO_ENVS, constant, report

from harness import stats
from harness.spec import Claim, ResolvedSweep
from harness.store.reader import Store


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
def test_a_claim_is_answered_in_one_sentence(store, rnd, sentence):
    assert answers(store, lambda run: {"rnd": rnd, "ppo": 0.2}[run.arm], CLAIM) == [sentence]


def test_a_difference_that_other_seeds_could_reverse_is_undecided(store):
    (answer,) = answers(store, lambda run: run.seed < {"rnd": 6, "ppo": 4}[run.arm], CLAIM)
    assert answer.startswith("- **Undecided")
    found = re.search(r"difference (\S+) \[(\S+), (\S+)\]", answer)
    point, low, high = map(float, found.groups())
    assert low < 0 < point < high


def test_claims_over_all_environments_are_about_normalised_scores(store):
    claim = Claim(text="rnd > ppo by auc", better="rnd", worse="ppo", score="auc")
    (answer,) = answers(store, lambda run: 0.495 if run.arm == "rnd" else 0.0, claim)
    assert "rnd beats ppo over all environments** (area under the curve, normalised)" in answer
    assert "Supported" in answer
    assert "IQM 0.50 [" in answer  # 0.495 of 0.99


def test_more_claims_ask_more_of_each(store):
    def level(run):  # 8 of 10 seeds of rnd reach what none of ppo do
        return float(run.arm == "rnd" and run.seed >= 2)

    (alone,) = answers(store, level, CLAIM)
    family = answers(store, level, CLAIM, CLAIM, CLAIM, CLAIM)
    text = (store.sweep_folder("fake") / "report" / "report.md").read_text()
    assert "Supported" in alone
    assert all("Undecided" in answer and "after Holm)" in answer for answer in family)
    assert "after Holm's correction for all 4 claims" in text


@pytest.mark.parametrize(("seeds", "decided"), [(2, False), (5, False), (6, True)])
def test_too_few_seeds_decide_nothing_whatever_the_difference(store, seeds, decided):
    (answer,) = answers(store, lambda run: run.arm == "rnd", CLAIM, seeds=seeds)
    assert ("rnd beats ppo" in answer) == decided
    assert (f"{seeds} seeds give no interval, and decide nothing" in answer) != decided


def test_six_seeds_are_too_few_for_many_claims(store):
    found = answers(store, lambda run: run.arm == "rnd", *[CLAIM] * 30, seeds=6)
    assert all("Undecided" in answer and "(0.065 after Holm)" in answer for answer in found)


def test_a_claim_needs_only_its_own_two_arms_on_all_environments(store):
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
def test_what_was_changed_after_looking_is_stamped_on_the_report(store, change, stamp):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3)
    fake_store.write_sweep(store, sweep)
    history(store, sweep, {}, change)
    assert stamp not in report(store, sweep)
    history(store, sweep, {}, change | {"reported": True})
    assert f"> **Warning.** {stamp}" in report(store, sweep)


def test_an_objection_that_was_overridden_is_printed(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, anyway=("rnd > ppo by final: 3 seeds",))
    fake_store.write_sweep(store, sweep)
    assert "(--anyway). rnd > ppo by final: 3 seeds." in report(store, sweep)


def test_the_report_says_what_coverage_to_expect_at_its_own_number_of_seeds(store):
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


@pytest.mark.parametrize("seeds", [6, 10, 13, 20])
def test_arms_whose_runs_all_tie_are_told_apart_with_any_number_of_seeds(store, seeds):
    (answer,) = answers_of_ties(store, seeds, {"rnd": 0.99, "ppo": 0.0})
    assert answer.startswith("- **Supported: rnd beats ppo on DeepSea-20**")
    assert ("difference 0.99 (ties)" in answer) == (seeds >= 13)


def test_arms_that_tie_at_one_value_are_undecided(store):
    (answer,) = answers_of_ties(store, 20, {"rnd": 0.5, "ppo": 0.5})
    assert answer.startswith("- **Undecided")


def answers_of_ties(store: Store, seeds: int, level: dict[str, float]) -> list[str]:
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, lambda run, fraction, rng, n: [level[run.arm]] * n)
    return [line for line in report(store, sweep).splitlines() if line.startswith("- **")]


@pytest.mark.parametrize(("seeds", "stamped"), [(6, True), (8, False)])
def test_a_stamp_is_explained_where_it_stands_in_the_paper_too(store, seeds, stamped):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep)
    report(store, sweep)
    tex = (store.sweep_folder("fake") / "report" / "paper" / "main.tex").read_text()
    assert ("Stamped: with 6 seeds" in tex) == stamped
