"""Elliptical episodic bonuses (Henaff et al. 2022, arXiv:2210.05805).

The bonus is phi' C^-1 phi, where C is the sum of phi phi' over the episode so far: a count within
the episode for embeddings that never come twice. They learn to tell actions apart. Differences from
the paper: narrower networks, a PPO learner with a second stream for the bonus (the authors add it
to the reward), and each step is paid for where it arrives. In the authors' code it is paid for
where it sets out, one step later, an episode's first step with 0 and its last observation never.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor

from baselines import api
from baselines.bound import MOST
from baselines.curiosity import encoder, feature
from baselines.curiosity.bonus import Bonus, Transitions
from baselines.curiosity.feature import Features
from baselines.curiosity.visits import Growing


class Config(feature.LearnedConfig):
    """The hyper-parameters of elliptical bonuses."""

    search: ClassVar[dict[str, Any]] = {
        **feature.Config.search,
        "ridge": {
            "why": "Regularisation of the covariance before any data; Henaff et al. 2022 use 0.1.",
            "low": 0.01,
            "high": 1.0,
            "log": True,
        },
    }

    ridge: float = Field(
        0.1, ge=1e-6, le=MOST, description="C begins an episode as the identity times this."
    )

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        """C and its inverse, in double precision."""
        inverse = 3.0 * 8 * self.dim(sizes) ** 2
        return super().memory(sizes) | {"embedding_dim": inverse}


def sherman_morrison(inverse: Tensor, row: Tensor) -> Tensor:  # (B, F, F), (B, F)
    """The inverse of C + row row', given that of C: section 3.2."""
    along = (inverse @ row[..., None])[..., 0]
    outer = along[..., None] * along[..., None, :]
    return inverse - outer / (1 + (row * along).sum(dim=-1))[..., None, None]


def elliptical(keys: Tensor, arrived: Tensor, ends: Tensor, gram: Tensor, ridge: float) -> Tensor:
    """One value per step: (T, B).

    :param keys: embeddings from which the steps set out: (T, B, F).
    :param arrived: those at which they arrived: (T, B, F).
    :param ends: (T, B) bool.
    :param gram: the sum of phi phi' of the episodes going on before the rollout: (B, F, F).
    """
    start = ridge * torch.eye(keys.shape[-1], dtype=keys.dtype, device=keys.device)
    inverse, first = torch.linalg.inv(gram + start), torch.linalg.inv(start)
    found = torch.empty_like(keys[..., 0])
    for t, (key, seen) in enumerate(zip(keys, arrived, strict=True)):
        inverse = sherman_morrison(inverse, key)
        found[t] = (seen * (inverse @ seen[..., None])[..., 0]).sum(dim=-1)
        inverse = torch.where(ends[t][:, None, None], first, inverse)
    return found


class EpisodeGram(Growing):
    """The sum of phi phi' over the episode that each environment is in, in double precision."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("gram", torch.zeros(0, dim, dim, dtype=torch.float64))

    def recall(self, n_envs: int) -> Tensor:  # (B, F, F)
        return self.gram if len(self.gram) else self.gram.new_zeros(n_envs, *self.gram.shape[1:])

    def update(self, keys: Tensor, ends: Tensor) -> None:  # (T, B, F), (T, B)
        later = ends.flip(0).long().cumsum(dim=0).flip(0)  # ends at this step or after it
        kept = keys.double() * (later == 0)[..., None]
        held = self.recall(keys.shape[1]) * (later[0] == 0)[:, None, None]
        self.gram = held + torch.einsum("tbf,tbg->bfg", kept, kept)

    def forget(self) -> None:
        self.gram = self.gram[:0]


class E3B(Bonus):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "elliptical bonuses of the episode (Henaff et al., 2022)"
    reach = "episode"
    actions = feature.ACTIONS
    observations = encoder.READS

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        config: Config,
        generator: torch.Generator,
    ) -> None:
        super().__init__(observation_space, action_space, config, generator)
        self.features = Features(observation_space, action_space, config, generator)
        self.episode = EpisodeGram(self.features.dim)

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        return elliptical(
            self.features(steps.obs).double(),
            self.features(steps.next_obs).double(),
            steps.terminated | steps.truncated,
            self.episode.recall(steps.obs.shape[1]),
            self.config.ridge,
        ).float()

    @torch.no_grad()
    def update(self, steps: Transitions) -> None:
        self.episode.update(self.features(steps.obs), steps.terminated | steps.truncated)
        self.features.update(steps.next_obs)

    def loss(self, steps: Transitions) -> Tensor:
        steps = steps.share(self.config.update_proportion, self.generator)
        before, after = self.features(steps.obs), self.features(steps.next_obs)
        return self.features.inverse_loss(before, after, steps.actions)
