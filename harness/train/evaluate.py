"""One evaluation protocol for every agent: seeded episodes, several at once, raw returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import concatenate, create_empty_array, iterate
from numpy.typing import NDArray

from baselines.api import Agent
from harness.seeding import untouched_rng

# Episodes played in step with one another. Fixed, because the shape of a batch can move the last
# bits of a network's output.
LANES = 20


@dataclass(frozen=True)
class Episodes:
    """Episodes in the order of their seeds."""

    returns: list[float]  # raw sums of the environment's own rewards
    lengths: list[int]  # environment steps
    last_infos: list[dict[str, Any]]  # what the environment told with the last step


class Evaluator:
    """Plays an agent in environments of its own, which it keeps from one evaluation to the next.

    :param make_env: a fresh evaluation environment: without any training-only wrapper.
    """

    def __init__(self, make_env: Callable[[], gym.Env[Any, Any]]) -> None:
        self._make_env = make_env
        self._envs: list[gym.Env[Any, Any]] = []

    def play(self, agent: Agent, seeds: Sequence[int], deterministic: bool = True) -> Episodes:
        """One episode for each seed. Leaves the global random generators as they were.

        :param deterministic: act greedily; false samples from the policy.
        :raises FloatingPointError: if the agent's actions are not finite: it has diverged.
        """
        n = min(LANES, len(seeds))
        self._make(n)
        episodes = [_Episode(seed) for seed in seeds]
        with untouched_rng(seeds[0]):
            _play(agent, [_Lane(env) for env in self._envs[:n]], iter(episodes), deterministic)
        return Episodes(
            [each.total for each in episodes],
            [each.steps for each in episodes],
            [each.last_info for each in episodes],
        )

    def env(self) -> gym.Env[Any, Any]:
        """One of its environments, to look at."""
        self._make(1)
        return self._envs[0]

    def _make(self, n: int) -> None:
        while len(self._envs) < n:
            self._envs.append(self._make_env())

    def close(self) -> None:
        for env in self._envs:
            env.close()
        self._envs.clear()


@dataclass
class _Episode:
    seed: int
    total: float = 0.0
    steps: int = 0
    last_info: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Lane:
    """One environment. When its episode ends it takes the next one that nobody has."""

    env: gym.Env[Any, Any]
    episode: _Episode | None = None  # None: nothing left to play: it keeps its last observation
    observation: Any = None

    def begin(self, waiting: Iterator[_Episode]) -> None:
        self.episode = next(waiting, None)
        if self.episode:
            self.observation, _ = self.env.reset(seed=self.episode.seed)

    @property
    def starts(self) -> bool:
        """Whether the coming action is the first of its episode."""
        return self.episode is not None and self.episode.steps == 0

    def step(self, action: Any, waiting: Iterator[_Episode]) -> None:
        if self.episode is None:
            return
        self.observation, reward, terminated, truncated, info = self.env.step(action)
        self.episode.total += float(reward)
        self.episode.steps += 1
        if terminated or truncated:
            self.episode.last_info = info
            self.begin(waiting)


def _play(
    agent: Agent, lanes: Sequence[_Lane], waiting: Iterator[_Episode], deterministic: bool
) -> None:
    """Play every episode to its end."""
    env = lanes[0].env
    observed, acted = env.observation_space, env.action_space
    masked = env.has_wrapper_attr("action_masks")
    for lane in lanes:
        lane.begin(waiting)
    state = None
    while any(lane.episode for lane in lanes):
        # A batch that belongs to the agent: it may keep it, as a controller does in its state.
        batch: Any = create_empty_array(observed, len(lanes))
        masks = [lane.env.get_wrapper_attr("action_masks")() for lane in lanes if masked]
        actions, state = agent.predict(
            concatenate(observed, [lane.observation for lane in lanes], batch),
            state=state,
            episode_start=np.array([lane.starts for lane in lanes]),
            deterministic=deterministic,
            action_masks=np.stack(masks) if masked else None,
        )
        for lane, action in zip(lanes, _legal(acted, actions), strict=True):
            lane.step(action, waiting)


def _legal(space: gym.Space[Any], actions: NDArray[Any]) -> list[Any]:
    """One action for each lane, clipped to the bounds where there are any."""
    if isinstance(space, gym.spaces.Discrete):
        return list(actions.tolist())  # Python's integers: NumPy's slow the classic tasks down
    if isinstance(space, gym.spaces.Box):
        if not np.isfinite(actions).all():
            raise FloatingPointError("the agent's actions are not finite: it has diverged")
        actions = np.clip(actions, space.low, space.high).astype(space.dtype)
    return list(iterate(space, actions))
