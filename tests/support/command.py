"""The command line as a user types it, without a process for each command."""

from __future__ import annotations

import contextlib

from typer.testing import CliRunner

from harness.cli.main import app


def typed(*words, cwd, code=0):
    """What the command says, on both streams; no second or two of imports go before it."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, words)
    assert done.exit_code == code, done.output
    return done.output
