"""PointMaze: a point with momentum in three corridors, one behind the other.

As the ant of Shyam et al. (2019, section 4.2) in its maze: without reward on the way, what counts
is how many of the maze's cells were visited. A point takes the ant's place, so that a laptop can
train in it. The goal, at the far end, pays 1 and ends the episode.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from baselines.target import offers
from harness.envs.plane import Cell, Plane

MAZE = (
    "###########",
    "#S........#",
    "#########.#",
    "#.........#",
    "#.#########",
    "#........G#",
    "###########",
)
FRICTION, FORCE = 0.8, 0.05  # of the velocity that is kept, and of a push; in cells a step
FASTEST = FORCE / (1 - FRICTION)

PIXELS = 8  # the side of a cell in a picture
WALL, FLOOR = (60, 60, 70), (215, 210, 200)
GOAL, POINT = (240, 190, 40), (190, 60, 40)

Observation = NDArray[np.float32]


class PointMaze(gym.Env[Observation, NDArray[np.float32]]):
    """Action: a push to the right and downwards, each from -1 to 1.

    Observation: the place, across and down, and the velocity, all from -1 to 1. Walls stop the part
    of the motion that leads into them.
    """

    # Gymnasium declares it as a plain attribute.
    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        tiles = np.array([list(row) for row in MAZE])
        self.free = tiles != "#"  # (rows, columns)
        self.start, self.goal = (_cell_of(tiles, letter) for letter in "SG")
        self.place = np.array(self.start[::-1]) + 0.5  # across and down, in cells
        self.velocity = np.zeros(2)
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = np.array(self.start[::-1]) + self.np_random.uniform(0.2, 0.8, size=2)
        self.velocity = np.zeros(2)
        return self._observe(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.velocity = FRICTION * self.velocity + FORCE * np.clip(action, -1, 1)
        for axis in (0, 1):
            before = self.place[axis]
            self.place[axis] = before + self.velocity[axis]
            if not self.free[self.cell()]:
                self.place[axis], self.velocity[axis] = before, 0.0
        reached = self.cell() == self.goal
        return self._observe(), float(reached), reached, False, {}

    def cell(self) -> Cell:
        return int(self.place[1]), int(self.place[0])

    def render(self) -> NDArray[np.uint8]:  # type: ignore[override]  # one mode only
        """The maze, the goal and the cell of the point: (8 rows, 8 columns, 3)."""
        picture = np.full((*self.free.shape, 3), WALL, np.uint8)
        picture[self.free] = FLOOR
        picture[self.goal] = GOAL
        picture[self.cell()] = POINT
        return picture.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)

    def _observe(self) -> Observation:
        rows, columns = self.free.shape
        place = 2 * self.place / np.array([columns, rows]) - 1
        return np.concatenate([place, self.velocity / FASTEST]).astype(np.float32)


def _cell_of(tiles: NDArray[Any], letter: str) -> Cell:
    ((row, column),) = np.argwhere(tiles == letter).tolist()
    return row, column


@offers(Plane)
def plane(env: PointMaze) -> Plane:
    """All that is no wall can be reached."""
    return Plane(env.free, env.cell, lambda: env.goal)
