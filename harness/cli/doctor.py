"""`harness doctor`: whether this machine can train, and what to change."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from harness.cli import activity, option, verb

if TYPE_CHECKING:
    from harness.doctor import Finding

WIDTH = 80
STYLES = {"fine": "green", "warning": "yellow", "broken": "red"}


def doctor(
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Fail if nothing can learn on a GPU here.")
    ] = False,
    results: Annotated[
        str | None,
        typer.Option(help="Write the answer into this results folder or bucket, for reports."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Try this machine: cores, memory, disk, GPU, drawing, packages, and a run of 20 seconds."""
    with verb.users_errors("Nothing was kept."):
        from harness import provenance
        from harness.doctor import examined
        from harness.store import machines
        from harness.store.bucket import Bucket, is_url
        from harness.store.writer import now

        # One without rights is refused before anything is tried.
        bucket = Bucket(results) if results is not None and is_url(results) else None
        folder = Path(results) if results is not None and not bucket else option.DEFAULT_RESULTS
        found: list[Finding] = []
        with activity.shown("doctor") as tell:
            for finding in examined(folder, gpu, lambda what: tell(what, 0, 0)):
                found.append(finding)
        broken = [each for each in found if each.state == "broken"]
        answer = {
            "host": socket.gethostname(),
            "at": now(),
            "asked_for_gpu": gpu,
            "machine": provenance.machine(),
            "findings": [each.as_json() for each in found],
        }
        if as_json:
            print(json.dumps(answer, indent=1))
        else:
            show(found)
        if results is not None:
            where = machines.publish(bucket, answer) if bucket else machines.keep(folder, answer)
            verb.warn([f"kept for reports: {where}"])
        if broken:
            raise typer.Exit(verb.SOME_FAILED)


def show(found: list[Finding]) -> None:
    """A line for each part, and then what to change; never wider than 80 columns."""
    console = Console(highlight=False, width=WIDTH)
    rows = verb.table("part", "", "")
    for each in found:
        style = STYLES[each.state]
        rows.add_row(each.part, f"[{style}]{each.state}[/{style}]", escape(each.text))
    console.print(rows)
    change = [each for each in found if each.change]
    if not change:
        console.print("\nNothing needs to be changed.")
        return
    console.print("\nwhat to change")
    for each in sorted(change, key=lambda each: each.state != "broken"):
        console.print(f"  {each.part}: {each.change}", markup=False)
