"""One evaluation protocol for every agent: seeded episodes, several at once, raw returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        lanes = min(LANES, len(seeds))
        while len(self._envs) < lanes:
            self._envs.append(self._make_env())
        with untouched_rng(seeds[0]):
            return _Play(agent, self._envs[:lanes], seeds, deterministic).to_the_end()

    def close(self) -> None:
        for env in self._envs:
            env.close()
        self._envs.clear()


@dataclass
class _Lane:
    """One environment, and the episode that it is in."""

    env: gym.Env[Any, Any]
    observation: Any = None
    episode: int = -1  # its index among the seeds
    total: float = 0.0
    steps: int = 0
    starts: bool = False  # the coming action is the first of its episode
    over: bool = False  # nothing left to play: it stays with its last observation


@dataclass
class _Play:
    """One evaluation under way. A lane whose episode ends takes the next seed that nobody has."""

    agent: Agent
    envs: Sequence[gym.Env[Any, Any]]
    seeds: Sequence[int]
    deterministic: bool
    lanes: list[_Lane] = field(init=False)
    begun: int = 0

    def __post_init__(self) -> None:
        first = self.envs[0]
        self.observation_space = first.observation_space
        self.action_space = first.action_space
        self.masked = first.has_wrapper_attr("action_masks")
        self.returns = [0.0] * len(self.seeds)
        self.lengths = [0] * len(self.seeds)
        self.last_infos: list[dict[str, Any]] = [{} for _ in self.seeds]
        self.lanes = [_Lane(env) for env in self.envs]
        for lane in self.lanes:
            self._begin(lane)

    def _begin(self, lane: _Lane) -> None:
        if self.begun == len(self.seeds):
            lane.over = True
            return
        lane.episode, self.begun = self.begun, self.begun + 1
        lane.observation, _ = lane.env.reset(seed=self.seeds[lane.episode])
        lane.total, lane.steps, lane.starts = 0.0, 0, True

    def to_the_end(self) -> Episodes:
        state = None
        while not all(lane.over for lane in self.lanes):
            actions, state = self.agent.predict(
                self._observations(),
                state=state,
                episode_start=np.array([lane.starts for lane in self.lanes]),
                deterministic=self.deterministic,
                action_masks=self._masks(),
            )
            for lane, action in zip(self.lanes, self._legal(actions), strict=True):
                if not lane.over:
                    self._step(lane, action)
        return Episodes(self.returns, self.lengths, self.last_infos)

    def _step(self, lane: _Lane, action: Any) -> None:
        lane.observation, reward, terminated, truncated, info = lane.env.step(action)
        lane.total += float(reward)
        lane.steps += 1
        lane.starts = False
        if terminated or truncated:
            self.returns[lane.episode] = lane.total
            self.lengths[lane.episode] = lane.steps
            self.last_infos[lane.episode] = info
            self._begin(lane)

    def _observations(self) -> Any:
        """A batch that belongs to the agent: it may keep it, as a controller does in its state."""
        batch: Any = create_empty_array(self.observation_space, len(self.lanes))
        observations = [lane.observation for lane in self.lanes]
        return concatenate(self.observation_space, observations, batch)

    def _masks(self) -> NDArray[np.bool_] | None:
        if not self.masked:
            return None
        return np.stack([lane.env.get_wrapper_attr("action_masks")() for lane in self.lanes])

    def _legal(self, actions: NDArray[Any]) -> list[Any]:
        """One action for each lane, clipped to the bounds where there are any."""
        space = self.action_space
        if isinstance(space, gym.spaces.Discrete):
            return list(actions.tolist())  # Python's integers: NumPy's slow the classic tasks down
        if isinstance(space, gym.spaces.Box):
            if not np.isfinite(actions).all():
                raise FloatingPointError("the agent's actions are not finite: it has diverged")
            actions = np.clip(actions, space.low, space.high).astype(space.dtype)
        return list(iterate(space, actions))
