"""The table, the pusher and the object in PyBullet: one client, rebuilt only when physics change.

Seeded resets repeat bit for bit because every episode begins with the same snapshot. Bullet keeps
contact points between steps, and neither setting poses nor a snapshot from before the first step
clears them; a snapshot from after it does.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
SHAPES = (*BOXES, "cylinder")

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
    """One world in one client of PyBullet.

    :param visible: also build what only a camera sees; moves no number of the physics.
    """

    def __init__(self, shape: str, visible: bool = False) -> None:
        with _quiet():
            self._bullet: Any = _pybullet()
            self._client: int = self._bullet.connect(self._bullet.DIRECT)
        self.shape = shape
        self.visible = visible
        self.physics: Physics | None = None
        self.object = Pose(0.0, 0.0, 0.0)
        self.motion = Motion(0.0, 0.0, 0.0)
        self.pusher = (0.0, 0.0)
        self.pusher_motion = (0.0, 0.0)
        self.radius = 0.0

    def reset(self, physics: Physics, start: Pose, pusher: tuple[float, float], goal: Pose) -> None:
        """All at rest where it is asked to be."""
        bullet, client = self._bullet, self._client
        if physics != self.physics:
            self._build(physics)
        bullet.restoreState(self._snapshot, physicsClientId=client)
        self._place(self._object, start.x, start.y, HEIGHT, start.yaw)
        self._place(self._pusher, *pusher, HEIGHT)
        if self.visible:
            self._place(self._goal, goal.x, goal.y, 0.0, goal.yaw)
        self.object, self.motion = start, Motion(0.0, 0.0, 0.0)
        self.pusher, self.pusher_motion = pusher, (0.0, 0.0)

    def push(self, vx: float, vy: float) -> None:
        """One decision: the pusher moves at this velocity, or less at the table's edge."""
        bullet, client = self._bullet, self._client
        x, y = self.pusher
        to_x = min(max(x + vx * DECISION, -TABLE), TABLE)
        to_y = min(max(y + vy * DECISION, -TABLE), TABLE)
        velocity = (to_x - x) / DECISION, (to_y - y) / DECISION
        self.pusher_motion = velocity
        if self._nothing_meets(to_x, to_y):
            self.pusher = to_x, to_y
            self._place(self._pusher, to_x, to_y, HEIGHT)
            return
        bullet.resetBaseVelocity(self._pusher, (*velocity, 0.0), (0, 0, 0), physicsClientId=client)
        for _ in range(SUBSTEPS):
            bullet.stepSimulation(physicsClientId=client)
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
        return gap > self.radius + PUSHER_RADIUS + MARGIN

    def _read(self) -> None:
        bullet, client = self._bullet, self._client
        place, (qx, qy, qz, qw) = bullet.getBasePositionAndOrientation(
            self._object, physicsClientId=client
        )
        linear, angular = bullet.getBaseVelocity(self._object, physicsClientId=client)
        yaw = math.atan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
        self.object = Pose(place[0], place[1], yaw)
        self.motion = Motion(linear[0], linear[1], angular[2])
        place, _ = bullet.getBasePositionAndOrientation(self._pusher, physicsClientId=client)
        self.pusher = place[0], place[1]

    def tilt(self) -> float:
        """How far the object leans, in radians: a planar task must keep it near 0."""
        _, (qx, qy, _, _) = self._bullet.getBasePositionAndOrientation(
            self._object, physicsClientId=self._client
        )
        return 2 * math.asin(min(1.0, math.hypot(qx, qy)))

    def image(self, side: int) -> NDArray[np.uint8]:
        """The table from above, (side, side, 3), by PyBullet's software renderer."""
        bullet, client = self._bullet, self._client
        height = 1.0
        view = bullet.computeViewMatrix([0, 0, height], [0, 0, 0], [0, 1, 0])
        angle = 2 * math.degrees(math.atan(TABLE / (height - HEIGHT)))
        projection = bullet.computeProjectionMatrixFOV(angle, 1.0, 0.1, 2.0)
        _, _, pixels, _, _ = bullet.getCameraImage(
            side,
            side,
            view,
            projection,
            shadow=0,
            lightDirection=[0.3, 0.2, 1.0],
            renderer=bullet.ER_TINY_RENDERER,
            flags=bullet.ER_NO_SEGMENTATION_MASK,
            physicsClientId=client,
        )
        image: NDArray[np.uint8] = np.reshape(np.asarray(pixels, np.uint8), (side, side, 4))
        return np.ascontiguousarray(image[:, :, :3])

    def close(self) -> None:
        """Gives the client back; PyBullet has about a thousand. A second call does nothing."""
        if self._client >= 0:
            self._bullet.disconnect(physicsClientId=self._client)
            self._client = -1

    def __del__(self) -> None:
        if getattr(self, "_client", -1) >= 0:
            self.close()

    # Building

    def _build(self, physics: Physics) -> None:
        bullet, client = self._bullet, self._client
        bullet.resetSimulation(physicsClientId=client)
        bullet.setGravity(0, 0, -9.81, physicsClientId=client)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=DECISION / SUBSTEPS, numSolverIterations=50, physicsClientId=client
        )
        plane = bullet.createCollisionShape(bullet.GEOM_PLANE, physicsClientId=client)
        floor = bullet.createMultiBody(0, plane, physicsClientId=client)
        ball = bullet.createCollisionShape(
            bullet.GEOM_SPHERE, radius=PUSHER_RADIUS, physicsClientId=client
        )
        # Mass 0 with a velocity is kinematic: nothing can stop it, and no joint has to be solved.
        self._pusher = bullet.createMultiBody(
            0, ball, self._ball_seen(), [0, TABLE, HEIGHT], physicsClientId=client
        )
        solid = self._collision_shape(physics.size)
        seen = self._visual_shape(physics.size, HEIGHT, OBJECT_COLOUR)
        self._object = bullet.createMultiBody(
            physics.mass, solid, seen, [0, 0, HEIGHT], physicsClientId=client
        )
        for body in (floor, self._pusher):
            bullet.changeDynamics(body, -1, lateralFriction=1.0, physicsClientId=client)
        bullet.changeDynamics(
            self._object,
            -1,
            lateralFriction=physics.friction,
            # A body asleep is not restored by a snapshot as it was.
            activationState=bullet.ACTIVATION_STATE_DISABLE_SLEEPING,
            physicsClientId=client,
        )
        if self.visible:
            flat = self._visual_shape(physics.size, 0.001, GOAL_COLOUR)
            self._goal = bullet.createMultiBody(0, -1, flat, physicsClientId=client)
        bullet.stepSimulation(physicsClientId=client)
        self._snapshot = bullet.saveState(physicsClientId=client)
        self.physics = physics
        self.radius = _outer_radius(self.shape) * physics.size

    def _collision_shape(self, size: float) -> int:
        bullet, client = self._bullet, self._client
        if self.shape == "cylinder":
            shape: int = bullet.createCollisionShape(
                bullet.GEOM_CYLINDER,
                radius=CYLINDER_RADIUS * size,
                height=2 * HEIGHT,
                physicsClientId=client,
            )
            return shape
        parts = BOXES[self.shape]
        if len(parts) == 1:  # a compound of one costs as much as a compound
            half = [parts[0][0] * size, parts[0][1] * size, HEIGHT]
            shape = bullet.createCollisionShape(
                bullet.GEOM_BOX, halfExtents=half, physicsClientId=client
            )
            return shape
        shape = bullet.createCollisionShapeArray(
            shapeTypes=[bullet.GEOM_BOX] * len(parts),
            halfExtents=[[a * size, b * size, HEIGHT] for a, b, _, _ in parts],
            collisionFramePositions=[[x * size, y * size, 0] for _, _, x, y in parts],
            physicsClientId=client,
        )
        return shape

    def _visual_shape(self, size: float, half_height: float, colour: Sequence[float]) -> int:
        if not self.visible:
            return -1
        bullet, client = self._bullet, self._client
        if self.shape == "cylinder":
            shape: int = bullet.createVisualShape(
                bullet.GEOM_CYLINDER,
                radius=CYLINDER_RADIUS * size,
                length=2 * half_height,
                rgbaColor=colour,
                physicsClientId=client,
            )
            return shape
        parts = BOXES[self.shape]
        shape = bullet.createVisualShapeArray(
            shapeTypes=[bullet.GEOM_BOX] * len(parts),
            halfExtents=[[a * size, b * size, half_height] for a, b, _, _ in parts],
            visualFramePositions=[[x * size, y * size, 0] for _, _, x, y in parts],
            rgbaColors=[colour] * len(parts),
            physicsClientId=client,
        )
        return shape

    def _ball_seen(self) -> int:
        if not self.visible:
            return -1
        bullet = self._bullet
        shape: int = bullet.createVisualShape(
            bullet.GEOM_SPHERE,
            radius=PUSHER_RADIUS,
            rgbaColor=PUSHER_COLOUR,
            physicsClientId=self._client,
        )
        return shape

    def _place(self, body: int, x: float, y: float, z: float, yaw: float = 0.0) -> None:
        turned = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
        self._bullet.resetBasePositionAndOrientation(
            body, (x, y, z), turned, physicsClientId=self._client
        )


def _outer_radius(shape: str) -> float:
    if shape == "cylinder":
        return CYLINDER_RADIUS
    return max(math.hypot(abs(x) + a, abs(y) + b) for a, b, x, y in BOXES[shape])


def _pybullet() -> Any:
    try:
        import pybullet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "PushPose needs PyBullet: pip install 'rl-ablation-harness[robots]'"
        ) from error
    return pybullet


@contextmanager
def _quiet() -> Iterator[None]:
    """PyBullet 3.2.7 prints from C, at its import and at every connection."""
    saved = [os.dup(stream) for stream in (1, 2)]
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(null, stream)
        yield
    finally:
        for stream, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(null)
