"""MAX's models as `open_loop.Dynamics`: what is judged when they are judged as a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from baselines.world_models.open_loop import Prediction

LEAST = 1e-12  # a probability that is 0 in a table


class TabularDynamics:
    """Probabilities of what comes next (S, A, S + 1), the end of the episode last.

    A state is the number of what was seen. What is drawn goes on as if no episode ended: how likely
    that is, is told apart.

    :param utility: of each state and action (S, A): how far the ensemble's members disagree.
    """

    def __init__(
        self,
        model: np.ndarray,
        rewards: np.ndarray,
        utility: np.ndarray,
        first_state: int,
        first_action: int,
    ) -> None:
        self.model, self.rewards, self.utility = model, rewards, utility
        self.first_state, self.first_action = first_state, first_action

    def begin(self, observations: np.ndarray) -> np.ndarray:
        return np.asarray(observations, np.int64).reshape(-1) - self.first_state

    def observe(self, state: Any, actions: np.ndarray, observations: np.ndarray) -> np.ndarray:
        return self.begin(observations)

    def disagreement(self, state: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return self.utility[state, self._taken(actions)]

    def _taken(self, actions: np.ndarray) -> np.ndarray:
        return np.asarray(actions, np.int64).reshape(-1) - self.first_action

    def step(
        self, state: np.ndarray, actions: np.ndarray, generator: torch.Generator | None = None
    ) -> tuple[np.ndarray, Prediction]:
        taken = self._taken(actions)
        outcomes = self.model[state, taken]  # (N, S + 1)
        p = outcomes[:, :-1] / np.maximum(outcomes[:, :-1].sum(axis=1, keepdims=True), LEAST)
        after = p.argmax(axis=1) if generator is None else _drawn(p, generator)

        def log_prob(observations: np.ndarray) -> np.ndarray:
            return np.log(np.maximum(p[np.arange(len(p)), self.begin(observations)], LEAST))

        rewards = self.rewards[state, taken]
        seen = after + self.first_state
        return after, Prediction(seen, rewards, outcomes[:, -1], log_prob, dimensions=1)


def _drawn(p: np.ndarray, generator: torch.Generator) -> np.ndarray:  # (N, S) -> (N,)
    return torch.multinomial(torch.from_numpy(p), 1, generator=generator).numpy()[:, 0]
