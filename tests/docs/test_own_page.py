"""The bonus, wrapper, metrics and figure that docs/own.md shows do their work in a sweep."""

from __future__ import annotations

import csv
import re

import fake_store
import pytest
from command import typed
from fake_report import ONE_ENV, TWO_ARMS, write_report
from snippets import blocks

from harness.config import study
from harness.own import figures as own_functions
from harness.spec import ReportOptions
from harness.store.reader import Store

WALK = """\
import gymnasium as gym
import numpy as np


class Walk(gym.Env):
    observation_space = gym.spaces.Box(-9, 9, (1,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0.0
        return self.seen()

    def step(self, action):
        self.at = float(np.clip(self.at + action[0], -9, 9))
        observation, info = self.seen()
        return observation, 1.0, False, False, info

    def seen(self):
        return np.array([self.at], np.float32), {"room": int(self.at) + 9}


gym.register("Walk-v0", Walk, max_episode_steps=20)
"""
SWEEP = """\
name: page
question: Does what the page shows work?
envs: ["walk:Walk-v0"]
seeds: 1
steps: 128
evaluation: {every: 64, episodes: 2, final_episodes: 3}
base: {agent: ppo, hparams: {n_envs: 2, n_steps: 32, batch_size: 32}}
arms:
  plain: {}
  rooms: {bonus: "rooms:Rooms"}
  scaled: {wrappers: [{name: "scaled:scaled", factor: 3}]}
metrics: ["effort:effort", "effort:gain"]
"""


pytestmark = pytest.mark.slow


@pytest.fixture
def folder(no_study, tmp_path, monkeypatch):
    """Each block of code as a module of the name of the first that it defines."""
    monkeypatch.chdir(tmp_path)
    for block in blocks("docs/own.md"):
        if block.language == "python" and (name := re.search(r"^(?:class|def) (\w+)", block.text,
                                                             re.M)):  # fmt: skip
            (tmp_path / f"{name[1].lower()}.py").write_text(block.text)
    return tmp_path


def test_its_bonus_wrapper_and_metrics_are_used(folder):
    (folder / "walk.py").write_text(WALK)
    (folder / "page.yaml").write_text(SWEEP)

    typed("sweep", "page.yaml", "--executor", "serial", "--no-crosscheck", cwd=folder)

    with (folder / "results/sweeps/page/report/scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == {"plain", "rooms", "scaled"}
    assert all(0 < float(row["effort"]) <= 1 and float(row["gain"]) == 0 for row in rows)


def test_its_figure_is_drawn(folder):
    study.enter(folder)
    study.name("price:price")
    store, options = Store(folder / "results"), ReportOptions(figures=("price:price",))
    of = fake_store.sweep(TWO_ARMS, ONE_ENV, 6, report=options)
    fake_store.write_sweep(store, of)

    page = write_report(store, of, ("curves",), functions=own_functions(["price:price"]))

    text = (page / "report.md").read_text()
    assert "### What a score costs" in text and "own_price.png" in text
