"""MAX's ensemble as `open_loop.Dynamics`: what is judged when it is judged as a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.active.ensemble import Models
from baselines.world_models.action import ActionCode
from baselines.world_models.open_loop import Prediction


class GaussianDynamics:
    """A state is the last observation, real or imagined: (N, D).

    The best guess is the mean of the members' means; a draw follows one member, drawn in each step.
    Likelihoods are densities of what the observation changes by, in units of its standard
    deviation, and of the mixture of all members.

    :param bounds: the least and the largest observation (D,) that there can be.
    :param decay: of the variances in the utility (`Gaussians.wider`).
    """

    def __init__(
        self,
        models: Models,
        bounds: tuple[Tensor, Tensor],
        shape: tuple[int, ...],
        actions: ActionCode,
        decay: float,
    ) -> None:
        self.models, self.bounds, self.shape = models, bounds, shape
        self.actions, self.decay = actions, decay

    def begin(self, observations: np.ndarray) -> Tensor:
        rows = torch.as_tensor(np.asarray(observations, np.float32), device=self.bounds[0].device)
        return rows.flatten(1)

    def observe(self, state: Any, actions: np.ndarray, observations: np.ndarray) -> Tensor:
        return self.begin(observations)

    @torch.no_grad()
    def disagreement(self, state: Tensor, actions: np.ndarray) -> np.ndarray:
        """The utility by which it explores."""
        action = self.actions.encode(actions).to(state.device)
        return self.models.utility(state, action, self.decay).cpu().numpy()

    @torch.no_grad()
    def step(
        self, state: Tensor, actions: np.ndarray, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Prediction]:
        models, action = self.models, self.actions.encode(actions).to(state.device)
        means, log_variances = models.expected(state, action)  # (K, N, D)
        change = means.mean(dim=0)
        if generator is not None:
            rows = torch.arange(len(state))
            member = torch.randint(len(means), (len(state),), generator=generator)
            noise = torch.randn(state.shape, generator=generator).to(state.device)
            change = means[member, rows] + noise * (0.5 * log_variances[member, rows]).exp()
        after = models.after(state, change).clamp(*self.bounds)
        reward, logit = models.outcome(state, action, after)
        paid = models.reward_mean + models.reward_std * reward

        @torch.no_grad()
        def log_prob(observations: np.ndarray) -> np.ndarray:
            came = models.change(state, self.begin(observations))
            squared = (came - means).pow(2) * (-log_variances).exp()
            each = -0.5 * (squared + log_variances + math.log(2 * math.pi)).sum(dim=-1)
            return (each.logsumexp(dim=0) - math.log(len(means))).cpu().numpy()

        return after, Prediction(
            after.reshape(-1, *self.shape).cpu().numpy(),
            paid.cpu().numpy(),
            torch.sigmoid(logit).cpu().numpy(),
            log_prob,
            dimensions=state.shape[1],
        )
