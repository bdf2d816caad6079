"""PushPose: a round finger pushes an object on a table to a goal position and orientation.

The reward is 1 at success, which ends the episode, and 0 otherwise: the return of an episode is
whether it was solved. Shaping, stall rule and curriculum are wrappers (`wrappers/push.py`); what
they need to know, and what a report may want to show, stands in `info` after every step.

An observation is one vector, lengths in decimetres, velocities in units of the highest speed, spin
in radians per second times `SPIN`. In the object's frame it is::

    pusher x, y | goal x, y | sin, cos of the turn to the goal | object's velocity x, y, spin |
    pusher's velocity x, y

and in the world's frame, or in the frame that was the object's when the episode began::

    pusher x, y | object x, y, sin, cos of yaw | goal x, y, sin, cos of yaw |
    object's velocity x, y, spin | pusher's velocity x, y
"""

from __future__ import annotations

import math
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from baselines.target import offers
from harness.config.model import Strict
from harness.envs.plane import Cell, Plane
from harness.envs.push_scene import BOXES, DECISION, PUSHER_RADIUS, Physics, Pose, Scene

SPEED = 0.2  # m/s of the pusher, at most
LENGTH = 0.1  # metres that are observed as 1
SPIN = 0.5
IMAGE = 64  # pixels
PICTURE = 256  # pixels of `render`
START = 0.05  # the object starts within this of the middle, in metres
RING = (0.09, 0.14)  # the pusher starts at such a distance from it

# Action 0 does not move; the others turn left by 45 degrees each.
DIRECTIONS = [(0.0, 0.0)] + [
    (math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)) for k in range(8)
]

WORLD = Pose(0.0, 0.0, 0.0)
Frame = Literal["object", "start", "world"]
Range = tuple[float, float]

# The poses that visits are counted in, from where the object began: as near as success asks, as far
# as goals lie, and in eighths of a turn.
CELL = 0.03  # metres
AROUND = 5  # cells
TURNS = 8
IN_A_ROW = 4  # discs on the map


class Ranges(Strict):
    """From where the physics of each episode are drawn, uniformly; left out: always the same."""

    friction: Range | None = None
    mass: Range | None = Field(None, description="In kg.")
    size: Range | None = Field(None, description="The object's length and width, times this.")


class Settings(Strict):
    """What a card may choose."""

    shape: Literal["box", "t", "cylinder"] = Field(
        "box", description="A cylinder looks the same from all sides: its position alone counts."
    )
    observation: Literal["state", "pixels"] = "state"
    frame: Frame = Field("object", description="Of the observed state.")
    actions: Literal["velocity", "directions"] = Field(
        "velocity", description="Two numbers in [-1, 1], or stay and 8 directions at full speed."
    )
    action_frame: Frame = "object"
    goal_distance: Range = Field((0.05, 0.15), description="From the object's start, in metres.")
    goal_turn: float = Field(45.0, ge=0, le=180, description="To either side, in degrees.")
    near: float = Field(0.03, gt=0, description="Success: metres from the goal, at most.")
    aligned: float = Field(15.0, gt=0, description="Success: degrees from the goal, at most.")
    physics: dict[str, Ranges] = Field(
        {}, description="Ranges by name: `reset(options={'physics': name})` draws from them."
    )


