"""`harness status`: the progress of a sweep, or of all sweeps and searches."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape

from harness.cli import option, verb
from harness.cli.ls import searches

if TYPE_CHECKING:
    from harness.spec import ResolvedSweep
    from harness.store.reader import Store

STATES = ("finished", "running", "failed", "interrupted", "damaged", "missing")


def status(
    name: Annotated[str | None, typer.Argument(metavar="[SWEEP]")] = None,
    results: option.Results = option.DEFAULT_RESULTS,
) -> None:
    """Show the progress of a sweep, or of all sweeps and searches."""
    with verb.users_errors():
        store = verb.open_store(results)
        shown = started(store) if name is None else of_sweep(verb.find_sweep(name, store), store)
        verb.console().print(shown)


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
    from harness.spec import RunSpec
    from harness.store import cost
    from harness.store.estimate import Experience, behind, progress, to_come
    from harness.store.health import told

    statuses = [store.status(spec) for spec in sweep.runs]
    states: dict[tuple[str, str], Counter[str]] = {}
    for each in statuses:
        states.setdefault((each.spec.arm, each.spec.env), Counter())[each.state] += 1
    rows = verb.table(
        "arm", "environment", *(f"{state}>" for state in STATES), title=sweep.question
    )
    for (arm, env), counts in states.items():
        rows.add_row(arm, env, *(str(counts[state] or "") for state in STATES))
    parts: list[RenderableType] = [rows]
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
    known = Experience(store)
    unique = {each.spec.key: each for each in statuses}.values()
    made = ((s.spec, s) for s in unique if isinstance(s.spec, RunSpec))
    seconds = {spec.key: known.seconds(spec) for spec, each in made if to_come(each)}
    parts += [f"{progress(statuses, seconds)}."]
    if sweep.made:
        parts.append(cost.spent(unique).sentence)
    if sweep.imported:
        parts.append(f"{len(sweep.imported)} runs were not made here, but imported.")
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
