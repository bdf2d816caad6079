"""Where training goes: how often it comes to each cell of a plane, quarter by quarter."""

from __future__ import annotations

from collections import Counter
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
        self._quarter = self._ends.count(0)
        self._counts: list[list[list[int]]] = []
        self._reachable: NDArray[np.bool_] | None = None
        self._starts: Counter[Cell | None] = Counter()
        self._goals: Counter[Cell | None] = Counter()

    def watch(self, env: Env, card: Card) -> Env:
        """The environment, its visits counted; as it is, if its card names no cells."""
        plane = card.plane(env)
        if plane is None:
            return env
        if self._reachable is None:
            self._reachable = plane.reachable
            self._counts = np.zeros((QUARTERS, *plane.reachable.shape), int).tolist()
        return Watched(env, plane, self)

    def begin(self, start: Cell | None, goal: Cell | None) -> None:
        """An episode, from where and to where."""
        self.visit(start)
        self._starts[start] += 1
        self._goals[goal] += 1

    def visit(self, cell: Cell | None) -> None:
        if cell is not None:
            row, column = cell
            self._counts[self._quarter][row][column] += 1

    def step(self, cell: Cell | None) -> None:
        """A step, and where it led."""
        self.visit(cell)
        self._steps += 1
        if self._steps in self._ends:
            self._quarter += self._ends.count(self._steps)

    def counted(self) -> dict[str, NDArray[Any]]:
        """`visits` (quarters, height, width) and, of each cell, the rest; empty: no cells.

        The rest: whether it is `reachable`, and the episodes with their `starts` and `goals` in it.
        """
        if self._reachable is None:
            return {}
        visits = np.array(self._counts, np.int64)
        ends = {"starts": np.zeros_like(visits[0]), "goals": np.zeros_like(visits[0])}
        for name, episodes_by_cell in (("starts", self._starts), ("goals", self._goals)):
            for cell, episodes in episodes_by_cell.items():
                if cell is not None:
                    ends[name][cell] = episodes
        return {"visits": visits, "reachable": self._reachable, **ends}


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
