"""How accurate a model of an environment is, on episodes that it was not trained on.

Nothing here knows what a model is made of: whatever can `begin`, `observe` and `step` is judged
alike. Errors are by observation dimension and by horizon; a termination that is missed, and a
likelihood that one step flatters, show only when they are asked for apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch

from baselines.world_models.episode import Episode


class Prediction(NamedTuple):
    """What a model expects of one step of N environments."""

    observations: np.ndarray  # (N, *observation shape)
    rewards: np.ndarray  # (N,)
    terminations: np.ndarray  # (N,) probability that the step ends the episode
    # Log density, in nats, of what came: observations (N, ...) -> (N,). In the model's own units.
    log_prob: Callable[[np.ndarray], np.ndarray]
    dimensions: int  # numbers that the density is over


class Dynamics(Protocol):
    """A model that steps N environments at once. A state is whatever it likes."""

    def begin(self, observations: np.ndarray) -> Any:
        """The state at first observations (N, ...) of episodes."""

    def observe(self, state: Any, actions: np.ndarray, observations: np.ndarray) -> Any:
        """The state when these actions (N, ...) really led to these observations."""

    def step(
        self, state: Any, actions: np.ndarray, generator: torch.Generator | None = None
    ) -> tuple[Any, Prediction]:
        """The state and the prediction after actions, unseen: one draw, or without a generator
        the model's best guess."""


@runtime_checkable
class Disagreeing(Protocol):
    """A model that is an ensemble, and can say how far its members disagree."""

    def disagreement(self, state: Any, actions: np.ndarray) -> np.ndarray:
        """About what comes after actions (N, ...) in a state: (N,), in the model's own units."""


class Rollouts(NamedTuple):
    """Predictions from N starting points, over K steps: [k] is k + 1 steps ahead."""

    episode: np.ndarray  # (N,) where each starts
    start: np.ndarray  # (N,) observation known last
    known: np.ndarray  # (N, D) that observation, flat
    predicted: np.ndarray  # (K, N, D)
    observed: np.ndarray  # (K, N, D)
    rewards_predicted: np.ndarray  # (K, N)
    rewards: np.ndarray  # (K, N)
    disagreement: np.ndarray  # (K, N) about the step that leads there; NaN: it is no ensemble


class Padded(NamedTuple):
    """Episodes side by side; a shorter one stays at its last row."""

    observations: np.ndarray  # (N, T + 1, ...)
    actions: np.ndarray  # (N, T, ...)
    rewards: np.ndarray  # (N, T)
    terminated: np.ndarray  # (N, T) bool
    lengths: np.ndarray  # (N,)


def pad(episodes: Sequence[Episode]) -> Padded:
    steps = max(len(episode) for episode in episodes)

    def fill(rows: np.ndarray, length: int) -> np.ndarray:
        return rows[np.minimum(np.arange(length), len(rows) - 1)]

    return Padded(
        np.stack([fill(episode.observations, steps + 1) for episode in episodes]),
        np.stack([fill(episode.actions, steps) for episode in episodes]),
        np.stack([fill(episode.rewards, steps) for episode in episodes]),
        np.stack([fill(episode.terminations(), steps) for episode in episodes]),
        np.array([len(episode) for episode in episodes]),
    )


def awake(dynamics: Dynamics, data: Padded, copies: int = 1) -> Iterator[Any]:
    """Along the episodes, what the model holds when it has seen observation 0, 1, ... of each.

    :param copies: of all rows, one after the other.
    """

    def rows(part: np.ndarray) -> np.ndarray:
        return np.concatenate([part] * copies)

    state = dynamics.begin(rows(data.observations[:, 0]))
    yield state
    for t in range(int(data.lengths.max())):
        seen = data.observations[:, t + 1]
        state = dynamics.observe(state, rows(data.actions[:, t]), rows(seen))
        yield state


