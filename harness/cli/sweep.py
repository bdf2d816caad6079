"""`harness sweep`: train the missing runs, then write the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.cli import option, verb

if TYPE_CHECKING:
    from harness.spec import ResolvedSweep, RunSpec
    from harness.sweep.shard import Shard


def sweep(
    file: option.SweepPath,
    results: option.Place = str(option.DEFAULT_RESULTS),
    workers: option.Workers = 0,
    executor: option.Executor = "processes",
    observer: option.Observers = None,
    tensorboard: option.Tensorboard = False,
    track: option.Track = None,
    set_: option.Settings = None,
    engine: option.Engine = None,
    budget: option.Budget = None,
    anyway: option.Anyway = False,
    figures: option.Figures = True,
    crosscheck: option.Crosscheck = True,
    shard: option.Shard = None,
    scratch: option.Scratch = option.DEFAULT_RESULTS,
) -> None:
    """Train the missing runs of a sweep, then write its report. Resumes where it stopped."""
    with verb.users_errors():
        time = verb.budget(budget)
        from harness.cli.report import checklist_answers, write_report
        from harness.sweep.expand import expand
        from harness.sweep.record import keep
        from harness.sweep.shard import Shard

        path = verb.find_file(file, "sweep")
        chosen, layers = verb.engine(engine), verb.overrides(set_)
        part = Shard.read(shard) if shard is not None else None
        bucket = verb.bucket(results, shard)
        store = verb.open_store(scratch if bucket else Path(results))
        expansion = expand(path, layers, anyway, rehearse=True, engine=chosen, store=store)
        resolved = expansion.sweep
        checklist_answers(resolved)  # wrong ones are refused before anything is written or trains
        verb.can_train(executor, observer)
        verb.warn(keep(resolved, store))
        runs, metrics = list(resolved.made), resolved.metrics
        if part:
            runs = part.share(runs)
        trackers = verb.trackers(tensorboard, track)
        if "tensorboard" in trackers:
            from harness.train.event_files import lay_out

            board = lay_out(resolved.name, runs, store)
            verb.console().print(f"tensorboard --logdir {board}", soft_wrap=True)
        with verb.publishing(resolved, runs, bucket, store) as left:
            verb.train(
                left, store, workers, executor, observer, metrics=metrics, budget=time,
                limits=resolved.limits, trackers=trackers,
            )  # fmt: skip
        unfinished = store.missing(left) or store.unmeasured(left, metrics)
        if part:
            _tell(part, resolved, runs, len(store.missing(left)), results)
        else:
            if resolved.report.films:
                verb.film(resolved, store, workers, executor)
            write_report(resolved, store, figures=figures, crosscheck=crosscheck)
        if unfinished:
            raise typer.Exit(verb.SOME_FAILED)


def _tell(
    part: Shard, sweep: ResolvedSweep, runs: list[RunSpec], unfinished: int, results: str
) -> None:
    """How a shard ended, and what comes next."""
    from harness.store.bucket import is_url

    done = f"shard {part}: {len(runs) - unfinished} of {len(runs)} runs are finished"
    way_on = f"harness merge {results}" if is_url(results) else f"harness report {sweep.name}"
    verb.console().print(f"{done}; when all shards have ended: {way_on}", soft_wrap=True)
