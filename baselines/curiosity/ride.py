"""RIDE, impact-driven exploration (Raileanu and Rocktäschel 2020, arXiv:2002.12292).

The bonus is how far a step moves the features of ICM, by the root of how often the episode has been
where it arrives: ||phi(s') - phi(s)|| / sqrt(N(s')). Features keep what actions can change, and the
count stops the agent from going back and forth between two states that are far apart. Differences
from the authors' code: other networks, PPO with a second stream instead of IMPALA, ICM's loss with
its weights (the code weighs an unsquared forward error by 10 and the inverse loss by 0.1), and an
episode's first observation counts as a visit.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from baselines.curiosity import icm
from baselines.curiosity.bonus import Transitions
from baselines.curiosity.episodic import EpisodeVisits


class Config(icm.Config):
    """The hyper-parameters of RIDE: those of ICM, whose features it compares."""


def impact(before: Tensor, after: Tensor, visits: Tensor) -> Tensor:  # (T, B, F) twice, (T, B)
    """The reward of section 3, with the visit that is paid for among the visits: (T, B)."""
    return (after - before).norm(dim=-1) * visits.rsqrt()


class RIDE(icm.ICM):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "impact on learned features (RIDE; Raileanu and Rocktäschel, 2020)"
    reach = "episode"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.episode = EpisodeVisits()

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        visits = 1 + self.episode.before(steps)
        return impact(self.features(steps.obs), self.features(steps.next_obs), visits)

    def update(self, steps: Transitions) -> None:
        super().update(steps)
        self.episode.add(steps)
