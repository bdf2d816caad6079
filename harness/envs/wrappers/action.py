"""Wrappers that come between what an agent decides and what happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import gymnasium.wrappers as stock
import numpy as np

from harness.envs.wrappers.option import Amount, Count, Env, Fraction, Probability, Random

# (generator, space, action, strength) -> the action that is taken
Disturbance = Callable[[np.random.Generator, gym.Space[Any], Any, float], Any]


def sticky_actions(env: Env, probability: Probability = 0.25) -> Env:
    """
    :param probability: that the last action is repeated.
    """
    return stock.StickyAction(env, probability)


def random_actions(env: Env, probability: Fraction = 0.1) -> Env:
    """
    :param probability: that a random action replaces the agent's.
    """
    return Disturbed(env, replaced, probability, probability)


def gaussian_actions(env: Env, std: Amount = 0.1) -> Env:
    """
    :param std: the standard deviation, in halves of the action's range: 1 spans middle to bound.
    """
    return Disturbed(env, jittered, std, std)


def annealed_random_actions(
    env: Env, steps: Count, start: Fraction = 1.0, end: Fraction = 0.0
) -> Env:
    """Steps are counted in each parallel copy of the environment: with 8, an eighth of a run's.

    :param steps: over which the probability goes from `start` to `end`.
    :param start: the first probability.
    :param end: the last probability.
    """
    return Disturbed(env, replaced, start, end, steps)


def annealed_gaussian_actions(
    env: Env, steps: Count, start: Amount = 1.0, end: Amount = 0.0
) -> Env:
    """Steps and standard deviation as for `annealed_random_actions` and `gaussian_actions`.

    :param steps: over which the standard deviation goes from `start` to `end`.
    :param start: the first standard deviation.
    :param end: the last standard deviation.
    """
    return Disturbed(env, jittered, start, end, steps)


class Disturbed(Random, gym.ActionWrapper[Any, Any, Any]):
    """Noise on the action, whose strength goes from `start` to `end` in a straight line."""

    def __init__(
        self, env: Env, disturb: Disturbance, start: float, end: float, steps: int = 1
    ) -> None:
        super().__init__(env)
        kinds = (gym.spaces.Box,) if disturb is jittered else (gym.spaces.Box, gym.spaces.Discrete)
        if not isinstance(env.action_space, kinds):
            allowed = " or ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"such noise is for {allowed} actions, not for {env.action_space}")
        self._disturb = disturb
        self._start, self._end, self._steps = start, end, steps

    def _seed(self, seed: int | None) -> None:
        super()._seed(seed)
        self._taken = 0  # a seeded reset begins anew in this too

    def action(self, action: Any) -> Any:
        gone = min(self._taken / self._steps, 1.0)
        strength = self._start + gone * (self._end - self._start)
        self._taken += 1
        return self._disturb(self.rng, self.env.action_space, action, strength)


def replaced(rng: np.random.Generator, space: gym.Space[Any], action: Any, strength: float) -> Any:
    """With a probability of `strength`, an action drawn uniformly from the whole space."""
    if rng.random() >= strength:
        return action
    if isinstance(space, gym.spaces.Discrete):
        return int(space.start + rng.integers(space.n))
    assert isinstance(space, gym.spaces.Box)
    return rng.uniform(space.low, space.high).astype(space.dtype)


def jittered(rng: np.random.Generator, space: gym.Space[Any], action: Any, strength: float) -> Any:
    """Gaussian noise of `strength` halves of the range, kept inside it."""
    assert isinstance(space, gym.spaces.Box)
    noise = rng.normal(0.0, strength, space.shape) * (space.high - space.low) / 2
    return np.clip(action + noise, space.low, space.high).astype(space.dtype)
