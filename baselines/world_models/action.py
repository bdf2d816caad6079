"""Actions as a world model's networks see them: one-hot, or a vector in [-1, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor


class ActionCode:
    """Between the environment's actions and their code.

    :raises ValueError: if a continuous action has no bounds.
    """

    def __init__(self, space: Any) -> None:
        self.space = space
        self.discrete = isinstance(space, spaces.Discrete)
        if self.discrete:
            self.size = int(space.n)
            return
        if not np.isfinite([space.low, space.high]).all():
            raise ValueError(f"a world model needs actions with bounds, and these are {space}")
        self.size = int(np.prod(space.shape))
        self._middle = torch.as_tensor((space.high + space.low) / 2).float().flatten()
        self._half = torch.as_tensor((space.high - space.low) / 2).float().flatten()

    def encode(self, actions: np.ndarray) -> Tensor:
        """(..., *action shape) -> (..., size) float32."""
        taken = torch.as_tensor(actions)
        if self.discrete:
            return torch.nn.functional.one_hot(
                taken.long() - int(self.space.start), self.size
            ).float()
        lead = taken.shape[: taken.ndim - len(self.space.shape)]
        return (taken.float().reshape(*lead, -1) - self._middle) / self._half

    def decode(self, outputs: Tensor) -> np.ndarray:
        """A network's outputs (..., size) -> actions: the largest, or squashed into the bounds."""
        return self.restore(outputs if self.discrete else torch.tanh(outputs))

    def restore(self, codes: Tensor) -> np.ndarray:
        """Codes (..., size) -> actions: `encode` undone. Beyond a bound counts as the bound."""
        if self.discrete:
            return int(self.space.start) + codes.argmax(dim=-1).numpy()
        flat = self._middle + self._half * codes.clamp(-1, 1)
        actions = flat.reshape(*codes.shape[:-1], *self.space.shape).numpy()
        return np.clip(actions, self.space.low, self.space.high).astype(self.space.dtype)


class CorrelatedActions:
    """Random actions that last: each is uniform over the space, and like the one before it.

    :param correlation: 0 draws every action anew. A discrete action is kept with this probability;
        a continuous one is a first-order autoregression with this coefficient, made uniform.
    """

    def __init__(self, space: Any, correlation: float, rng: np.random.Generator) -> None:
        self.space, self.correlation, self.rng = space, correlation, rng
        self.start()

    def start(self) -> None:
        """Forget the last action: a new episode begins."""
        self._last: Any = None

    def draw(self) -> Any:
        if isinstance(self.space, spaces.Discrete):
            if self._last is None or self.rng.random() >= self.correlation:
                self._last = int(self.space.start + self.rng.integers(int(self.space.n)))
            return self._last
        noise = self.rng.standard_normal(self.space.shape)
        if self._last is not None:
            rho = self.correlation
            noise = rho * self._last + np.sqrt(1 - rho**2) * noise
        self._last = noise
        share = torch.special.ndtr(torch.from_numpy(noise)).numpy()  # uniform in (0, 1)
        low, high = self.space.low, self.space.high
        return np.clip(low + share * (high - low), low, high).astype(self.space.dtype)
