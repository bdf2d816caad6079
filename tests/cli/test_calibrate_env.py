"""`harness calibrate-env --write`: the card of an environment that has none, beside the user."""

from __future__ import annotations

import sys

import gymnasium as gym
import pytest
from command import typed

from harness import envs
from harness.config import study
from harness.envs import endless
from harness.envs.calibrate import random_score

RIVER = """\
# My river.
summary: Walk along a cliff.
id: CliffWalking-v1
kwargs: {is_slippery: true}
max_episode_steps: 30
actions: discrete
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the user's, and a process that has seen no study yet."""
    for name, fresh in (("_folder", None), ("_trusted", False), ("_named", set())):
        monkeypatch.setattr(study, name, fresh)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calibrate(*words, code=0):
    return typed("calibrate-env", *words, "--episodes", "20", cwd=".", code=code)


def scores(name):
    anchors = envs.card(name).anchors
    return anchors.random.score, anchors.reference and anchors.reference.score


def test_a_written_card_holds_the_measured_score_and_gymnasiums_threshold(folder):
    plain = envs.card("FrozenLake-v1")

    calibrate("FrozenLake-v1", "--write", "--seed", "3")

    card = envs.card("FrozenLake-v1")
    assert card.identity() == plain.identity()  # runs made without the card stay what they are
    measured = random_score(plain, 20, seed=3)
    assert scores("FrozenLake-v1") == (measured.score, gym.spec("FrozenLake-v1").reward_threshold)
    assert card.anchors.random.source.endswith("harness calibrate-env FrozenLake-v1 --seed 3")
    assert card.anchors.reference.source == "Gymnasium's reward threshold"
    assert card.scale().reference.score == 0.7


def test_a_card_without_a_reference_keeps_the_measured_score_and_normalises_nothing(folder):
    told = calibrate("Blackjack-v1", "--write")

    random, reference = scores("Blackjack-v1")
    assert -1 < random < 0 and reference is None
    assert envs.card("Blackjack-v1").scale() is None
    assert "without a reference" in told and "--reference SCORE" in told


def test_the_threshold_of_a_task_is_no_reference_for_a_changed_one(folder):
    calibrate("FrozenLake-v1", "--limit", "20", "--write")

    assert scores("FrozenLake-v1")[1] is None


def test_a_reference_of_the_users_own_says_who_says_so(folder):
    source = 'theirs, "table 2": mean of 100 episodes'
    calibrate("Blackjack-v1", "--reference", "-0.0125", "--reference-source", source, "--write")

    assert envs.card("Blackjack-v1").scale().reference.score == -0.0125
    assert envs.card("Blackjack-v1").scale().reference.source == source


def test_anchors_join_a_card_of_the_users_own_and_replace_those_there_only_if_told(folder):
    (folder / "cards").mkdir()
    file = folder / "cards/river.yaml"
    file.write_text(RIVER)
    calibrate("river", "--write")
    first = file.read_text()

    again = calibrate("river", "--write", "--seed", "1", code=2)

    assert first.startswith(RIVER) and file.read_text() == first
    assert "cards/river.yaml has anchors: --overwrite replaces them" in again
    calibrate("river", "--write", "--overwrite", "--seed", "1")
    assert file.read_text().startswith(RIVER) and file.read_text() != first
    assert file.read_text().count("anchors:") == 1


def test_the_file_of_an_id_with_a_module_is_found_by_the_id(folder):
    module = "import gymnasium as gym\ngym.register('Pole-v0', 'gymnasium.envs.classic_control:CartPoleEnv', max_episode_steps=9)\n"  # noqa: E501
    (folder / "my_poles.py").write_text(module)
    study.enter(folder)
    study.name("my_poles:Pole-v0")
    plain = envs.card("my_poles:Pole-v0")

    calibrate("my_poles:Pole-v0", "--reference", "9", "--reference-source", "its limit", "--write")

    assert (folder / "envs/my_poles.Pole-v0.yaml").is_file()
    card = envs.card("my_poles:Pole-v0")
    assert (card.name, card.scale().reference.score) == ("my_poles:Pole-v0", 9)
    assert card.identity() == plain.identity()


REFUSED = {
    "a score without its source": (("FrozenLake-v1", "--reference", "1"), "belong together"),
    "a source without a score": (("FrozenLake-v1", "--reference-source", "x"), "belong together"),
    "a score that is none": (
        ("FrozenLake-v1", "--reference", "nan", "--reference-source", "x"), "nan is not finite",
    ),
    "a reference below chance": (
        ("Blackjack-v1", "--reference", "-1", "--reference-source", "x"), "no more than the random",
    ),
    "a card that ships": (("CartPole-v1", "--write"), "has a card that ships"),
    "a member of a family that ships": (("DeepSea-7", "--write"), "has a card that ships"),
    "another limit": (("CartPole-v1", "--limit", "10"), "has a card, which says"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_calibrated_so_is_refused_and_nothing_is_written(folder, what):
    words, line = REFUSED[what]

    assert line in calibrate(*words, "--write", code=2)
    assert not (folder / "envs").exists()


def test_an_episode_that_nothing_ends_is_an_error_that_says_how_to_set_a_limit(folder, monkeypatch):
    monkeypatch.setattr(endless, "LONGEST", 50)

    told = calibrate("CliffWalking-v1", "--write", code=2)

    assert "--limit N --write" in told
    calibrate("CliffWalking-v1", "--limit", "40", "--write")
    assert envs.card("CliffWalking-v1").max_episode_steps == 40
