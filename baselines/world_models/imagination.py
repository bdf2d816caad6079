"""A world model as `open_loop.Dynamics`: what is judged when it is judged as a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.world_models.action import ActionCode
from baselines.world_models.mdn_rnn import MDNRNN, mixture_log_prob, mixture_mean
from baselines.world_models.open_loop import Prediction
from baselines.world_models.vae import encode


class Imagination:
    """Its states are pairs: a latent, and what M remembers of all before it.

    Likelihoods are densities of V's mean latents. Those of two different Vs cannot be compared.
    """

    def __init__(
        self, eye: nn.Module, memory: MDNRNN, actions: ActionCode, temperature: float = 1.0
    ) -> None:
        self.eye, self.memory, self.actions = eye, memory, actions
        self.temperature = temperature

    def tempered(self, temperature: float) -> Imagination:
        return Imagination(self.eye, self.memory, self.actions, temperature)

    def rebuild(self, state: Any) -> np.ndarray:
        latents, _ = state
        return self.eye.decode(latents)

    def begin(self, observations: np.ndarray) -> Any:
        latents = encode(self.eye, observations).mean
        return latents, latents.new_zeros(len(latents), self.memory.state_size)

    @torch.no_grad()
    def observe(self, state: Any, actions: np.ndarray, observations: np.ndarray) -> Any:
        _, after = self._after(state, actions)
        return encode(self.eye, observations).mean, after

    @torch.no_grad()
    def step(
        self, state: Any, actions: np.ndarray, generator: torch.Generator | None = None
    ) -> tuple[Any, Prediction]:
        latents, after = self._after(state, actions)
        hidden = self.memory.hidden(after)
        mixture = self.memory.next_latent(hidden, latents)
        predicted = mixture_mean(mixture)
        if generator is not None:
            predicted = self.memory.sample(mixture, self.temperature, generator)
        reward, logit = self.memory.outcome(hidden, predicted)

        @torch.no_grad()
        def log_prob(observations: np.ndarray) -> np.ndarray:
            target = encode(self.eye, observations).mean
            return mixture_log_prob(mixture, target).sum(dim=-1).cpu().numpy()

        prediction = Prediction(
            self.eye.decode(predicted),
            reward.cpu().numpy(),
            torch.sigmoid(logit).cpu().numpy(),
            log_prob,
            self.memory.latent_size,
        )
        return (predicted, after), prediction

    def _after(self, state: Any, actions: np.ndarray) -> tuple[Tensor, Tensor]:
        latents, before = state
        taken = self.actions.encode(actions).to(latents.device)
        return latents, self.memory.advance(latents, taken, before)
