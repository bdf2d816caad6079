"""MinAtar's games (Young and Tian, 2019): 10 x 10 cells, one channel for each kind of object.

minatar 1.0.15 brings environments for Gymnasium, registered by a function that Gymnasium 1 does not
call, and whose reset keeps the last action of the episode before, which the first one may repeat.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

PIXELS = 16  # of a cell's side, when it is drawn
# Of an empty cell, and of up to ten kinds of objects.
COLOURS = np.array(
    [
        (0, 0, 0), (86, 180, 233), (240, 228, 66), (213, 94, 0), (0, 158, 115), (204, 121, 167),
        (230, 159, 0), (0, 114, 178), (153, 153, 153), (170, 68, 153), (255, 255, 255),
    ],
    np.uint8,
)  # fmt: skip


class MinAtar(gym.Env[Any, Any]):
    """One game.

    :param game: asterix, breakout, freeway, seaquest or space_invaders.
    :param sticky: the probability with which the last action is repeated.
    :param ramping: whether a game gets harder while it lasts.
    :param minimal: only the actions that do something in this game, instead of all six.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - Gymnasium's

    def __init__(
        self,
        game: str,
        sticky: float = 0.1,
        ramping: bool = True,
        minimal: bool = False,
        render_mode: str | None = None,
    ) -> None:
        from minatar import Environment  # imports matplotlib's pyplot

        self.render_mode = render_mode
        self._game = Environment(game, sticky_action_prob=sticky, difficulty_ramping=ramping)
        every = range(self._game.num_actions())
        self._actions = list(self._game.minimal_action_set() if minimal else every)
        self.action_space = spaces.Discrete(len(self._actions))
        self.observation_space = spaces.Box(0, 1, tuple(self._game.state_shape()), np.bool_)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._game.seed(int(self.np_random.integers(2**32)))
        self._game.reset()
        self._game.last_action = 0
        return self._game.state(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward, over = self._game.act(self._actions[action])
        return self._game.state(), float(reward), bool(over), False, {}

    def render(self) -> Any:
        """One colour for each kind of object; of several in a cell, the last."""
        state = self._game.state()
        cells = (state * np.arange(1, state.shape[2] + 1)).max(axis=2)
        return COLOURS[cells].repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)
