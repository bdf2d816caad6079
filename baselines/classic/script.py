"""What acts by rules and learns nothing: all of a learner that is then the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from baselines import api


class Script:
    """Subclasses say what to do in `act`. There is nothing to train, to save or to load."""

    def act(
        self, observation: Any, state: Any, starts: np.ndarray, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, Any]:
        """Actions (n, *action shape), and the state to hand to the next call.

        :param state: what the last call returned; None at the first.
        :param starts: (n,) bool: a new episode begins here, as all do when there is no state.
        :param allowed: (n, actions) bool; None: all are.
        """
        raise NotImplementedError

    def learn(self, progress: api.Progress) -> int:
        return 0

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """Alike whether deterministic or not."""
        first = observation
        while isinstance(first, dict | tuple):  # of spaces that consist of others
            first = next(iter(first.values() if isinstance(first, dict) else first))
        starts = np.full(len(first), state is None)
        if episode_start is not None:
            starts |= episode_start
        return self.act(observation, state, starts, action_masks)

    def weights(self) -> dict[str, np.ndarray]:
        return {}

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...
