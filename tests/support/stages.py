"""What the snippets of a page need before they run, and where commands are tested that take long.

A page that is not listed needs nothing: its snippets run in an empty folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import fake_tune
from command import typed
from foreign import tidy


def _nothing(folder: Path) -> None:
    pass


class Stage(NamedTuple):
    """What is there before the first snippet of a page."""

    build: Callable[[Path], None] = _nothing


def _imported(folder: Path) -> None:
    tidy(folder / "scores.csv", {"ppo": 1.0, "ours": 3.0})
    typed("import", "scores.csv", "--as", "theirs", "--no-figures", cwd=folder)


SEARCH = """\
name: fake
question: Which weight of the entropy is best?
envs: [CartPole-v1]
steps: 50_000
arms:
  ppo: {agent: ppo, space: {ent_coef: {why: Any., low: 0.0, high: 0.1}}}
seeds: 5
budget: {trials: 2}
confirm: {top: 1, test_seeds: 6}
"""


def _searched(folder: Path) -> None:
    """A best.yaml, of a search without training."""
    of = fake_tune.plan(folder, SEARCH)
    fake_tune.run(of, folder / "results", lambda spec: 100 * spec.hparams["ent_coef"] + spec.seed)
    (best,) = (folder / "results").rglob("best.yaml")
    shutil.copy(best, folder)


STAGES = {
    "docs/import.md": Stage(_imported),
    "docs/tuning.md": Stage(_searched),
}


def stage(page: str) -> Stage:
    return STAGES.get(page, Stage())


# Blocks of text: page, how they begin, and the test that compares them with what is printed.
QUOTED = {
    ("README.md", "gae.yaml:11: "): (
        "tests/test_readme.py::test_the_error_that_is_shown_is_the_error_that_comes"
    ),
}

# Output of an earlier version, which no command prints again: the sentence that says so there.
PAST = {
    ("docs/trust.md", "arm  "): "with the table that it had then",
}
