"""What became of the runs, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from harness import stats
from harness.report.document import (
    Cell,
    Flow,
    Items,
    Listing,
    Runs,
    Section,
    Step,
    Table,
    Text,
    behind,
    quoted,
)
from harness.report.evidence import Evidence
from harness.report.number import fixed
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
    states = Counter(status.state for status in evidence.unique)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    several = [cpu_seconds(evidence)] if len(evidence.sweep.envs) > 1 else []
    listing = Listing("Every run with its scores in full: [scores.csv](scores.csv).")
    return Section(
        "Runs",
        (
            Text(f"{len(evidence.unique)} runs: {counts}."),
            _flow(evidence),
            by_arm(evidence),
            *several,
            cost(evidence),
            listing,
        ),
    )


def every(evidence: Evidence) -> Table:
    """Every run with its scores in full, so that any other statistic can be made from them."""
    rows = []
    for status in evidence.statuses:
        spec = status.spec
        curve = evidence.curves.get((spec.arm, spec.env, spec.seed))
        each = (repr(f(curve)) if curve else "" for f in stats.SCORES.values())
        used = str((status.result or {}).get("steps_trained", ""))
        what = (spec.env, spec.arm, str(spec.seed), str(spec.steps), used)
        rows.append((*what, status.state, *each, spec.key))
    head = ("env", "arm", "seed", "steps", "steps_trained", "state", *stats.SCORES, "key")
    return Table(head, tuple(rows))


# Of each arm -------------------------------------------------------------------------------------


def by_arm(evidence: Evidence) -> Table:
    """What became of the runs of each arm, and what one of them cost."""
    rows = []
    for arm in evidence.sweep.arms:
        mine = [status for status in evidence.statuses if status.spec.arm == arm]
        states = (Cell(str(count(mine)), _keys(mine, count)) for count in STATES.values())
        costs = behind((mean(mine) for mean in COSTS.values()), evidence.keys(arm))
        rows.append((arm, *states, *costs))
    return Table(("arm", *STATES, *COSTS), tuple(rows), "What became of the runs", "runs")


Count = Callable[[list[RunStatus]], int]


def _keys(of: list[RunStatus], count: Count) -> Runs:
    """The runs that are counted."""
    return tuple(status.spec.key for status in of if count([status]))


def cpu_seconds(evidence: Evidence) -> Table:
    """The mean over runs, evaluation included. Arms down, environments across."""
    envs = evidence.sweep.envs

    def cell(arm: str, env: str) -> str:
        mine = evidence.statuses_of(arm, env)
        return Cell(COSTS["CPU s / run"](mine), evidence.keys(arm, env)) if mine else ""

    rows = tuple((arm, *(cell(arm, env) for env in envs)) for arm in evidence.sweep.arms)
    title = "CPU seconds of a run in each environment, evaluation included"
    return Table(("arm", *envs), rows, title, "cpu_seconds")


def _state(state: str) -> Count:
    return lambda of: sum(status.state == state for status in of)


STATES: dict[str, Count] = {
    "planned": len,
    "launched": lambda of: sum(status.attempts > 0 for status in of),
    "finished": _state("finished"),
    "failed": _state("failed"),
    "interrupted": _state("interrupted"),
    "running": _state("running"),
    "damaged": _state("damaged"),
    "symptoms": lambda of: sum(bool(status.symptoms) for status in of),
}


def _mean(field: str) -> Callable[[list[RunStatus]], str]:
    def column(of: list[RunStatus]) -> str:
        values = [float(s.result[field]) for s in of if s.result and field in s.result]
        return fixed(1)(sum(values) / len(values)) if values else "-"

    return column


COSTS: dict[str, Callable[[list[RunStatus]], str]] = {
    "wall s / run": _mean("wall_seconds"),
    "CPU s / run": _mean("cpu_seconds"),
    "evaluation s / run": _mean("evaluation_seconds"),
}


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
    for arm in evidence.sweep.arms:
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

    def step(words: str, *states: str, because: bool = False) -> Step:
        mine = [s for s in evidence.unique if s.state in states or not states]
        why = Counter(s.error or NO_REASON for s in mine) if because else Counter[str]()
        keys = tuple(status.spec.key for status in mine)
        return Step(len(mine), words, keys, tuple(why.most_common()))

    used, aside = _estimated(evidence)
    dropped = {seed for change in evidence.history for seed in change["seeds"]}
    dropped -= {run.seed for run in evidence.sweep.runs}
    gone = Step(len(dropped), "seeds dropped since the first start", ())
    failures = (step(state, state, because=True) for state in ("failed", "damaged"))
    others = (step(state, state) for state in ("interrupted", "running"))
    launched = tuple(s.spec.key for s in evidence.unique if s.state != "missing")
    unused = (
        "set aside: a run of the same arm and environment is missing, and an average over "
        "survivors would mislead"
    )
    return Flow(
        (
            replace(step("planned"), aside=(step("not launched yet", "missing"), gone)),
            Step(len(launched), "launched", launched, aside=(*failures, *others)),
            replace(step("finished", "finished"), aside=(Step(len(aside), unused, aside),)),
            Step(len(used), "in the estimates", used),
        )
    )


def _estimated(evidence: Evidence) -> tuple[Runs, Runs]:
    """Finished runs that have a part in an estimate, and those that have none."""
    scores = next(iter(evidence.raw.values()))
    used: set[str] = set()
    for env in evidence.sweep.envs:
        for arm in evidence.arms_on(env):
            have, planned = scores.count(arm, [env])
            if have == planned:
                used |= set(evidence.keys(arm, env))
    finished = [status.spec.key for status in evidence.unique if status.state == "finished"]
    return tuple(k for k in finished if k in used), tuple(k for k in finished if k not in used)
