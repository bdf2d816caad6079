"""The vocabulary of what runs measure, and a run's numbers under its names."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from harness.store import scalars
from harness.store.scalars import FPS, LENGTH, REWARD, SCALARS

PAGE = Path(__file__).parents[2] / "docs/living.md"


def test_the_docs_have_the_vocabulary_word_for_word():
    rows = re.findall(r"^\| `(\w+/\w+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)

    assert dict(rows) == dict(SCALARS)


@pytest.mark.parametrize("name", SCALARS)
def test_a_scalar_has_a_group_and_a_meaning_in_one_line(name):
    assert re.fullmatch("(rollout|train|validation|curiosity|dream|eval|time)/[a-z_]+", name)
    assert SCALARS[name] and "\n" not in SCALARS[name] and "|" not in SCALARS[name]


@pytest.mark.parametrize("name", [name for name in SCALARS if name.startswith("validation/")])
def test_what_is_validated_is_trained_too(name):
    assert name.replace("validation/", "train/") in SCALARS


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def evaluation(step, value, **more):
    return {"step": step, "final": False, "returns": [value, value], "lengths": [4, 6], **more}


def test_a_runs_record_is_its_evaluations_and_training_rows_in_order_with_their_rate(tmp_path):
    lines(
        tmp_path / "train.jsonl",
        {"step": 100, "seconds": 7.0, "train/loss": 3.0},
        {"step": 300, "seconds": 7.5, "train/loss": None},
        {"step": 300, "seconds": 8.0, "train/loss": 1.0},
        {"step": 400, "seconds": 8.5, "train/loss": 2.0},
    )
    lines(
        tmp_path / "evals.jsonl",
        evaluation(0, 1.0),
        evaluation(400, 9.0, final=True),
        evaluation(400, 8.0, final=True, other_mode=True),
    )
    lines(tmp_path / "test_evals.jsonl", evaluation(400, 7.0, final=True))

    points = list(scalars.recorded(tmp_path))

    assert [point.step for point in points] == [0, 100, 300, 300, 400, 400, 400, 400]
    assert points[0] == (0, None, {REWARD: 1.0, LENGTH: 5.0})
    assert [point.values[FPS] for point in points if FPS in point.values] == [400.0, 100.0]
    assert math.isnan(points[2].values["train/loss"])
    assert points[4] == (400, 8.0, {REWARD: 9.0, LENGTH: 5.0})
    assert points[5].values == {"eval/other_mode_mean_reward": 8.0}
    assert points[6].values == {"eval/test_mean_reward": 7.0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 1.0, "train/loss": 1.0},
        {"step": 200, "train/loss": 1.0},
        {"step": "200", "seconds": 1.0},
        {"step": 200, "seconds": 1.0, "train/loss": "high"},
        {"step": 200, "seconds": 1.0, "train/loss": [1.0]},
    ],
)
def test_a_damaged_line_of_training_says_nothing_and_the_others_do(wrong, tmp_path):
    good = {"step": 100, "seconds": 1.0, "train/loss": 3.0}
    lines(tmp_path / "train.jsonl", good, wrong, good | {"step": 300})

    assert [point.step for point in scalars.recorded(tmp_path)] == [100, 300]
    assert scalars.training(tmp_path)["train/loss"].y.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    "wrong", [{"returns": ["high"]}, {"returns": []}, {"lengths": None}, {"step": None}]
)
def test_a_damaged_evaluation_says_nothing_and_the_others_do(wrong, tmp_path):
    lines(tmp_path / "evals.jsonl", evaluation(0, 1.0), evaluation(5, 1.0) | wrong)

    assert [point.step for point in scalars.recorded(tmp_path)] == [0]


def test_a_run_that_has_recorded_nothing_has_no_points(tmp_path):
    assert list(scalars.recorded(tmp_path)) == []
