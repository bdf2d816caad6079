"""Hyper-parameters by search: many seeds for each trial, resumable, tested on fresh seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import optuna

from harness.search import confirm, loop, noise, path, report, shared, storage, surrogate
from harness.search.confirm import BEST, Confirmation
from harness.search.evidence import Evidence
from harness.search.plan import NOISE, Plan
from harness.search.read import read, shipped
from harness.search.score import Train, Trainer
from harness.store import searches
from harness.store.reader import Store
from harness.store.writer import clear_way

__all__ = ["BEST", "Evidence", "Plan", "Train", "folder", "read", "run", "shipped", "write_report"]


def folder(plan: Plan, store: Store) -> Path:
    """Where a search keeps one arm's study and its best.yaml."""
    return store.search_folder(plan.file.name) / plan.label


def run(
    plan: Plan, store: Store, attempt: Train, say: Callable[[str], None], at_once: int = 1
) -> Evidence:
    """Search, confirm, and write best.yaml. The same call goes on where it was stopped.

    :param at_once: how many runs this command makes at a time, if others work at the search, too.
    :raises UserError: if the study was begun with other settings, or another process is at it.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    home = folder(plan, store)
    for line in clear_way(home, store.root):
        say(line)
    where = plan.file.storage or str(home / storage.JOURNAL)
    with (
        storage.claimed(home, plan.name, plan.file.storage or ""),
        storage.answering(where),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for line in storage.mend(home, plan.name):
            say(line)
        backing = storage.connect(where)
        others = shared.join(backing, plan.name, at_once, say)
        trainer = Trainer(plan, store, attempt, others)
        with trainer.turn():
            study = storage.open_study(plan, backing)
        tell = partial(storage.tell, plan, home)
        tell(searches.SEARCHING)
        loop.run(trainer, study, say, partial(tell, searches.SEARCHING))
        tell(searches.CONFIRMING)
        confirmation = confirm.run(trainer, study)
        if confirmation is not None:
            confirm.write(home / BEST, confirm.best(plan, study, confirmation))
        evidence = _evidence(trainer, study, confirmation)
        tell(searches.DONE)
        return evidence


def _evidence(trainer: Trainer, study: optuna.Study, confirmation: Confirmation | None) -> Evidence:
    """What the report needs beside the search: a forest, and what was asked to be run for it."""
    plan, trials = trainer.plan, study.get_trials()
    shown, wanted = surrogate.usable(trials), plan.file.confirm
    forest = surrogate.Forest(plan, shown) if len(shown) >= surrogate.ENOUGH else None
    evidence = Evidence(plan, trials, confirmation, forest)
    if confirmation is not None and evidence.best_number > 0:
        best = confirmation.selected.trial
        if wanted.path_seeds and forest is not None:
            evidence = evidence._replace(path=path.run(trainer, best, forest))
        if wanted.noise_runs:
            instances = plan.pool(NOISE, wanted.noise_runs)[: wanted.noise_runs]
            specs = plan.specs(confirm.hparams(best), instances)
            evidence = evidence._replace(noise=noise.measure(specs, folder(plan, trainer.store)))
    return evidence


def write_report(studies: Sequence[Evidence], store: Store) -> Path:
    """One report for all arms of a search."""
    return report.write(studies, store, store.search_folder(studies[0].plan.file.name) / "report")
