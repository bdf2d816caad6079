"""NovelD (Zhang et al. 2021, NeurIPS 34; first as BeBold, arXiv:2012.08621): the gain in novelty.

A step is paid for as much as it leads to something more novel than where it set out, and only at
the first visit of the episode: max(novelty(s') - alpha novelty(s), 0). Novelty is the distance
between RND's two networks, the root of its error. Differences from the authors' code: networks
that see the observation instead of the policy's features, PPO with a second stream instead of
IMPALA, and visits are counted by what the agent observes, where the code counts the whole map. As
in RND here, the predictor learns from where steps arrive: an episode's first observation becomes
known only as far as it is like others.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from baselines.curiosity import rnd
from baselines.curiosity.bonus import Transitions
from baselines.curiosity.episodic import EpisodeVisits


class Config(rnd.Config):
    """The hyper-parameters of NovelD; all but alpha are RND's."""

    search: ClassVar[dict[str, Any]] = {
        **rnd.Config.search,
        "alpha": {
            "why": "With 0 it pays novelty itself, with 1 only its increase; Zhang et al. 2021 use "
            "0.5.",
            "low": 0.0,
            "high": 1.0,
        },
    }

    alpha: float = Field(
        0.5, ge=0, le=1, description="Share of the novelty left behind that is subtracted."
    )


def gain(before: Tensor, after: Tensor, first: Tensor, alpha: float) -> Tensor:  # all (T, B)
    """Zhang et al. 2021, section 3: what is new beyond the boundary, once an episode."""
    return (after - alpha * before).clamp(min=0) * first


class NovelD(rnd.RND):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "novelty gained by a step (NovelD; Zhang et al., 2021)"
    reach = "episode"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.episode = EpisodeVisits()

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        first = self.episode.before(steps) == 0
        before, after = self.novelty(steps.obs).sqrt(), self.novelty(steps.next_obs).sqrt()
        return gain(before, after, first, self.config.alpha)

    def update(self, steps: Transitions) -> None:
        super().update(steps)
        self.episode.add(steps)
