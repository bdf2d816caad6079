"""Hyper-parameters by search: many seeds for each trial, resumable, tested on fresh seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import optuna

from harness.search import confirm, loop, noise, path, report, storage, surrogate
from harness.search.confirm import BEST, Confirmation
from harness.search.evidence import Evidence
from harness.search.plan import NOISE, Plan
from harness.search.read import read, shipped
from harness.search.score import Train
from harness.store import searches
from harness.store.reader import Store
from harness.store.writer import clear_way

__all__ = ["BEST", "Evidence", "Plan", "Train", "folder", "read", "run", "shipped", "write_report"]


def folder(plan: Plan, store: Store) -> Path:
    """Where a search keeps one arm's study and its best.yaml."""
    return store.search_folder(plan.file.name) / plan.label


def run(plan: Plan, store: Store, attempt: Train, say: Callable[[str], None]) -> Evidence:
    """Search, confirm, and write best.yaml. The same call goes on where it was stopped.

    :raises UserError: if the study was begun with other settings, or another process is at it.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    home = folder(plan, store)
    for line in clear_way(home, store.root):
        say(line)
    with storage.claimed(home, plan.name), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for line in storage.mend(home, plan.name):
            say(line)
        where = plan.file.storage or str(home / storage.JOURNAL)
        study = storage.open_study(plan, storage.connect(where))
        tell = partial(storage.tell, plan, home)
        tell(searches.SEARCHING)
        loop.run(plan, study, store, attempt, say, partial(tell, searches.SEARCHING))
        tell(searches.CONFIRMING)
        confirmation = confirm.run(plan, study, store, attempt)
        if confirmation is not None:
            confirm.write(home / BEST, confirm.best(plan, study, confirmation))
        evidence = _evidence(plan, study, confirmation, store, attempt)
        tell(searches.DONE)
        return evidence


def _evidence(
    plan: Plan, study: optuna.Study, confirmation: Confirmation | None, store: Store, attempt: Train
) -> Evidence:
    """What the report needs beside the search: a forest, and what was asked to be run for it."""
    trials, wanted = study.get_trials(), plan.file.confirm
    shown = surrogate.usable(trials)
    forest = surrogate.Forest(plan, shown) if len(shown) >= surrogate.ENOUGH else None
    steps, scale = [], None
    if confirmation is not None and confirmation.selected.trial.number > 0:
        if wanted.path_seeds and forest is not None:
            steps = path.run(plan, confirmation.selected.trial, forest, store, attempt)
        if wanted.noise_runs:
            instances = plan.pool(NOISE, wanted.noise_runs)[: wanted.noise_runs]
            specs = plan.specs(confirm.hparams(confirmation.selected.trial), instances)
            scale = noise.measure(specs, folder(plan, store))
    return Evidence(plan, trials, confirmation, forest, steps, scale)


def write_report(studies: Sequence[Evidence], store: Store) -> Path:
    """One report for all arms of a search."""
    return report.write(studies, store, store.search_folder(studies[0].plan.file.name) / "report")
