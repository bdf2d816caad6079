"""Means of learning: rewards other than the task's own, and an early end. Never part of a score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import gymnasium.wrappers as stock
import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from numpy.typing import NDArray

from harness.envs.wrappers.option import Amount, Count, Env, Fraction, Index


class Repaid(stock.TransformReward[Any, Any]):
    """Another reward in the reward's place; hindsight replay is paid likewise."""

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> NDArray[np.float32]:
        paid = self.env.get_wrapper_attr("compute_reward")(achieved, desired, info)
        return np.array([self.func(each) for each in paid], np.float32)


def scale_reward(env: Env, factor: float) -> Env:
    """
    :param factor: by which every reward is multiplied.
    """
    return Repaid(env, lambda reward: factor * float(reward))


def clip_reward(env: Env, low: float = -1.0, high: float = 1.0) -> Env:
    """
    :param low: the smallest reward.
    :param high: the largest reward.
    """
    return Repaid(env, lambda reward: min(max(float(reward), low), high))


def sign_reward(env: Env) -> Env:
    return Repaid(env, lambda reward: float(np.sign(float(reward))))


def log_reward(env: Env) -> Env:
    """symlog of Hafner et al. (2023): sign(r) ln(1 + |r|), nearly r itself where that is small."""
    return Repaid(env, lambda reward: math.copysign(math.log1p(abs(float(reward))), float(reward)))


def living_reward(env: Env, amount: float) -> Env:
    """
    :param amount: added to every reward.
    """
    return Repaid(env, lambda reward: float(reward) + amount)


def normalize_reward(env: Env, gamma: Fraction = 0.99) -> Env:
    """Divided by the running standard deviation of the discounted return; no mean is subtracted.

    :param gamma: the discount of that return.
    """
    return stock.NormalizeReward(env, gamma)


def cartpole_potential(
    env: Env, gamma: Fraction, angle: Amount = 1.0, velocity: Amount = 0.1
) -> Env:
    """Falls with the square of the pole's angle (1 where it counts as fallen) and of its velocity.

    :param gamma: the agent's own discount: with another, the optimal policy may change.
    :param angle: weight of the angle.
    :param velocity: weight of the velocity.
    """
    cart = env.unwrapped
    if not isinstance(cart, CartPoleEnv):
        raise TypeError(f"cartpole_potential is for CartPole, not for {cart}")
    fallen = cart.theta_threshold_radians

    def potential() -> float:
        assert cart.state is not None
        _, _, theta, turning = (float(number) for number in cart.state)
        return -angle * (theta / fallen) ** 2 - velocity * turning**2

    return Shaped(env, potential, gamma)


class Shaped(gym.Wrapper[Any, Any, Any, Any]):
    """Adds F = gamma phi(s') - phi(s), which leaves the optimal policy as it is.

    Ng, Harada and Russell (1999), theorem 1. phi is 0 after termination, since nothing follows; it
    stays what it is at a truncation, through which the agent bootstraps.
    """

    def __init__(self, env: Env, potential: Callable[[], float], gamma: float) -> None:
        super().__init__(env)
        self._potential = potential
        self._gamma = gamma

    def reset(self, **given: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(**given)
        self._before = self._potential()
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        now = 0.0 if terminated else self._potential()
        shaped = float(reward) + self._gamma * now - self._before
        self._before = now
        return observation, shaped, terminated, truncated, info


class StallEnd(gym.Wrapper[Any, Any, Any, Any]):
    """Ends the episode, with a penalty, when a clock inside says in `info` that it has stalled.

    The end is a termination: the agent must not bootstrap through it. Without a penalty above what
    the remaining steps would cost, it teaches that being stuck is a way out.
    """

    def __init__(self, env: Env, penalty: float) -> None:
        super().__init__(env)
        self._penalty = penalty

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        if info["stalled"] and not terminated:
            return observation, float(reward) - self._penalty, True, False, info
        return observation, float(reward), terminated, truncated, info


class StillClock(gym.Wrapper[Any, Any, Any, Any]):
    """Says when nothing that is watched has moved for so many steps; changes nothing itself."""

    def __init__(self, env: Env, patience: int, tolerance: float, watch: list[int] | None) -> None:
        super().__init__(env)
        if not isinstance(env.observation_space, gym.spaces.Box):
            raise TypeError(f"stall is for Box observations, not for {env.observation_space}")
        size = int(np.prod(env.observation_space.shape))
        if watch and max(watch) >= size:
            raise ValueError(f"stall: no number {max(watch)} in an observation of {size} numbers")
        self._patience, self._tolerance, self._watch = patience, tolerance, watch

    def reset(self, **given: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(**given)
        self._place, self._still = self._watched(observation), 0
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        here = self._watched(observation)
        if np.max(np.abs(here - self._place)) > self._tolerance:
            self._place, self._still = here, 0
        else:
            self._still += 1
        stalled = self._still >= self._patience and not (terminated or truncated)
        return observation, reward, terminated, truncated, info | {"stalled": stalled}

    def _watched(self, observation: Any) -> Any:
        flat = np.asarray(observation, np.float64).reshape(-1)
        return flat if self._watch is None else flat[self._watch]


def stall(
    env: Env,
    patience: Count,
    penalty: Amount,
    tolerance: Amount = 0.0,
    watch: list[Index] | None = None,
) -> Env:
    """
    :param patience: steps without motion.
    :param penalty: taken from the reward of the last step.
    :param tolerance: how far a watched number may stray from where the standstill began.
    :param watch: the places in the observation that count as motion; None: all of them.
    """
    return StallEnd(StillClock(env, patience, tolerance, watch), penalty)