def roll_out(
    dynamics: Dynamics,
    episodes: Sequence[Episode],
    horizon: int,
    *,
    context: int = 0,
    every: int = 1,
    generator: torch.Generator | None = None,
) -> Rollouts:
    """From every `every`-th observation on, `horizon` steps with the actions that were taken.

    The model sees the episode from its beginning to the starting point, `context` steps or more.
    Only starting points with a whole horizon before the episode's end count, so that every horizon
    is averaged over the same ones.

    :raises ValueError: if no episode is long enough.
    """
    data = pad(episodes)
    found: list[Rollouts] = []
    starts = max(0, int(data.lengths.max()) - horizon + 1)
    for t, state in enumerate(islice(awake(dynamics, data), starts)):
        rows = np.flatnonzero(data.lengths >= t + horizon)
        if t >= context and (t - context) % every == 0 and len(rows):
            found.append(_branch(dynamics, state, data, t, horizon, rows, generator))
    if not found:
        raise ValueError(f"no episode has {context + horizon} steps")
    parts = list(zip(*found, strict=True))
    points = [np.concatenate(part) for part in parts[:3]]
    return Rollouts(*points, *(np.concatenate(part, axis=1) for part in parts[3:]))


def _branch(
    dynamics: Dynamics,
    state: Any,
    data: Padded,
    t: int,
    horizon: int,
    rows: np.ndarray,
    generator: torch.Generator | None,
) -> Rollouts:
    """Of all episodes, since a state cannot be cut; only `rows` are kept."""
    predicted, observed, rewards_predicted, rewards, disagreement = [], [], [], [], []
    for k in range(horizon):
        apart = np.full(len(data.lengths), np.nan)
        if isinstance(dynamics, Disagreeing):
            apart = dynamics.disagreement(state, data.actions[:, t + k])
        disagreement.append(apart[rows])
        state, prediction = dynamics.step(state, data.actions[:, t + k], generator)
        predicted.append(_flat(prediction.observations[rows]))
        observed.append(_flat(data.observations[rows, t + k + 1]))
        rewards_predicted.append(prediction.rewards[rows])
        rewards.append(data.rewards[rows, t + k])
    parts = predicted, observed, rewards_predicted, rewards, disagreement
    ahead = (np.stack(part) for part in parts)
    return Rollouts(rows, np.full(len(rows), t), _flat(data.observations[rows, t]), *ahead)


def _flat(observations: np.ndarray) -> np.ndarray:
    return observations.reshape(len(observations), -1).astype(np.float64)


class Errors(NamedTuple):
    """Of predictions, in units of each dimension's standard deviation; [k] is k + 1 steps ahead."""

    model: np.ndarray  # (K, D) root mean squared error
    persistence: np.ndarray  # (K, D) of expecting that nothing changes
    skill: np.ndarray  # (K,) 1 - the ratio of the two mean squared errors over all numbers


def errors(rollouts: Rollouts, deviation: np.ndarray) -> Errors:
    """:param deviation: standard deviations (D,) of the observations, from `deviations`."""
    model = ((rollouts.predicted - rollouts.observed) / deviation) ** 2  # (K, N, D)
    persistence = ((rollouts.known - rollouts.observed) / deviation) ** 2
    # Where nothing ever changes there is nothing to be skilled in.
    still = persistence.mean(axis=(1, 2))
    ratio = model.mean(axis=(1, 2)) / np.where(still > 0, still, np.nan)
    return Errors(np.sqrt(model.mean(axis=1)), np.sqrt(persistence.mean(axis=1)), 1 - ratio)


def slopes(rollouts: Rollouts) -> np.ndarray:  # (K, D)
    """Of the predicted displacement on the real one, since the first step ahead, number by number.

    Least squares through 0: 1 is right, and at 0 nothing moves in what is predicted. An error that
    is there at the first step already is not counted again. NaN where nothing really moved: in the
    first row, and for constants.
    """
    predicted = rollouts.predicted - rollouts.predicted[0]
    observed = rollouts.observed - rollouts.observed[0]
    moved = (observed**2).sum(axis=1)
    return (predicted * observed).sum(axis=1) / np.where(moved > 0, moved, np.nan)


def deviations(episodes: Sequence[Episode]) -> np.ndarray:
    """The standard deviation of each observation dimension: (D,); 1 for a constant."""
    found = np.concatenate([_flat(episode.observations) for episode in episodes]).std(axis=0)
    return np.where(found > 1e-6, found, 1.0)


def useful_horizon(skill: np.ndarray, least: float = 0.5) -> int:
    """Steps up to which the model's skill is never below `least`."""
    below = np.flatnonzero(~(skill >= least))
    return int(below[0]) if len(below) else len(skill)


