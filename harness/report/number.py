"""How numbers are written: one formatting for sentences and tables, so that they always agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from harness import stats
from harness.spec import Anchors
from harness.stats import Estimate

Format = Callable[[float], str]

NORMALISED_DECIMALS = 2
# Decimals by the distance between the random and the reference score: three figures of it or more.
_DECIMALS = ((0.5, 3), (20.0, 2), (2_000.0, 1), (math.inf, 0))


def fixed(decimals: int) -> Format:
    """A number with so many decimals, and never a negative zero."""
    return lambda value: f"{round(value, decimals) + 0.0:.{decimals}f}"


def decimals(number: Format) -> int:
    """How many of them a format writes."""
    return len(number(0.0).partition(".")[2])


def raw(anchors: Anchors | None, largest: float) -> Format:
    """The format of an environment's returns.

    :param largest: the largest absolute return seen, for an environment without anchors.
    """
    span = abs(anchors.reference.score - anchors.random.score) if anchors else largest
    return fixed(next(decimals for limit, decimals in _DECIMALS if span <= limit))


def parts(estimate: Estimate | None, number: Format) -> tuple[str, str, str, str]:
    """The point, the ends of the interval and what they are: empty where there is none."""
    if estimate is None:
        return "", "", "", ""
    point = "" if estimate.shows == "missing" else number(estimate.point)
    ends = (estimate.low, estimate.high) if stats.has_ends(estimate.shows) else ()
    low, high = map(number, ends) if ends else ("", "")
    return point, low, high, estimate.shows


def ranges(numbers: Iterable[int], between: str = ", ") -> str:
    """Whole numbers, in order: `0-9, 12`."""
    ordered = np.unique(list(numbers))
    spans = np.split(ordered, np.flatnonzero(np.diff(ordered) > 1) + 1)
    return between.join(f"{s[0]}-{s[-1]}" if len(s) > 1 else f"{s[0]}" for s in spans)


def budget(steps: Iterable[int]) -> str:
    """The steps of some runs: `50,000`, or `49,812 to 50,003`; 0: imported without steps."""
    known = sorted({*steps})
    if not known[-1]:
        return "not known"
    return f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"


def count(seeds: int) -> str:
    return f"{seeds} seed" if seeds == 1 else f"{seeds} seeds"


def stamp(statistic: str, seeds: int, tasks: int) -> str:
    """How often an interval may hold less than it promises."""
    least = stats.worst(statistic, seeds, tasks)
    if least is None:
        return ""
    return (
        f"Stamped: with {count(least.seeds)} a 95 % interval of the {statistic} holds the truth "
        f"in {100 * least.coverage:.0f} % of simulated experiments at worst ({least.scores})."
    )


def percent(level: float) -> str:
    """Of a level or a coverage: 95 %, 98.33 %."""
    return f"{100 * level:.4g} %"


def share(part: float | None) -> str:
    """A part of many, to a tenth of a percent; `-` where there is none."""
    return "-" if part is None or math.isnan(part) else f"{100 * part:.1f} %"


def significant(value: float | None, figures: int = 2) -> str:
    """Numbers that span powers of ten: 0.0034, 0.12, 5.6; `-` where there is none."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if not -5 < size < 7:
        return f"{value:.{figures - 1}e}"
    return fixed(max(0, figures - 1 - size))(value)


def short(steps: float) -> str:
    """Environment steps on an axis: 20000 is 20k."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(steps) >= size:
            return f"{steps / size:g}{unit}"
    return f"{steps:g}"
