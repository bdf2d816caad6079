"""CarRacing-v3 in small frames, drawn at their own size.

Gymnasium draws 1000 x 800 points and shrinks them: 99 % of its time. Here the few polygons in view
are drawn on a small surface. The task is the same, frame for frame: physics, tracks and rewards are
Gymnasium's. The bar with the score and the dials is cropped, as in Ha and Schmidhuber (2018): what
remains is the track, 1000 x 700 points of the original.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pygame
from gymnasium.envs.box2d import car_dynamics as dynamics
from gymnasium.envs.box2d import car_racing as original
from numpy.typing import NDArray

Observation = NDArray[np.uint8]
Points = NDArray[np.float64]  # (..., 2)
Camera = NDArray[np.float64]  # (3, 2): the world's (x, y, 1) to the canvas

BAR = 5 / 40  # the share of the original's height below the track
FINER = 4  # points drawn for each of the frame's, along each side: smooth edges
LUMINANCE = np.array([0.2125, 0.7154, 0.0721])  # as in Gymnasium's GrayscaleObservation


class SmallCarRacing(original.CarRacing):
    """`step` repeats its action for `frame_skip` frames, and draws the last of them.

    :param size: height and width of a frame.
    :param grey: one channel instead of three.
    :param continuous: steering, gas and brake; otherwise five actions.
    """

    def __init__(
        self,
        size: int = 64,
        grey: bool = False,
        frame_skip: int = 1,
        continuous: bool = True,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode=render_mode, continuous=continuous)
        self._size = size
        self._grey = grey
        self._frame_skip = frame_skip
        self._canvas = pygame.Surface((size * FINER, size * FINER), 0, 32)
        self._small = pygame.Surface((size, size), 0, 32)
        shape = (size, size, 1 if grey else 3)
        self._blank: Observation = np.zeros(shape, np.uint8)
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed, options=options)  # takes a first step, without an action
        self._scenery = _Scenery(self)
        return self._draw(), {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        if action is None:  # from within reset: there is nothing to draw yet
            super().step(action)  # type: ignore[arg-type]  # Gymnasium's own reset does so
            return self._blank, 0.0, False, False, {}
        total, terminated, info = 0.0, False, {}
        for _ in range(self._frame_skip):
            _, reward, terminated, _, info = super().step(action)
            total += float(reward)
            if terminated:
                break
        return self._draw(), total, terminated, False, info

    def _render(self, mode: str) -> Any:
        """What Gymnasium calls for every frame; a picture for people is still its own."""
        return None if mode == "state_pixels" else super()._render(mode)

    def _draw(self) -> Observation:
        canvas = self._canvas
        canvas.fill((0, 0, 0))
        self._scenery.draw(canvas, self._camera())
        pygame.transform.smoothscale(canvas, (self._size, self._size), self._small)
        frame = pygame.surfarray.array3d(self._small).swapaxes(0, 1)
        if self._grey:
            frame = np.rint(frame @ LUMINANCE)[..., None]
        return np.ascontiguousarray(frame, np.uint8)

    def _camera(self) -> Camera:
        """As in the original's `_render`."""
        assert self.car is not None
        hull = self.car.hull
        zoom = original.SCALE * (
            0.1 * max(1 - self.t, 0) + original.ZOOM * min(self.t, 1)  # the first second
        )
        across = self._canvas.get_width() / original.WINDOW_W
        down = self._canvas.get_height() / (original.WINDOW_H * (1 - BAR))
        # The car's nose points up, with three quarters of the window before it.
        turn = _rotation(-hull.angle) * zoom * np.array([across, -down])
        middle = np.array([original.WINDOW_W / 2 * across, original.WINDOW_H * 3 / 4 * down])
        return np.vstack([turn, middle - np.array(hull.position) @ turn])


