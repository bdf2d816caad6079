"""Actor and critic, which learn from what the model dreams."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.world_models.dreamer.action import Continuous, Discrete
from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.network import head
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.symlog import TwoHot
from baselines.world_models.dreamer.world import World


class Dream(NamedTuple):
    """N imagined trajectories of H actions."""

    features: Tensor  # (H + 1, N, width): of each state
    actions: Tensor  # (H, N, A): taken in each state but the last


def imagine(
    world: World,
    actor: nn.Module,
    kind: Discrete | Continuous,
    state: State,
    horizon: int,
    generator: torch.Generator,
) -> Dream:
    """Follow the actor through the model from `state` (N, ...)."""
    noise = world.rssm.noise((horizon, len(state.deter)), generator)
    features, actions = [state.features()], []
    for t in range(horizon):
        output = actor(features[-1].detach())
        action = kind.draw(output, kind.noise(output, generator))
        state = world.rssm.dream(state, world.rssm.acted(action), noise[t])
        features.append(state.features())
        actions.append(action)
    return Dream(torch.stack(features), torch.stack(actions))


def lambda_returns(
    rewards: Tensor,
    values: Tensor,
    going_on: Tensor,
    *,
    gamma: float,
    lam: float,
    last: Tensor | None = None,
) -> Tensor:
    """Equation 7: R_t = r_{t+1} + gamma c_{t+1} ((1 - lambda) v_{t+1} + lambda R_{t+1}).

    Reward, value and continuation (T, N) belong to the state in their row, so that an action's
    consequences are in the row after it; the return (T - 1, N) is what follows the row's state.

    :param last: rows beyond which nothing was seen of the episode: there the value stands for it.
    """
    discount = gamma * going_on
    mix = torch.full_like(values, lam) if last is None else lam * (~last).float()
    following, found = values[-1], []
    for t in range(len(values) - 1, 0, -1):
        beyond = torch.lerp(values[t], following, mix[t])
        following = rewards[t] + discount[t] * beyond
        found.append(following)
    return torch.stack(found[::-1])


def dream_weights(going_on: Tensor, gamma: float) -> Tensor:  # (H + 1, N) -> (H, N)
    """The probability, discounted, that the dream comes as far as each state that is acted in.

    What an action leads to is not part of its own weight: that would take the weight from exactly
    the actions that end an episode.
    """
    return torch.cumprod(gamma * going_on[:-1], dim=0) / gamma


class Critic(nn.Module):
    """The distribution of returns from a state."""

    def __init__(self, width: int, config: Config, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = head(width, config.bins, config.units, config.layers, generator, scale=0.0)
        self.two_hot = TwoHot(config.bins, config.bin_limit)

    def forward(self, features: Tensor) -> Tensor:  # (..., width) -> (...)
        return self.two_hot.mean(self.layers(features))

    def loss(self, features: Tensor, returns: Tensor, slow: Tensor, slow_coef: float) -> Tensor:
        """Towards the returns, and with `slow_coef` towards the slow critic's values: (...)."""
        log_probs = self.layers(features).log_softmax(dim=-1)
        loss = self.two_hot.cross_entropy(log_probs, returns)
        if slow_coef:
            loss = loss + slow_coef * self.two_hot.cross_entropy(log_probs, slow)
        return loss


class ReturnScale(nn.Module):
    """The range of returns, from the 5th to the 95th percentile, smoothed over updates."""

    RATE = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    @torch.no_grad()
    def update(self, returns: Tensor) -> None:
        flat = returns.flatten()
        low, high = flat.quantile(torch.tensor([0.05, 0.95], device=flat.device))
        self.low.lerp_(low, self.RATE)
        self.high.lerp_(high, self.RATE)

    def forward(self) -> Tensor:
        """At least 1: small returns are left alone, for what varies in them may be noise."""
        return (self.high - self.low).clamp(min=1.0)


def policy_loss(
    objective: Tensor, entropy: Tensor, weights: Tensor, ent_coef: float
) -> Tensor:  # all (H, N)
    """Equation 6, for an objective whose gradient is that of the return."""
    return -(weights * (objective + ent_coef * entropy)).mean()
