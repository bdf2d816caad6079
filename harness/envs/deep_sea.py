"""DeepSea: exploration by chance needs 2^N episodes (Osband et al., 2019: bsuite).

A diver starts at the top left of an N x N grid and sinks one row a step, to the left or right.
Each step to the right costs 0.01/N; the treasure of 1 lies at the bottom right, so only the policy
that goes right N times finds it. Which of the two actions means right differs from cell to cell.

As in bsuite's deterministic version, with its mapping for equal `mapping_seed`; the observation is
flattened, and the one after the last step is all zeros.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from baselines.target import offers
from harness.envs.plane import Plane
from harness.spec import Anchor, Anchors

MOVE_COST = 0.01  # of N steps to the right together
TREASURE = 1.0

PIXELS = 8  # the side of a cell in a picture
WATER, GOLD, DIVER = (20, 60, 110), (240, 190, 40), (250, 250, 250)

Observation = NDArray[np.float32]


class DeepSea(gym.Env[Observation, np.int64]):
    """One task: the mapping of actions is drawn once, and no reset changes it.

    :param size: N, the number of rows, columns and steps.
    :param mapping_seed: which action goes right in each cell.
    """

    # Gymnasium declares it as a plain attribute.
    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012

    def __init__(self, size: int, mapping_seed: int = 42, render_mode: str | None = None) -> None:
        self.size = _checked(size)
        self.render_mode = render_mode
        # bsuite draws from this very generator: a new-style one would make other mappings.
        drawn = np.random.RandomState(mapping_seed).binomial(1, 0.5, [size, size])
        self._right: list[list[int]] = drawn.tolist()
        self._row = self._column = 0
        self.observation_space = gym.spaces.Box(0.0, 1.0, (size * size,), np.float32)
        self.action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self._row = self._column = 0
        return self._observe(), {}

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        reward = 0.0
        if action == self._right[self._row][self._column]:
            if self._column == self.size - 1:
                reward += TREASURE
            else:
                self._column += 1
            reward -= MOVE_COST / self.size
        elif self._column > 0:
            self._column -= 1
        self._row += 1
        return self._observe(), reward, self._row == self.size, False, {}

    def best_action(self) -> int:
        """To the right, whichever action that is in this cell."""
        return self._right[self._row][self._column]

    def cell(self) -> tuple[int, int] | None:
        """Row and column of the diver; None after the last step."""
        return (self._row, self._column) if self._row < self.size else None

    def render(self) -> NDArray[np.uint8]:  # type: ignore[override]  # one mode only
        """The grid, the treasure, and the diver: (8 N, 8 N, 3)."""
        picture = np.full((self.size, self.size, 3), WATER, np.uint8)
        picture[-1, -1] = GOLD
        picture[min(self._row, self.size - 1), self._column] = DIVER
        return picture.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)

    def _observe(self) -> Observation:
        observation = np.zeros(self.size * self.size, np.float32)
        if self._row < self.size:
            observation[self._row * self.size + self._column] = 1.0
        return observation


@offers(Plane)
def plane(env: DeepSea) -> Plane:
    """Row by row: none can be further to the right than it has steps behind it."""
    treasure = (env.size - 1, env.size - 1)
    return Plane(np.tri(env.size, dtype=bool), env.cell, lambda: treasure)


@offers(Anchors)
def anchors(size: int, mapping_seed: int = 42) -> Anchors:
    """The exact scores of chance and of the best policy, whatever the mapping.

    By chance each step goes right with probability 1/2: N/2 of them cost 0.01/N each, and all N
    together, which alone end at the treasure, have probability 2^-N.
    """
    by_chance = TREASURE * 0.5 ** _checked(size) - MOVE_COST / 2
    return Anchors(
        random=Anchor(score=by_chance, source="exact: 2^-N - 0.01/2"),
        reference=Anchor(score=TREASURE - MOVE_COST, source="exact: the optimal policy, 1 - 0.01"),
    )


def _checked(size: int) -> int:
    if size < 2:
        raise ValueError(f"DeepSea needs a size of at least 2, not {size}")
    return size
