"""Runs of ours beside scores from elsewhere: compared, with the protocol of each side."""

from __future__ import annotations

import fake_store
import pytest
from fake_report import constant, report
from foreign import monitor, table, tidy

from harness.config.strict import UserError
from harness.store.foreign.names import Names
from harness.store.foreign.source import Source
from harness.sweep.expand import expand
from harness.sweep.imported import take
from harness.sweep.record import keep

SWEEP = """\
name: fake
question: Is chance as good as theirs?
envs: [CartPole-v1]
seeds: 8
steps: 1000
evaluation: {every: 500, episodes: 2, final_episodes: 3}
arms:
  random: {agent: random}
  theirs: {import: ppo_of_them/a}
claims: [theirs > random by final]
"""


@pytest.fixture
def study(store, tmp_path):
    take(Source(tidy(tmp_path / "s.csv", {"a": 60.0, "b": 1.0})), "ppo_of_them", store)
    (tmp_path / "s.yaml").write_text(SWEEP)
    return tmp_path / "s.yaml"


def mixed(store, study):
    sweep = expand(study, store=store).sweep
    for run in sweep.made:
        fake_store.write_run(store, run, constant(lambda run: 20.0))
    keep(sweep, store)
    return sweep


def test_a_claim_compares_ours_with_theirs_and_says_that_no_protocol_is_shared(store, study):
    text = report(store, mixed(store, study), ("curves", "aggregates"))

    assert "**Supported: theirs beats random on CartPole-v1** (final score)" in text
    assert "**theirs was not made here: the two had no common protocol that is known.**" in text
    assert "when 8 of its 16 runs had finished" in text or "when 16 of its 16 runs had" in text
    assert "aggregates_final.png" in text


def test_the_report_says_which_protocol_each_side_had(store, study):
    text = report(store, mixed(store, study))

    assert (
        "The policy of each arm that was made here is evaluated before training, every 500" in text
    )
    assert "theirs: 8 runs that were not made here. The scores are the column `return`" in text
    assert "part of a difference may be one of protocol" in text
    assert "mean return of 3 episodes after training; of theirs the last score of each run" in text
    assert "| theirs | all settings | made here | not known: imported |" in text
    methods = (store.sweep_folder("fake") / "report" / "paper" / "methods.tex").read_text()
    assert r"\texttt{theirs} (imported, not made here)" in methods


def test_budgets_that_nobody_knows_are_not_called_unequal(store, study, tmp_path):
    rows = (f"a,CartPole-v1,{seed},{40 + seed}" for seed in range(8))
    path = table(tmp_path / "single.csv", *rows, head="arm,env,seed,return\n")
    take(Source(path), "single", store)
    sweep = study.read_text().replace("ppo_of_them/a", "single/a")
    study.write_text(sweep)

    text = report(store, mixed(store, study))

    assert "nequal budgets" not in text and "udgets differ" not in text
    assert "Budgets on CartPole-v1 are not known to be equal, in steps (" in text
    assert "**Their budgets are not known to be equal.**" in text
    assert "| arm | CartPole-v1 (budgets not known) |" in text


def test_arms_with_seeds_of_their_own_are_compared_over_environments(store, tmp_path):
    envs = ("CartPole-v1", "Pendulum-v1")
    path = table(tmp_path / "t.csv", *(
        f"a,{env},{seed},{step},{seed}" for env in envs for seed in range(100, 108)
        for step in (0, 1000)
    ))  # fmt: skip
    take(Source(path), "ppo_of_them", store)
    text = SWEEP.replace("[CartPole-v1]", str(list(envs)))
    (tmp_path / "s.yaml").write_text(text)

    shown = report(store, mixed(store, tmp_path / "s.yaml"))

    assert "do not share all environments" not in shown
    assert "over all environments** (final score, normalised): IQM" in shown


def test_single_scores_beside_curves_leave_the_area_out(store, tmp_path):
    lines = (f"a,CartPole-v1,{seed},{seed}" for seed in range(8))
    path = table(tmp_path / "t.csv", *lines, head="arm,env,seed,return\n")
    take(Source(path), "ppo_of_them", store)
    (tmp_path / "s.yaml").write_text(SWEEP)

    assert expand(tmp_path / "s.yaml", store=store).sweep.report.scores == ("final",)

    (tmp_path / "s.yaml").write_text(SWEEP + "report: {scores: [final, auc]}\n")
    with pytest.raises(UserError, match=r"auc: no curve was imported of theirs"):
        expand(tmp_path / "s.yaml", store=store)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("import: pppo/a", "s.yaml:9: arms.theirs.import: nothing was imported as 'pppo'"),
        ("import: ppo_of_them/c", "no arm 'c' in it: name ppo_of_them/a or ppo_of_them/b"),
        ("import: ppo_of_them", "arms.theirs.import: name ppo_of_them/a or ppo_of_them/b"),
        ("import: ppo_of_them/a, hparams: {x: 1}", "an imported arm has no settings of ours"),
        ("import: fake2/a", "the sweep 'fake2' was made here"),
        ("import: ../a", "an import is named as it stands in theirs/ppo"),
    ],
)
def test_an_arm_that_imports_nothing_is_told_with_its_line(store, study, written, told):
    made = fake_store.sweep(("ppo",), ("DeepSea-10",), 1, name="fake2")
    fake_store.write_sweep(store, made, finish=False)
    study.write_text(SWEEP.replace("import: ppo_of_them/a", written))

    with pytest.raises(UserError) as caught:
        expand(study, store=store)

    assert told in str(caught.value)


def test_an_import_without_our_environment_is_told(store, study):
    study.write_text(SWEEP.replace("[CartPole-v1]", "[Pendulum-v1]"))

    with pytest.raises(UserError, match="no run on the environments of this sweep, only on Cart"):
        expand(study, store=store)


def test_curves_that_begin_apart_are_warned_of_and_stamp_claims_by_their_area(store, tmp_path):
    lines = (f"a,CartPole-v1,{seed},{step},{seed}" for seed in range(8) for step in (400, 1000))
    take(Source(table(tmp_path / "t.csv", *lines)), "ppo_of_them", store)
    (tmp_path / "s.yaml").write_text(SWEEP.replace("by final", "by auc"))

    text = report(store, mixed(store, tmp_path / "s.yaml"))

    assert "Curves on CartPole-v1 begin at different steps (0: random; 400: theirs)" in text
    assert "**Their curves begin at different steps.**" in text


def test_scores_of_training_beside_an_evaluation_stamp_the_claim(store, tmp_path):
    for seed in range(8):
        monitor(tmp_path / "m" / str(seed) / "monitor.csv", [(seed, 100, i) for i in range(10)])
    take(Source(tmp_path / "m", names=Names({"arm": "a"}, "{seed}")), "ppo_of_them", store)
    (tmp_path / "s.yaml").write_text(SWEEP)

    text = report(store, mixed(store, tmp_path / "s.yaml"))

    assert "that is known. The scores of theirs are of training episodes.**" in text
