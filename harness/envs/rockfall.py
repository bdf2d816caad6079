"""Rockfall: a rock hangs overhead, and nobody can foresee when it falls.

A walker moves along the bottom row of a grid. A rock hangs over the column in which the walker
stood when it appeared; in each step it breaks loose with probability 0.15, then sinks one row a
step; the walker that stands where it lands is dead. Then the next one appears. Every step survived
pays 1.

Made for the temperature of dreams (Ha and Schmidhuber 2018, section 4, the fireballs of Take
Cover): in every single step the likeliest future is that nothing falls. A dream that is more
certain than its model is therefore a dream without danger.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 7, 6
LOOSE = 0.15  # the probability that a hanging rock breaks loose in a step

PIXELS = 8  # the side of a cell in a picture
SKY, ROCK, WALKER = (200, 215, 225), (90, 80, 75), (190, 60, 40)

Observation = NDArray[np.float32]


class Rockfall(gym.Env[Observation, np.int64]):
    """Actions: left, stay, right.

    Observation: the columns of the walker and of the rock, from -1 to 1, and the rock's height,
    from 1 where it hangs to 0 on the ground.
    """

    # Gymnasium declares it as a plain attribute.
    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.walker = self.column = COLUMNS // 2
        self.height = ROWS  # of the rock
        low = np.array([-1, -1, 0], np.float32)
        self.observation_space = gym.spaces.Box(low, np.ones(3, np.float32), dtype=np.float32)
        self.action_space = gym.spaces.Discrete(3)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self.walker = self.column = int(self.np_random.integers(COLUMNS))
        self.height = ROWS
        return self._observe(), {}

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.walker = min(max(self.walker + int(action) - 1, 0), COLUMNS - 1)
        if self.height == 0:
            self.column, self.height = self.walker, ROWS
        elif self.height < ROWS or self.np_random.random() < LOOSE:
            self.height -= 1
        dead = self.height == 0 and self.column == self.walker
        return self._observe(), float(not dead), dead, False, {}

    def safe_action(self) -> int:
        """Out of the column under the rock, and not into a corner; it is never hit."""
        if self.column != self.walker:
            return 1
        return 0 if self.walker == COLUMNS - 1 else 2

    def render(self) -> NDArray[np.uint8]:  # type: ignore[override]  # one mode only
        """The grid from above its highest row to the ground: (8 (ROWS + 1), 8 COLUMNS, 3)."""
        picture = np.full((ROWS + 1, COLUMNS, 3), SKY, np.uint8)
        picture[ROWS, self.walker] = WALKER
        picture[ROWS - self.height, self.column] = ROCK
        return picture.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)

    def _observe(self) -> Observation:
        columns = [2 * column / (COLUMNS - 1) - 1 for column in (self.walker, self.column)]
        return np.array([*columns, self.height / ROWS], np.float32)
