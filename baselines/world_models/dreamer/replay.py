"""What was lived through, row by row, and sequences drawn from it.

A row is an observation with what led to it: the action before it, the reward on arriving, and how
it stands in its episode. The last observation of an episode is a row of its own, and the first one
of the next follows it: an episode of n steps takes n + 1 rows.
"""

from __future__ import annotations

import tempfile
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from baselines.kept import Ring


class Batch(NamedTuple):
    """Sequences, time first: (T, B, ...)."""

    obs: Tensor  # (T, B, *shape)
    action: Tensor  # (T, B, A), that led here; 0 in a first row
    reward: Tensor  # (T, B), on arriving here; 0 in a first row
    first: Tensor  # (T, B) bool: the observation of a reset
    last: Tensor  # (T, B) bool: the episode ends here, in whichever way
    terminal: Tensor  # (T, B) bool: nothing can follow; false where it was only cut off


class Replay:
    """The last `capacity` rows of one environment.

    :param disk: keep the rows in a temporary file, mapped into memory; it vanishes by itself.
    """

    def __init__(
        self,
        capacity: int,
        obs_shape: tuple[int, ...],
        obs_dtype: Any,
        action_width: int,
        disk: bool = False,
    ) -> None:
        def array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
            if not disk:
                return np.zeros((capacity, *shape), dtype)
            return np.memmap(tempfile.TemporaryFile(), dtype, "w+", shape=(capacity, *shape))

        flags = [array((), np.bool_) for _ in range(3)]
        self._rows = (
            array(obs_shape, obs_dtype),
            array((action_width,), np.float32),
            array((), np.float32),
            *flags,
        )
        self._capacity = capacity
        self._added = 0

    def __len__(self) -> int:
        return min(self._added, self._capacity)

    def start(self, obs: np.ndarray) -> None:
        """The observation of a reset."""
        self._add(obs, 0.0, 0.0, True, False, False)

    def add(
        self, obs: np.ndarray, action: np.ndarray, reward: float, terminated: bool, truncated: bool
    ) -> None:
        """What a step from the row before led to."""
        self._add(obs, action, reward, False, terminated or truncated, terminated)

    def cut(self) -> None:
        """The newest row ends its episode, which was cut off there."""
        last = Batch._fields.index("last")
        self._rows[last][(self._added - 1) % self._capacity] = True

    def ring(self) -> Ring:
        return Ring(dict(zip(Batch._fields, self._rows, strict=True)), self._added)

    def _add(self, *row: Any) -> None:
        place = self._added % self._capacity
        for array, value in zip(self._rows, row, strict=True):
            array[place] = value
        self._added += 1

    def latest(self, length: int, device: str) -> Batch:  # (length, 1)
        """The newest rows; there must be so many."""
        return self._batch(self._added - length + np.arange(length)[:, None], device)

    def sample(self, size: int, length: int, rng: np.random.Generator, device: str) -> Batch:
        """Sequences of rows that followed one another; resets may lie within.

        :raises ValueError: if there are fewer rows than `length`.
        """
        begins = rng.integers(len(self) - length + 1, size=size)
        oldest = self._added - len(self)
        return self._batch(oldest + begins + np.arange(length)[:, None], device)

    def _batch(self, added: np.ndarray, device: str) -> Batch:
        rows = added % self._capacity
        return Batch(*(torch.from_numpy(array[rows]).to(device) for array in self._rows))
