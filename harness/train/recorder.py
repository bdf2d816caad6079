"""Seeded episodes, written down step by step as evaluation plays them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from baselines.api import Agent
from baselines.world_models.episode import Episode
from harness.train.evaluate import Episodes, Evaluator

Step = tuple[Any, Any, float, bool]  # what was seen after it, its action and reward, terminated


def recorded(
    make_env: Callable[[], gym.Env[Any, Any]],
    agent: Agent,
    seeds: Sequence[int],
    deterministic: bool,
    observed: bool = True,
) -> tuple[Episodes, list[Episode]]:
    """What evaluation makes of these episodes, and the steps of each.

    They are played side by side: the shape of a batch can move a network's bits.

    :param observed: false leaves observations out, where nobody asks for that many pictures.
    """
    steps: dict[int, list[Step]] = {}
    evaluator = Evaluator(lambda: _Recorder(make_env(), steps, observed))
    episodes = evaluator.play(agent, seeds, deterministic)
    evaluator.close()
    return episodes, [_episode(steps[seed]) for seed in seeds]


class _Recorder(gym.Wrapper[Any, Any, Any, Any]):
    """Writes every episode down, under the seed of its reset."""

    def __init__(
        self, env: gym.Env[Any, Any], steps: dict[int, list[Step]], observed: bool
    ) -> None:
        super().__init__(env)
        self._all, self._observed = steps, observed

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        assert seed is not None
        self._steps = self._all[seed] = [(self._kept(observation), None, 0.0, False)]
        return observation, info

    def step(self, action: Any) -> Any:
        outcome = self.env.step(action)
        observation, reward, terminated, *_ = outcome
        self._steps.append((self._kept(observation), action, float(reward), bool(terminated)))
        return outcome

    def _kept(self, observation: Any) -> Any:
        return np.array(observation) if self._observed else None


def _episode(steps: list[Step]) -> Episode:
    observations, actions, rewards, terminated = zip(*steps, strict=True)
    return Episode(
        np.stack(observations), np.array(actions[1:]), np.array(rewards[1:]), terminated[-1]
    )
