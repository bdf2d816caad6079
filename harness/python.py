"""The harness in Python: `import harness as h`, and five nouns.

sweep = h.Sweep.load("ablations/rnd.yaml")      # every error of the file at once
results = sweep.run(workers=2)                  # trains what is missing
h.results("rnd").frame()                        # tidy: a row for each evaluation of each run
h.stats.compare(ours, theirs)                   # bare arrays
agent = h.load("05ae1906c507503e")              # a trained agent, and its environment
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import pandas as pd
from rich.console import Console

from harness import envs, own
from harness.config import study
from harness.config.strict import UserError, suggest
from harness.report import Options, write
from harness.report.evidence.block import blocks
from harness.report.evidence.role import unfilmed
from harness.spec import ResolvedSweep, Run, RunSpec
from harness.store.export import evaluations
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.sweep.record import DECIDE_LINE, begun_otherwise, keep
from harness.train.missing import film, train_missing
from harness.train.trained import Trained, trained

FOLDER = "results"  # of runs and reports, below the current folder

__all__ = ["Loaded", "Results", "RunSpec", "Sweep", "load", "results"]


class Sweep:
    """A sweep file, with nothing left open."""

    def __init__(self, resolved: ResolvedSweep) -> None:
        self.resolved = resolved

    @classmethod
    def load(cls, path: str | Path, anyway: bool = False, folder: str | Path = FOLDER) -> Self:
        """Read a sweep file, and make each learner once; trains nothing.

        :param anyway: allow claims that no outcome could support.
        :param folder: where what its arms import lies.
        :raises UserError: with everything that is wrong with it at once.
        """
        store = Store(Path(folder))
        return cls(expand(Path(path), anyway=anyway, rehearse=True, store=store).sweep)

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.resolved.runs

    def run(
        self, workers: int = 1, folder: str | Path = FOLDER, until_decided: bool = False
    ) -> Results:
        """Train what is missing, as `harness sweep` does; the same call resumes.

        :param workers: runs side by side, one thread each.
        :param until_decided: block after block of seeds, as `decide` in the file says.
        :raises UserError: if the sweep was begun with another `decide`, or has none to follow.
        """
        store = Store(Path(folder))
        if why := begun_otherwise(self.resolved, store):
            raise UserError.of(self.resolved.source, why)
        if until_decided and not self.resolved.decide:
            raise UserError.of(self.resolved.source, f"there is no plan of looks: {DECIDE_LINE}")
        sweep = self.resolved
        for sweep in blocks(self.resolved, store) if until_decided else [self.resolved]:
            for line in keep(sweep, store):
                warnings.warn(line, stacklevel=2)
            runs, metrics, limits = list(sweep.made), sweep.metrics, sweep.limits
            train_missing(runs, store, workers, Console(), metrics=metrics, limits=limits)
        if sweep.report.films:
            film(unfilmed(sweep, store), store, workers, Console())
        return Results(sweep, store)


class Results:
    """What the runs of a sweep came to, in a results folder."""

    def __init__(self, sweep: ResolvedSweep, store: Store) -> None:
        self.sweep, self.store = sweep, store

    def __repr__(self) -> str:
        runs = len(self.sweep.runs)
        return f"<Results of {self.sweep.name}: {runs - len(self.missing())} of {runs} runs>"

    def frame(self) -> pd.DataFrame:
        """A row for each evaluation of each finished run, by arm, environment, seed and step.

        Columns: arm, env, seed, agent, key, step (environment steps), final (whether it is the one
        after training), score (mean raw return), sd (over its episodes), episodes, each metric
        of the sweep's own, in the row of the evaluation after training, and each hyper-parameter
        as `hparams.<name>`, nested ones dotted.
        """
        return evaluations(self.sweep, self.store)

    def missing(self) -> list[Run]:
        """The runs that are not finished: no number of `frame` is of them."""
        return self.store.missing(self.sweep.runs)

    def report(self, figures: bool = True) -> Path:
        """Write the report, as `harness report` does; its page."""
        folder = self.store.sweep_folder(self.sweep.name) / "report"
        functions = own.figures(self.sweep.report.figures)
        options = Options(functions=functions) if figures else Options(figures=())
        return write(self.sweep, self.store, folder, options).page


def results(
    name: str, folder: str | Path = FOLDER, study_folder: str | Path | None = None
) -> Results:
    """The results of a sweep, as it was last started, by its name.

    :param study_folder: the folder of your own modules, if its report has figures of yours.
    :raises UserError: if none of that name was started there.
    """
    if study_folder is not None:
        study.enter(Path(study_folder), trusted=True)
    store = Store(Path(folder))
    try:
        return Results(store.sweep(name), store)
    except FileNotFoundError:
        message = f"no sweep '{name}' was started in {folder}.{suggest(name, store.sweeps())}"
        raise UserError.of("results", message) from None


class Loaded:
    """A trained agent, and the environment that it was trained in."""

    def __init__(self, run: Trained) -> None:
        self.run, self.spec = run, run.spec

    def predict(self, observation: Any, state: Any = None, **options: Any) -> tuple[Any, Any]:
        """Actions for a batch of observations (n, ...), and the state for the next call.

        See `baselines.api.Agent.predict`, whose further parameters `options` are.
        """
        return self.run.agent.predict(observation, state, **options)

    def make_env(self) -> gym.Env[Any, Any]:
        """A fresh environment as the agent is scored in: with its raw reward."""
        return envs.make(self.run.card, self.spec.wrappers, training=False)


def load(
    run: str | RunSpec,
    folder: str | Path = FOLDER,
    trust: bool = False,
    study_folder: str | Path | None = None,
) -> Loaded:
    """A finished run's agent, as training left it.

    :param run: its key, its folder, or its spec.
    :param trust: go on where the sources here are not those that the run was made from.
    :param study_folder: the folder of your own modules, if the run used any.
    :raises UserError: if there is no such run, or it cannot be loaded; with the way out.
    """
    if study_folder is not None:
        study.enter(Path(study_folder), trusted=True)
    store = Store(Path(folder))
    found = store.folder(run) if isinstance(run, RunSpec) else store.find(run)
    if found is None:
        raise UserError.of("load", f"no run '{run}' in {folder}")
    return Loaded(trained(found, trust=trust))
