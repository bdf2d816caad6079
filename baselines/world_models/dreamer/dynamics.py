"""Dreamer's model as `open_loop.Dynamics`: what is judged when it is judged as a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.world_models.action import ActionCode
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.senses import ObservationCode
from baselines.world_models.dreamer.world import World
from baselines.world_models.open_loop import Prediction

LEAST_VARIANCE = 1e-8  # of a number that is rebuilt to the last bit


class LatentDynamics:
    """Its states are the RSSM's. What was seen is in them by the posterior's mode, as when it acts;
    in a best guess stand the prior's probabilities, the mean of what could be drawn.

    Likelihoods are densities of what the decoder is trained to say: squashed numbers, or pixels in
    0 ... 1. They are Gaussian about a draw of the latent, with the variance that reconstructions
    missed by in training, so that of one step too is a mean over draws.
    """

    def __init__(self, world: World, seen: ObservationCode, actions: ActionCode) -> None:
        self.world, self.seen, self.actions = world, seen, actions

    def begin(self, observations: np.ndarray) -> State:
        nothing = torch.zeros(len(observations), self.actions.size)
        return self._see(self.world.rssm.initial(len(observations)), nothing, observations)

    def observe(self, state: State, actions: np.ndarray, observations: np.ndarray) -> State:
        return self._see(state, self.actions.encode(actions), observations)

    @torch.no_grad()
    def _see(self, state: State, code: Tensor, observations: np.ndarray) -> State:
        rssm, senses, device = self.world.rssm, self.world.senses, state.deter.device
        tokens = senses.encode(torch.from_numpy(self.seen.encode(observations)).to(device))
        return rssm.see(state, rssm.acted(code.to(device)), rssm.seen(tokens), noise=None)[0]

    @torch.no_grad()
    def step(
        self, state: State, actions: np.ndarray, generator: torch.Generator | None = None
    ) -> tuple[Any, Prediction]:
        rssm, senses, device = self.world.rssm, self.world.senses, state.deter.device
        acted = rssm.acted(self.actions.encode(actions).to(device))
        if generator is None:
            deter = rssm(state, acted)
            state = State(deter, rssm.prior(deter).flatten(-2))
        else:
            state = rssm.dream(state, acted, rssm.noise((len(acted),), generator))
        features = state.features()
        output = senses.decoder(features)
        variance = senses.error.clamp(min=LEAST_VARIANCE)

        @torch.no_grad()
        def log_prob(observations: np.ndarray) -> np.ndarray:
            rows = torch.from_numpy(self.seen.encode(observations)).to(device)
            squared = (senses.target(rows) - output).pow(2) / variance
            each = -0.5 * (squared + variance.log() + math.log(2 * math.pi))
            return each.flatten(1).sum(dim=-1).double().cpu().numpy()

        prediction = Prediction(
            self.seen.restore(senses.restore(output)),
            self.world.rewards(features).cpu().numpy(),
            (1 - self.world.continues(features)).cpu().numpy(),
            log_prob,
            senses.dimensions,
        )
        return state, prediction
