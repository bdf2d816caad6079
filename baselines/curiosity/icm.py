"""The intrinsic curiosity module (Pathak et al. 2017, arXiv:1705.05363).

The bonus is the error of a forward model in features that an inverse model learns: they keep what
the agent's actions can change. As in the original, the forward loss reaches the features too.
Differences from the paper: convolutions of images by their size (`encoder.py`), and the learner of
`ppo.py` instead of A3C; so the paper's factor on the bonus is `int_coef`, and the bonus is scaled.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor, nn

from baselines import api
from baselines.bound import Widths
from baselines.curiosity import encoder, feature
from baselines.curiosity.bonus import Bonus, Transitions
from baselines.curiosity.feature import Features
from baselines.curiosity.network import mlp


class Config(feature.LearnedConfig):
    """The hyper-parameters of the intrinsic curiosity module."""

    search: ClassVar[dict[str, Any]] = {
        "forward_weight": {
            "why": "The weight of the forward loss; Pathak et al. 2017 use 0.2.",
            "low": 0.05,
            "high": 0.95,
        },
        **feature.Config.search,
    }

    forward_net: Widths = Field([64], description="Hidden widths of the forward model.")
    forward_weight: float = Field(
        0.2, ge=0, le=1, description="Weight of the forward loss; the inverse loss has the rest."
    )
    stop_gradient: bool = Field(
        False, description="Keep the forward loss from the features, as later papers do."
    )

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        dim = self.dim(sizes)
        forward = api.weights_of(dim + sizes.actions, *self.forward_net, dim)
        return super().memory(sizes) | {"forward_net": api.TRAINED * forward}


def forward_error(predicted: Tensor, goal: Tensor) -> Tensor:  # (..., F)
    """Equations 5 and 6: half the squared distance, one value per step."""
    return 0.5 * (predicted - goal).pow(2).sum(dim=-1)


class ICM(Bonus):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "the intrinsic curiosity module (Pathak et al., 2017)"
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
        self.features = Features(observation_space, action_space, config, generator, nn.ELU)
        dim, action_dim = self.features.dim, self.features.actions.dim
        self.forward_model = mlp([dim + action_dim, *config.forward_net, dim], nn.ReLU, generator)

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        return forward_error(
            self.predict(self.features(steps.obs), steps.actions), self.features(steps.next_obs)
        )

    def update(self, steps: Transitions) -> None:
        self.features.update(steps.next_obs)

    def loss(self, steps: Transitions) -> Tensor:
        """Equation 7 without the policy's part."""
        steps = steps.share(self.config.update_proportion, self.generator)
        before, after = self.features(steps.obs), self.features(steps.next_obs)
        inverse = self.features.inverse_loss(before, after, steps.actions)
        if self.config.stop_gradient:
            before, after = before.detach(), after.detach()
        forward = forward_error(self.predict(before, steps.actions), after).mean()
        weight = self.config.forward_weight
        return (1 - weight) * inverse + weight * forward

    def predict(self, features: Tensor, actions: Tensor) -> Tensor:  # (..., F)
        return self.forward_model(torch.cat([features, self.features.actions(actions)], dim=-1))
