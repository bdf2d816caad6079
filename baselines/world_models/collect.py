"""Real steps: the only ones that count, taken one after the other and reported to the progress."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines import api
from baselines.world_models.episode import Episode

# An action for an observation; the flag says that an episode begins with it.
Act = Callable[[np.ndarray, bool], Any]
EPISODES = 100  # over which the training return is averaged, as in SB3


@dataclass
class Count:
    """What was collected so far."""

    steps: int = 0
    held: bool = False  # whether the last step is not reported yet
    # Return and length of the last episodes that were not cut off.
    ended: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=EPISODES))


class Collector:
    """Plays in one environment and counts.

    The last step of a round is reported only when `release` says that what was learned from it
    stands: an evaluation that is due there then sees the learner after the round, not before it.

    :param count: goes on from there.
    """

    def __init__(self, task: api.Task, progress: api.Progress, count: Count | None = None) -> None:
        self.task, self.progress = task, progress
        self.env = task.make_env()
        self.count = count or Count()
        self._begun = False

    @property
    def steps(self) -> int:
        return self.count.steps

    def metrics(self) -> dict[str, float]:
        """Of the last episodes that were not cut off; empty: there are none."""
        if not self.count.ended:
            return {}
        returns, lengths = zip(*self.count.ended, strict=True)
        return {
            "rollout/ep_rew_mean": float(np.mean(returns)),
            "rollout/ep_len_mean": float(np.mean(lengths)),
        }

    def collect(self, act: Act, until: int) -> list[Episode]:
        """Whole episodes, the last one cut off where `until` steps are done in all."""
        episodes = []
        while self.steps < until:
            episodes.append(self.play(act, until))
        return episodes

    def play(
        self, act: Act, until: int, seed: int | None = None, patience: int | None = None
    ) -> Episode:
        """One episode, cut off where `until` steps are done in all.

        :param seed: of its reset. Without one only the first reset is seeded, and the environment's
            own generator draws the others.
        :param patience: give the episode up after so many steps without a reward above 0.
        """
        if seed is None and not self._begun:
            seed = self.task.env_seed
        observation, _ = self.env.reset(seed=seed)
        self._begun = True
        seen, taken, rewards = [np.array(observation)], [], []
        terminated = truncated = False
        first, unrewarded = True, 0
        while self.steps < until and not (terminated or truncated or unrewarded == patience):
            self.release()
            action = act(observation, first)
            observation, reward, terminated, truncated, _ = self.env.step(action)
            first = False
            seen.append(np.array(observation))
            taken.append(action)
            rewards.append(float(reward))
            unrewarded = 0 if reward > 0 else unrewarded + 1
            self.count.steps += 1
            self.count.held = True
        if terminated or truncated:
            self.count.ended.append((sum(rewards), len(rewards)))
        return Episode(
            np.stack(seen), np.array(taken), np.array(rewards, np.float64), bool(terminated)
        )

    def release(self) -> None:
        """Report the last step, if it was not reported yet."""
        if self.count.held:
            self.count.held = False
            self.progress.at(self.steps)

    def close(self) -> None:
        self.release()
        self.env.close()
