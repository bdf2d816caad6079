"""One gradient step of everything: the model on what was lived, the behaviour on what it dreams."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from baselines.world_models.dreamer.action import Continuous, Discrete
from baselines.world_models.dreamer.behaviour import Behaviour, Dream, Metrics, imagine
from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.optimizer import Optimizer
from baselines.world_models.dreamer.replay import Batch
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.world import World

ERROR_RATE = 0.01  # of the running mean of what the reconstruction misses


class Model(Behaviour):
    """All that is learned: a world, and the behaviour in it that earns its rewards."""

    def __init__(
        self,
        obs_shape: tuple[int, ...],
        kind: Discrete | Continuous,
        config: Config,
        generator: torch.Generator,
    ) -> None:
        world = World(obs_shape, kind.width, config, generator)
        super().__init__(world.width, kind, config, generator)
        self.world = world


class Losses(NamedTuple):
    """What an update minimises."""

    judging: Tensor  # of the model and all that judges
    acting: Tensor  # of all that acts
    metrics: Metrics


class Trainer:
    """Holds the optimiser and the random numbers of the updates."""

    def __init__(self, model: Model, config: Config, generator: torch.Generator) -> None:
        self.model, self.config, self.generator = model, config, generator
        self._judging, self._acting = self._parameters()
        self.optimizer = Optimizer([*self._judging, *self._acting], config)

    def _parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Those that judge, and those that act."""
        model = self.model
        return [*model.world.parameters(), *model.critic.parameters()], [*model.actor.parameters()]

    def update(self, batch: Batch, remaining: float = 1.0) -> Metrics:
        """One step for model, critic and actor together.

        :param remaining: the part of the budget that is left, for the learning rate.
        """
        learned = self.model.world.loss(batch, self.generator)
        losses = self._losses(learned.states, batch)
        judging = torch.autograd.grad(learned.loss + losses.judging, self._judging)
        # By itself: through the model its gradient would reach the model's parameters too.
        acting = torch.autograd.grad(losses.acting, self._acting)
        self.optimizer.step([*judging, *acting], remaining)
        self.model.world.senses.error.lerp_(learned.error, ERROR_RATE)
        if self.optimizer.updates % self.config.target_update_interval == 0:
            self._follow()
        return (
            losses.metrics
            | learned.metrics
            | {
                "train/gradient_world_and_critic": _norm(judging),
                "train/gradient_actor": _norm(acting),
            }
        )

    def _losses(self, states: State, batch: Batch) -> Losses:
        """Of the behaviour, from the states (T, B) that the batch was seen as."""
        model, starts = self.model, self._starts(batch)
        dream, going_on = self._dream(model, states, batch, starts)
        with self._through_the_model():
            rewards = model.world.rewards(dream.features)
        judged = model.judge(dream, going_on, rewards)
        critic_loss = model.critic_loss(dream, going_on, judged.returns)
        replay_loss = model.replay_loss(states.features(), batch, starts, judged.returns)
        metrics = judged.metrics | {
            "train/critic_loss": critic_loss.detach(),
            "train/replay_critic_loss": replay_loss.detach(),
        }
        judging = critic_loss + self.config.replay_value_coef * replay_loss
        return Losses(judging, judged.loss, metrics)

    def _follow(self) -> None:
        self.model.follow()

    def _starts(self, batch: Batch) -> Tensor:
        """Places in the flattened batch (T * B) where dreams begin."""
        rows, wanted = batch.first.numel(), self.config.imagination_starts
        device = batch.first.device
        if not 0 < wanted < rows:
            return torch.arange(rows, device=device)
        return torch.randperm(rows, generator=self.generator, device=device)[:wanted]

    def _dream(
        self, behaviour: Behaviour, states: State, batch: Batch, starts: Tensor
    ) -> tuple[Dream, Tensor]:
        """Dreams from rows of the batch, and how likely each of their states goes on (H + 1, N)."""
        world, horizon = self.model.world, self.config.imagination_horizon
        begin = State(*(part.detach().flatten(0, 1) for part in states)).at(starts)
        with self._through_the_model():
            dream = imagine(world, behaviour.actor, behaviour.kind, begin, horizon, self.generator)
            dreamed = world.continues(dream.features[1:])
        known = (~batch.terminal).float().flatten()[starts]
        return dream, torch.cat([known[None], dreamed])

    def _through_the_model(self) -> AbstractContextManager[Any]:
        """With gradients, if the actor learns by them."""
        return torch.no_grad() if self.config.actor_grad == "reinforce" else nullcontext()


def _norm(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.stack(torch._foreach_norm(gradients)).norm()
