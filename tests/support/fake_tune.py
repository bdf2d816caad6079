"""Searches without training: runs whose scores are a known function of their hyper-parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_store import write_failure, write_run
from optuna.trial import FrozenTrial

from harness.search import loop, report, storage, study, surrogate
from harness.search.plan import Plan
from harness.spec import RunSpec
from harness.store.reader import Store

FILE = """\
name: fake
question: Where is the top of the hill?
envs: [CartPole-v1]
steps: 1000
evaluation: {every: 1000, episodes: 1, final_episodes: 3}
arms:
  pid:
    agent: pid
    space:
      kp: {why: A hill., low: 1.0, high: 100.0, log: true}
      kd: {why: Flat., low: 0.0, high: 4.0}
seeds: 6
budget: {trials: 12}
batch: 4
confirm: {top: 2, seeds: 3, test_seeds: 6}
"""
SPREAD = 20.0  # of the seeds


def plan(folder: Path, text: str = FILE) -> Plan:
    path = folder / "fake.yaml"
    path.write_text(text)
    (found,) = study.read(path)
    return found


def hill(spec: RunSpec) -> float:
    """CartPole's return: 400 at kp 10, and less to either side; each seed has its own luck."""
    luck = np.random.default_rng([spec.seed, 1]).normal(0, SPREAD)
    own = np.random.default_rng([spec.seed, *spec.key.encode()]).normal(0, SPREAD / 4)
    return float(400 - 300 * abs(math.log10(spec.hparams["kp"] / 10)) + luck + own)


def attempt_in(
    store: Store, score: Callable[[RunSpec], Any] = hill, after: Callable[[], None] | None = None
) -> study.Train:
    """:param score: what a run returns; text: the error that it dies of.
    :param after: called after every run.
    """

    def attempt(specs: list[RunSpec]) -> None:
        for spec in specs:
            value = score(spec)
            if isinstance(value, str):
                write_failure(store, spec, value)
            else:
                write_run(store, spec, lambda *_, it=value: np.full(_[3], it))
            if after is not None:
                after()

    return attempt


def run(of: Plan, root: Path, score: Callable[[RunSpec], Any] = hill, **more: Any) -> Any:
    """Search; what came of it."""
    store = Store(root)
    return study.run(of, store, attempt_in(store, score, **more), lambda text: None)


def write_page(of: Plan, root: Path, score: Callable[[RunSpec], Any] = hill) -> Path:
    """report.html as `harness tune` makes it, but for the pictures, which take long to draw."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogate, "RESAMPLES", 4)
        patch.setattr(surrogate, "TREES", 16)
        patch.setattr(report.seaborn, "save", lambda plot, path: 5.5)
        found = run(of, root, score)
        return study.write_report([found], Store(root)).with_suffix(".html")


def trials(of: Plan, root: Path) -> list[FrozenTrial]:
    journal = study.folder(of, Store(root)) / storage.JOURNAL
    return storage.open_study(of, storage.connect(of.file.storage or str(journal))).get_trials()


def facts(found: list[FrozenTrial]) -> list[Any]:
    """All that a trial is, but for the time it took."""
    kept = [
        (
            trial.number,
            trial.state.name,
            trial.value,
            trial.params,
            trial.intermediate_values,
            {key: v for key, v in trial.user_attrs.items() if key != loop.SECONDS},
        )
        for trial in found
    ]
    return json.loads(json.dumps(kept))
