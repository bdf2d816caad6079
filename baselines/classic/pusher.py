"""A scripted pusher: the baseline that a learner of PushPose has to beat.

It knows how a box slides. A push that sticks to its contact turns the box by the law of Lynch,
Maekawa and Tanie (1992, "Manipulation and active sensing by pushing"), so a straight push in the
box's own axes moves it along an arc. The pusher tries every contact on its sides and every length
of two pushes in a row, goes around the box to the best first one, pushes while that still helps,
and thinks again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from pydantic import Field

from baselines import api
from baselines.bound import Real
from baselines.classic.script import Script
from baselines.classic.space import probe

OFFSETS = np.linspace(-0.8, 0.8, 9)  # contacts, in halves of a side
LENGTHS = np.array([0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.13])  # metres of a push


class Contacts(NamedTuple):
    """Every place where the box may be pushed, in its own axes."""

    point: np.ndarray  # (k, 2): on the box's side
    inward: np.ndarray  # (k, 2): the direction of the push
    twist: np.ndarray  # (k, 3): how the box moves and turns per metre of push


class Pusher(Script):
    """Acts, never learns. Its state is the contact that each environment's pusher is at."""

    class Config(api.Config):
        """What it tries to make small, and how it walks."""

        travel: Real = Field(2.0, description="Cost of a metre of way, in tolerances of error.")
        clearance: Real = Field(0.01, description="Metres kept from the box on the way around.")
        enough: Real = Field(0.7, description="Errors below this share of the tolerance are none.")

    def __init__(self, task: api.Task, config: Any) -> None:
        env: Any = probe(task).unwrapped
        settings = getattr(env, "settings", None)
        if getattr(settings, "shape", None) != "box" or settings.observation != "state":
            raise TypeError(f"pusher knows boxes of PushPose whose state is observed, not {env}")
        if (env.frame, env.action_frame) != ("object", "object"):
            raise TypeError("pusher sees and acts in the object's frame only")
        self._config = config
        self._env = env
        self._discrete = isinstance(env.action_space, spaces.Discrete)
        self._half = np.array(env.half_extents)
        self._contacts = contacts(self._half)
        self._tolerance = np.array([settings.near, np.radians(settings.aligned)])

    def act(
        self, observation: Any, state: Any, starts: np.ndarray, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, Any]:
        chosen = np.where(starts, -1, -1 if state is None else state)
        ways = np.zeros((len(observation), 2))
        for i, seen in enumerate(np.asarray(observation, float)):
            ways[i], chosen[i] = self._decide(seen, int(chosen[i]))
        return self._actions(ways), chosen

    def _decide(self, seen: np.ndarray, chosen: int) -> tuple[np.ndarray, int]:
        """The way to go in this decision, in metres, and the contact that it serves."""
        at, goal = seen[:2] * self._env.length_unit, seen[2:4] * self._env.length_unit
        pose = np.array([*goal, np.arctan2(seen[4], seen[5])])
        if chosen >= 0 and not self._touches(at, chosen):
            return self._around(at, chosen), chosen
        length = 0.0
        if chosen >= 0:
            _, length = self._plan(pose, at, np.array([chosen]))
        if length < LENGTHS[1]:
            chosen, length = self._plan(pose, at, np.arange(len(self._contacts.point)))
        if not self._touches(at, chosen):
            return self._around(at, chosen), chosen
        return self._push(at, chosen, length), chosen

    def _plan(self, pose: np.ndarray, at: np.ndarray, options: np.ndarray) -> tuple[int, float]:
        """The best of these contacts for the first of two pushes, and how long to push there."""
        now = self._error(pose)
        once = arcs(pose[None], self._contacts.twist[options])[0]  # (options, lengths, 3)
        first = self._error(once)
        flat = once.reshape(-1, 3)
        twice = self._error(arcs(flat, self._contacts.twist))  # (options * lengths, k, lengths)
        other_way = np.linalg.norm(
            self._contacts.point[options][:, None] - self._contacts.point[None], axis=-1
        )  # (options, k)
        walk = np.repeat(other_way, len(LENGTHS), axis=0)[:, :, None] + LENGTHS
        second = (twice + self._config.travel * walk).min(axis=(1, 2)).reshape(first.shape)
        way = np.linalg.norm(self._starts()[options] - at, axis=-1)[:, None] + LENGTHS
        cost = np.minimum(first, second) + self._config.travel * way
        best, length = np.unravel_index(cost.argmin(), cost.shape)
        if len(options) == 1 and cost[best, length] >= now:
            return int(options[0]), 0.0
        return int(options[best]), float(LENGTHS[length])

    def _error(self, pose: np.ndarray) -> np.ndarray:
        """(..., 3) -> (...): how far the goal is, in tolerances."""
        distance = np.linalg.norm(pose[..., :2], axis=-1) / self._tolerance[0]
        turn = np.abs(np.remainder(pose[..., 2] + np.pi, 2 * np.pi) - np.pi) / self._tolerance[1]
        return np.maximum(distance, self._config.enough) + np.maximum(turn, self._config.enough)

    def _starts(self) -> np.ndarray:
        """(k, 2): where the pusher's centre is when it is about to push."""
        gap = self._env.pusher_radius + self._config.clearance
        return self._contacts.point - gap * self._contacts.inward

    def _touches(self, at: np.ndarray, contact: int) -> bool:
        """Whether the pusher stands in front of its contact, near enough to push."""
        off = at - self._contacts.point[contact]
        inward = self._contacts.inward[contact]
        depth, aside = -(off @ inward), off - (off @ inward) * inward
        near = self._env.pusher_radius + 2 * self._config.clearance
        return bool(0 < depth < near and np.linalg.norm(aside) < 0.015)

    def _push(self, at: np.ndarray, contact: int, length: float) -> np.ndarray:
        """Close the gap, push on, and stay in front of the contact while the box turns."""
        off = at - self._contacts.point[contact]
        inward = self._contacts.inward[contact]
        gap = -(off @ inward) - self._env.pusher_radius
        aside = off - (off @ inward) * inward
        return inward * (max(gap, 0.0) + length) - aside

    def _around(self, at: np.ndarray, contact: int) -> np.ndarray:
        """The first leg of the shortest way to the contact's start that keeps off the box."""
        target = self._starts()[contact]
        keep = self._half + self._env.pusher_radius + self._config.clearance
        out = np.abs(at) - keep
        if (out < -0.002).all():  # at the box: step off it first
            axis = int(out.argmax())
            leg = np.zeros(2)
            leg[axis] = -out[axis] * (1.0 if at[axis] >= 0 else -1.0)
            return leg
        places = [target, *(keep * np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)])), at]
        legs = np.full((6, 6), np.inf)
        for i in range(6):
            for j in range(6):
                if not _crosses(places[i], places[j], keep - 0.003):
                    legs[i, j] = np.linalg.norm(places[i] - places[j])
        rest = legs[0].copy()  # from each place to the target
        for _ in range(4):
            rest = np.minimum(rest, (legs + rest).min(axis=1))
        total = np.where(legs[5] > 1e-6, legs[5] + rest, np.inf)
        return places[int(total.argmin())] - at

    def _actions(self, ways: np.ndarray) -> np.ndarray:
        step = self._env.speed * self._env.decision
        if self._discrete:
            # Never the first, staying: what is nearer than half a step would be left undone.
            offered = np.array(self._env.directions[1:]) * step  # (8, 2)
            off = np.linalg.norm(offered - _short(ways, step)[:, None], axis=-1)  # (n, 8)
            return off.argmin(axis=1) + 1
        return np.clip(_short(ways, step) / step, -1, 1).astype(np.float32)


