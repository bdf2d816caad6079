"""What the runs cost, those that came to nothing included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.report.evidence import Evidence
from harness.report.number import fixed
from harness.report.tables import Table
from harness.store import Attempt, RunStatus

ALL = "(all arms)"  # a run that two arms share counts once here
_HOUR = 3600.0
ABOUT = (
    "Every start of every run, the failed, interrupted and killed ones included. A run that "
    "another sweep shares is counted in both."
)


def table(evidence: Evidence) -> Table:
    """Arms down, and all of them together; in hours where the whole took more than one."""
    everything = list(_tries(evidence.unique))
    unit, name = (_HOUR, "h") if _total(everything, "cpu_seconds") > _HOUR else (1.0, "s")
    rows = [
        (arm, *_row([s for s in evidence.statuses if s.spec.arm == arm], unit))
        for arm in evidence.sweep.arms
    ]
    if len(rows) > 1:
        rows.append((ALL, *_row(evidence.unique, unit)))
    head = ("arm", "attempts", "without result", f"wall {name}", f"CPU {name}")
    return Table((*head, f"CPU {name} without result", "peak MB"), tuple(rows))


def unknown(evidence: Evidence) -> str:
    """What nobody wrote down, so that the table says less than was spent."""
    tries = list(_tries(evidence.unique))
    parts = [
        f"{words} of {n:,}"
        for field, words in (("wall_seconds", "the time"), ("cpu_seconds", "the processor's time"))
        if (n := sum(getattr(one, field) is None for one in tries))
    ]
    if not parts:
        return ""
    return f"Not recorded, and counted as 0: {' and '.join(parts)} of {len(tries):,} attempts."


def _row(statuses: Sequence[RunStatus], unit: float) -> tuple[str, ...]:
    tries = list(_tries(statuses))
    lost = [one for one in tries if one.outcome != "finished"]
    peaks = [one.peak_memory_mb for one in tries if one.peak_memory_mb is not None]
    spent = [
        fixed(2 if unit == _HOUR else 1)(_total(which, field) / unit)
        for which, field in (
            (tries, "wall_seconds"), (tries, "cpu_seconds"), (lost, "cpu_seconds"),
        )
    ]  # fmt: skip
    return (f"{len(tries)}", f"{len(lost)}", *spent, fixed(0)(max(peaks)) if peaks else "-")


def _tries(statuses: Iterable[RunStatus]) -> Iterable[Attempt]:
    return (one for status in statuses for one in status.tries)


def _total(tries: Iterable[Attempt], field: str) -> float:
    return float(sum(getattr(one, field) or 0.0 for one in tries))
