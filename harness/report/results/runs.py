"""What became of the runs, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from harness.report.document import (
    Cell,
    Flow,
    Items,
    Listing,
    Section,
    Step,
    Table,
    Text,
    behind,
    quoted,
)
from harness.report.evidence import Evidence, imported
from harness.report.number import fixed
from harness.report.results import table
from harness.store.cost import Spent, spent
from harness.store.reader import RunStatus

RULE = (
    "An estimate that would need one of them is left out: nothing here averages over the runs that "
    "happen to be there."
)
NO_REASON = "no reason was recorded"


def gaps(evidence: Evidence) -> list[Section]:
    """Failed and missing runs, which a reader must know of before the first figure."""
    state = evidence.progress()
    if state.finished == state.planned:
        return []
    return [Section("Failed and missing runs", (Text(f"{state}. {RULE}"), *_reasons(evidence)))]


def _reasons(evidence: Evidence) -> Iterator[Text | Items]:
    for state in ("failed", "damaged"):
        reasons = Counter(
            (status.spec.arm, status.spec.env, status.error or NO_REASON)
            for status in evidence.unique
            if status.state == state
        )
        if reasons:
            yield Text(f"{state.capitalize()}:")
            each = reasons.items()
            yield Items(
                tuple(f"{n} of {arm} on {env}: {quoted(why)}" for (arm, env, why), n in each)
            )


def section(evidence: Evidence) -> Section:
    states = Counter(map(imported.state, evidence.unique))
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    several = [cpu_seconds(evidence)] if len(evidence.sweep.envs) > 1 else []
    listing = Listing("Every run with its scores in full: [scores.csv](scores.csv).")
    return Section(
        "Runs",
        (
            Text(f"{len(evidence.unique)} runs: {counts}.{_elsewhere(evidence)}"),
            _flow(evidence),
            by_arm(evidence),
            *(several if evidence.sweep.made else []),
            *([cost(evidence)] if evidence.sweep.made else []),
            listing,
        ),
    )


def _elsewhere(evidence: Evidence) -> str:
    runs = sum(map(len, evidence.imported.values()))
    if not runs:
        return ""
    which = f"{runs} of them were" if evidence.sweep.made else "They were"
    return f" {which} not made here: what they cost, and which others were left out, is not known."


def every(evidence: Evidence) -> Table:
    """Every run with its scores in full, so that any other statistic can be made from them."""
    rows = []
    for status in evidence.statuses:
        spec = status.spec
        run = spec.arm, spec.env, spec.seed
        each = (repr(of[run]) if run in of else "" for of in evidence.numbers.values())
        used = str((status.result or {}).get("steps_trained", ""))
        steps = str(spec.steps) if spec.steps else ""  # of an imported run it may not be known
        what = (spec.env, spec.arm, str(spec.seed), steps, used)
        rows.append((*what, imported.state(status), *each, spec.key))
    head = ("env", "arm", "seed", "steps", "steps_trained", "state", *evidence.numbers, "key")
    return Table(head, tuple(rows))


# Of each arm -------------------------------------------------------------------------------------

Statuses = Sequence[RunStatus]


def by_arm(evidence: Evidence) -> Table:
    """What became of the runs of each arm, and what one of them cost."""
    rows = []
    made = bool(evidence.sweep.made)
    shown = (STATES if made else {}) | (IMPORTED if evidence.imported else {})
    spent_on = COSTS if made else {}
    for arm in evidence.sweep.arms:
        mine = [status for status in evidence.statuses if status.spec.arm == arm]
        # Of what was planned and failed elsewhere nothing is known.
        of_arm = IMPORTED if arm in evidence.imported else STATES
        counted = {name: [status for status in mine if of_arm[name](status)] for name in of_arm}
        states = (
            Cell(str(len(counted[name])), (status.spec.key for status in counted[name]))
            if name in counted else "-"
            for name in shown
        )  # fmt: skip
        costs = (mean(mine, field) for field in spent_on.values())
        rows.append((arm, *states, *behind(costs, evidence.keys(arm))))
    return Table(("arm", *shown, *spent_on), tuple(rows), "What became of the runs", "runs")


def cpu_seconds(evidence: Evidence) -> Table:
    """The mean over runs, evaluation included. Arms down, environments across."""
    rows = table.by_arm(
        evidence, lambda arm, env: mean(evidence.statuses_of(arm, env), COSTS["CPU s / run"])
    )
    title = "CPU seconds of a run in each environment, evaluation included"
    return Table(("arm", *evidence.sweep.envs), rows, title, "cpu_seconds")


STATES: dict[str, Callable[[RunStatus], object]] = {
    "planned": lambda status: True,
    "launched": lambda status: status.attempts,
    "finished": lambda status: status.state == "finished",
    "failed": lambda status: status.state == "failed",
    "interrupted": lambda status: status.state == "interrupted",
    "running": lambda status: status.state == "running",
    "damaged": lambda status: status.state == "damaged",
    "symptoms": lambda status: status.symptoms,
}
IMPORTED: dict[str, Callable[[RunStatus], object]] = {
    "imported": lambda status: status.state == "finished",
    "damaged": STATES["damaged"],
}
COSTS = {
    "wall s / run": "wall_seconds",
    "CPU s / run": "cpu_seconds",
    "evaluation s / run": "evaluation_seconds",
}


def mean(of: Statuses, field: str) -> str:
    """Of a field of the results that have it."""
    values = [float(s.result[field]) for s in of if s.result and field in s.result]
    return fixed(1)(sum(values) / len(values)) if values else "-"


# Compute -----------------------------------------------------------------------------------------

ALL = "(all arms)"  # a run that two arms share counts once here
_HOUR = 3600.0
_COST = (
    "Every start of every run, the failed, interrupted and killed ones included. A run that "
    "another sweep shares is counted in both."
)


def account(evidence: Evidence) -> Spent:
    """What the sweep cost: every part of a report quotes this."""
    return spent(evidence.unique)


def cost(evidence: Evidence) -> Table:
    """Arms down, and all of them together; in hours where the whole took more than one."""
    whole = account(evidence)
    unit, name = (_HOUR, "h") if whole.total.cpu_seconds > _HOUR else (1.0, "s")
    rows = []
    for arm in (arm for arm in evidence.sweep.arms if arm not in evidence.imported):
        mine = [status for status in evidence.statuses if status.spec.arm == arm]
        rows.append((arm, *behind(_spent(mine, unit), evidence.keys(arm))))
    if several := len(rows) > 1:
        rows.append((ALL, *behind(_spent(evidence.unique, unit), evidence.keys())))
    head = ("arm", "attempts", "without result", f"wall {name}", f"CPU {name}")
    return Table(
        (*head, f"CPU {name} without result", "peak MB"),
        tuple(rows),
        title="Compute",
        name="table_compute",
        about=" ".join(part for part in (_COST, whole.unknown) if part),
        foot=int(several),
    )


def _spent(statuses: Iterable[RunStatus], unit: float) -> tuple[str, ...]:
    total, lost = spent(statuses)
    in_unit = fixed(2 if unit == _HOUR else 1)
    times = (total.wall_seconds, total.cpu_seconds, lost.cpu_seconds)
    peak = "-" if total.peak_memory_mb is None else fixed(0)(total.peak_memory_mb)
    attempts = (f"{total.attempts}", f"{lost.attempts}")
    return (*attempts, *(in_unit(time / unit) for time in times), peak)


# From the plan to the estimates ------------------------------------------------------------------


def _flow(evidence: Evidence) -> Flow:
    """The runs that go on, and beside them those that do not, and why."""

    def step(words: str, of: Iterable[RunStatus], *aside: Step, because: bool = False) -> Step:
        mine = list(of)
        why = Counter(s.error or NO_REASON for s in mine) if because else Counter[str]()
        keys = tuple(status.spec.key for status in mine)
        return Step(len(mine), words, keys, tuple(why.most_common()), aside)

    def where(*states: str) -> list[RunStatus]:
        return [status for status in evidence.unique if status.state in states]

    whole = {
        key
        for arm, env in evidence.pairs
        if len(evidence.of(evidence.curves, arm, env)) == len(evidence.specs(arm, env))
        for key in evidence.keys(arm, env)
    }
    launched = [status for status in evidence.unique if status.state != "missing"]
    unused = [status for status in where("finished") if status.spec.key not in whole]
    dropped = {seed for change in evidence.history for seed in change["seeds"]}
    dropped -= {run.seed for run in evidence.sweep.runs}
    or_imported = " or imported" if evidence.imported else ""
    gone = Step(len(dropped), "seeds dropped since the first start", ())
    failures = (step(state, where(state), because=True) for state in ("failed", "damaged"))
    others = (step(state, where(state)) for state in ("interrupted", "running"))
    why_unused = (
        "set aside: a run of the same arm and environment is missing, and an average over "
        "survivors would mislead"
    )
    used = step("in the estimates", (s for s in where("finished") if s.spec.key in whole))
    if not evidence.sweep.made:
        return Flow((step("imported", evidence.unique, *failures), used))
    waiting = step("not launched yet", where("missing"))
    return Flow(
        (
            step(f"planned{or_imported}", evidence.unique, waiting, gone),
            step(f"launched{or_imported}", launched, *failures, *others),
            step(f"finished{or_imported}", where("finished"), step(why_unused, unused)),
            used,
        )
    )
