"""Never give up (Badia et al. 2020, arXiv:2002.06038): novelty within the episode times novelty
over all of training.

The first is a count of similar embeddings in the memory of the episode; embeddings learn to tell
actions apart. The second is RND's error, which can raise the bonus up to five times and never lower
it. Differences from the paper: narrower networks, a PPO learner with one policy instead of a family
of them, and running averages that stand still within a rollout.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor

from baselines.bound import MOST, Above0, Amount
from baselines.curiosity import encoder, feature, rnd
from baselines.curiosity.bonus import Bonus, Transitions
from baselines.curiosity.episodic import EpisodeMemory
from baselines.curiosity.feature import Features
from baselines.curiosity.network import RunningMoments


class Config(feature.Config, rnd.Config):
    """The hyper-parameters of NGU; those of RND are of its lifelong term."""

    search: ClassVar[dict[str, Any]] = {
        **rnd.Config.search,
        "neighbours": {
            "why": "Nearest neighbours in the episodic memory; Badia et al. 2020 use 10.",
            "low": 3,
            "high": 30,
        },
        "max_lifelong": {
            "why": "The largest factor by which lifelong novelty multiplies the episodic bonus; 5 "
            "in the paper.",
            "low": 2.0,
            "high": 10.0,
        },
    }

    embedding_dim: int = Field(32, ge=1, description="Dimensions of the embedding.")
    lifelong: bool = Field(True, description="Multiply by RND's error; else the episode alone.")
    max_lifelong: float = Field(
        5.0, ge=1, le=MOST, description="The most that the lifelong term can be."
    )
    neighbours: int = Field(10, ge=1, description="Nearest embeddings that are compared.")
    kernel_epsilon: Above0 = Field(1e-4, description="Small: only near embeddings count.")
    cluster_distance: Amount = Field(0.008, description="Nearer than this is the same place.")
    pseudo_count: Above0 = Field(1e-3, description="Keeps the bonus finite.")
    max_similarity: Above0 = Field(8.0, description="From here on the bonus is 0.")
    memory_size: int = Field(30_000, ge=1, description="Embeddings kept of an episode, the newest.")


def episodic_novelty(squared: Tensor, mean: Tensor, config: Config) -> Tensor:  # (..., k)
    """Algorithm 1: the inverse root of a kernel count over the nearest neighbours: (...).

    :param squared: squared distances to them; infinite where there are fewer.
    :param mean: the running average of these distances.
    """
    near = (squared / mean.clamp(min=1e-12) - config.cluster_distance).clamp(min=0)
    kernel = config.kernel_epsilon / (near + config.kernel_epsilon)
    similarity = kernel.sum(dim=-1).sqrt() + config.pseudo_count
    return torch.where(similarity > config.max_similarity, 0.0, 1 / similarity)


class NGU(Bonus):
    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "never give up (Badia et al., 2020)"
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
        self.episode = EpisodeMemory(self.features.dim, limit=config.memory_size)
        self.distances = RunningMoments()  # squared, to the nearest neighbours
        self.rnd = None
        if config.lifelong:
            self.rnd = rnd.RND(observation_space, action_space, config, generator)
        self.errors = RunningMoments()  # of RND

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        squared = self._distances(steps)
        mean = self.distances.after(squared[squared.isfinite()]).mean.float()
        novelty = episodic_novelty(squared, mean, self.config)
        return novelty * self._lifelong(steps) if self.config.lifelong else novelty

    @torch.no_grad()
    def update(self, steps: Transitions) -> None:
        squared = self._distances(steps)
        self.distances.update(squared[squared.isfinite()])
        self.episode.update(self.features(steps.obs), steps.terminated | steps.truncated)
        self.features.update(steps.next_obs)
        if self.rnd is not None:
            self.errors.update(self.rnd.reward(steps).flatten())
            self.rnd.update(steps)

    def loss(self, steps: Transitions) -> Tensor:
        before, after = self.features(steps.obs), self.features(steps.next_obs)
        loss = self.features.inverse_loss(before, after, steps.actions)
        return loss if self.rnd is None else loss + self.rnd.loss(steps)

    def _distances(self, steps: Transitions) -> Tensor:  # (T, B, k)
        """From where each step arrives to the nearest of where its episode has been, squared."""
        ends = steps.terminated | steps.truncated
        keys, known = self.episode.recall(self.features(steps.obs), ends)
        apart = torch.cdist(
            self.features(steps.next_obs).transpose(0, 1),
            keys.transpose(0, 1),
            compute_mode="donot_use_mm_for_euclid_dist",  # exactly 0 between equal embeddings
        )  # (B, T, L + T)
        apart = apart.masked_fill(~known.permute(2, 0, 1), torch.inf)
        nearest = apart.topk(min(self.config.neighbours, len(keys)), largest=False).values
        return nearest.pow(2).transpose(0, 1)

    def _lifelong(self, steps: Transitions) -> Tensor:  # (T, B)
        """Equation 1's modulator: 1 + the error's distance from its mean in standard deviations."""
        assert self.rnd is not None
        error = self.rnd.reward(steps)
        moments = self.errors.after(error.flatten())
        deviations = (error - moments.mean.float()) / (moments.var.sqrt().float() + 1e-8)
        return (1 + deviations).clamp(1, self.config.max_lifelong)