def contacts(half: np.ndarray) -> Contacts:
    """Nine on each side of a box, pushed at right angles."""
    points, inward = [], []
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            for offset in OFFSETS:
                point = np.empty(2)
                point[axis], point[1 - axis] = sign * half[axis], offset * half[1 - axis]
                points.append(point)
                inward.append(-sign * np.eye(2)[axis])
    point, direction = np.array(points), np.array(inward)
    # The lever: the largest friction torque over the largest friction force, for even pressure.
    grid = np.linspace(-1, 1, 41)
    lever = np.hypot(half[0] * grid[:, None], half[1] * grid).mean()
    x, y = point.T
    along = direction
    scale = lever**2 + x**2 + y**2
    vx = ((lever**2 + x**2) * along[:, 0] + x * y * along[:, 1]) / scale
    vy = (x * y * along[:, 0] + (lever**2 + y**2) * along[:, 1]) / scale
    spin = (x * vy - y * vx) / lever**2
    return Contacts(point, direction, np.stack([vx, vy, spin], axis=-1))


def arcs(pose: np.ndarray, twist: np.ndarray) -> np.ndarray:
    """Goals (n, 3) as the box sees them after pushes (k, 3) of every length: (n, k, lengths, 3)."""
    vx, vy, spin = (part[:, None] * LENGTHS for part in twist.T)  # each (k, lengths)
    sinc = np.sinc(spin / np.pi)  # sin(spin) / spin
    cosc = spin / 2 * np.sinc(spin / 2 / np.pi) ** 2  # (1 - cos(spin)) / spin
    off_x = pose[:, 0, None, None] - (sinc * vx - cosc * vy)
    off_y = pose[:, 1, None, None] - (cosc * vx + sinc * vy)
    cos, sin = np.cos(spin), np.sin(spin)
    turn = pose[:, 2, None, None] - spin
    return np.stack([cos * off_x + sin * off_y, cos * off_y - sin * off_x, turn], axis=-1)


def _short(ways: np.ndarray, step: float) -> np.ndarray:
    """(n, 2), none of them longer than a step."""
    length = np.linalg.norm(ways, axis=-1, keepdims=True)
    return ways * np.minimum(1.0, step / np.maximum(length, 1e-9))


def _crosses(start: np.ndarray, end: np.ndarray, half: np.ndarray) -> bool:
    """Whether the straight way enters the rectangle about the origin."""
    way = end - start
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-half - start) / way, (half - start) / way
    enter, leave = np.fmin(first, second), np.fmax(first, second)
    outside = (way == 0) & (np.abs(start) >= half)
    if outside.any():
        return False
    return bool(max(np.nanmax(enter), 0.0) < min(np.nanmin(leave), 1.0))
