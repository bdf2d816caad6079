"""Dreamer's model as `open_loop.Dynamics`: what is judged when it is judged as a model."""

from __future__ import annotations

import math
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from baselines.world_models.action import ActionCode
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.senses import ObservationCode
from baselines.world_models.dreamer.world import World
from baselines.world_models.open_loop import Prediction

LEAST_VARIANCE = 1e-8  # of a number that is rebuilt to the last bit
GUESSES = 20  # draws of which a best guess is the mean


class Guess(NamedTuple):
    """The state of a best guess: what could have come by now, in GUESSES draws for each row."""

    state: State  # (N * GUESSES, ...)
    ahead: int  # steps since anything was seen


class LatentDynamics:
    """Its states are the RSSM's. What was seen is in them by the posterior's mode, as when it acts.

    The best guess is a mean over draws, which are the same at every call: the network has learned
    from draws alone, and lost its way on a mixture of them.

    Likelihoods are densities of what the decoder is trained to say: squashed numbers, or pixels in
    0 ... 1. They are Gaussian about a draw of the latent, with the variance that reconstructions
    missed by in training, so that of one step too is a mean over draws.

    :param temperature: of what is drawn; a best guess has none.
    """

    def __init__(
        self, world: World, seen: ObservationCode, actions: ActionCode, temperature: float = 1.0
    ) -> None:
        self.world, self.seen, self.actions = world, seen, actions
        self.temperature = temperature

    def tempered(self, temperature: float) -> LatentDynamics:
        other = copy(self)
        other.temperature = temperature
        return other

    def begin(self, observations: np.ndarray) -> State:
        nothing = torch.zeros(len(observations), self.actions.size)
        return self._see(self.world.rssm.initial(len(observations)), nothing, observations)

    def observe(self, state: State, actions: np.ndarray, observations: np.ndarray) -> State:
        return self._see(state, self.actions.encode(actions), observations)

    @torch.no_grad()
    def rebuild(self, state: State) -> np.ndarray:
        senses = self.world.senses
        return self.seen.restore(senses.restore(senses.decoder(state.features())))

    @torch.no_grad()
    def _see(self, state: State, code: Tensor, observations: np.ndarray) -> State:
        rssm, senses, device = self.world.rssm, self.world.senses, state.deter.device
        tokens = senses.encode(torch.from_numpy(self.seen.encode(observations)).to(device))
        return rssm.see(state, rssm.acted(code.to(device)), rssm.seen(tokens), noise=None)[0]

    def step(
        self,
        state: State | Guess,
        actions: np.ndarray,
        generator: torch.Generator | None = None,
    ) -> tuple[Any, Prediction]:
        code = self.actions.encode(actions)
        if generator is not None:
            after = self._dream(state, code, generator, self.temperature)
            return after, self._prediction(after, 1)
        if not isinstance(state, Guess):
            state = Guess(State(*(part.repeat_interleave(GUESSES, 0) for part in state)), 0)
        own = torch.Generator(state.state.deter.device).manual_seed(state.ahead)
        after = self._dream(state.state, code.repeat_interleave(GUESSES, 0), own, 1.0)
        return Guess(after, state.ahead + 1), self._prediction(after, GUESSES)

    @torch.no_grad()
    def _dream(
        self, state: State, code: Tensor, generator: torch.Generator, temperature: float
    ) -> State:
        rssm = self.world.rssm
        # The largest p / noise^T is the largest p^(1/T) / noise: a draw at temperature T.
        noise = rssm.noise((len(code),), generator).pow(temperature)
        return rssm.dream(state, rssm.acted(code.to(state.deter.device)), noise)

    @torch.no_grad()
    def _prediction(self, state: State, draws: int) -> Prediction:
        """The mean over so many draws beside one another."""
        senses, features = self.world.senses, state.features()
        output = senses.decoder(features)
        variance = senses.error.clamp(min=LEAST_VARIANCE)

        def mean(values: np.ndarray) -> np.ndarray:  # (N * draws, ...) -> (N, ...)
            return values.reshape(-1, draws, *values.shape[1:]).mean(axis=1)

        @torch.no_grad()
        def log_prob(observations: np.ndarray) -> np.ndarray:
            rows = torch.from_numpy(self.seen.encode(observations)).to(output.device)
            target = senses.target(rows).repeat_interleave(draws, 0)
            squared = (target - output).pow(2) / variance
            each = -0.5 * (squared + variance.log() + math.log(2 * math.pi))
            each = each.flatten(1).sum(dim=-1).double().view(-1, draws)
            return (each.logsumexp(dim=-1) - math.log(draws)).cpu().numpy()

        rows = senses.restore(output)
        if draws > 1:
            middle = mean(rows.astype(np.float64))
            rows = (middle.round() if rows.dtype == np.uint8 else middle).astype(rows.dtype)
        return Prediction(
            self.seen.restore(rows),
            mean(self.world.rewards(features).cpu().numpy()),
            mean((1 - self.world.continues(features)).cpu().numpy()),
            log_prob,
            senses.dimensions,
        )
