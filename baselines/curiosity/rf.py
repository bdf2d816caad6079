"""The forward error in random features (Burda et al. 2018b, arXiv:1808.04355).

The bonus is the error of a model that predicts the embedding of the next observation from this one
and the action. The embedding is a random network that never learns, or, with `feature_space:
inverse`, the paper's inverse dynamics features. Differences from the paper: narrower layers, and
the learner has two reward streams (`ppo.py`), where the paper's adds them up.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor

from baselines import api
from baselines.curiosity import encoder, feature
from baselines.curiosity.bonus import Bonus, Transitions
from baselines.curiosity.dynamics import Dynamics
from baselines.curiosity.feature import Features


class Config(feature.LearnedConfig):
    """The hyper-parameters of the forward error."""

    feature_space: Literal["inverse", "random", "pixels"] = Field(
        "random",
        description="A fixed random network, inverse-dynamics features, or the observation.",
    )
    obs_scale: Literal["none", "fixed", "running"] = Field(
        "fixed",
        description="By the mean of each feature and one standard deviation, fixed in the first "
        "rollout; observations as they are; or whitened as by RND.",
    )
    dynamics_width: int = Field(64, ge=1, description="Width of the forward model's layers.")
    residual_blocks: int = Field(4, ge=0, description="Of two layers each, in the forward model.")

    @property
    def members(self) -> int:
        """Forward models."""
        return 1

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        dim, width, acts = self.dim(sizes), self.dynamics_width, sizes.actions + 1
        inner = 2 * self.residual_blocks * (width + acts) * width
        forward = self.members * ((dim + acts) * width + inner + (width + acts) * dim)
        return super().memory(sizes) | {"dynamics_width": api.TRAINED * forward}


def forward_error(predicted: Tensor, goal: Tensor) -> Tensor:  # (K, ..., F), (..., F)
    """Mean squared over the features: one value per member and step, (K, ...)."""
    return (predicted - goal).pow(2).mean(dim=-1)


class RF(Bonus):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "errors in random features (Burda et al., 2018)"
    reach = "step"
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
        self.dynamics = Dynamics(
            config.members,
            self.features.dim,
            self.features.actions.dim,
            config.dynamics_width,
            config.residual_blocks,
            generator,
        )

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        error = forward_error(self.predict(steps), self.features(steps.next_obs))
        return error.mean(dim=0)

    def update(self, steps: Transitions) -> None:
        self.features.update(steps.next_obs)

    def loss(self, steps: Transitions) -> Tensor:
        steps = steps.share(self.config.update_proportion, self.generator)
        before, after = self.features(steps.obs), self.features(steps.next_obs)
        actions = self.features.actions(steps.actions)
        # Features learn from the inverse model alone: the error ends at them.
        error = forward_error(self.dynamics(before.detach(), actions), after.detach())
        return self.weigh(error) + self.features.inverse_loss(before, after, steps.actions)

    def predict(self, steps: Transitions) -> Tensor:  # (K, ..., F)
        return self.dynamics(self.features(steps.obs), self.features.actions(steps.actions))

    def weigh(self, error: Tensor) -> Tensor:  # (K, M)
        return error.mean(dim=1).sum()
