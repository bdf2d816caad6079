"""A bonus of my own: a number for each step, and what it learns from them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor

from baselines import api
from baselines.curiosity.bonus import Bonus, Transitions


class Config(api.Config):
    """Its hyper-parameters; they stand beside the learner's, so their names are its own."""

    novelty_memory: int = Field(256, ge=1, description="Observations that are remembered.")


class Novelty(Bonus):
    """How far an observation lies from the nearest of those that were seen last."""

    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "distance to the nearest remembered observation"
    reach = "step"  # each step is priced by itself, so that replay may pay it too

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: Any,
        generator: torch.Generator,
    ) -> None:
        super().__init__(observation_space, action_space, config, generator)
        # A buffer: whatever saves the module saves it.
        self.register_buffer("seen", torch.zeros(config.novelty_memory, self.obs_dim))

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B) -> (T, B)
        return torch.cdist(steps.next_obs, self.seen).min(dim=-1).values

    def update(self, steps: Transitions) -> None:
        new = steps.next_obs.reshape(-1, self.seen.shape[-1])[-len(self.seen) :]
        self.seen = torch.cat([self.seen, new])[-len(self.seen) :]
