"""One gradient step of everything: the model on what was lived, the behaviour on what it dreams."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from baselines.world_models.dreamer.action import Continuous, Discrete
from baselines.world_models.dreamer.behaviour import (
    Critic,
    Dream,
    ReturnScale,
    dream_weights,
    imagine,
    lambda_returns,
    policy_loss,
)
from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.network import head
from baselines.world_models.dreamer.optimizer import Optimizer
from baselines.world_models.dreamer.replay import Batch
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.world import World

ERROR_RATE = 0.01  # of the running mean of what the reconstruction misses
Metrics = dict[str, Tensor]


class Model(nn.Module):
    """All that is learned."""

    def __init__(
        self,
        obs_shape: tuple[int, ...],
        kind: Discrete | Continuous,
        config: Config,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.world = World(obs_shape, kind.width, config, generator)
        width = self.world.width
        # Nearly uniform at first.
        self.actor = head(width, kind.outputs, config.units, config.layers, generator, scale=0.01)
        self.critic = Critic(width, config, generator)
        self.slow_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.return_scale = ReturnScale()


class Trainer:
    """Holds the optimiser and the random numbers of the updates."""

    def __init__(
        self,
        model: Model,
        kind: Discrete | Continuous,
        config: Config,
        generator: torch.Generator,
    ) -> None:
        self.model, self.kind, self.config, self.generator = model, kind, config, generator
        self._judging = [*model.world.parameters(), *model.critic.parameters()]
        self._acting = list(model.actor.parameters())
        self.optimizer = Optimizer([*self._judging, *self._acting], config)

    def update(self, batch: Batch, remaining: float = 1.0) -> Metrics:
        """One step for model, critic and actor together.

        :param remaining: the part of the budget that is left, for the learning rate.
        """
        learned = self.model.world.loss(batch, self.generator)
        starts = self._starts(batch)
        dream, going_on = self._dream(learned.states, batch, starts)
        returns, actor_loss, metrics = self._judge(dream, going_on)
        features = learned.states.features()
        critic_loss = self._critic_loss(dream, going_on, returns)
        replay_loss = self._replay_loss(features, batch, starts, returns)
        loss = learned.loss + critic_loss + self.config.replay_value_coef * replay_loss
        judging = torch.autograd.grad(loss, self._judging)
        # By itself: through the model its gradient would reach the model's parameters too.
        acting = torch.autograd.grad(actor_loss, self._acting)
        metrics |= learned.metrics | {
            "train/critic_loss": critic_loss.detach(),
            "train/replay_critic_loss": replay_loss.detach(),
            "train/gradient_world_and_critic": _norm(judging),
            "train/gradient_actor": _norm(acting),
        }
        self.optimizer.step([*judging, *acting], remaining)
        self.model.world.senses.error.lerp_(learned.error, ERROR_RATE)
        if self.optimizer.updates % self.config.target_update_interval == 0:
            slow, fast = self.model.slow_critic, self.model.critic
            with torch.no_grad():
                torch._foreach_lerp_(
                    list(slow.parameters()), list(fast.parameters()), self.config.tau
                )
        return metrics

    def _starts(self, batch: Batch) -> Tensor:
        """Places in the flattened batch (T * B) where dreams begin."""
        rows, wanted = batch.first.numel(), self.config.imagination_starts
        device = batch.first.device
        if not 0 < wanted < rows:
            return torch.arange(rows, device=device)
        return torch.randperm(rows, generator=self.generator, device=device)[:wanted]

    def _dream(self, states: State, batch: Batch, starts: Tensor) -> tuple[Dream, Tensor]:
        """Dreams from rows of the batch, and how likely each of their states goes on (H + 1, N)."""
        model, config = self.model, self.config
        begin = State(*(part.detach().flatten(0, 1) for part in states)).at(starts)
        with torch.no_grad() if config.actor_grad == "reinforce" else nullcontext():
            dream = imagine(
                model.world,
                model.actor,
                self.kind,
                begin,
                config.imagination_horizon,
                self.generator,
            )
            dreamed = model.world.continues(dream.features[1:])
        known = (~batch.terminal).float().flatten()[starts]
        return dream, torch.cat([known[None], dreamed])

    def _judge(self, dream: Dream, going_on: Tensor) -> tuple[Tensor, Tensor, Metrics]:
        """The dream's returns (H, N), and the actor's loss from them."""
        model, config, kind = self.model, self.config, self.kind
        with torch.no_grad() if config.actor_grad == "reinforce" else nullcontext():
            rewards = model.world.rewards(dream.features)
            values = (model.slow_critic if config.target_critic else model.critic)(dream.features)
            returns = lambda_returns(
                rewards, values, going_on, gamma=config.gamma, lam=config.return_lambda
            )
        model.return_scale.update(returns)
        scale = model.return_scale() if config.normalize_returns else 1.0
        output = model.actor(dream.features[:-1].detach())
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
            "train/return_scale": model.return_scale(),
        }
        return returns.detach(), loss, metrics

    def _critic_loss(self, dream: Dream, going_on: Tensor, returns: Tensor) -> Tensor:
        features = dream.features[:-1].detach()
        weights = dream_weights(going_on, self.config.gamma).detach()
        return (weights * self._toward(features, returns)).mean()

    def _replay_loss(
        self, features: Tensor, batch: Batch, starts: Tensor, returns: Tensor
    ) -> Tensor:
        """The critic on what was lived through, which also shapes the model's states.

        Returns bootstrap with what was dreamed from a row where a dream began, else with its value.
        """
        config = self.config
        if config.replay_value_coef == 0:
            return features.new_zeros(())
        with torch.no_grad():
            critic = self.model.slow_critic if config.target_critic else self.model.critic
            values = critic(features).flatten()
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

    def _toward(self, features: Tensor, returns: Tensor) -> Tensor:
        coef = self.config.slow_critic_coef
        with torch.no_grad():
            slow = self.model.slow_critic(features) if coef else returns
        return self.model.critic.loss(features, returns, slow, coef)


def _norm(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.stack(torch._foreach_norm(gradients)).norm()
