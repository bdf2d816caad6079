"""What was started, written down: the report needs nothing else."""

from __future__ import annotations

import json
import os
from collections import Counter

from harness.spec import Decide, ResolvedSweep
from harness.store import declaration
from harness.store.files import (
    Damaged,
    append_json,
    make_folder,
    make_way,
    mend_lines,
    set_aside,
    write_json,
)
from harness.store.reader import HISTORY, SWEEP, Store
from harness.store.writer import declaring, now


def keep(resolved: ResolvedSweep, store: Store) -> list[str]:
    """Write down a sweep that is started. Every change leaves a line.

    :return: what was damaged and is set aside, a line each.
    """
    folder = store.sweep_folder(resolved.name)
    aside = make_way(folder.parent, folder)
    make_folder(folder)
    with declaring(folder):  # by many shards at once, it is one change
        _keep(resolved, store, aside)
    return aside


def begun_otherwise(resolved: ResolvedSweep, store: Store) -> str:
    """Why a sweep of that name cannot be judged as this one says; empty: it can.

    How claims are looked at is part of what a sweep is, from its first finished run on.
    """
    try:
        before = store.sweep(resolved.name)
    except (FileNotFoundError, Damaged):
        return ""
    was, now = before.decide, resolved.decide
    same = was.fixed == now.fixed if was and now else was is now
    if same or not before.claims:
        return ""
    ended = sum(map(store.finished, {run.key: run for run in before.runs}.values()))
    if not ended:
        return ""
    begun = f"`decide: {_shown(was)}`" if was else "a fixed number of seeds"
    return (
        f"this sweep was begun with {begun}, and {ended} of its runs have finished: a plan that is "
        "changed on the way keeps no error. Change it back, or give this sweep another `name`; "
        "the report then says what had been seen"
    )


def _shown(plan: Decide) -> str:
    """As a sweep file has it."""
    asked = {"first", "block", "cap", "alpha"}
    keys = plan.model_dump(include=asked) | plan.model_dump(exclude_defaults=True)
    return f"{{{', '.join(f'{key}: {json.dumps(value)}' for key, value in keys.items())}}}"


DECIDE_LINE = f"decide: {_shown(Decide())}"  # for who has none


def _keep(resolved: ResolvedSweep, store: Store, aside: list[str]) -> None:
    folder = store.sweep_folder(resolved.name)
    try:
        before: ResolvedSweep | None = store.sweep(resolved.name)
    except FileNotFoundError:
        before = None
    except Damaged as error:
        before = None
        aside.append(f"{error.damage}; set aside as {set_aside(folder / SWEEP).name}")
    log = store.history(resolved.name)
    if log.damage and os.path.lexists(folder / HISTORY):
        aside.append(mend_lines(folder / HISTORY, log))
    if before != resolved:
        reported = store.reported(resolved.name)
        ended = Counter(run.arm for run in before.runs if store.finished(run)) if before else {}
        append_json(folder / HISTORY, declaration.line(resolved, now(), reported, ended))
        write_json(folder / SWEEP, resolved.model_dump(mode="json"))
