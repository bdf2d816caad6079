"""What was lived through, step by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from baselines.kept import Ring


class Batch(NamedTuple):
    """Steps; of an ensemble's minibatches, one row of them for each member."""

    obs: Tensor  # (..., D)
    action: Tensor  # (..., A), the action's code
    next_obs: Tensor  # (..., D)
    reward: Tensor  # (...)
    terminated: Tensor  # (...) 0 or 1


class Transitions:
    """All steps of a budget."""

    def __init__(self, steps: int, obs_width: int, action_width: int) -> None:
        widths = (obs_width,), (action_width,), (obs_width,), (), ()
        self._rows = Batch(*(np.zeros((steps, *width), np.float32) for width in widths))  # type: ignore[arg-type]
        self._added = 0

    def __len__(self) -> int:
        return self._added

    def add(self, *row: object) -> None:
        """The parts of a `Batch`, of one step."""
        for array, value in zip(self._rows, row, strict=True):
            array[self._added] = value
        self._added += 1

    def ring(self) -> Ring:
        return Ring(dict(zip(Batch._fields, self._rows, strict=True)), self._added)

    def all(self, device: str, since: int = 0) -> Batch:
        """Those after the first `since` steps."""
        rows = (torch.as_tensor(array[since : self._added]) for array in self._rows)
        return Batch(*(each.to(device) for each in rows))