class _Scenery:
    """What there is to draw in an episode, as arrays: only what is in view becomes a polygon."""

    def __init__(self, env: SmallCarRacing) -> None:
        edge, patch = original.PLAYFIELD, original.GRASS_DIM
        corner = np.array([(1, 0), (0, 0), (0, 1), (1, 1)]) * patch
        places = [(x * patch, y * patch) for x in range(-20, 20, 2) for y in range(-20, 20, 2)]
        self._field = edge * np.array([[(1, 1), (1, -1), (-1, -1), (-1, 1)]])
        self._ground = np.array(
            [*(corner + place for place in places), *(points for points, _ in env.road_poly)]
        )
        self._centres = self._ground.mean(axis=1)
        spread = self._ground - self._centres[:, None]
        self._radius = np.linalg.norm(spread, axis=2).max(axis=1)[:, None]
        # A tile's colour changes in place when the car first touches it.
        self._colors = [env.grass_color] * len(places) + [color for _, color in env.road_poly]
        self._env = env

    def draw(self, canvas: pygame.Surface, camera: Camera) -> None:
        pygame.draw.polygon(canvas, self._env.bg_color.tolist(), _seen(self._field, camera)[0])
        centres = self._centres @ camera[:2] + camera[2]
        reach = self._radius * np.abs(camera[:2]).sum(axis=0)
        in_view = ((centres > -reach) & (centres < canvas.get_size() + reach)).all(axis=1)
        near = np.flatnonzero(in_view)
        for i, points in zip(near, _seen(self._ground[near], camera).tolist(), strict=True):
            pygame.draw.polygon(canvas, [int(part) for part in self._colors[i]], points)
        self._draw_car(canvas, camera)

    def _draw_car(self, canvas: pygame.Surface, camera: Camera) -> None:
        car = self._env.car
        assert car is not None
        for wheel in car.wheels:
            body = _placed(wheel, camera)
            pygame.draw.polygon(canvas, dynamics.WHEEL_COLOR, _seen(WHEEL, body).tolist())
            stripe = _stripe(wheel.phase)
            if stripe is not None:
                pygame.draw.polygon(canvas, dynamics.WHEEL_WHITE, _seen(stripe, body).tolist())
        color = [int(255 * part) for part in car.hull.color]
        outline = _seen(np.concatenate(HULL), _placed(car.hull, camera)).tolist()
        for part in HULL:
            pygame.draw.polygon(canvas, color, outline[: len(part)])
            outline = outline[len(part) :]


_W, _R = dynamics.WHEEL_W * dynamics.SIZE, dynamics.WHEEL_R * dynamics.SIZE
WHEEL = np.array([(-_W, _R), (_W, _R), (_W, -_R), (-_W, -_R)])
HULL = [
    np.array(part) * dynamics.SIZE
    for part in (
        dynamics.HULL_POLY1,
        dynamics.HULL_POLY2,
        dynamics.HULL_POLY3,
        dynamics.HULL_POLY4,
    )
]


def _stripe(phase: float) -> Points | None:
    """The mark on a wheel that shows it turning, unless it is underneath."""
    ends = []
    for angle in (phase, phase + 1.2):
        cos = math.cos(angle)
        hidden = math.sin(angle) > 0
        ends.append((math.copysign(1.0, cos) if hidden else cos, hidden))
    (first, one), (last, other) = ends
    if one and other:
        return None
    first, last = first * _R, last * _R
    return np.array([(-_W, first), (_W, first), (_W, last), (-_W, last)])


def _rotation(angle: float) -> NDArray[np.float64]:
    """For row vectors: points @ rotation."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([(cos, sin), (-sin, cos)])


def _placed(body: Any, camera: Camera) -> Camera:
    """The camera for points in a body's own frame."""
    x, y = body.position
    turn = camera[:2]
    return np.concatenate([_rotation(body.angle) @ turn, ((x, y) @ turn + camera[2])[None]])


def _seen(points: Points, camera: Camera) -> Points:
    """Where points of the world are on the canvas; whole numbers, on which pygame draws."""
    seen: Points = np.floor(points @ camera[:2] + camera[2])
    return seen
