"""Disagreement of an ensemble (Pathak, Gandhi, Gupta 2019, arXiv:1906.04161).

The bonus is the variance of what several forward models expect: noise that cannot be learned is
something on which they come to agree. It does not look at the next observation. The models differ
by their first weights, and each by the samples that its loss leaves out. Differences from the
paper: as in `rf.py`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from baselines.curiosity import rf
from baselines.curiosity.bonus import Transitions


class Config(rf.Config):
    """The hyper-parameters of disagreement."""

    search: ClassVar[dict[str, Any]] = {
        **rf.Config.search,
        "ensemble_size": {
            "why": "Ensemble members, whose variance is the bonus; Pathak et al. 2019 use 5.",
            "low": 2,
            "high": 10,
        },
        "loss_keep": {
            "why": "The share of samples on which each member is trained, so that members differ.",
            "low": 0.3,
            "high": 1.0,
        },
    }

    ensemble_size: int = Field(5, ge=2, description="Forward models.")
    loss_keep: float = Field(
        0.8,
        ge=1e-3,
        le=1,
        description="Share of a minibatch's samples that each model learns from.",
    )

    @property
    def members(self) -> int:
        return self.ensemble_size


def disagreement(predicted: Tensor) -> Tensor:  # (K, ..., F)
    """Section 3, equation 1: the population variance over members, mean over features: (...)."""
    return predicted.var(dim=0, correction=0).mean(dim=-1)


class Disagreement(rf.RF):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "disagreement of an ensemble (Pathak et al., 2019)"

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        return disagreement(self.predict(steps))

    def weigh(self, error: Tensor) -> Tensor:  # (K, M)
        """Dropout on the losses, as in the authors' code: kept ones count the more."""
        keep = self.config.loss_keep
        if keep < 1:
            drawn = torch.rand(error.shape, generator=self.generator).to(error.device)
            error = error * (drawn < keep) / keep
        return error.mean(dim=1).sum()
