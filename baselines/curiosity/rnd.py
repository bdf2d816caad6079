"""Random network distillation (Burda et al. 2018, arXiv:1810.12894).

The bonus is the error of a predictor that learns to copy a fixed random network: large where it was
seldom trained. Of images both see the last frame only, whitened pixel by pixel; behind the paper's
convolutions stand dense layers of the widths below, its own with `target_net: []`, `predictor_net:
[512, 512]` and `features_dim: 512`. Difference from the paper: the last observation of an episode
earns its bonus (the original looked at the next episode's first).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor, nn

from baselines import api
from baselines.bound import Widths
from baselines.curiosity import encoder
from baselines.curiosity.bonus import Bonus, Transitions
from baselines.curiosity.network import RunningMoments


class Config(api.Config):
    """The hyper-parameters of RND."""

    search: ClassVar[dict[str, Any]] = {
        "features_dim": {
            "why": "More outputs are harder to predict, so states stay novel for longer.",
            "low": 16,
            "high": 256,
            "powers_of": 2,
        },
        "update_proportion": {
            "why": "The share of a minibatch on which the predictor is trained; Burda et al. 2018 "
            "use down to 0.25.",
            "low": 0.25,
            "high": 1.0,
        },
    }

    features_dim: int = Field(64, ge=1, description="Outputs of the target and the predictor.")
    target_net: Widths = Field([64], description="Widths of the target's hidden layers.")
    predictor_net: Widths = Field(
        [64, 64], description="Widths of the predictor's hidden layers: deeper than the target."
    )
    normalize_obs: bool = Field(True, description="Whiten what the two networks see, clipped at 5.")
    update_proportion: float = Field(
        1.0, gt=0, le=1, description="Share of each minibatch that the predictor learns from."
    )

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        nets = {"target_net": self.target_net, "predictor_net": self.predictor_net}
        return super().memory(sizes) | {
            name: api.TRAINED * encoder.weights(sizes, *widths, self.features_dim)
            for name, widths in nets.items()
        }


def prediction_error(predictor: nn.Module, target: nn.Module, obs: Tensor) -> Tensor:  # (..., D)
    """RND's novelty, Burda et al. 2018, section 2.2: one value per observation."""
    with torch.no_grad():
        goal = target(obs)  # (..., features)
    return (predictor(obs) - goal).pow(2).mean(dim=-1)  # (...)


class RND(Bonus):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "random network distillation (Burda et al., 2018)"
    reach = "step"
    observations = encoder.READS

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        config: Config,
        generator: torch.Generator,
    ) -> None:
        super().__init__(observation_space, action_space, config, generator)
        self.view = encoder.last_frame(observation_space)
        self.target, self.predictor = (
            encoder.encoder(
                self.view, [*widths, config.features_dim], generator, nn.LeakyReLU, nn.ReLU
            )
            for widths in (config.target_net, config.predictor_net)
        )
        self.target.requires_grad_(False)
        self.moments = RunningMoments(self.view.dim)

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        return self.novelty(steps.next_obs)

    def update(self, steps: Transitions) -> None:
        self.moments.update(self.view.of(steps.next_obs).flatten(0, -2))

    def loss(self, steps: Transitions) -> Tensor:
        seen = steps.share(self.config.update_proportion, self.generator).next_obs  # (M, D)
        error = self.novelty(seen)
        return error.sum() / len(error)

    def novelty(self, obs: Tensor) -> Tensor:  # (..., D) -> (...)
        return prediction_error(self.predictor, self.target, self.whiten(obs))

    def whiten(self, obs: Tensor) -> Tensor:  # (..., D) -> (..., view.dim)
        """What the two networks see."""
        seen = self.view.of(obs)
        return self.moments.whiten(seen) if self.config.normalize_obs else seen
