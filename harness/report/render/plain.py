"""Numbers on their way into the page: short, and printed there as everywhere else."""

from __future__ import annotations

import math
from collections.abc import Iterable

_EXTRA = 2  # digits beyond the printed ones: a pixel is more than that


def plain(value: float, digits: int) -> float | None:
    """As few digits as give the same text with `digits` decimals; None for what is no number."""
    if not math.isfinite(value):
        return None
    short = round(float(value), digits + _EXTRA)
    same = f"{short:.{digits}f}" == f"{value:.{digits}f}"
    found = short if same else float(value)
    return int(found) if found == int(found) else found


def plains(values: Iterable[float], digits: int) -> list[float | None]:
    return [plain(value, digits) for value in values]
