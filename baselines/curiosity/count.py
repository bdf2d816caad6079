"""Exact counts (Strehl and Littman 2008): 1/sqrt(n) at the n-th visit of a state.

What all other bonuses estimate, where states are discrete. Differences from the paper: states are
counted instead of pairs of state and action, and the bonus is a stream of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor

from baselines import api
from baselines.bound import Above0
from baselines.curiosity import encoder
from baselines.curiosity.bonus import Bonus, Transitions
from baselines.curiosity.episodic import EpisodeMemory
from baselines.curiosity.visits import Visits, digests, earlier


class Config(api.Config):
    """The hyper-parameters of counting."""

    search: ClassVar[dict[str, Any]] = {"bonus_learning_rate": None}  # there is nothing to learn

    count_scope: Literal["lifelong", "episodic", "first_visit", "lifelong_first_visit"] = Field(
        "lifelong",
        description="1/sqrt(n) with n over all of training; with n over the episode; 1 at the "
        "first visit in the episode and 0 later; or the first of these times the third. With all "
        "but the first, int_episodic should be true.",
    )
    cell_width: Above0 | None = Field(
        None, description="Count cells of this width instead of exact observations."
    )


class Count(Bonus):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "exact counts (Strehl and Littman, 2008)"
    observations = encoder.READS

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        config: Config,
        generator: torch.Generator,
    ) -> None:
        super().__init__(observation_space, action_space, config, generator)
        if config.count_scope != "lifelong":
            self.reach = "episode"
        self.visits = Visits()
        self.episode = EpisodeMemory(dtype=torch.long)

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        seen, scope = self._digests(steps.next_obs), self.config.count_scope
        if scope == "lifelong":
            return self._lifelong(seen)
        ends = steps.terminated | steps.truncated
        before = self.episode.visits(self._digests(steps.obs), seen, ends)
        if scope == "episodic":
            return (1 + before).rsqrt()
        first = (before == 0).float()
        return first * self._lifelong(seen) if scope == "lifelong_first_visit" else first

    def update(self, steps: Transitions) -> None:
        self.visits.add(self._digests(steps.next_obs))
        if self.reach == "episode":
            ends = steps.terminated | steps.truncated
            self.episode.update(self._digests(steps.obs), ends)

    def _lifelong(self, seen: Tensor) -> Tensor:  # (...)
        return (1 + self.visits.count(seen) + earlier(seen)).float().rsqrt()

    def _digests(self, obs: Tensor) -> Tensor:
        width = self.config.cell_width
        return digests(obs if width is None else (obs / width).round())
