"""The command line: one file a verb. Heavy imports wait until a verb needs them."""

from __future__ import annotations

import io
import os
import signal
import sys

import typer

from harness.cli.board import board
from harness.cli.bundle import bundle
from harness.cli.calibrate import calibrate
from harness.cli.calibrate_env import calibrate_env
from harness.cli.check import check
from harness.cli.doctor import doctor
from harness.cli.export import export
from harness.cli.import_ import import_
from harness.cli.launch import launch
from harness.cli.ls import ls
from harness.cli.merge import merge
from harness.cli.model_report import model_report
from harness.cli.new import new
from harness.cli.preview import preview
from harness.cli.profile import profile
from harness.cli.replicate import replicate
from harness.cli.report import report
from harness.cli.run import run
from harness.cli.status import status
from harness.cli.sweep import sweep
from harness.cli.tune import tune
from harness.cli.verb import EXIT_CODES, stop
from harness.cli.verify import verify
from harness.cli.watch import watch

app = typer.Typer(
    name="harness",
    help="Reproducible benchmarks and ablations for reinforcement learning.",
    epilog="Exit codes: " + " ".join(f"{code}: {means}" for code, means in EXIT_CODES.items()),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for verb in (
    new, sweep, run, merge, report, board, import_, export, verify, bundle, replicate,
    status, check, doctor, launch, ls, tune, calibrate_env, calibrate, profile, preview,
    watch, model_report,
):  # fmt: skip
    app.command(verb.__name__.strip("_").replace("_", "-"))(verb)


def main() -> None:
    """The entry point of the `harness` command."""
    # Before any numerical library is imported: left alone, each takes every core for itself.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, stop)
    # A path need not be text. What a stream cannot encode is shown as its code, not raised.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
