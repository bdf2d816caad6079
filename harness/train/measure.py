"""The metrics of a sweep, applied to its finished runs.

The episodes after training are played once more with what the run learned, and must give the very
returns of its record. So a metric is about the episodes of the final score, a new or a changed one
trains nothing again, and none can change what is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import pandas as pd

from harness import envs, own
from harness.config import study
from harness.config.failure import failed
from harness.config.strict import UserError
from harness.own import Episode, Recorder, Run
from harness.seeding import episode_seeds, untouched_rng
from harness.spec import Metric, RunSpec
from harness.store import run_files, writer
from harness.store.reader import Store
from harness.train.evaluate import Evaluator
from harness.train.task import vouch
from harness.train.trained import trained


def measure(spec: RunSpec, store: Store, metrics: Sequence[Metric]) -> None:
    """Apply the metrics that have made no number of a run yet; nothing, if it is not finished.

    What goes wrong in one is written down in place of its number.

    :raises writer.Busy: if another process is at the run.
    """
    result, folder = store.result(spec), store.folder(spec)
    if result is None or not metrics:
        return
    vouch(spec)
    study.name(*(metric.target for metric in metrics))
    with writer.claimed(folder):
        wanted = [metric for metric in metrics if store.unmeasured([spec], [metric])]
        counts = [_Count(metric) for metric in wanted]
        of_episodes = [count for count in counts if count.metric.of == "episode"]
        why = _play(spec, folder, of_episodes) if of_episodes else ""
        if of_runs := [count for count in counts if count.metric.of == "run"]:
            run = _run(spec, store, folder)
            for count in of_runs:
                count.take(run)
        for count in counts:
            error = count.error or (why if count in of_episodes else "")
            values = [] if error else [count.values[i] for i in sorted(count.values)]
            writer.measured(folder, count.metric, str(result["weights"]), values, error)


class _Count:
    """What one metric makes of a run, until something goes wrong."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.values: dict[int, float] = {}  # by the place of the episode
        self.error = ""
        try:
            self._function = study.function(metric.target)
            if own.version(metric.target) != metric.version:
                self.error = "its source has changed since the sweep was started: start it again"
        except ValueError as error:
            self.error = str(error)

    def take(self, given: Episode | Run, place: int = 0) -> None:
        if self.error:
            return
        try:
            with untouched_rng(given.seed):
                self.values[place] = own.number(self._function(given))
        except Exception as error:  # whatever a function of the user's own raises
            self.error = failed(self._function, error)
            if self.metric.of == "episode":
                self.error += f", in episode {place} (seed {given.seed})"


def _play(spec: RunSpec, folder: Path, counts: Sequence[_Count]) -> str:
    """Count the episodes after training; why they are not those of the record, empty: they are."""
    try:
        run = trained(folder, trust=True)  # the returns tell whether it acts as it did
        seeds = episode_seeds("final", spec.env, spec.seed, spec.evaluation.final_episodes)

        def ended(episode: Episode) -> None:
            for count in counts:
                count.take(episode, seeds.index(episode.seed))

        def make_env() -> gym.Env[Any, Any]:
            return Recorder(envs.make(run.card, spec.wrappers, training=False), spec.env, ended)

        with closing(Evaluator(make_env)) as evaluator:
            now = evaluator.play(run.agent, seeds, spec.evaluation.deterministic).returns
        then = run_files.final_returns(folder)
    except UserError as error:
        return str(error)
    except Exception as error:  # whatever an agent or an environment raises
        return f"the episodes cannot be played again: {type(error).__name__}: {error}"
    if now == then:
        return ""
    i = next(i for i, (a, b) in enumerate(zip(then, now, strict=True)) if a != b)
    return (
        f"played again, the episodes after training are others (return {then[i]} then, {now[i]} "
        f"now in episode {i}): measure on the machine and with the packages of the run"
    )


def _run(spec: RunSpec, store: Store, folder: Path) -> Run:
    result = store.result(spec) or {}
    evaluations = store.frame([spec]).drop(columns=["arm", "env", "seed", "key"])
    return Run(
        agent=spec.agent,
        env=spec.env,
        seed=spec.seed,
        steps=spec.steps,
        hparams=spec.hparams,
        evaluations=evaluations,
        training=pd.DataFrame(run_files.training(folder)),
        costs={name: float(result[name]) for name in _COSTS if name in result},
        visits=store.visits(spec),
    )


_COSTS = (*run_files.COSTS, "steps_trained")
