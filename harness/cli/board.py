"""`harness board`: the curves of a sweep's runs in TensorBoard."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from harness.cli import activity, option, verb


def board(
    name: Annotated[
        str | None, typer.Argument(metavar="SWEEP", help="A sweep's name or file; default: all.")
    ] = None,
    results: option.Results = option.DEFAULT_RESULTS,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve/--no-serve", help="Start TensorBoard, or only print where the files are."
        ),
    ] = True,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of TensorBoard; 0: any free one.")
    ] = 6006,
) -> None:
    """Write event files of the finished runs, laid out as environment/arm/seed; show them."""
    with verb.users_errors(kept="The event files are kept."):
        verb.trackers(tensorboard=True, track=None)
        from harness.config.name import counted
        from harness.spec import RunSpec
        from harness.train.event_files import lay_out, write

        store = verb.open_store(results)
        names = [name] if name else store.sweeps()
        if not names:
            raise verb.user_error(str(store.root), "no sweep was started here")
        sweeps = [verb.find_sweep(each, store) for each in names]
        console = verb.console()
        for sweep in sweeps:
            runs = [run for run in sweep.runs if isinstance(run, RunSpec)]
            finished = {run.key: run for run in runs if store.finished(run)}
            for run in activity.each("board", list(finished.values()), str):
                write(store.folder(run))
            folder = lay_out(sweep.name, runs, store)
            left = len({run.key for run in runs}) - len(finished)
            said = f"{sweep.name}: {counted(len(finished))}"
            if left:
                said += f"; {left} are not finished: of them --tensorboard alone writes event files"
            console.print(said, soft_wrap=True)
        shown = folder if len(sweeps) == 1 else folder.parent
        console.print(f"tensorboard --logdir {shown}", soft_wrap=True)
        if serve:
            command = [sys.executable, "-m", "tensorboard.main", f"--logdir={shown}"]
            raise typer.Exit(subprocess.run([*command, f"--port={port}"]).returncode)