class PushPose(gym.Env[NDArray[Any], Any]):
    """One table, and one episode after the other on it.

    :param settings: as `Settings` lists them.
    """

    speed, length_unit, decision = SPEED, LENGTH, DECISION  # for controllers
    pusher_radius = PUSHER_RADIUS
    directions = DIRECTIONS
    half_extents = BOXES["box"][0][:2]  # of a box of nominal size
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.render_mode = render_mode
        self.scene = Scene(self.settings.shape)
        self.start = self.goal = Pose(0.0, 0.0, 0.0)
        self.look_from(self.settings.frame, self.settings.action_frame)
        if self.settings.actions == "directions":
            self.action_space: gym.Space[Any] = gym.spaces.Discrete(len(DIRECTIONS))
        else:
            self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def look_from(self, frame: Frame, action_frame: Frame) -> None:
        """Choose the frames anew: what the wrapper `push_frame` does."""
        self.frame, self.action_frame = frame, action_frame
        if self.settings.observation == "pixels":
            self.observation_space: gym.Space[Any] = gym.spaces.Box(
                0, 255, (IMAGE, IMAGE, 3), np.uint8
            )
        else:
            numbers = 11 if frame == "object" else 15
            self.observation_space = gym.spaces.Box(-np.inf, np.inf, (numbers,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Draw a start and a goal.

        :param options: `difficulty` in [0, 1] makes an episode easier: the goal nearer and turned
            less, the pusher's start further behind the object. `physics` names one of the card's
            ranges to draw from; without it, physics are nominal.
        """
        super().reset(seed=seed)
        options = options or {}
        difficulty = float(options.get("difficulty", 1.0))
        settings, draw = self.settings, self.np_random.uniform
        self.start = start = Pose(draw(-START, START), draw(-START, START), draw(-math.pi, math.pi))
        low, high = settings.goal_distance
        distance = draw(low, low + difficulty * (high - low))
        direction = draw(-math.pi, math.pi)
        turn = math.radians(settings.goal_turn) * difficulty * draw(-1, 1)
        self.goal = Pose(
            start.x + distance * math.cos(direction),
            start.y + distance * math.sin(direction),
            start.yaw + turn,
        )
        # The easiest start is behind the object, seen from the goal.
        around, ring = direction + math.pi + difficulty * draw(-math.pi, math.pi), draw(*RING)
        pusher = start.x + ring * math.cos(around), start.y + ring * math.sin(around)
        self.scene.reset(self._physics(options.get("physics")), start, pusher, self.goal)
        return self._observe(), self._info()

    def _physics(self, ranges: str | None) -> Physics:
        """Of this episode; drawn last, so that starts and goals are the same with all ranges."""
        if ranges is None:
            return Physics()
        spans = dict(self.settings.physics[ranges])
        drawn = {name: self.np_random.uniform(*span) for name, span in spans.items() if span}
        return Physics()._replace(**drawn)

    def step(self, action: Any) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        if self.settings.actions == "directions":
            x, y = DIRECTIONS[int(action)]
        else:
            x, y = (min(max(float(part), -1.0), 1.0) for part in action)
        x, y = _turned(x, y, self._origin(self.action_frame).yaw)
        self.scene.push(SPEED * x, SPEED * y)
        info = self._info()
        return self._observe(), float(info["success"]), info["success"], False, info

    def pose(self) -> Pose:
        """Where the object is."""
        return self.scene.object

    def poses(self, frame: Frame) -> tuple[list[float], list[float]]:
        """Where the object is and where it shall be: x, y, sin and cos of the yaw of each."""
        origin = self._origin(frame)
        return _seen(origin, self.scene.object), _seen(origin, self._asked())

    def _asked(self) -> Pose:
        """The goal; a cylinder has no side to turn to it."""
        return self.goal._replace(yaw=self.scene.object.yaw + self._turn())

    def errors(self) -> dict[str, float]:
        """What is left to do; all of it matters to shaping, the first two to success."""
        scene, goal = self.scene, self.goal
        return {
            "distance": math.hypot(goal.x - scene.object.x, goal.y - scene.object.y),  # metres
            "yaw_error": abs(self._turn()),  # radians
            "reach": math.dist(scene.pusher, scene.object[:2]),  # metres from pusher to object
        }

    def _info(self) -> dict[str, Any]:
        errors = self.errors()
        near = errors["distance"] <= self.settings.near
        aligned = errors["yaw_error"] <= math.radians(self.settings.aligned)
        return {**errors, "success": near and aligned}

    def _turn(self) -> float:
        """Radians that the object has yet to turn, in [-pi, pi]."""
        if self.settings.shape == "cylinder":
            return 0.0
        return math.remainder(self.goal.yaw - self.scene.object.yaw, 2 * math.pi)

    def _origin(self, frame: Frame) -> Pose:
        return {"object": self.scene.object, "start": self.start, "world": WORLD}[frame]

    def _observe(self) -> NDArray[Any]:
        if self.settings.observation == "pixels":
            return self.scene.image(IMAGE)
        scene, origin = self.scene, self._origin(self.frame)

        def velocity(x: float, y: float) -> tuple[float, float]:
            x, y = _turned(x, y, -origin.yaw)
            return x / SPEED, y / SPEED

        numbers = [*_place(origin, *scene.pusher)]
        if self.frame != "object":
            numbers += _seen(origin, scene.object)
        numbers += _seen(origin, self._asked())
        numbers += [*velocity(*scene.motion[:2]), scene.motion.spin * SPIN]
        return np.array([*numbers, *velocity(*scene.pusher_motion)], np.float32)

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        return self.scene.image(PICTURE) if self.render_mode else None

    def close(self) -> None:
        self.scene.close()


def _place(origin: Pose, x: float, y: float) -> tuple[float, float]:
    x, y = _turned(x - origin.x, y - origin.y, -origin.yaw)
    return x / LENGTH, y / LENGTH


def _seen(origin: Pose, pose: Pose) -> list[float]:
    """x, y, sin and cos of the yaw."""
    turn = pose.yaw - origin.yaw
    return [*_place(origin, pose.x, pose.y), math.sin(turn), math.cos(turn)]


def _turned(x: float, y: float, angle: float) -> tuple[float, float]:
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * x - sin * y, sin * x + cos * y


@offers(Plane)
def plane(env: PushPose) -> Plane:
    """The object's displacement in the frame it began in: a disc for every turn.

    The first disc is for no turn, and the turns go to the left by 45 degrees each. A cylinder has
    one disc.
    """
    across = np.arange(-AROUND, AROUND + 1)
    disc = np.pad(across[:, None] ** 2 + across**2 <= AROUND**2, 1)
    turns = 1 if env.settings.shape == "cylinder" else TURNS
    rows, columns = -(-turns // IN_A_ROW), min(turns, IN_A_ROW)

    def here() -> Cell | None:
        (x, y), turn = _place(env.start, *env.pose()[:2]), env.pose().yaw - env.start.yaw
        right, up = round(x * LENGTH / CELL), round(y * LENGTH / CELL)
        if right**2 + up**2 > AROUND**2:
            return None
        row, column = divmod(round(turn / (2 * math.pi) * TURNS) % turns, IN_A_ROW)
        side = len(disc)
        return side * row + side // 2 - up, side * column + side // 2 + right

    return Plane(np.tile(disc, (rows, columns)), here, lambda: None)
