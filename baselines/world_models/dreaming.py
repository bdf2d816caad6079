"""What a model imagines, as observations: for controllers and figures.

Nothing here knows what a model is made of: see `open_loop.Dynamics`. Two abilities are optional.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch

from baselines.world_models.episode import Episode
from baselines.world_models.open_loop import Dynamics

# Observations (N, ...), the state that it returned last, which episodes begin: actions and state.
Act = Callable[[np.ndarray, Any, np.ndarray], tuple[np.ndarray, Any]]


@runtime_checkable
class Tempered(Protocol):
    """A model whose draws can be less certain than it is, or more."""

    def tempered(self, temperature: float) -> Dynamics:
        """The same model with other draws; at 1 they are as certain as it is."""


@runtime_checkable
class Reconstructing(Protocol):
    """A model that can reconstruct observations."""

    def rebuild(self, state: Any) -> np.ndarray:
        """The observations (N, ...) that a state was shown last, as the model holds them."""


def dreamed_returns(
    dynamics: Dynamics, act: Act, first: np.ndarray, limit: int, seed: int
) -> np.ndarray:
    """What a controller earns in dreams that go on from real first observations (N, ...): (N,).

    It acts on what is dreamed as it acts on what is real. A dream ends by a draw of the model's own
    probability, or after `limit` steps.
    """
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    n = len(first)
    state, seen, memory, starts = dynamics.begin(first), first, None, np.ones(n, bool)
    total, going = np.zeros(n), np.ones(n, bool)
    for _ in range(limit):
        actions, memory = act(seen, memory, starts)
        state, dreamed = dynamics.step(state, actions, generator)
        total += going * dreamed.rewards
        going &= rng.random(n) >= dreamed.terminations
        if not going.any():
            break
        seen, starts = dreamed.observations, np.zeros(n, bool)
    return total


class Fan(NamedTuple):
    """One stretch of an episode, and what the model made of it from its beginning on."""

    start: int  # the step at which the model saw the last observation
    truth: np.ndarray  # (K + 1, ...) from that observation on
    guess: np.ndarray  # (K, ...) the model's best guess of the last K
    draws: np.ndarray  # (S, K, ...)
    seen: np.ndarray | None  # (K, ...) the last K as it sees them, if it can show that


def fan(
    dynamics: Dynamics, episode: Episode, *, start: int, horizon: int, samples: int, seed: int
) -> Fan:
    """`horizon` steps from `start` on with the actions that were taken, dreamed `samples` times."""
    generator = torch.Generator().manual_seed(seed)
    seen, taken = episode.observations, episode.actions
    horizon = min(horizon, len(episode) - start)

    def rows(part: np.ndarray) -> np.ndarray:
        return np.repeat(part[None], samples, axis=0)

    awake = dynamics.begin(rows(seen[0]))
    for t in range(start):
        awake = dynamics.observe(awake, rows(taken[t]), rows(seen[t + 1]))
    guessed = asleep = awake
    guesses, draws, rebuilt = [], [], []
    for t in range(start, start + horizon):
        guessed, guess = dynamics.step(guessed, rows(taken[t]))
        asleep, drawn = dynamics.step(asleep, rows(taken[t]), generator)
        awake = dynamics.observe(awake, rows(taken[t]), rows(seen[t + 1]))
        guesses.append(guess.observations[0])
        draws.append(drawn.observations)
        if isinstance(dynamics, Reconstructing):
            rebuilt.append(dynamics.rebuild(awake)[0])
    truth = seen[start : start + horizon + 1]
    shown = np.stack(rebuilt) if rebuilt else None
    return Fan(start, truth, np.stack(guesses), np.stack(draws, axis=1), shown)
