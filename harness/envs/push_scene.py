"""The table, the pusher and the object in PyBullet: one client, rebuilt only when physics change.

Seeded resets repeat bit for bit because every episode begins with the same snapshot. Bullet keeps
contact points between steps, and neither setting poses nor a snapshot from before the first step
clears them; a snapshot from after it does.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.envs.extra import need

DECISION = 0.1  # seconds from one action to the next
SUBSTEPS = 12  # of 1/120 s: another rate pushes differently, so it needs another card version
TABLE = 0.3  # metres from the middle to each edge: the pusher stays on it
PUSHER_RADIUS = 0.015
HEIGHT = 0.02  # half of the objects' height, and where the pusher's centre moves
MARGIN = 0.005  # metres between pusher and object that spare the physics a decision
AT_REST = 1e-3  # metres and radians per second

# The parts of each shape: (half length, half width, x, y) of boxes in metres, about their common
# centre of mass. The T is a bar 10 x 3 cm on a stem 3 x 7 cm.
_STEM = 0.05 * 0.0021 / 0.0051  # the bar's distance from the common centre of mass
BOXES: dict[str, list[tuple[float, float, float, float]]] = {
    "box": [(0.05, 0.03, 0.0, 0.0)],
    "t": [(0.05, 0.015, 0.0, _STEM), (0.015, 0.035, 0.0, _STEM - 0.05)],
}
CYLINDER_RADIUS = 0.04

OBJECT_COLOUR = (0.85, 0.3, 0.2, 1.0)
GOAL_COLOUR = (0.3, 0.7, 0.35, 1.0)
PUSHER_COLOUR = (0.15, 0.25, 0.6, 1.0)


class Physics(NamedTuple):
    """What domain randomisation may change."""

    friction: float = 0.5  # of the object; with table and pusher it multiplies by theirs, 1
    mass: float = 0.2  # kg
    size: float = 1.0  # the object's length and width, times this


class Pose(NamedTuple):
    """Metres and radians on the table."""

    x: float
    y: float
    yaw: float


class Motion(NamedTuple):
    """Metres and radians per second."""

    x: float
    y: float
    spin: float


class Scene:
    """One world in one client of PyBullet, with what a camera sees of it."""

    def __init__(self, shape: str) -> None:
        need("robots", "PushPose")
        with _quiet():
            from pybullet import DIRECT
            from pybullet_utils.bullet_client import BulletClient

            # It adds its client to every call, and gives it back when it is collected.
            self._bullet: Any = BulletClient(connection_mode=DIRECT)
        self.shape = shape
        self.physics: Physics | None = None
        self.object = Pose(0.0, 0.0, 0.0)
        self.motion = Motion(0.0, 0.0, 0.0)
        self.pusher = self.pusher_motion = (0.0, 0.0)

    def reset(self, physics: Physics, start: Pose, pusher: tuple[float, float], goal: Pose) -> None:
        """All at rest where it is asked to be."""
        if physics != self.physics:
            self._build(physics)
        self._bullet.restoreState(self._snapshot)
        self._place(self._object, start.x, start.y, HEIGHT, start.yaw)
        self._place(self._pusher, *pusher, HEIGHT)
        self._place(self._goal, goal.x, goal.y, 0.0, goal.yaw)
        self.object, self.motion = start, Motion(0.0, 0.0, 0.0)
        self.pusher, self.pusher_motion = pusher, (0.0, 0.0)

    def push(self, vx: float, vy: float) -> None:
        """One decision: the pusher moves at this velocity, or less at the table's edge."""
        x, y = self.pusher
        to_x = min(max(x + vx * DECISION, -TABLE), TABLE)
        to_y = min(max(y + vy * DECISION, -TABLE), TABLE)
        velocity = (to_x - x) / DECISION, (to_y - y) / DECISION
        self.pusher_motion = velocity
        if self._nothing_meets(to_x, to_y):
            self.pusher = to_x, to_y
            self._place(self._pusher, to_x, to_y, HEIGHT)
            return
        self._bullet.resetBaseVelocity(self._pusher, (*velocity, 0.0), (0, 0, 0))
        simulate = self._bullet.stepSimulation
        for _ in range(SUBSTEPS):
            simulate()
        self._read()

    def _nothing_meets(self, to_x: float, to_y: float) -> bool:
        """Whether the object rests and the pusher's way stays clear of the circle around it."""
        vx, vy, spin = self.motion
        if max(abs(vx), abs(vy), abs(spin)) > AT_REST:
            return False
        x, y = self.pusher
        way_x, way_y = to_x - x, to_y - y
        off_x, off_y = self.object.x - x, self.object.y - y
        length = way_x * way_x + way_y * way_y
        along = (off_x * way_x + off_y * way_y) / length if length else 0.0
        along = min(max(along, 0.0), 1.0)
        gap = math.hypot(off_x - along * way_x, off_y - along * way_y)
        return gap > self._radius + PUSHER_RADIUS + MARGIN

    def _read(self) -> None:
        (x, y, _), (qx, qy, qz, qw) = self._bullet.getBasePositionAndOrientation(self._object)
        (vx, vy, _), (_, _, spin) = self._bullet.getBaseVelocity(self._object)
        yaw = math.atan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
        self.object, self.motion = Pose(x, y, yaw), Motion(vx, vy, spin)
        (x, y, _), _ = self._bullet.getBasePositionAndOrientation(self._pusher)
        self.pusher = x, y

    def image(self, side: int) -> NDArray[np.uint8]:
        """The table from above, (side, side, 3), by PyBullet's software renderer."""
        bullet, height = self._bullet, 1.0
        angle = 2 * math.degrees(math.atan(TABLE / (height - HEIGHT)))
        _, _, pixels, _, _ = bullet.getCameraImage(
            side,
            side,
            bullet.computeViewMatrix([0, 0, height], [0, 0, 0], [0, 1, 0]),
            bullet.computeProjectionMatrixFOV(angle, 1.0, 0.1, 2.0),
            shadow=0,
            lightDirection=[0.3, 0.2, 1.0],
            renderer=bullet.ER_TINY_RENDERER,
            flags=bullet.ER_NO_SEGMENTATION_MASK,
        )
        image: NDArray[np.uint8] = np.reshape(np.asarray(pixels, np.uint8), (side, side, 4))
        return np.ascontiguousarray(image[:, :, :3])

    def close(self) -> None:
        """Gives the client back; PyBullet has about a thousand. A second call does nothing."""
        self._bullet = None

    # Building

    def _build(self, physics: Physics) -> None:
        bullet = self._bullet
        bullet.resetSimulation()
        bullet.setGravity(0, 0, -9.81)
        bullet.setPhysicsEngineParameter(fixedTimeStep=DECISION / SUBSTEPS, numSolverIterations=50)
        floor = bullet.createMultiBody(0, bullet.createCollisionShape(bullet.GEOM_PLANE))
        ball = bullet.createCollisionShape(bullet.GEOM_SPHERE, radius=PUSHER_RADIUS)
        ball_seen = bullet.createVisualShape(
            bullet.GEOM_SPHERE, radius=PUSHER_RADIUS, rgbaColor=PUSHER_COLOUR
        )
        # Mass 0 with a velocity is kinematic: nothing can stop it, and no joint has to be solved.
        self._pusher = bullet.createMultiBody(0, ball, ball_seen, [0, TABLE, HEIGHT])
        solid, seen = self._shapes(physics.size, HEIGHT, OBJECT_COLOUR)
        self._object = bullet.createMultiBody(physics.mass, solid, seen, [0, 0, HEIGHT])
        for body in (floor, self._pusher):
            bullet.changeDynamics(body, -1, lateralFriction=1.0)
        bullet.changeDynamics(
            self._object,
            -1,
            lateralFriction=physics.friction,
            # A body asleep is not restored by a snapshot as it was.
            activationState=bullet.ACTIVATION_STATE_DISABLE_SLEEPING,
        )
        _, flat = self._shapes(physics.size, 0.001, GOAL_COLOUR)
        self._goal = bullet.createMultiBody(0, -1, flat)
        bullet.stepSimulation()
        self._snapshot = bullet.saveState()
        self.physics = physics
        self._radius = _outer_radius(self.shape) * physics.size

    def _shapes(self, size: float, half_height: float, colour: Sequence[float]) -> tuple[int, int]:
        """The object as it is pushed, and as it is seen."""
        bullet = self._bullet
        if self.shape == "cylinder":
            kind, radius, height = bullet.GEOM_CYLINDER, CYLINDER_RADIUS * size, 2 * half_height
            return (
                bullet.createCollisionShape(kind, radius=radius, height=height),
                bullet.createVisualShape(kind, radius=radius, length=height, rgbaColor=colour),
            )
        parts = BOXES[self.shape]
        kinds = [bullet.GEOM_BOX] * len(parts)
        halves = [[a * size, b * size, half_height] for a, b, _, _ in parts]
        places = [[x * size, y * size, 0] for _, _, x, y in parts]
        if len(parts) == 1:  # a compound of one costs as much as a compound
            solid = bullet.createCollisionShape(bullet.GEOM_BOX, halfExtents=halves[0])
        else:
            solid = bullet.createCollisionShapeArray(
                kinds, halfExtents=halves, collisionFramePositions=places
            )
        seen = bullet.createVisualShapeArray(
            kinds,
            halfExtents=halves,
            visualFramePositions=places,
            rgbaColors=[colour] * len(parts),
        )
        return solid, seen

    def _place(self, body: int, x: float, y: float, z: float, yaw: float = 0.0) -> None:
        turned = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
        self._bullet.resetBasePositionAndOrientation(body, (x, y, z), turned)


def _outer_radius(shape: str) -> float:
    if shape == "cylinder":
        return CYLINDER_RADIUS
    return max(math.hypot(abs(x) + a, abs(y) + b) for a, b, x, y in BOXES[shape])


@contextmanager
def _quiet() -> Iterator[None]:
    """PyBullet 3.2.7 prints from C, at its import and at every connection."""
    flush = ctypes.CDLL(None).fflush  # what C has printed may wait in a buffer
    flush(None)
    saved = [os.dup(stream) for stream in (1, 2)]
    with open(os.devnull, "w") as null:
        for stream in (1, 2):
            os.dup2(null.fileno(), stream)
    try:
        yield
    finally:
        flush(None)
        for stream, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
