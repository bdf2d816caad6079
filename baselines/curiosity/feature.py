"""Spaces in which bonuses compare observations, and the codes of actions beside them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor, nn

from baselines import api
from baselines.bound import Widths
from baselines.curiosity import encoder
from baselines.curiosity.network import RunningMoments, mlp

ACTIONS = ("discrete", "continuous")  # of baselines.ACTIONS: those that models of actions know


class Config(api.Config):
    """How a bonus sees observations."""

    search: ClassVar[dict[str, Any]] = {
        "embedding_dim": {
            "why": "Feature dimensions in which the next state is predicted.",
            "low": 16,
            "high": 256,
            "powers_of": 2,
        },
    }

    feature_space: Literal["inverse", "random", "pixels"] = Field(
        "inverse",
        description="Inverse-dynamics features, a fixed random network, or the observation.",
    )
    embedding_dim: int = Field(64, ge=1, description="Dimensions of the embedding.")
    embedding_net: Widths = Field([64], description="Widths of the encoder's hidden layers.")
    inverse_net: Widths = Field([64], description="Hidden widths of the inverse-dynamics model.")
    obs_scale: Literal["none", "fixed", "running"] = Field(
        "none",
        description="Observations as they are; by the mean of each feature and one standard "
        "deviation, fixed in the first rollout (arXiv:1808.04355); or whitened as by RND.",
    )

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        embedding = encoder.weights(sizes, *self.embedding_net, self.embedding_dim)
        inverse = api.weights_of(2 * self.embedding_dim, *self.inverse_net, sizes.actions)
        found = super().memory(sizes) | {"embedding_net": api.TRAINED * embedding}
        if self.feature_space == "inverse":
            found["inverse_net"] = api.TRAINED * inverse
        return found

    def dim(self, sizes: api.Sizes) -> int:
        """Numbers of an embedded observation."""
        return sizes.obs if self.feature_space == "pixels" else self.embedding_dim


class LearnedConfig(Config):
    """The same for a bonus that learns in minibatches, with RND's way to slow it down."""

    update_proportion: float = Field(
        1.0, gt=0, le=1, description="Share of each minibatch that the bonus learns from."
    )


class Actions(nn.Module):
    """Actions as vectors: one-hot, or within the bounds of the space."""

    def __init__(self, space: spaces.Space) -> None:
        super().__init__()
        self.discrete = isinstance(space, spaces.Discrete)
        if self.discrete:
            self.dim = int(space.n)
        elif isinstance(space, spaces.Box):
            self.dim = int(np.prod(space.shape))
            for name in ("low", "high"):
                bound = torch.from_numpy(getattr(space, name).astype(np.float32).flatten())
                self.register_buffer(name, bound, persistent=False)
        else:
            raise TypeError(f"forward and inverse models know no actions of the kind {space}")

    def forward(self, actions: Tensor) -> Tensor:  # (..., action_dim) -> (..., A)
        if self.discrete:
            return nn.functional.one_hot(actions[..., 0].long(), self.dim).float()
        return actions.float().clamp(self.low, self.high)  # as the environment was given them

    def loss(self, guess: Tensor, actions: Tensor) -> Tensor:  # (M, A), (M, action_dim)
        """Of guessing the actions: cross-entropy, or half the squared error."""
        if self.discrete:
            return nn.functional.cross_entropy(guess, actions[..., 0].long())
        return 0.5 * (guess - self(actions)).pow(2).sum(dim=-1).mean()


class Scale(nn.Module):
    """Observations in units of what was seen; see Config.obs_scale."""

    def __init__(self, obs_dim: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.moments = RunningMoments(obs_dim)

    def update(self, obs: Tensor) -> None:
        if self.kind == "running" or (self.kind == "fixed" and self.moments.count == 0):
            self.moments.update(obs.flatten(0, -2))

    def forward(self, obs: Tensor) -> Tensor:  # (..., D)
        if self.kind == "none":
            return obs
        if self.kind == "running":
            return self.moments.whiten(obs)
        mean, var = self.moments.mean.float(), self.moments.var.float()
        return (obs - mean) / (var.sqrt().mean() + 1e-8)


class Features(nn.Module):
    """Observations embedded; in the space "inverse" they learn to tell actions apart."""

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        config: Config,
        generator: torch.Generator,
        activation: type[nn.Module] = nn.LeakyReLU,
    ) -> None:
        super().__init__()
        self.actions = Actions(action_space)
        view = encoder.whole(observation_space)
        self.scale = Scale(view.dim, config.obs_scale)
        self.encoder: nn.Module = nn.Identity()
        self.inverse: nn.Module | None = None
        self.dim = view.dim
        if config.feature_space != "pixels":
            self.dim = config.embedding_dim
            self.encoder = encoder.encoder(
                view, [*config.embedding_net, self.dim], generator, activation
            ).requires_grad_(config.feature_space == "inverse")
        if config.feature_space == "inverse":
            widths = [2 * self.dim, *config.inverse_net, self.actions.dim]
            self.inverse = mlp(widths, nn.ReLU, generator, last_gain=0.01)

    def forward(self, obs: Tensor) -> Tensor:  # (..., D) -> (..., F)
        return self.encoder(self.scale(obs))

    def update(self, obs: Tensor) -> None:
        self.scale.update(obs)

    def inverse_loss(self, before: Tensor, after: Tensor, actions: Tensor) -> Tensor:  # (M, F)
        """Of guessing the action between two embeddings; 0 where they are not learned by it."""
        if self.inverse is None:
            return torch.zeros((), device=before.device, requires_grad=True)  # nothing is learned
        return self.actions.loss(self.inverse(torch.cat([before, after], dim=-1)), actions)
