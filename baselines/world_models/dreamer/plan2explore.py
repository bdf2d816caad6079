"""Plan2Explore (Sekar et al. 2020, arXiv:2005.05960): seek what the model is about to learn.

An ensemble guesses the next latent from a state and an action. An explorer, with a critic of its
own, learns in dreams to go where the members disagree; beside it the task's actor and critic learn
in dreams of the reward, from what the explorer has lived through. The task's actor is what is
evaluated, and what acts when the time without reward is over.

As in danijar/dreamerv3, which differs from the paper in both: the members guess the latent, not the
encoded image, and the reward is their standard deviation, not their variance.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from baselines import api
from baselines.world_models.dreamer import config
from baselines.world_models.dreamer.action import Continuous, Discrete
from baselines.world_models.dreamer.agent import Dreamer
from baselines.world_models.dreamer.behaviour import Behaviour
from baselines.world_models.dreamer.dynamics import Guess, LatentDynamics
from baselines.world_models.dreamer.network import head
from baselines.world_models.dreamer.replay import Batch
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.trainer import Losses, Model, Trainer


class Config(config.Config):
    """Dreamer's, and what the explorer needs."""

    reward_free: float = Field(
        1.0, ge=0, le=1, description="Share of the budget at whose start the explorer acts."
    )
    members: int = Field(10, ge=2, description="Of the ensemble. The paper: 10.")

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        latent, rows = self.groups * self.classes, self.batch_size * self.batch_length
        starts = min(self.imagination_starts or rows, rows)
        weights = self.units * (self.deter + 2 * latent + (self.layers - 1) * self.units)
        guesses = latent * (rows + starts * self.imagination_horizon)
        found = self.members * float(api.TRAINED * weights + api.NUMBER * guesses)
        return super().memory(sizes) | {"members": found}


class Ensemble(nn.Module):
    """Perceptrons that guess the next latent, each from first weights of its own.

    :param width: of a state's features.
    :param action_width: of an action's code.
    """

    def __init__(
        self, width: int, action_width: int, settings: Config, generator: torch.Generator
    ) -> None:
        super().__init__()
        latent, units, layers = settings.groups * settings.classes, settings.units, settings.layers
        self.members = nn.ModuleList(
            head(width + action_width, latent, units, layers, generator)
            for _ in range(settings.members)
        )

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """(..., width) and (..., A) to (members, ..., latent)."""
        inputs = torch.cat([features, actions], dim=-1)
        return torch.stack([member(inputs) for member in self.members])

    def disagreement(self, features: Tensor, actions: Tensor) -> Tensor:  # -> (...)
        """The members' standard deviation, its mean over the latent's dimensions."""
        return self(features, actions).std(dim=0, correction=0).mean(dim=-1)

    def loss(self, states: State, batch: Batch) -> Tensor:
        """The mean squared error of a guess (its sum over the latent), resets left out.

        A row's action is the one that led to it. Nothing is learned by the states themselves: they
        would learn to be guessed.
        """
        guesses = self(states.features()[:-1].detach(), batch.action[1:])
        error = (guesses - states.stoch[1:].detach()).pow(2).sum(dim=-1).mean(dim=0)
        followed = (~batch.first[1:]).float()
        return (error * followed).sum() / followed.sum().clamp(min=1)


class ExploringDynamics(LatentDynamics):
    """Dreamer's, and how far the ensemble's members disagree."""

    def __init__(self, ensemble: Ensemble, *parts: Any) -> None:
        super().__init__(*parts)
        self.ensemble = ensemble

    @torch.no_grad()
    def disagreement(self, state: State | Guess, actions: np.ndarray) -> np.ndarray:
        """What the explorer is paid; of a best guess its mean over the draws."""
        latent = state.state if isinstance(state, Guess) else state
        draws = len(latent.deter) // len(actions)
        code = self.actions.encode(actions).to(latent.deter.device).repeat_interleave(draws, 0)
        found = self.ensemble.disagreement(latent.features(), code)
        return found.view(-1, draws).mean(dim=1).cpu().numpy()


class ExploringModel(Model):
    """Dreamer's model, the ensemble beside it, and the explorer."""

    def __init__(
        self,
        obs_shape: tuple[int, ...],
        kind: Discrete | Continuous,
        settings: Config,
        generator: torch.Generator,
    ) -> None:
        super().__init__(obs_shape, kind, settings, generator)
        self.ensemble = Ensemble(self.world.width, kind.width, settings, generator)
        self.explorer = Behaviour(self.world.width, kind, settings, generator)


class ExploringTrainer(Trainer):
    """Trains the explorer and its ensemble beside all that Dreamer trains."""

    model: ExploringModel

    def _parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        judging, acting = super()._parameters()
        model, explorer = self.model, self.model.explorer
        judging += [*model.ensemble.parameters(), *explorer.critic.parameters()]
        return judging, [*acting, *explorer.actor.parameters()]

    def _losses(self, states: State, batch: Batch) -> Losses:
        task = super()._losses(states, batch)
        ensemble, explorer = self.model.ensemble, self.model.explorer
        dream, going_on = self._dream(explorer, states, batch, self._starts(batch))
        with self._through_the_model():
            found = ensemble.disagreement(dream.features[:-1], dream.actions)
        # It is found on arriving; nothing was on arriving where the dream begins.
        rewards = torch.cat([torch.zeros_like(found[:1]), found])
        judged = explorer.judge(dream, going_on, rewards)
        critic_loss = explorer.critic_loss(dream, going_on, judged.returns)
        guessed = ensemble.loss(states, batch)
        metrics = {name.replace("/", "/explorer_"): v for name, v in judged.metrics.items()}
        metrics |= {
            "train/explorer_critic_loss": critic_loss.detach(),
            "train/ensemble_loss": guessed.detach(),
        }
        return Losses(
            task.judging + critic_loss + guessed, task.acting + judged.loss, task.metrics | metrics
        )

    def _follow(self) -> None:
        super()._follow()
        self.model.explorer.follow()


class Plan2Explore(Dreamer):
    """Dreamer that explores without reward for `reward_free` of its budget."""

    Config: ClassVar[type[api.Config]] = Config
    Model: ClassVar[type[Model]] = ExploringModel
    Trainer: ClassVar[type[Trainer]] = ExploringTrainer
    model: ExploringModel
    _config: Config

    def dynamics(self) -> ExploringDynamics:
        """The model alone, for `open_loop`."""
        parts = self.model.world, self._seen, self._kind.code
        return ExploringDynamics(self.model.ensemble, *parts)

    def _behaviour(self, step: int) -> Behaviour:
        free = step <= self._config.reward_free * self._task.steps
        return self.model.explorer if free else self.model
