"""Where training goes: how often it comes to each cell of a plane, quarter by quarter, and when it
first does; and how many episodes begin.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from harness.envs.card import Card
from harness.envs.plane import Cell, Plane
from harness.envs.wrappers.option import Env

QUARTERS = 4


class Visits:
    """Counts over all copies of an environment together, in quarters of the budget.

    A visit is a cell in which an episode begins or to which a step leads.

    :param steps: the budget.
    """

    def __init__(self, steps: int) -> None:
        self._steps = 0
        self._ends = [steps * quarter // QUARTERS for quarter in range(1, QUARTERS)]
        # `visits` (quarters, height, width); by cell, whether it is `reachable`, and the episodes
        # with their `starts` and `goals` in it, and when it was first visited: after how many steps
        # (`first_steps`), and when so many `episodes` had begun (`first_episodes`); -1: never.
        # Empty: the states are no cells.
        self.counted: dict[str, NDArray[Any]] = {}

    def watch(self, env: Env, card: Card) -> Env:
        """The environment, its visits counted; as it is, if its card names no cells."""
        plane = card.plane(env)
        if plane is None:
            return env
        if not self.counted:
            visits = np.zeros((QUARTERS, *plane.reachable.shape), np.int64)
            starts, goals = np.zeros_like(visits[0]), np.zeros_like(visits[0])
            self.counted = {"visits": visits, "reachable": plane.reachable}
            self.counted |= {"starts": starts, "goals": goals}
            self.counted["episodes"] = np.zeros((), np.int64)
            for name in ("first_steps", "first_episodes"):
                self.counted[name] = np.full(plane.reachable.shape, -1, np.int64)
        return Watched(env, plane, self)

    def begin(self, start: Cell | None, goal: Cell | None) -> None:
        """An episode, from where and to where."""
        self.counted["episodes"][...] += 1
        self.visit(start, self._steps)
        for name, cell in (("starts", start), ("goals", goal)):
            if cell is not None:
                self.counted[name][cell] += 1

    def visit(self, cell: Cell | None, steps: int) -> None:
        """:param steps: that led there."""
        if cell is None:
            return
        self.counted["visits"][bisect(self._ends, self._steps), *cell] += 1
        if self.counted["first_steps"][cell] < 0:
            self.counted["first_steps"][cell] = steps
            self.counted["first_episodes"][cell] = self.counted["episodes"]

    def step(self, cell: Cell | None) -> None:
        """A step, and where it led."""
        self.visit(cell, self._steps + 1)
        self._steps += 1


class Watched(gym.Wrapper[Any, Any, Any, Any]):
    """Tells where it is after every reset and step, and changes nothing."""

    def __init__(self, env: Env, plane: Plane, visits: Visits) -> None:
        super().__init__(env)
        self._plane, self._visits = plane, visits

    def reset(self, **given: Any) -> tuple[Any, dict[str, Any]]:
        first = self.env.reset(**given)
        self._visits.begin(self._plane.here(), self._plane.goal())
        return first

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        outcome = self.env.step(action)
        self._visits.step(self._plane.here())
        return outcome


class Counted(gym.Wrapper[Any, Any, Any, Any]):
    """Tells of every episode that begins, and changes nothing."""

    def __init__(self, env: Env, begins: Callable[[], None]) -> None:
        super().__init__(env)
        self._begins = begins

    def reset(self, **given: Any) -> tuple[Any, dict[str, Any]]:
        self._begins()
        return self.env.reset(**given)
