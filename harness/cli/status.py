"""`harness status`: the progress of a sweep, or of all sweeps and searches."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from harness.cli import option, verb
from harness.cli.ls import searches

if TYPE_CHECKING:
    from harness.spec import ResolvedSweep
    from harness.store.reader import State, Store

LOOK = 1.0  # seconds between two looks at a sweep that is followed
STATES: tuple[State, ...] = ("finished", "running", "failed", "interrupted", "damaged", "missing")


def status(
    name: Annotated[
        str | None, typer.Argument(metavar="SWEEP", help="A sweep's name or file; default: all.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing it until its runs have ended.")
    ] = False,
    results: option.Results = option.DEFAULT_RESULTS,
) -> None:
    """Show the progress of a sweep, or of all sweeps and searches."""
    with verb.users_errors(kept="The sweep itself goes on."):
        store = verb.open_store(results)
        if follow:
            if name is None:
                raise verb.user_error("--follow", "which sweep? harness status SWEEP --follow")
            followed(verb.find_sweep(name, store), store)
            return
        shown = started(store) if name is None else of_sweep(verb.find_sweep(name, store), store)
        verb.console().print(shown)


def followed(sweep: ResolvedSweep, store: Store) -> None:
    """Show how far it is until all runs have ended, from what other processes write."""
    from harness.store.course import Course
    from harness.store.estimate import Experience
    from harness.train.progress import Display

    course = Course(sweep.runs, store, Experience(store))
    with Display(course, verb.console()) as display:
        while not course.over:
            display.tick()
            time.sleep(LOOK)


def started(store: Store) -> RenderableType:
    """All sweeps and searches that were started in this store."""
    parts = [sweeps(store)]
    if any(store.root.glob("searches/*/*/")):
        parts += ["", searches(store, long=False)]
    return Group(*parts)


def sweeps(store: Store) -> RenderableType:
    from harness.store.files import Damaged

    rows = verb.table("sweep", "finished>", "runs>", "question")
    damages = []
    if not store.sweeps():
        return f"no sweep was started in {store.root}"
    for name in store.sweeps():
        try:
            resolved = store.sweep(name)
        except Damaged as error:
            damages.append(error.damage)
            continue
        finished = sum(store.finished(spec) for spec in resolved.runs)
        rows.add_row(name, str(finished), str(len(resolved.runs)), resolved.question)
    return Group(rows, *verb.damage_lines(damages))


def of_sweep(sweep: ResolvedSweep, store: Store) -> RenderableType:
    """Run states by arm and environment, why runs failed, and what is missing."""
    from harness.config.name import counted
    from harness.spec import RunSpec
    from harness.store import cost
    from harness.store.course import Course
    from harness.store.estimate import Experience, behind, progress, to_come
    from harness.store.health import told
    from harness.train.progress import table

    statuses = [store.status(spec) for spec in sweep.runs]
    known = Experience(store)
    cells = Course(sweep.runs, store, known).cells()
    width = verb.console().width
    parts: list[RenderableType] = [Text(sweep.question), Text(), table(cells, width), Text()]
    states = Counter(each.state for each in {each.spec.key: each for each in statuses}.values())
    parts.append(", ".join(f"{states[state]} {state}" for state in STATES if states[state]))
    errors = Counter(each.error for each in statuses if each.error)
    if errors:
        reasons = verb.table("failed or damaged runs>", "because")
        for error, n in errors.most_common():
            reasons.add_row(str(n), escape(error))
        parts.append(reasons)
    parts.append("")
    ill = [escape(text) for text in told((s.spec.arm, str(s.spec), s.symptoms) for s in statuses)]
    parts += ["symptoms of a broken learner:", *ill, ""] if ill else []
    grown = [escape(text) for text in told((s.spec.arm, str(s.spec), s.waste) for s in statuses)]
    parts += ["memory or time of a step that grew:", *grown, ""] if grown else []
    unique = {each.spec.key: each for each in statuses}.values()
    made = ((s.spec, s) for s in unique if isinstance(s.spec, RunSpec))
    seconds = {spec.key: known.left(spec, store) for spec, each in made if to_come(each)}
    parts += [f"{progress(statuses, seconds)}."]
    waiting = [
        (each.barrier["step"], str(each.spec))
        for each in unique
        if each.barrier and each.state in ("failed", "interrupted")
    ]
    if waiting:
        step, run = max(waiting)
        furthest = f"the furthest is {escape(run)}, from step {step:,}"
        parts.append(f"{len(waiting)} of them go on from a barrier: {furthest}.")
    anew = [(str(each.spec), why) for each in unique if (why := each.anew)]
    if anew:
        run, why = anew[0]
        parts.append(f"{len(anew)} began anew, not from their barrier, first {escape(run)}: {why}.")
    if sweep.made:
        parts.append(cost.spent(unique).sentence)
    if sweep.imported:
        parts.append(f"{counted(len(sweep.imported))} imported, not made here.")
    if sweep.claims:
        answers = verb.table("claim", "", title="\nclaims")
        for claim in sweep.claims:
            state = progress(behind(claim, statuses), seconds)
            ended = f"its runs have ended: see `harness report {sweep.name}`"
            answers.add_row(escape(claim.text), f"pending: {state}" if state.missing else ended)
        parts.append(answers)
    lost = store.history(sweep.name).damage
    damages = [*(damage for each in unique for damage in each.aside), *([lost] if lost else [])]
    return Group(*parts, *verb.damage_lines(damages))
