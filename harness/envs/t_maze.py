"""TMaze: what was seen once, at the start, decides at the end (Bakker 2001, section 4).

A walker starts in a corridor of N cells, where a sign shows on which side of the junction at its
other end the goal lies. It sees the sign in the first cell only, and turns once, at the junction:
towards the goal pays 1, away from it costs 1.

Differences from Bakker's: the walker goes on by itself, so that memory is asked for and exploration
is not, as in bsuite's memory_len (Osband et al., 2019), whose rewards these are, and in the passive
T-maze of Ni et al. (2023, arXiv:2307.03864); it sees how far it has come, as in bsuite; and the
observation after the last step shows what lies where it turned. A model that learns from
observations alone, not from rewards, has a reason there to remember the sign.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from baselines.target import offers
from harness.spec import Anchor, Anchors

PIXELS = 8  # the side of a cell in a picture
WALL, FLOOR, SIGN = (60, 60, 70), (215, 210, 200), (70, 110, 190)
GOAL, WALKER = (240, 190, 40), (190, 60, 40)

Observation = NDArray[np.float32]


class TMaze(gym.Env[Observation, np.int64]):
    """Actions: left, right. Before the junction they do nothing.

    Observation: the side that the sign shows, -1 for left, 1 for right, 0 where there is no sign;
    the part of the corridor that is behind, from 0 to 1; 1 at the junction, 0 elsewhere; what lies
    in the arm, 1 for the goal, -1 for nothing, 0 before the turn.

    :param size: N, the steps from the sign to the junction.
    """

    # Gymnasium declares it as a plain attribute.
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, size: int, render_mode: str | None = None) -> None:
        self.size = _checked(size)
        self.render_mode = render_mode
        self.side, self.steps, self.turn = -1, 0, 0  # of the goal; done; taken, 0: not yet
        low = np.array([-1, 0, 0, -1], np.float32)
        self.observation_space = gym.spaces.Box(low, np.ones(4, np.float32), dtype=np.float32)
        self.action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self.side = 2 * int(self.np_random.integers(2)) - 1
        self.steps = self.turn = 0
        return self._observe(), {}

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        if self.steps < self.size:
            self.steps += 1
            return self._observe(), 0.0, False, False, {}
        self.turn = 2 * int(action) - 1
        return self._observe(), float(self.turn * self.side), True, False, {}

    def best_action(self) -> int:
        """Towards the goal."""
        return (self.side + 1) // 2

    def render(self) -> NDArray[np.uint8]:  # type: ignore[override]  # one mode only
        """The corridor, its two arms, the sign, the goal and the walker: (40, 8 (N + 3), 3)."""
        picture = np.full((5, self.size + 3, 3), WALL, np.uint8)
        picture[2, 1:-1] = FLOOR
        picture[1:4, -2] = FLOOR
        picture[2 + self.side, 1] = SIGN
        picture[2 + self.side, -2] = GOAL
        picture[2 + self.turn, 1 + self.steps] = WALKER
        return picture.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)

    def _observe(self) -> Observation:
        sign = self.side if self.steps == 0 else 0
        junction = self.steps == self.size and not self.turn
        way = self.steps / self.size
        return np.array([sign, way, junction, self.turn * self.side], np.float32)


@offers(Anchors)
def anchors(size: int) -> Anchors:
    """The exact scores of chance and of the best policy, whatever the length."""
    _checked(size)
    return Anchors(
        random=Anchor(score=0.0, source="exact: the turn says nothing of the sign, (1 - 1)/2"),
        reference=Anchor(score=1.0, source="exact: the optimal policy, always towards the goal"),
    )


def _checked(size: int) -> int:
    if size < 1:
        raise ValueError(f"TMaze needs a size of at least 1, not {size}")
    return size