def log_likelihoods(
    dynamics: Dynamics,
    episodes: Sequence[Episode],
    horizon: int,
    *,
    samples: int,
    generator: torch.Generator,
    context: int = 0,
    every: int = 1,
) -> np.ndarray:
    """Mean log density, in nats for each number, of what came k + 1 steps later: (K,).

    The first is one step ahead of the truth, exact. The others are log-means over `samples` dreams
    of the density that each gives to the truth in its next step.
    """
    data, found = pad(episodes), []

    def rows_of(part: np.ndarray) -> np.ndarray:
        """Every row once for each dream: all dreams go on side by side."""
        return np.concatenate([part] * samples)

    starts = range(context, int(data.lengths.max()) - horizon + 1, every)
    walk = islice(awake(dynamics, data, copies=samples), starts[-1] + 1 if starts else 0)
    for t, state in enumerate(walk):
        if t not in starts:
            continue
        rows = np.flatnonzero(data.lengths >= t + horizon)
        logs = np.empty((samples, horizon, len(rows)))
        dreamed = state
        for k in range(horizon):
            dreamed, prediction = dynamics.step(dreamed, rows_of(data.actions[:, t + k]), generator)
            each = prediction.log_prob(rows_of(data.observations[:, t + k + 1]))
            logs[:, k] = each.reshape(samples, -1)[:, rows]
        mean = np.logaddexp.reduce(logs, axis=0) - np.log(samples)
        found.append(mean / prediction.dimensions)
    if not found:
        raise ValueError(f"no episode has {context + horizon} steps")
    return np.concatenate(found, axis=1).mean(axis=1)


class Outcomes(NamedTuple):
    """One step ahead of the truth, at every step of every episode: (M,)."""

    rewards_predicted: np.ndarray
    rewards: np.ndarray
    terminations: np.ndarray  # probability
    terminated: np.ndarray  # bool


def outcomes(dynamics: Dynamics, episodes: Sequence[Episode]) -> Outcomes:
    """What the model expects of each step, knowing all that came before it."""
    data = pad(episodes)
    found = []
    for t, state in enumerate(islice(awake(dynamics, data), int(data.lengths.max()))):
        _, prediction = dynamics.step(state, data.actions[:, t])
        rows = data.lengths > t
        parts = prediction.rewards, data.rewards[:, t], prediction.terminations
        found.append([part[rows] for part in (*parts, data.terminated[:, t])])
    return Outcomes(*(np.concatenate(part) for part in zip(*found, strict=True)))


class Detection(NamedTuple):
    """How well rare events are predicted. NaN where there are none."""

    recall: float  # share of the events that were predicted
    precision: float  # share of the predicted events that came
    false_alarms: float  # share of the other steps that were predicted to be events


def detection(predicted: np.ndarray, came: np.ndarray) -> Detection:  # (M,) bool both
    def share(part: np.ndarray, whole: np.ndarray) -> float:
        return float(part.sum() / whole.sum()) if whole.any() else float("nan")

    hits = predicted & came
    return Detection(share(hits, came), share(hits, predicted), share(predicted & ~came, ~came))


def termination_detection(found: Outcomes, threshold: float = 0.5) -> Detection:
    return detection(found.terminations > threshold, found.terminated)


class RewardErrors(NamedTuple):
    mean_absolute: float
    correlation: float  # NaN where rewards are constant
    detection: Detection  # of rewards that differ from the commonest by more than half of them do


def reward_errors(found: Outcomes) -> RewardErrors:
    """Rare rewards are what a model misses while its mean error is small: see `detection`.

    A step is an event if its reward is nearer to the largest departure from the median than to the
    median itself.
    """
    usual = np.median(found.rewards)
    far = np.abs(found.rewards - usual)
    events = far > 0.5 * far.max() if far.max() > 0 else np.zeros(len(far), bool)
    predicted = (
        np.abs(found.rewards_predicted - usual) > 0.5 * far.max() if events.any() else events
    )
    varied = found.rewards.std() > 0 and found.rewards_predicted.std() > 0
    correlation = np.corrcoef(found.rewards_predicted, found.rewards)[0, 1] if varied else np.nan
    error = np.abs(found.rewards_predicted - found.rewards).mean()
    return RewardErrors(float(error), float(correlation), detection(predicted, events))
