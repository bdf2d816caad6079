"""Actor and critic, which learn from what the model dreams."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.world_models.dreamer.action import Continuous, Discrete
from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.network import head
from baselines.world_models.dreamer.replay import Batch
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.symlog import TwoHot
from baselines.world_models.dreamer.world import World

Metrics = dict[str, Tensor]


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


class Judged(NamedTuple):
    """What a dream was worth."""

    returns: Tensor  # (H, N), without gradients
    loss: Tensor  # of the actor
    metrics: Metrics


class Behaviour(nn.Module):
    """An actor, and the critic of what it is rewarded for."""

    def __init__(
        self, width: int, kind: Discrete | Continuous, config: Config, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.kind, self.config = kind, config
        # Nearly uniform at first.
        self.actor = head(width, kind.outputs, config.units, config.layers, generator, scale=0.01)
        self.critic = Critic(width, config, generator)
        self.slow_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.return_scale = ReturnScale()

    def judge(self, dream: Dream, going_on: Tensor, rewards: Tensor) -> Judged:
        """The dream's returns, and the actor's loss from them.

        :param going_on: how likely each state goes on (H + 1, N).
        :param rewards: on arriving in each state (H + 1, N).
        """
        config, kind = self.config, self.kind
        with torch.no_grad() if config.actor_grad == "reinforce" else nullcontext():
            values = (self.slow_critic if config.target_critic else self.critic)(dream.features)
            returns = lambda_returns(
                rewards, values, going_on, gamma=config.gamma, lam=config.return_lambda
            )
        self.return_scale.update(returns)
        scale = self.return_scale() if config.normalize_returns else 1.0
        output = self.actor(dream.features[:-1].detach())
        advantages = ((returns - values[:-1]) / scale).detach()
        objective = kind.log_prob(output, dream.actions.detach()) * advantages
        if config.actor_grad == "dynamics":
            objective = returns / scale
        elif config.actor_grad == "both":
            mix = config.actor_grad_mix
            objective = mix * returns / scale + (1 - mix) * objective
        weights = dream_weights(going_on, config.gamma).detach()
        entropy = kind.entropy(output)
        loss = policy_loss(objective, entropy, weights, config.ent_coef)
        metrics = {
            "train/actor_loss": loss.detach(),
            "train/entropy_loss": -entropy.detach().mean(),
            "dream/return": returns.detach().mean(),
            "dream/reward": rewards.detach()[1:].mean(),
            "dream/continue": going_on.detach()[1:].mean(),
            "dream/value": values.detach().mean(),
            "train/return_scale": self.return_scale(),
        }
        return Judged(returns.detach(), loss, metrics)

    def critic_loss(self, dream: Dream, going_on: Tensor, returns: Tensor) -> Tensor:
        features = dream.features[:-1].detach()
        weights = dream_weights(going_on, self.config.gamma).detach()
        return (weights * self._toward(features, returns)).mean()

    def replay_loss(
        self, features: Tensor, batch: Batch, starts: Tensor, returns: Tensor
    ) -> Tensor:
        """The critic on what was lived through, which also shapes the model's states.

        Returns bootstrap with what was dreamed from a row where a dream began, else with its value.
        """
        config = self.config
        if config.replay_value_coef == 0:
            return features.new_zeros(())
        with torch.no_grad():
            values = (self.slow_critic if config.target_critic else self.critic)(features).flatten()
            values[starts] = returns[0]
            found = lambda_returns(
                batch.reward,
                values.view(batch.first.shape),
                (~batch.terminal).float(),
                gamma=config.gamma,
                lam=config.return_lambda,
                last=batch.last,
            )
        # Nothing follows a last row but a reset, which has nothing to do with it.
        followed = (~batch.last[:-1]).float()
        return (followed * self._toward(features[:-1], found)).mean()

    @torch.no_grad()
    def follow(self) -> None:
        """The slow critic, one step behind the critic."""
        slow, fast = list(self.slow_critic.parameters()), list(self.critic.parameters())
        torch._foreach_lerp_(slow, fast, self.config.tau)

    def _toward(self, features: Tensor, returns: Tensor) -> Tensor:
        coef = self.config.slow_critic_coef
        with torch.no_grad():
            slow = self.slow_critic(features) if coef else returns
        return self.critic.loss(features, returns, slow, coef)
