"""Planning in a table."""

from __future__ import annotations

import numpy as np


def plan(rewards: np.ndarray, model: np.ndarray, gamma: float, horizon: int) -> np.ndarray:
    """The value of each action and of the best ones after it: (S, A).

    Value iteration backwards from `horizon` steps ahead. Where the model's probabilities sum to
    less than 1, the rest of them ends the episode.

    :param rewards: of a state and an action (S, A).
    :param model: probabilities of the next state (S, A, S).
    """
    values = rewards
    for _ in range(horizon - 1):
        values = rewards + gamma * (model @ values.max(axis=1))
    return values
