"""A contact sheet shows an environment without a screen."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import image

from harness import preview


@pytest.mark.parametrize("name", ["CartPole-v1", "DeepSea-10", "MiniGrid-DoorKey-5x5-v0"])
def test_a_contact_sheet_has_a_random_and_a_scripted_row(name, tmp_path, monkeypatch):
    rows = []
    keep = preview._episode
    monkeypatch.setattr(preview, "_episode", lambda *given: rows.append(keep(*given)) or rows[-1])

    preview.draw(name, seed=0, path=tmp_path / "sheet.png")

    chance, script = rows
    assert script[1] > chance[1]
    for frames, _ in rows:
        assert 2 <= len(frames) <= preview.FRAMES
        assert min(frames) == 0
        assert len({frame.tobytes() for frame in frames.values()}) > 1
    assert np.ptp(image.imread(tmp_path / "sheet.png")) > 0.5


def test_an_unknown_environment_is_refused_with_a_suggestion(tmp_path):
    with pytest.raises(KeyError, match="CartPole-v1"):
        preview.draw("CartPole-v2", 0, tmp_path / "sheet.png")
