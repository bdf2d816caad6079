"""Options that several verbs take, and their defaults."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_RESULTS = Path("results")


def finite(value: float | None) -> float | None:
    """A number as it is: click's ranges let NaN through, and those without an end infinity.

    :raises typer.BadParameter: if it is either.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not finite.")
    return value


Results = Annotated[
    Path,
    typer.Option("--results", envvar="HARNESS_RESULTS", help="Folder of runs and reports."),
]
Place = Annotated[
    str,
    typer.Option(
        "--results",
        envvar="HARNESS_RESULTS",
        help="Folder of runs and reports; with --shard also a bucket: gs://..., s3://..., "
        "file://...",
    ),
]
Scratch = Annotated[
    Path,
    typer.Option(
        "--scratch", help="If --results is a bucket: the folder in which its runs are trained."
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        help="Train one of so many shares of the runs, 0/200 to 199/200, and write no report.",
    ),
]
Workers = Annotated[
    int,
    typer.Option("--workers", "-w", min=0, max=1_024, help="Runs in parallel; 0: one per core."),
]
Executor = Annotated[
    str,
    typer.Option(
        "--executor",
        help="How runs are started: processes, serial, ray, slurm, or your own "
        "module:function; options as in {ray: {address: auto}}.",
    ),
]
Observers = Annotated[
    list[str] | None,
    typer.Option(
        "--observer", help="An additional Sacred observer: mongodb://... or an SQLAlchemy URL."
    ),
]
Tensorboard = Annotated[
    bool,
    typer.Option("--tensorboard", help="Write TensorBoard's event files while it trains."),
]
Track = Annotated[
    list[str] | None,
    typer.Option("--track", help="Log to Weights & Biases too: wandb (or tensorboard)."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a hyper-parameter: learning_rate=1e-3."),
]
Engine = Annotated[
    str | None,
    typer.Option("--engine", help="What trains, as in a sweep file: lockstep, or {threads: 2}."),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        help="Stop after this time, such as 2h or 90m, between runs if that is possible. The same "
        "command goes on.",
    ),
]
Limits = Annotated[
    str | None,
    typer.Option(
        "--limits", help="What the run may take, as in a sweep file: {hours: 2, memory_gb: 4}."
    ),
]
Anyway = Annotated[
    bool,
    typer.Option(
        "--anyway", help="Allow claims that no outcome could support; the report says so."
    ),
]
Crosscheck = Annotated[
    bool,
    typer.Option(
        "--crosscheck/--no-crosscheck",
        help="Compare with rliable's own estimates: about a second per arm.",
    ),
]
Figures = Annotated[
    bool,
    typer.Option(
        "--figures/--no-figures",
        envvar="HARNESS_FIGURES",
        help="Draw the figures of the report, which takes most of its time.",
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Continue if the installed code differs from the recorded sources. Modules that only "
        "a record names are never imported.",
    ),
]
Study = Annotated[
    Path | None,
    typer.Option(
        "--study",
        help="The folder with your own agents, bonuses, environments and figures, if there are "
        "any: what a record names is imported from there only, and if a sweep file there names it.",
    ),
]
SweepPath = Annotated[str, typer.Argument(help="A sweep file, such as ablations/rnd.yaml.")]
SweepName = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or file.")]
RunOrSweep = Annotated[
    str, typer.Argument(metavar="RUN|SWEEP", help="A run (key or folder) or a sweep (name).")
]
