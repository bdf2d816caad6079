"""The plane that some environments' states lie in, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Cell = tuple[int, int]  # row and column


class Plane(NamedTuple):
    """The cells that an environment's states are, where they lie in a plane."""

    reachable: NDArray[np.bool_]  # (height, width)
    here: Callable[[], Cell | None]  # where the state is; None: in no cell
    goal: Callable[[], Cell | None]  # what the episode has to reach; None: no cell
