"""Arms that are compared should have settings that were tuned on the same environments."""

from __future__ import annotations

import json
import re

import fake_store
import pytest
from fake_report import write_report
from typer.testing import CliRunner

from harness import envs, setting
from harness.cli.main import app
from harness.config.shipped import shipped
from harness.config.strict import UserError, load, parse
from harness.report.evidence import equal_tuning
from harness.spec import Claim
from harness.store.reader import Store
from harness.sweep.best import digest
from harness.sweep.expand import expand

# Names that public files have and no card here.
ELSEWHERE = {"CartPoleNoVel-v1", "FetchPush-v1", "LunarLander-v2", "Pendulum-v0"}
FILES = sorted(shipped("configs/agents").glob("*.yaml"))
ENVS = ("DeepSea-20", "DeepSea-10")
ARMS = ("ppo", "rnd", "episodic")
A, B = ("DeepSea-5",), ("DeepSea-10", "DeepSea-5")

HEAD = """\
name: test
question: Does it?
envs: [MiniGrid-DoorKey-6x6-v0]
seeds: 6
steps: 4_096
"""
INTERVAL = {"point": 0.5}
PROVENANCE = {
    "search": "s", "question": "", "trial": 1, "envs": ["DeepSea-20"], "steps": {"DeepSea-20": 9},
    "sampler": "tpe", "trials": {}, "budget_steps": 9, "confirmation_steps": 9,
    "tuning_seeds": [], "confirmation_seeds": [], "test_seeds": [], "value": "iqm",
    "tuning_value": 0.5, "test_value": INTERVAL, "optimism_gap": 0.0,
    "default_test_value": INTERVAL, "difference": INTERVAL, "diverged_seeds": 0, "made_with": {},
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_setting_says_on_which_environments_it_was_tuned(path):
    for tuned in parse(load(path), setting.AgentFile).envs.values():
        assert set(tuned.tuned_on) <= {*envs.card_names(), *ELSEWHERE}
        assert len(set(tuned.tuned_on)) == len(tuned.tuned_on)


def test_a_setting_that_does_not_say_it_is_refused_at_its_line(tmp_path):
    text = (shipped("configs/agents") / "ppo.yaml").read_text()
    wrong = tmp_path / "ppo.yaml"
    wrong.write_text(text.replace("    tuned_on: [DeepSea-20]\n", ""))

    with pytest.raises(UserError, match=r"ppo.yaml:\d+: envs.DeepSea-\*.*tuned_on"):
        parse(load(wrong), setting.AgentFile)


@pytest.mark.parametrize(
    ("agent", "env", "tuned_on"),
    [
        ("ppo", "MiniGrid-DoorKey-6x6-v0", ("MiniGrid-DoorKey-5x5-v0",)),
        ("ppo_rnd", "DeepSea-17", ("DeepSea-20",)),
        ("ppo", "CartPole-v1", ("CartPole-v1",)),
        ("ppo", "Hopper-v5", ()),  # no entry: the library's own defaults
        ("random", "CartPole-v1", ()),
    ],
)
def test_a_setting_was_tuned_where_its_entry_says(agent, env, tuned_on):
    assert setting.tuned_on(agent, env) == tuned_on


def sweep(tuned_on, claims=()):
    return fake_store.sweep(ARMS, ENVS, 6, tuned_on=tuned_on, claims=claims)


def claimed(better, worse, env=None):
    return Claim(text="", better=better, worse=worse, env=env)


EVERYWHERE = {
    "ppo": dict.fromkeys(ENVS, A), "rnd": dict.fromkeys(ENVS, B), "episodic": dict.fromkeys(ENVS, B)
}  # fmt: skip


@pytest.mark.parametrize(
    ("tuned_on", "claims", "says"),
    [
        # Without a claim, each arm and the baseline.
        (EVERYWHERE, (), ["DeepSea-20 and DeepSea-10 .*: ppo on DeepSea-5; rnd and episodic on "
                          "DeepSea-10 and DeepSea-5"]),
        # The arms of a claim, and those in no claim against the baseline.
        (EVERYWHERE, (claimed("rnd", "episodic"),), []),
        (EVERYWHERE, (claimed("rnd", "ppo", "DeepSea-10"), claimed("rnd", "episodic")),
         ["on DeepSea-10 were .*: ppo on DeepSea-5; rnd on DeepSea-10 and DeepSea-5"]),
        # One tuned, the other not.
        (EVERYWHERE | {"ppo": dict.fromkeys(ENVS, ())}, (claimed("rnd", "ppo"),),
         ["ppo on none; rnd and episodic on DeepSea-10 and DeepSea-5"]),
        # None tuned, or alike in another order.
        ({arm: dict.fromkeys(ENVS, ()) for arm in ARMS}, (), []),
        (EVERYWHERE | {"ppo": dict.fromkeys(ENVS, B[::-1])}, (), []),
        # On one environment alone.
        (EVERYWHERE | {"ppo": {"DeepSea-20": A, "DeepSea-10": B}}, (claimed("rnd", "ppo"),),
         ["compared on DeepSea-20 were"]),
        # Other tunings on another environment: a line each.
        (EVERYWHERE | {"ppo": {"DeepSea-20": A, "DeepSea-10": ()}}, (claimed("rnd", "ppo"),),
         ["on DeepSea-20 were .*ppo on DeepSea-5", "on DeepSea-10 were .*ppo on none"]),
        # Nothing to tune, or nobody knows.
        ({"rnd": EVERYWHERE["rnd"]}, (), []),
        ({}, (), []),
    ],
)  # fmt: skip
def test_arms_that_are_compared_and_were_not_tuned_alike_are_named(tuned_on, claims, says):
    found = equal_tuning.warnings(sweep(tuned_on, claims))

    assert len(found) == len(says)
    for text, words in zip(found, says, strict=True):
        assert re.search(words, text)
        assert text.endswith("Tune all of them on the same, or say why not.")


def test_arms_that_never_meet_are_not_compared():
    made = sweep(EVERYWHERE)
    runs = tuple(run for run in made.runs if (run.arm == "ppo") == (run.env == "DeepSea-20"))

    assert equal_tuning.warnings(made.model_copy(update={"runs": runs})) == []


@pytest.fixture
def resolve(tmp_path):
    def walk(arms):
        path = tmp_path / "sweep.yaml"
        path.write_text(HEAD + arms)
        return expand(path).sweep

    return walk


@pytest.fixture
def best(tmp_path):
    """What a search found, and what somebody wrote in its stead."""
    winner = {"agent": "ppo", "hparams": {"gamma": 0.9}}
    (tmp_path / "by_hand.yaml").write_text(json.dumps(winner))
    told = PROVENANCE | {"sha256": digest(**winner)}
    (tmp_path / "best.yaml").write_text(json.dumps(winner | {"provenance": told}))


@pytest.mark.parametrize(
    ("arm", "tuned_on"),
    [
        ("{agent: ppo}", ("MiniGrid-DoorKey-5x5-v0",)),
        ("{agent: ppo, hparams: {gamma: 0.9}}", ("MiniGrid-DoorKey-5x5-v0",)),
        ("{agent: ppo, tuned_on: [DeepSea-8, DeepSea-10]}", ("DeepSea-8", "DeepSea-10")),
        ("{agent: ppo, tuned_on: []}", ()),
        ("{agent: ppo, hparams: {from: best.yaml}}", ("DeepSea-20",)),
        ("{agent: ppo, hparams: {from: best.yaml}, tuned_on: [DeepSea-8]}", ("DeepSea-8",)),
        ("{agent: ppo, hparams: {from: by_hand.yaml}}", ("MiniGrid-DoorKey-5x5-v0",)),
    ],
)
def test_the_last_word_on_what_an_arm_was_tuned_on_is_the_sweeps(resolve, best, arm, tuned_on):
    found = resolve(f"arms: {{tested: {arm}}}\n")

    assert found.tuned_on == {"tested": {"MiniGrid-DoorKey-6x6-v0": tuned_on}}


def test_a_base_says_it_for_all_arms_and_an_arm_for_itself(resolve):
    found = resolve(
        "base: {agent: ppo, tuned_on: [DeepSea-8]}\n"
        "arms: {plain: {}, rnd: {agent: ppo_rnd, tuned_on: [DeepSea-9]}}\n"
    )

    each = {arm: envs["MiniGrid-DoorKey-6x6-v0"] for arm, envs in found.tuned_on.items()}
    assert each == {"plain": ("DeepSea-8",), "rnd": ("DeepSea-9",)}


def test_what_a_setting_was_tuned_on_is_no_part_of_a_runs_key(resolve):
    plain = resolve("arms: {ppo: {agent: ppo}}\n").runs
    told = resolve("arms: {ppo: {agent: ppo, tuned_on: [DeepSea-8]}}\n").runs

    assert [run.key for run in plain] == [run.key for run in told]


def test_what_learns_nothing_was_tuned_on_nothing_and_is_compared_without_a_warning(resolve):
    found = resolve("arms: {ppo: {agent: ppo}, random: {agent: random}}\n")

    assert set(found.tuned_on) == {"ppo"}
    assert equal_tuning.warnings(found) == []


def test_check_shows_what_each_arm_was_tuned_on_and_warns(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(HEAD + "arms: {ppo: {agent: ppo}, count: {agent: ppo_count}}\n")

    shown = CliRunner().invoke(app, ["check", str(path), "--results", str(tmp_path / "results")])

    assert re.search(r"\(tuned on\) +MiniGrid-DoorKey-5x5-v0 +ppo", shown.output)
    words = " ".join(shown.output.split())
    assert (
        "Warning: Arms that are compared on MiniGrid-DoorKey-6x6-v0 were not tuned on the same "
        "environments: ppo on MiniGrid-DoorKey-5x5-v0; count on MiniGrid-DoorKey-5x5-v0, "
        "MiniGrid-DoorKey-8x8-v0 and MiniGrid-MultiRoom-N4-S5-v1." in words
    )


def test_a_report_warns_once_and_its_settings_say_what_each_arm_was_tuned_on(tmp_path):
    store, made = Store(tmp_path), sweep(EVERYWHERE)
    fake_store.write_sweep(store, made)

    folder = write_report(store, made)

    text = (folder / "report.md").read_text()
    assert text.count("were not tuned on the same environments") == 1
    settings = (folder / "hyperparameters.csv").read_text()
    assert 'tuned on,"DeepSea-10, DeepSea-5",all but ppo' in settings
    assert "tuned on,DeepSea-5,ppo" in settings
