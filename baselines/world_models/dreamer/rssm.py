"""The recurrent state-space model: a state that remembers, and a latent that is drawn.

The state is h, which a block-diagonal GRU carries from step to step, and z, a vector of categorical
variables: the posterior draws z from h and the observation, the prior from h alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.network import (
    EPSILON,
    BlockLinear,
    Dense,
    beside_one,
    linear,
    mlp,
)


class State(NamedTuple):
    """Of (...) sequences at once."""

    deter: Tensor  # h (..., deter)
    stoch: Tensor  # z (..., groups * classes), one-hot in each group

    def features(self) -> Tensor:
        return torch.cat(self, dim=-1)

    def at(self, rows: Any) -> State:
        return State(self.deter[rows], self.stoch[rows])


class OneHot(torch.autograd.Function):
    """A sample of categorical variables, whose gradient goes straight to the probabilities.

    Exponential noise makes an exact sample of the largest quotient; without noise it is the mode.
    """

    @staticmethod
    def forward(ctx: Any, probs: Tensor, noise: Tensor | None) -> Tensor:  # (..., classes) both
        index = (probs if noise is None else probs / noise).argmax(dim=-1, keepdim=True)
        return torch.zeros_like(probs).scatter_(-1, index, 1.0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


def mixed(logits: Tensor, unimix: float) -> Tensor:
    """Probabilities with a share of the uniform distribution, so that no KL can blow up."""
    return logits.softmax(dim=-1) * (1 - unimix) + unimix / logits.shape[-1]


class RSSM(nn.Module):
    """:param tokens: width of the encoded observation."""

    def __init__(
        self, tokens: int, action_width: int, config: Config, generator: torch.Generator
    ) -> None:
        super().__init__()
        deter, units, blocks = config.deter, config.units, config.blocks
        self.config = config
        self.latent = config.groups * config.classes
        self.from_deter = Dense(deter, units, generator)
        self.from_stoch = Dense(self.latent, units, generator)
        self.from_action = Dense(action_width + 1, units, generator)
        block = deter // blocks
        self.hidden = BlockLinear(blocks, block + 3 * units, block, generator)
        self.hidden_norm = nn.LayerNorm(deter, eps=EPSILON)
        self.gates = BlockLinear(blocks, block, 3 * block, generator)
        self.prior_layers = mlp(deter, units, 2, generator)
        self.prior_out = linear(units, self.latent, generator)
        # One layer over both, in two parts: the tokens' part is done for all times at once.
        both = linear(deter + tokens, units, generator)
        self.post_deter = nn.Parameter(both.weight[:, :deter].detach().clone())
        self.post_tokens = nn.Parameter(both.weight[:, deter:].detach().clone())
        self.post_bias = both.bias
        self.post_norm = nn.LayerNorm(units, eps=EPSILON)
        self.post_out = linear(units, self.latent, generator)

    def initial(self, n: int) -> State:
        like = self.post_deter
        return State(like.new_zeros(n, self.config.deter), like.new_zeros(n, self.latent))

    def noise(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        """What `OneHot` needs to draw latents of this shape."""
        full = (*shape, self.config.groups, self.config.classes)
        return self.post_deter.new_empty(full).exponential_(generator=generator)

    def acted(self, action: Tensor) -> Tensor:  # (..., A) -> (..., units)
        return self.from_action(beside_one(action / action.abs().clamp(min=1).detach()))

    def seen(self, tokens: Tensor) -> Tensor:  # (..., tokens) -> (..., units)
        return nn.functional.linear(tokens, self.post_tokens, self.post_bias)

    def forward(self, state: State, acted: Tensor) -> Tensor:  # (N, ...) -> (N, deter)
        """The next h: a GRU behind one hidden layer."""
        n, blocks = len(acted), self.config.blocks
        inputs = self.from_deter(state.deter), self.from_stoch(state.stoch), acted
        shared = (part[:, None].expand(n, blocks, -1) for part in inputs)
        x = torch.cat([state.deter.view(n, blocks, -1), *shared], dim=-1)
        x = self.hidden(x).flatten(1)
        x = nn.functional.silu(self.hidden_norm(x)).view(n, blocks, -1)
        reset, candidate, update = self.gates(x).chunk(3, dim=-1)
        candidate = torch.tanh(reset.sigmoid() * candidate).flatten(1)
        return torch.lerp(state.deter, candidate, (update - 1).sigmoid().flatten(1))

    def prior(self, deter: Tensor) -> Tensor:  # (..., deter) -> (..., groups, classes)
        return self._probs(self.prior_out(self.prior_layers(deter)))

    def posterior(self, deter: Tensor, seen: Tensor) -> Tensor:  # -> (..., groups, classes)
        x = self.post_norm(nn.functional.linear(deter, self.post_deter) + seen)
        return self._probs(self.post_out(nn.functional.silu(x)))

    def _probs(self, logits: Tensor) -> Tensor:
        groups = logits.unflatten(-1, (self.config.groups, self.config.classes))
        return mixed(groups, self.config.unimix)

    def see(
        self, state: State, acted: Tensor, seen: Tensor, noise: Tensor | None
    ) -> tuple[State, Tensor]:
        """One step that an observation ends: the state, and the posterior (N, groups, classes)."""
        deter = self(state, acted)
        probs = self.posterior(deter, seen)
        return State(deter, OneHot.apply(probs, noise).flatten(-2)), probs

    def dream(self, state: State, acted: Tensor, noise: Tensor) -> State:
        """One step that nothing is seen of."""
        deter = self(state, acted)
        return State(deter, OneHot.apply(self.prior(deter), noise).flatten(-2))

    def observe(
        self, tokens: Tensor, actions: Tensor, first: Tensor, generator: torch.Generator
    ) -> tuple[State, Tensor]:
        """Along sequences, from an empty state: states (T, B, ...), posteriors (T, B, ...).

        A first row forgets all that came before it, and the action that led nowhere.

        :param actions: that led to each row, (T, B, A).
        """
        going_on = (~first).float()[..., None]
        resets = first.any(dim=1).tolist()
        noise = self.noise(tuple(first.shape), generator)
        # Taken apart at once: the gradient of a row taken by its index is as large as all rows.
        acted, seen = self.acted(actions * going_on).unbind(), self.seen(tokens).unbind()
        state, states, posteriors = self.initial(first.shape[1]), [], []
        for t, reset in enumerate(resets):
            if reset:
                state = State(state.deter * going_on[t], state.stoch * going_on[t])
            state, probs = self.see(state, acted[t], seen[t], noise[t])
            states.append(state)
            posteriors.append(probs)
        deter, stoch = (torch.stack(part) for part in zip(*states, strict=True))
        return State(deter, stoch), torch.stack(posteriors)
