"""A contact sheet shows an environment without a screen."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import fake_store
import numpy as np
import pytest
from matplotlib import image
from tiny import tiny
from typer.testing import CliRunner

from harness.cli.main import app
from harness.config.strict import UserError
from harness.envs import card
from harness.envs.extra import installed
from harness.store.reader import Store
from harness.store.run_files import final_returns
from harness.train import preview
from harness.train.preview import chosen
from harness.train.run import Job, run

SCREEN = {"DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", *preview.HEADLESS}


def films(monkeypatch):
    """Every film that is made from now on."""
    made, keep = [], preview.film
    monkeypatch.setattr(preview, "film", lambda *given: made.append(keep(*given)) or made[-1])
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


def finished(store, spec):
    run(spec, Job(store.root))
    return store.folder(spec)


@pytest.mark.parametrize("name", ["CartPole-v1", "DeepSea-10", "MiniGrid-DoorKey-5x5-v0"])
def test_a_contact_sheet_has_a_random_and_a_scripted_row(name, tmp_path, monkeypatch):
    rows = films(monkeypatch)

    preview.draw(name, seed=0, path=tmp_path / "sheet.png")

    chance, script = rows
    assert script.total > chance.total
    for row in rows:
        assert 2 <= len(row.frames) <= preview.FRAMES
        assert min(row.frames) == 0
        assert len({frame.tobytes() for frame in row.frames.values()}) > 1
    assert np.ptp(image.imread(tmp_path / "sheet.png")) > 0.5


def test_an_unknown_environment_is_refused_with_a_suggestion(tmp_path):
    with pytest.raises(KeyError, match="CartPole-v1"):
        preview.draw("CartPole-v2", 0, tmp_path / "sheet.png")


# RUNS


@pytest.mark.parametrize("agent", ["ppo", "pid", "random"])
def test_a_run_is_drawn_by_its_key_from_the_very_episodes_that_were_scored(
    agent, store, tmp_path, monkeypatch
):
    spec = tiny(agent)
    folder, made = finished(store, spec), films(monkeypatch)
    out = tmp_path / "run.png"
    found = CliRunner().invoke(
        app, ["preview", spec.key, "--results", str(store.root), "--out", str(out)]
    )

    assert (found.exit_code, found.stderr) == (0, "")
    scored = final_returns(folder)
    assert [row.total for row in made] == list(dict.fromkeys([max(scored), min(scored)]))
    assert out.exists()


def test_episodes_that_are_not_those_that_were_scored_are_drawn_with_a_warning(store, tmp_path):
    folder = finished(store, tiny("pid", seed=1))
    evals = folder / "evals.jsonl"
    evals.write_text(evals.read_text().replace("500.0", "499.0"))
    fake_store.seal(folder)

    assert "another machine" in preview.draw_run(folder, tmp_path / "run.png")


@pytest.mark.skipif(not installed("robots"), reason="needs the extra 'robots'")
def test_frames_of_a_push_tell_how_far_the_object_is_from_its_goal(store, tmp_path, monkeypatch):
    made = films(monkeypatch)
    assert preview.draw_run(finished(store, tiny("pusher")), tmp_path / "run.png") == ""

    (success,) = made  # the script fails in none of the few episodes
    last = max(success.frames)
    assert success.total == 1
    first, end = (
        preview.caption(step, success.infos[step], card("PushPose-v0").measures)
        for step in (0, last)
    )
    assert re.fullmatch(r"step 0: \d+\.\d cm, \d+\.\d°", first)
    assert float(end.split()[2]) <= 3.0 < float(first.split()[2])


def test_the_first_success_and_the_first_failure_are_chosen():
    found = chosen([0, 1, 1, 0], [{"success": end} for end in (False, True, True, False)])

    assert found == {"2 successes in 4 final episodes": 1, "2 failures in 4 final episodes": 0}


def test_no_failure_is_said_and_not_drawn():
    found = chosen([1, 1], [{"success": True}, {"success": True}])

    assert found == {"2 successes in 2 final episodes": 0, "0 failures in 2 final episodes": None}


def test_without_successes_the_best_and_the_worst_are_chosen():
    assert list(chosen([2, 5, 1], [{}] * 3).values()) == [1, 2]
    assert chosen([5, 5], [{}] * 2) == {"the same return in 2 final episodes": 0}


def test_an_unfinished_run_is_refused(store, tmp_path):
    folder = finished(store, tiny("random"))
    (folder / "result.json").rename(tmp_path / "result.json")
    with pytest.raises(UserError, match="not finished"):
        preview.draw_run(folder, tmp_path / "run.png")
    (tmp_path / "result.json").rename(folder / "result.json")


def test_a_key_that_no_run_has_is_a_users_error(store):
    found = CliRunner().invoke(app, ["preview", "0" * 16, "--results", str(store.root)])

    assert found.exit_code == 2
    assert "no run '0000000000000000'" in found.stderr


def test_pictures_are_made_without_a_word_from_the_drawing_libraries(tmp_path):
    """SDL and ALSA write from C where there is no screen and no sound card."""
    command = [sys.executable, "-m", "harness", "preview", "CartPole-v1"]
    bare = {name: value for name, value in os.environ.items() if name not in SCREEN}
    found = subprocess.run(
        [*command, "--out", str(tmp_path / "x.png")],
        capture_output=True, text=True, check=True, env=bare,
    )  # fmt: skip

    assert found.stderr == ""
