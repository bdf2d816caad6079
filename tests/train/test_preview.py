"""A contact sheet shows an environment without a screen."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import image
from typer.testing import CliRunner

from harness.cli.main import app
from harness.envs.picture import HEADLESS
from harness.train import preview

SCREEN = {"DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", *HEADLESS}


@pytest.mark.parametrize(
    "name",
    [  # 500 pictures of the pole take long
        pytest.param("CartPole-v1", marks=pytest.mark.slow),
        "DeepSea-10",
        "MiniGrid-DoorKey-5x5-v0",
    ],
)
def test_what_is_scripted_does_better_than_chance(name):
    films = preview.films(name, seed=0)

    (_, chance), (_, script) = films.items()
    assert script.total > chance.total
    for film in films.values():
        assert [shot.step for shot in film.shots] == [*range(film.steps + 1)]
        assert len({shot.frame for shot in film.shots}) > 1


def test_a_contact_sheet_has_a_strip_for_each_episode(tmp_path):
    out = tmp_path / "sheet.png"
    found = CliRunner().invoke(app, ["preview", "DeepSea-10", "--out", str(out)])

    assert (found.exit_code, found.stderr) == (0, "")
    assert np.ptp(image.imread(out)) > 0.5


def test_an_unknown_environment_is_refused_with_a_suggestion():
    with pytest.raises(KeyError, match="CartPole-v1"):
        preview.films("CartPole-v2", 0)


@pytest.mark.slow
def test_pictures_are_made_without_a_word_from_the_drawing_libraries(tmp_path):
    """SDL and ALSA write from C where there is no screen and no sound card."""
    command = [sys.executable, "-m", "harness", "preview", "CartPole-v1"]
    bare = {name: value for name, value in os.environ.items() if name not in SCREEN}
    found = subprocess.run(
        [*command, "--out", str(tmp_path / "x.png")],
        capture_output=True, text=True, check=True, env=bare,
    )  # fmt: skip

    assert found.stderr == ""
