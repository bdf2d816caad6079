"""What the options of wrappers may be, and a wrapper that draws at random."""

from __future__ import annotations

import zlib
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
from pydantic import Field

Env = gym.Env[Any, Any]
Probability = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=10**12)]  # of steps and episodes
Size = Annotated[int, Field(ge=1, le=1_000)]  # of what is held in memory
Index = Annotated[int, Field(ge=0)]


class Random(gym.Wrapper[Any, Any, Any, Any]):
    """Draws from a generator of its own, begun anew by every seeded reset.

    The environment's generator stays as it would be without the wrapper, so that one seed starts
    the same episodes in every arm.
    """

    rng: np.random.Generator

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._seed(None)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._seed(seed)
        return super().reset(seed=seed, options=options)

    def _seed(self, seed: int | None) -> None:
        # With the kind in it, wrappers around one another do not draw the same numbers.
        kind = zlib.crc32(type(self).__name__.encode())
        self.rng = np.random.default_rng(None if seed is None else [kind, seed])
