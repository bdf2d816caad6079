"""Chain: whoever wants to know all of its transitions has to plan (Shyam et al. 2019, section 4.1).

A walker starts in the second of N states in a row and goes one state to the left or right a step;
beyond an end it stays where it is. Which of the two actions means right differs from state to
state. Staying at the left end pays 0.001, staying at the right end 1. An episode is cut off after
N + 9 steps. Random actions hardly ever reach the right end.

Written from memory of the paper (arXiv:1810.12162), which made it of the chain of Osband et al.
(2016, arXiv:1602.04621, section 5); the authors' code has no chain. Of their trap (appendix B) it
is sure that it makes the left end stochastic, and not sure how: here both actions stay there with
probability 1/2.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from baselines.target import offers
from harness.envs.plane import Plane
from harness.spec import Anchor, Anchors

LEFT_REWARD, RIGHT_REWARD = 0.001, 1.0
START = 1
EXTRA_STEPS = 9  # beyond one for each state

PIXELS = 8  # the side of a state in a picture
WALL, FLOOR = (60, 60, 70), (215, 210, 200)
GOAL, WALKER = (240, 190, 40), (190, 60, 40)


class Chain(gym.Env[np.int64, np.int64]):
    """One task: the mapping of actions is drawn once, and no reset changes it.

    :param size: N, the number of states.
    :param mapping_seed: which action goes right in each state.
    :param trap: whether chance decides what an action does at the left end.
    """

    # Gymnasium declares it as a plain attribute.
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        size: int,
        mapping_seed: int = 42,
        trap: bool = False,
        render_mode: str | None = None,
    ) -> None:
        self.size, self.trap, self.render_mode = _checked(size), trap, render_mode
        drawn = np.random.default_rng(mapping_seed).integers(2, size=size)
        self._right: list[int] = drawn.tolist()
        self.state, self.steps = START, 0
        self._last: tuple[int, int] | None = None  # direction and state of the last step
        self.observation_space = gym.spaces.Discrete(size)
        self.action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        super().reset(seed=seed)
        self.state, self.steps, self._last = START, 0, None
        return np.int64(self.state), {}

    def step(self, action: np.int64 | int) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        before, right = self.state, int(action == self._right[self.state])
        self._last = right, before
        if self.trap and before == 0:
            right = int(self.np_random.integers(2))
        self.state = after(before, right, self.size)
        self.steps += 1
        over = self.steps == episode_length(self.size)
        return np.int64(self.state), reward(before, self.state, self.size), False, over, {}

    def best_action(self) -> int:
        """To the right, whichever action that is in this state."""
        return self._right[self.state]

    def transition(self) -> tuple[int, int] | None:
        """Direction (0: left) and state of the last step; None before the first."""
        return self._last

    def render(self) -> NDArray[np.uint8]:  # type: ignore[override]  # one mode only
        """The states, the one that pays, and the walker: (40, 8 N, 3)."""
        picture = np.full((5, self.size, 3), WALL, np.uint8)
        picture[2] = FLOOR
        picture[2, -1] = GOAL
        picture[2, self.state] = WALKER
        return picture.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)


def after(state: int, right: int, size: int) -> int:
    """Where a step leads."""
    return min(max(state + 2 * right - 1, 0), size - 1)


def reward(before: int, after: int, size: int) -> float:
    """Of staying at an end."""
    if before != after:
        return 0.0
    return RIGHT_REWARD if after == size - 1 else LEFT_REWARD * (after == 0)


def episode_length(size: int) -> int:
    return size + EXTRA_STEPS


@offers(Plane)
def plane(env: Chain) -> Plane:
    """A cell for each transition: to the left above, to the right below, state by state."""
    return Plane(np.ones((2, env.size), dtype=bool), env.transition, lambda: None)


@offers(Anchors)
def anchors(size: int, mapping_seed: int = 42, trap: bool = False) -> Anchors:
    """The exact scores of chance and of the best policy, whatever the mapping, trap or none.

    A random action goes to the right with probability 1/2 everywhere, and the best policy never
    sees the left end.
    """
    moves = [[(after(s, d, size), reward(s, after(s, d, size), size)) for d in (0, 1)]
             for s in range(_checked(size))]  # fmt: skip
    by_chance, best = np.zeros(size), np.zeros(size)
    for _ in range(episode_length(size)):
        by_chance = np.array([np.mean([r + by_chance[s] for s, r in each]) for each in moves])
        best = np.array([max(r + best[s] for s, r in each) for each in moves])
    steps = f"over {episode_length(size)} steps"
    return Anchors(
        random=Anchor(score=float(by_chance[START]), source=f"exact: value of chance {steps}"),
        reference=Anchor(score=float(best[START]), source=f"exact: the optimal policy {steps}"),
    )


def _checked(size: int) -> int:
    if size < 3:
        raise ValueError(f"Chain needs a size of at least 3, not {size}")
    return size
