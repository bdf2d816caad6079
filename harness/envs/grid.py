"""MiniGrid: its view as a vector or an image, quicker than by its own code; its masks."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import gymnasium as gym
import numpy as np
from minigrid.core.actions import Actions
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX
from minigrid.core.world_object import Ball, Box, Door, Floor, Goal, Key, Lava, Wall
from minigrid.minigrid_env import MiniGridEnv
from numpy.typing import NDArray

from baselines.target import offers
from harness.envs.plane import Plane

# One step ahead in each direction that an agent may face, each to the right of the one before.
AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))

# A cell's three indices (object, colour, state) packed into one, and unpacked by a table.
_COLORS, _STATES = 8, 4
_CELLS = np.array(
    [
        (code // (_COLORS * _STATES), code // _STATES % _COLORS, code % _STATES)
        for code in range(len(OBJECT_TO_IDX) * _COLORS * _STATES)
    ],
    dtype=np.uint8,
)
_EMPTY = OBJECT_TO_IDX["empty"] * _COLORS * _STATES
# What changes by being exchanged, or as doors do; somebody's own objects may do otherwise.
_KNOWN = (Ball, Box, Door, Floor, Goal, Key, Lava, Wall)


def _code(cell: Any) -> int:
    """A cell's indices in one, and whether it hides what is behind it."""
    if cell is None:
        return _EMPTY << 1
    kind, color, state = cell.encode()
    code = int((kind * _COLORS + color) * _STATES + state)
    return code << 1 | (not cell.see_behind())


_OUTSIDE = _code(Wall())

# Each of the three indices by its largest value, so that each spans [0, 1]. By 255, as for colours
# of pixels, a door locked and a door open would differ by less than 0.01. The same for bytes.
_LARGEST = np.array([max(t.values()) for t in (OBJECT_TO_IDX, COLOR_TO_IDX, STATE_TO_IDX)])


class FlatImage(gym.ObservationWrapper[NDArray[np.float32], Any, Any]):
    """The agent's view alone, 7 x 7 cells of three indices, as 147 numbers in [0, 1].

    The mission is left out: in the tasks that have a card it does not decide what succeeds.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        cells = _quick(env, "flat_image").agent_view_size ** 2
        self._scale = np.tile(1 / _LARGEST, cells).astype(np.float32)
        self.observation_space = gym.spaces.Box(0.0, 1.0, (3 * cells,), np.float32)

    def observation(self, observation: dict[str, Any]) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = observation["image"].reshape(-1) * self._scale
        return scaled


class CellImage(gym.ObservationWrapper[NDArray[np.uint8], Any, Any]):
    """The agent's view alone, as an image of bytes with its three indices as channels, first."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        size = _quick(env, "cell_image").agent_view_size
        self._scale = 255 / _LARGEST
        self.observation_space = gym.spaces.Box(0, 255, (3, size, size), np.uint8)

    def observation(self, observation: dict[str, Any]) -> NDArray[np.uint8]:
        scaled = np.rint(observation["image"] * self._scale).astype(np.uint8)
        return np.ascontiguousarray(scaled.transpose(2, 0, 1))


class ActionMasks(gym.Wrapper[Any, Any, Any, Any]):
    """Offers `action_masks()`, which sb3-contrib's MaskablePPO asks for.

    An action is forbidden if it would leave everything as it is. "Done" does so in every task that
    has a card.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._grid = _grid(env, "action_masks")

    def action_masks(self) -> NDArray[np.bool_]:
        grid = self._grid
        x, y = grid.front_pos
        ahead, carried = grid.grid.get(x, y), grid.carrying
        allowed = np.zeros(len(Actions), dtype=bool)
        allowed[[Actions.left, Actions.right]] = True
        allowed[Actions.forward] = ahead is None or ahead.can_overlap()
        allowed[Actions.pickup] = ahead is not None and carried is None and ahead.can_pickup()
        allowed[Actions.drop] = ahead is None and carried is not None
        allowed[Actions.toggle] = isinstance(ahead, Box) or (
            isinstance(ahead, Door) and opens(carried, ahead)
        )
        return allowed


def opens(carried: Any, door: Door) -> bool:
    """Whether a door opens to an agent with this in its hands; None: nothing."""
    return not door.is_locked or (isinstance(carried, Key) and carried.color == door.color)


def _grid(env: gym.Env[Any, Any], wrapper: str) -> MiniGridEnv:
    grid = env.unwrapped
    if not isinstance(grid, MiniGridEnv):
        raise TypeError(f"{wrapper} is for MiniGrid's environments, not for {grid}")
    return grid


def _quick(env: gym.Env[Any, Any], wrapper: str) -> MiniGridEnv:
    """Its environment, from now on quicker than by its own code."""
    grid = _grid(env, wrapper)
    grid.gen_obs = QuickView(grid)  # type: ignore[method-assign]
    # A step compares its action with up to seven members of an enumeration, which takes NumPy's
    # numbers 5 us each.
    grid.actions = cast(Any, SimpleNamespace(**{each.name: int(each) for each in Actions}))
    return grid


@offers(Plane)
def plane(env: MiniGridEnv) -> Plane:
    """The agent's places, whatever the layout and whichever way it faces."""

    def here() -> tuple[int, int]:
        x, y = env.agent_pos
        return y, x

    def goal() -> tuple[int, int] | None:
        """None where the task is another than to reach a square."""
        kinds = [cell is not None and cell.type == "goal" for cell in env.grid.grid]
        return divmod(kinds.index(True), env.width) if True in kinds else None

    reachable = np.zeros((env.height, env.width), bool)
    reachable[1:-1, 1:-1] = True  # MiniGrid's worlds end in walls
    return Plane(reachable, here, goal)


