"""Feedback controllers with fixed gains: the baseline that a learner has to beat.

CartPole is held by a PID loop on the pole's angle and a PD loop on the cart's position; only the
sign of their sum acts, since the cart can be pushed left or right and no softer. Pendulum cannot be
lifted by a PID loop, its motor being too weak: it is swung up by energy (Åström and Furuta, 2000),
and the PID loop catches it near the top.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv
from pydantic import Field

from baselines import api
from baselines.bound import Real
from baselines.classic.script import Script
from baselines.classic.space import probe


class PID(Script):
    """Acts, never learns. Its state is the integral of the error, one number per environment."""

    class Config(api.Config):
        """Gains. The angle is measured from upright, in radians."""

        kp: Real = Field(10.0, description="Of the angle.")
        ki: Real = Field(0.0, description="Of the angle's integral over time.")
        kd: Real = Field(2.0, description="Of the angular velocity.")
        kp_position: Real = Field(0.5, description="CartPole: of the cart's position.")
        kd_position: Real = Field(1.0, description="CartPole: of the cart's velocity.")
        k_energy: Real = Field(2.0, description="Pendulum: torque per missing energy and speed.")
        catch_angle: Real = Field(0.5, description="Pendulum: nearer to the top, PID takes over.")

    def __init__(self, task: api.Task, config: Any) -> None:
        env = probe(task).unwrapped
        control = CONTROLLERS.get(type(env))
        if control is None:
            known = ", ".join(kind.__name__ for kind in CONTROLLERS)
            raise TypeError(f"pid has gains for {known}, not for {type(env).__name__}")
        self._config = config
        self._control = control
        self._env = env

    def act(
        self, observation: Any, state: Any, starts: np.ndarray, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, Any]:
        integral = np.where(starts, 0.0, 0.0 if state is None else state)
        return self._control(np.asarray(observation, float), integral, self._config, self._env)


def hold_pole(
    observation: np.ndarray, integral: np.ndarray, gains: Any, env: gym.Env
) -> tuple[np.ndarray, np.ndarray]:
    """CartPole: push towards where the pole falls, and lean it against the cart's drift."""
    x, speed, angle, spin = observation.T  # each (n,)
    integral = integral + angle * env.tau
    pole = gains.kp * angle + gains.ki * integral + gains.kd * spin
    cart = gains.kp_position * x + gains.kd_position * speed
    return (pole + cart > 0).astype(np.int64), integral


def swing_up(
    observation: np.ndarray, integral: np.ndarray, gains: Any, env: gym.Env
) -> tuple[np.ndarray, np.ndarray]:
    """Pendulum: give it the energy that it has standing upright, then hold it there."""
    cos, sin, spin = observation.T  # each (n,)
    angle = np.arctan2(sin, cos)
    near = np.abs(angle) < gains.catch_angle
    integral = np.where(near, integral + angle * env.dt, 0.0)
    hold = -(gains.kp * angle + gains.ki * integral + gains.kd * spin)
    # A rod of mass m and length l: kinetic m l^2 w^2 / 6, potential m g l cos(angle) / 2.
    inertia, weight = env.m * env.l**2 / 3, env.m * env.g * env.l / 2
    missing = weight - (inertia * spin**2 / 2 + weight * cos)
    torque = np.where(near, hold, gains.k_energy * missing * np.where(spin < 0, -1.0, 1.0))
    limit = env.max_torque
    return np.clip(torque, -limit, limit)[:, None].astype(np.float32), integral


CONTROLLERS = {CartPoleEnv: hold_pole, PendulumEnv: swing_up}
