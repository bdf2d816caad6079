"""What keeps an episode without a time limit from lasting for ever."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from harness.envs.wrappers.option import Env

# A little more than the longest limit in use, Atari's 108,000 frames.
LONGEST = 110_000


class EndlessError(RuntimeError):
    """A policy does not end an episode, and nothing else does."""


class NoEnd(gym.Wrapper[Any, Any, Any, Any]):
    """Raises an error where a policy does not end an episode and no time limit does.

    To cut it off here would be a limit that nobody chose, and a score of another task.
    """

    def __init__(self, env: Env, name: str) -> None:
        super().__init__(env)
        self._name, self._steps = name, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        self._steps = 0
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self._steps += 1
        if self._steps > LONGEST:
            raise EndlessError(
                f"an episode of {self._name} has lasted {LONGEST:,} steps, and it has no time "
                f"limit: harness calibrate-env {self._name} --limit N --write makes a card with "
                "one; if it has a card, add max_episode_steps there"
            )
        return super().step(action)