class QuickView:
    """Stands in for `MiniGridEnv.gen_obs`: equal results, without building five grids of objects.

    MiniGrid cuts the view out of the world, turns it by up to four quarter turns, finds what is
    visible, and encodes it, each step over all 49 cells. Here the world is read when it changes,
    and what is seen from a place in it is made once.
    """

    def __init__(self, env: MiniGridEnv) -> None:
        self._env = env
        self._cells: list[Any] = []  # as they were read
        self._carried: Any = None
        self._doors: list[Door] = []
        self._open: list[tuple[bool, bool]] = []
        self._known = False  # whether all that can change is which cells there are, and doors
        self._world: tuple[int, ...] = ()
        self._views: dict[tuple[Any, ...], NDArray[np.uint8]] = {}  # of this world, by place

    def __call__(self) -> dict[str, Any]:
        env = self._env
        if not (
            self._known
            and env.grid.grid == self._cells
            and env.carrying is self._carried
            and [(door.is_open, door.is_locked) for door in self._doors] == self._open
        ):
            self._read()
        x, y = int(env.agent_pos[0]), int(env.agent_pos[1])
        place = x, y, env.agent_dir, env.agent_view_size, env.see_through_walls
        image = self._views.get(place)
        if image is None:
            image = self._views[place] = _image(self._world, env.grid.width, *place)
        return {"image": image, "direction": env.agent_dir, "mission": env.mission}

    def _read(self) -> None:
        cells, self._carried = self._env.grid.grid[:], self._env.carrying
        self._cells, every = cells, [*cells, self._carried]
        self._known = all(cell is None or type(cell) in _KNOWN for cell in every)
        self._doors = [cell for cell in every if isinstance(cell, Door)]
        self._open = [(door.is_open, door.is_locked) for door in self._doors]
        self._world, self._views = tuple(map(_code, every)), {}


def _image(
    world: tuple[int, ...], width: int, x: int, y: int, facing: int, size: int, through: bool
) -> NDArray[np.uint8]:
    """What is seen from a place: one pass up the rows of the view, to where nothing is visible.

    :param world: its cells by `_code`, and last what the agent carries.
    :param through: whether walls hide nothing.
    """
    half, everything = size // 2, (1 << size) - 1
    visible = everything if through else 1 << half
    codes = [0] * (size * size)  # 0: unseen
    row = size
    for places in _view(x, y, facing, size, width, len(world) // width):
        row -= 1
        line = [_OUTSIDE if at is None else world[at] for at in places]
        if through:
            above = everything
        else:
            opaque = sum((code & 1) << column for column, code in enumerate(line))
            visible, above = _look(visible, opaque, size)
        for column, code in enumerate(line):
            if visible >> column & 1:
                codes[column * size + row] = code >> 1
        if not above:
            break
        visible = above
    codes[half * size + size - 1] = world[-1] >> 1  # the agent sees what it carries
    image = _CELLS[codes].reshape(size, size, 3)
    image.flags.writeable = False  # all who stand there see it
    return image


def _view(
    x: int, y: int, facing: int, size: int, width: int, height: int
) -> tuple[tuple[int | None, ...], ...]:
    """Where the cells of a view lie in the world, from the agent's row on; None: outside of it."""
    (forward_x, forward_y), (right_x, right_y) = AHEAD[facing], AHEAD[(facing + 1) % 4]
    rows = []
    for ahead in range(size):
        row: list[int | None] = []
        for right in range(-(size // 2), size - size // 2):
            i, j = x + ahead * forward_x + right * right_x, y + ahead * forward_y + right * right_y
            row.append(j * width + i if 0 <= i < width and 0 <= j < height else None)
        rows.append(tuple(row))
    return tuple(rows)


@cache
def _look(visible: int, opaque: int, size: int) -> tuple[int, int]:
    """One row of `Grid.process_vis` on bits: what is visible of the row, and of the row above.

    Light spreads from a visible cell that is not opaque to its neighbour, and to the row above it;
    first to the right, then to the left.
    """
    above = 0
    for step, columns in ((1, range(size - 1)), (-1, range(size - 1, 0, -1))):
        for column in columns:
            if visible >> column & 1 and not opaque >> column & 1:
                visible |= 1 << (column + step)
                above |= 1 << column | 1 << (column + step)
    return visible, above
