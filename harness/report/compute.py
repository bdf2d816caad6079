"""What the runs cost, those that came to nothing included."""

from __future__ import annotations

from collections.abc import Iterable

from harness.report.evidence import Evidence
from harness.report.number import fixed
from harness.report.tables import Table
from harness.store.cost import Spent, spent
from harness.store.reader import RunStatus

ALL = "(all arms)"  # a run that two arms share counts once here
_HOUR = 3600.0
ABOUT = (
    "Every start of every run, the failed, interrupted and killed ones included. A run that "
    "another sweep shares is counted in both."
)


def account(evidence: Evidence) -> Spent:
    """What the sweep cost: every part of a report quotes this."""
    return spent(evidence.unique)


def table(evidence: Evidence) -> Table:
    """Arms down, and all of them together; in hours where the whole took more than one."""
    whole = account(evidence)
    unit, name = (_HOUR, "h") if whole.total.cpu_seconds > _HOUR else (1.0, "s")
    rows = [
        (arm, *_row([s for s in evidence.statuses if s.spec.arm == arm], unit))
        for arm in evidence.sweep.arms
    ]
    if len(rows) > 1:
        rows.append((ALL, *_row(evidence.unique, unit)))
    head = ("arm", "attempts", "without result", f"wall {name}", f"CPU {name}")
    return Table((*head, f"CPU {name} without result", "peak MB"), tuple(rows))


def _row(statuses: Iterable[RunStatus], unit: float) -> tuple[str, ...]:
    total, lost = spent(statuses)
    in_unit = fixed(2 if unit == _HOUR else 1)
    times = (total.wall_seconds, total.cpu_seconds, lost.cpu_seconds)
    peak = "-" if total.peak_memory_mb is None else fixed(0)(total.peak_memory_mb)
    attempts = (f"{total.attempts}", f"{lost.attempts}")
    return (*attempts, *(in_unit(time / unit) for time in times), peak)
