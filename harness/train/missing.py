"""Train those of a list of runs that are not finished: mended, planned, executed, shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext

from rich.console import Console

from baselines import LOCKSTEP
from harness.config import study
from harness.config.name import counted
from harness.config.strict import Problem, UserError
from harness.spec import Limits, Metric, RunSpec
from harness.store.course import Course
from harness.store.estimate import Experience
from harness.store.files import make_folder
from harness.store.reader import Store
from harness.store.scratch import remove_left
from harness.store.writer import mend
from harness.sweep.order import in_order
from harness.train import executors
from harness.train.budget import Budget
from harness.train.outlook import Outlook
from harness.train.progress import Display
from harness.train.run import Job
from harness.train.sacred_log import unreachable

UNLIMITED = Limits()


def film(
    unfilmed: Sequence[RunSpec],
    store: Store,
    workers: int,
    console: Console,
    executor: str = "processes",
) -> list[RunSpec]:
    """Film finished runs; return those that still have no film."""
    if unfilmed:
        console.print(f"filming {counted(len(unfilmed))}")
        job = Job(store.root, study=study.folder(), film=True)
        executors.executor(executor)(in_order(unfilmed), job, workers, lambda: None)
    return [spec for spec in unfilmed if store.film(spec) is None]


def spread(executor: str, observers: tuple[str, ...] = ()) -> executors.Executor:
    """What runs will be given to.

    :raises UserError: if there is no such executor, or an observer cannot be reached.
    """
    try:
        execute = executors.executor(executor)
    except (KeyError, ValueError) as error:
        raise UserError.of("--executor", str(error.args[0])) from None
    reasons = {url: why for url in observers if (why := unreachable(url))}
    if reasons:
        raise UserError(Problem("--observer", None, url, why) for url, why in reasons.items())
    return execute


def train_missing(
    specs: Sequence[RunSpec],
    store: Store,
    workers: int,
    console: Console,
    executor: str = "processes",
    observers: tuple[str, ...] = (),
    experience: Store | None = None,
    metrics: Sequence[Metric] = (),
    budget: Budget | None = None,
    limits: Limits = UNLIMITED,
    trackers: tuple[str, ...] = (),
) -> None:
    """
    :param observers: of Sacred, beside its files, by URL.
    :param experience: the store whose finished runs say what such runs take; default: `store`.
    :param metrics: are made of every run, those that are finished already among them.
    :param budget: the time that is left.
    :param limits: of each run.
    :param trackers: where scalars go beside the runs' files: see `track.TRACKERS`.
    :raises Unfinished: if it is over before the runs.
    :raises UserError: as `spread` does.
    """
    execute = spread(executor, observers)
    remove_left()  # also where nothing is missing, and so nothing will be started
    for folder in dict.fromkeys(store.folder(spec) for spec in specs):
        for line in mend(folder, store.root, deep=True):
            print(line, file=sys.stderr)
    missing, unmeasured = store.missing(specs), store.unmeasured(specs, metrics)
    finished = len({spec.key for spec in specs}) - len(missing)
    if finished:
        console.print(f"{counted(finished)} {'is' if finished == 1 else 'are'} finished already")
    job = Job(store.root, observers, study.folder(), tuple(metrics), budget, limits, trackers)
    failures = {spec.key: store.failure(spec) for spec in missing}
    known = Experience(experience or store)

    outlook = Outlook(budget, missing, known) if budget else None
    if outlook:
        outlook.expect()
    with budget.ending() if budget else nullcontext():
        if missing:
            make_folder(store.root)
            course = Course(specs, store, known, failures)
            with Display(course, console, _first(missing)) as display:

                def tick() -> None:
                    display.tick()
                    if outlook:
                        outlook.expect()

                execute(in_order(missing, known.seconds), job, workers, tick)
        if unmeasured:
            names = ", ".join(metric.name for metric in metrics)
            console.print(f"{len(unmeasured)} of them are measured: {names}")
            execute(in_order(unmeasured), job, workers, lambda: None)
    if outlook:
        left = [
            spec
            for spec in store.missing(missing)
            if store.failure(spec) in (None, failures[spec.key])
        ]
        left += [spec for spec in unmeasured if not store.looked_at(spec, metrics)]
        if left:
            raise outlook.over(left, store)


def _first(specs: Sequence[RunSpec]) -> str:
    """What workers do before the first of these runs begins, which may take a minute."""
    compiled = any(spec.engine.name == LOCKSTEP for spec in specs)
    return "libraries are imported" + ", lockstep is compiled if it is new here" * compiled
