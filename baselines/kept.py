"""What a learner goes on from at a barrier: see `state.py`, which takes and puts back all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Ring:
    """Arrays whose first axis is a ring of rows: the oldest is overwritten by the newest.

    They may be too large to be written again and again: only the rows that are new are.
    """

    arrays: Mapping[str, np.ndarray]
    added: int  # rows since the beginning; row r lies at r % (length of the ring)


@dataclass(frozen=True)
class Kept:
    """What a learner goes on from."""

    root: Any  # an object, or a dict or list of some
    rings: Mapping[str, Ring] = field(default_factory=dict)  # their arrays, wherever they are held
    left: tuple[type, ...] = ()  # instances that are no state, beside LEFT
    constant: tuple[Any, ...] = ()  # values that never change
