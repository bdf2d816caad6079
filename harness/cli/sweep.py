"""`harness sweep`: train the missing runs, then write the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import option, verb

if TYPE_CHECKING:
    from harness.spec import ResolvedSweep, RunSpec
    from harness.store.reader import Store
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
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided",
            help="Train block after block of seeds, as `decide` in the file says, until every "
            "claim is decided or at the cap.",
        ),
    ] = False,
    anyway: option.Anyway = False,
    figures: option.Figures = True,
    crosscheck: option.Crosscheck = True,
    shard: option.Shard = None,
    scratch: option.Scratch = option.DEFAULT_RESULTS,
) -> None:
    """Train the missing runs of a sweep, then write its report. Resumes where it stopped."""
    with verb.users_errors():
        time = verb.budget(budget)
        from harness.cli import decided
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
        decided.check(path, resolved, store, until_decided, part is not None)
        trackers = verb.trackers(tensorboard, track)
        parts = iter([resolved])
        if until_decided:
            from harness.report.evidence.block import blocks

            parts = blocks(resolved, store, decided.Teller(store))
        for asked in parts:
            verb.warn(keep(asked, store))
            runs, metrics = list(asked.made), asked.metrics
            if part:
                runs = part.share(runs)
            if "tensorboard" in trackers:
                _lay_out(asked, runs, store)
            with verb.publishing(asked, runs, bucket, store) as left:
                verb.train(
                    left, store, workers, executor, observer, metrics=metrics, budget=time,
                    limits=asked.limits, trackers=trackers,
                )  # fmt: skip
        unfinished = store.missing(left) or store.unmeasured(left, metrics)
        if part:
            _tell(part, asked, runs, len(store.missing(left)), results)
        else:
            if asked.report.films:
                verb.film(asked, store, workers, executor)
            write_report(asked, store, figures=figures, crosscheck=crosscheck)
        if unfinished:
            raise typer.Exit(verb.SOME_FAILED)


def _lay_out(sweep: ResolvedSweep, runs: list[RunSpec], store: Store) -> None:
    """Let TensorBoard find the runs."""
    from harness.train.event_files import lay_out

    board = lay_out(sweep.name, runs, store)
    verb.console().print(f"tensorboard --logdir {board}", soft_wrap=True)


def _tell(
    part: Shard, sweep: ResolvedSweep, runs: list[RunSpec], unfinished: int, results: str
) -> None:
    """How a shard ended, and what comes next."""
    from harness.store.bucket import is_url

    done = f"shard {part}: {len(runs) - unfinished} of {len(runs)} runs are finished"
    way_on = f"harness merge {results}" if is_url(results) else f"harness report {sweep.name}"
    verb.console().print(f"{done}; when all shards have ended: {way_on}", soft_wrap=True)
