"""How true a model is under one policy: all measures of `open_loop`, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from baselines.world_models import open_loop
from baselines.world_models.doubt import Doubt, doubt
from baselines.world_models.dreaming import Reconstructing
from baselines.world_models.episode import Episode
from baselines.world_models.open_loop import Dynamics, Outcomes


class Effort(NamedTuple):
    """How much is tried: an image costs a thousand times what a vector does."""

    horizon: int  # steps ahead at the most
    starts: int  # of an episode
    context: int  # observations before the first start, where episodes are long enough
    samples: int  # dreams of which a likelihood is the mean
    likelihood_horizon: int
    likelihood_starts: int
    likelihood_episodes: int


AHEAD = 10  # the horizon that tables name
REBUILT = 500  # observations, or a few more, on which the reconstruction is judged
VECTORS = Effort(
    50, starts=10, context=5, samples=50,
    likelihood_horizon=50, likelihood_starts=5, likelihood_episodes=20,
)  # fmt: skip
IMAGES = Effort(
    25, starts=3, context=5, samples=10,
    likelihood_horizon=10, likelihood_starts=2, likelihood_episodes=5,
)  # fmt: skip


class Reach(NamedTuple):
    """From where, and how far, episodes are predicted."""

    context: int
    horizon: int
    longest: int  # steps of the longest episode

    def every(self, starts: int) -> int:
        """Steps between starting points, so that there are so many in the longest episode."""
        return max(1, math.ceil((self.longest - self.horizon - self.context + 1) / starts))


def are_images(episodes: Sequence[Episode]) -> bool:
    return episodes[0].observations.ndim == 4


def effort(episodes: Sequence[Episode]) -> Effort:
    return IMAGES if are_images(episodes) else VECTORS


def reach(episodes: Sequence[Episode]) -> Reach:
    """As far as three quarters of the episodes go: each horizon is averaged over equal starts.

    Ten steps ahead come before the context, and whatever is left of an episode after it.
    """
    most, lengths = effort(episodes), [len(episode) for episode in episodes]
    typical = int(np.quantile(lengths, 0.25))
    context = min(most.context, max(0, typical - AHEAD))
    return Reach(context, min(most.horizon, typical - context), max(lengths))


def unit(episodes: Sequence[Episode]) -> np.ndarray:
    """What an error of 1 is, for each observation dimension: (D,).

    Its own standard deviation; of an image, whose corners may never change, one for all pixels.
    """
    if not are_images(episodes):
        return open_loop.deviations(episodes)
    seen = np.concatenate([episode.observations for episode in episodes])
    chosen = seen[:: max(1, len(seen) // 500)].reshape(-1, seen[0].size).astype(np.float32)
    one = float(np.sqrt(chosen.var(axis=0).mean()))
    return np.full(seen[0].size, one if one > 1e-6 else 1.0)


def judge(
    dynamics: Dynamics, episodes: Sequence[Episode], deviation: np.ndarray, seed: int
) -> tuple[dict[str, Any], Outcomes]:
    """Every measure under the policy that played these episodes.

    :param deviation: from `unit`.
    :return: the measures, and what they say of single steps, to be pooled over policies.
    """
    most, far = effort(episodes), reach(episodes)
    rollouts, errors = predict(dynamics, episodes, deviation)
    steps = open_loop.outcomes(dynamics, episodes)
    found = {
        "episodes": len(episodes),
        "steps": sum(len(episode) for episode in episodes),
        "context": far.context,
        "starts": len(rollouts.start),
        "error": overall(errors.model),
        "persistence": overall(errors.persistence),
        "skill": errors.skill.tolist(),
        "useful_horizon": open_loop.useful_horizon(errors.skill),
        "by_number": None if are_images(episodes) else errors.model.tolist(),
        "slope": None if are_images(episodes) else open_loop.slopes(rollouts).tolist(),
        **doubts(dynamics, rollouts, deviation),
        "log_likelihood": likelihoods(dynamics, episodes, far, most, seed),
        "reconstruction": reconstruction(dynamics, episodes, deviation),
        **events(steps),
    }
    return found, steps


def predict(
    dynamics: Dynamics, episodes: Sequence[Episode], deviation: np.ndarray
) -> tuple[open_loop.Rollouts, open_loop.Errors]:
    far = reach(episodes)
    every = far.every(effort(episodes).starts)
    rollouts = open_loop.roll_out(dynamics, episodes, far.horizon, context=far.context, every=every)
    return rollouts, open_loop.errors(rollouts, deviation)


def error(dynamics: Dynamics, episodes: Sequence[Episode], deviation: np.ndarray) -> list[float]:
    """By horizon: what `judge` calls so, alone."""
    return overall(predict(dynamics, episodes, deviation)[1].model)


def overall(errors: np.ndarray) -> list[float]:  # (K, D)
    """Root mean square over all numbers of the observation, by horizon."""
    return np.sqrt((errors**2).mean(axis=1)).tolist()


def doubts(
    dynamics: Dynamics, rollouts: open_loop.Rollouts, deviation: np.ndarray
) -> dict[str, list[float] | None]:
    """By horizon; None: it is no ensemble, or does not tell how far its members disagree."""
    if not isinstance(dynamics, open_loop.Disagreeing):
        return dict.fromkeys(Doubt._fields)
    found = doubt(rollouts, deviation)
    return {name: values.tolist() for name, values in found._asdict().items()}


def likelihoods(
    dynamics: Dynamics, episodes: Sequence[Episode], far: Reach, most: Effort, seed: int
) -> list[float]:
    longest = sorted(episodes, key=len, reverse=True)  # the others have no whole horizon
    return open_loop.log_likelihoods(
        dynamics,
        longest[: most.likelihood_episodes],
        min(far.horizon, most.likelihood_horizon),
        samples=most.samples,
        generator=torch.Generator().manual_seed(seed),
        context=far.context,
        every=far.every(most.likelihood_starts),
    ).tolist()


def reconstruction(
    dynamics: Dynamics, episodes: Sequence[Episode], deviation: np.ndarray
) -> float | None:
    """The reconstruction error; None: the model cannot reconstruct observations."""
    if not isinstance(dynamics, Reconstructing):
        return None
    data = open_loop.pad(episodes)
    every = max(1, int((data.lengths + 1).sum()) // REBUILT)
    squares = []
    for t, state in enumerate(open_loop.awake(dynamics, data)):
        if t % every == 0:
            rows = data.lengths >= t
            missed = dynamics.rebuild(state)[rows].astype(np.float64) - data.observations[rows, t]
            squares.append(((missed.reshape(len(missed), -1) / deviation) ** 2).mean(axis=1))
    return float(np.sqrt(np.concatenate(squares).mean()))


def events(steps: Outcomes) -> dict[str, Any]:
    """How well terminations and rewards are predicted, one step ahead."""
    reward = open_loop.reward_errors(steps)
    return {
        "termination": {
            "events": int(steps.terminated.sum()),
            **open_loop.termination_detection(steps)._asdict(),
        },
        "reward": {
            "mean_absolute": reward.mean_absolute,
            "correlation": reward.correlation,
            "rare": reward.detection._asdict(),
        },
    }


def pool(parts: Sequence[Outcomes]) -> Outcomes:
    return Outcomes(*(np.concatenate(part) for part in zip(*parts, strict=True)))
