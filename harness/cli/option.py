"""Options that several verbs take, and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_RESULTS = Path("results")

Results = Annotated[
    Path,
    typer.Option("--results", envvar="HARNESS_RESULTS", help="Where runs and reports are kept."),
]
Workers = Annotated[
    int,
    typer.Option("--workers", "-w", min=0, max=1_024, help="Runs side by side; 0: one per core."),
]
Executor = Annotated[str, typer.Option("--executor", help="processes or serial.")]
Observers = Annotated[
    list[str] | None,
    typer.Option(
        "--observer", help="A further Sacred observer: mongodb://... or an SQLAlchemy URL."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A hyper-parameter that wins over every file: learning_rate=1e-3."),
]
Anyway = Annotated[
    bool,
    typer.Option("--anyway", help="Allow claims that no outcome could support; it is recorded."),
]
Crosscheck = Annotated[
    bool,
    typer.Option(
        "--crosscheck/--no-crosscheck",
        help="Set rliable's own estimates beside the report's: about a second for each arm.",
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Go on with the code that is here where the run was made from other sources. What a "
        "record names is not imported all the same.",
    ),
]
SweepPath = Annotated[str, typer.Argument(help="A sweep file, such as ablations/rnd.yaml.")]
SweepName = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name, or its file.")]
RunOrSweep = Annotated[
    str, typer.Argument(metavar="RUN|SWEEP", help="A run, by key or folder; a sweep, by name.")
]
