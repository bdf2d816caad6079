"""The shortest path of a MiniGrid task on the fully observed map: no agent can exceed it.

Breadth-first search over where the agent is, what it carries, where things lie and which doors are
open, by MiniGrid's own rules. It leaves out what cannot shorten a plan: closing doors, and putting
a thing down when there is no other to pick up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from minigrid.core.actions import Actions
from minigrid.core.world_object import Door, Goal
from minigrid.minigrid_env import MiniGridEnv

from harness.envs.grid import AHEAD, opens

Place = tuple[int, int]


class State(NamedTuple):
    at: Place
    facing: int
    carried: int  # the index of a thing, or -1
    things: tuple[Place | None, ...]  # where each lies; None while it is carried
    opened: frozenset[Place]


class Planner:
    """The map of one episode, read after its reset."""

    def __init__(self, env: MiniGridEnv) -> None:
        grid = env.grid
        cells = {(x, y): grid.get(x, y) for x in range(grid.width) for y in range(grid.height)}
        self.limit = env.max_steps
        self.free = {place for place, cell in cells.items() if cell is None or cell.can_pickup()}
        self.goals = {place for place, cell in cells.items() if isinstance(cell, Goal)}
        self.doors = {place: cell for place, cell in cells.items() if isinstance(cell, Door)}
        lying = {place: cell for place, cell in cells.items() if cell and cell.can_pickup()}
        self.things = list(lying.values())
        self.start = State(
            at=(int(env.agent_pos[0]), int(env.agent_pos[1])),
            facing=int(env.agent_dir),
            carried=-1,
            things=tuple(lying),
            opened=frozenset(place for place, door in self.doors.items() if door.is_open),
        )
        self.solved = self._task(env)

    def _task(self, env: MiniGridEnv) -> Callable[[State], bool]:
        """What ends an episode with success: a door of the task, a thing of the task, or a goal."""
        door, thing = getattr(env, "door", None), getattr(env, "obj", None)
        if isinstance(door, Door):
            place = next(place for place, other in self.doors.items() if other is door)
            return lambda state: place in state.opened
        if thing is not None:
            index = next(i for i, other in enumerate(self.things) if other is thing)
            return lambda state: state.carried == index
        return lambda state: state.at in self.goals

    def plan(self) -> list[Actions] | None:
        """The actions of a shortest solution, or None if the time limit comes first."""
        came_from: dict[State, tuple[State, Actions] | None] = {self.start: None}
        frontier = [self.start]
        for _ in range(self.limit):
            steps = []
            for state in frontier:
                for action, after in self._moves(state):
                    if after not in came_from:
                        came_from[after] = state, action
                        if self.solved(after):
                            return _path(came_from, after)
                        steps.append(after)
            frontier = steps
        return None

    def _moves(self, state: State) -> Iterator[tuple[Actions, State]]:
        yield Actions.left, state._replace(facing=(state.facing - 1) % 4)
        yield Actions.right, state._replace(facing=(state.facing + 1) % 4)
        dx, dy = AHEAD[state.facing]
        ahead = state.at[0] + dx, state.at[1] + dy
        if ahead in state.things:
            if state.carried < 0:
                index = state.things.index(ahead)
                yield (
                    Actions.pickup,
                    state._replace(carried=index, things=_moved(state.things, index, None)),
                )
        elif ahead in self.doors and ahead not in state.opened:
            carried = self.things[state.carried] if state.carried >= 0 else None
            if opens(carried, self.doors[ahead]):
                yield Actions.toggle, state._replace(opened=state.opened | {ahead})
        elif ahead in self.doors or ahead in self.free or ahead in self.goals:
            yield Actions.forward, state._replace(at=ahead)
            if ahead in self.free and state.carried >= 0 and len(self.things) > 1:
                yield (
                    Actions.drop,
                    state._replace(carried=-1, things=_moved(state.things, state.carried, ahead)),
                )


def _moved(
    things: tuple[Place | None, ...], index: int, place: Place | None
) -> tuple[Place | None, ...]:
    return (*things[:index], place, *things[index + 1 :])


def _path(came_from: dict[State, tuple[State, Actions] | None], state: State) -> list[Actions]:
    actions = []
    while (step := came_from[state]) is not None:
        state, action = step
        actions.append(action)
    return actions[::-1]
