"""The world model: what is seen, what it pays and whether it goes on, all from one latent state."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.network import head
from baselines.world_models.dreamer.replay import Batch
from baselines.world_models.dreamer.rssm import RSSM, State
from baselines.world_models.dreamer.senses import Images, Vectors
from baselines.world_models.dreamer.symlog import TwoHot

PAPER_GROUPS = 32  # of the latent, in networks of every size
LEAST_VARIANCE = 1e-5  # of a calibrated error, where what it is an error of has about 1


def divergence(p: Tensor, q: Tensor) -> Tensor:  # (..., groups, classes) -> (...)
    """KL(p || q) in nats of independent categorical variables: the sum over the groups."""
    return (p * (p.log() - q.log())).sum(dim=(-2, -1))


def entropy(p: Tensor) -> Tensor:  # (..., groups, classes) -> (...)
    return -(p * p.log()).sum(dim=(-2, -1))


def latent_loss(posterior: Tensor, prior: Tensor, free_nats: float) -> tuple[Tensor, Tensor]:
    """The KL twice, per row: as it teaches the prior (dyn), and the posterior (rep). Equation 5.

    Each row is held up at `free_nats` by itself, before any mean is taken.
    """
    dyn = divergence(posterior.detach(), prior).clamp(min=free_nats)
    rep = divergence(posterior, prior.detach()).clamp(min=free_nats)
    return dyn, rep


class WorldLoss(NamedTuple):
    """What one batch (T, B) teaches the model."""

    loss: Tensor
    states: State  # (T, B, ...), with their gradients
    error: Tensor  # squared, of each number of an observation: its mean over the batch
    metrics: dict[str, Tensor]


class World(nn.Module):
    """:param obs_shape: (D,), or (height, width, channels)."""

    def __init__(
        self,
        obs_shape: tuple[int, ...],
        action_width: int,
        config: Config,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.config = config
        self.width = config.deter + config.groups * config.classes
        if len(obs_shape) == 1:
            self.senses = Vectors(obs_shape[0], self.width, config, generator)
        else:
            self.senses = Images(obs_shape, self.width, config, generator)
        self.rssm = RSSM(self.senses.tokens, action_width, config, generator)
        self.two_hot = TwoHot(config.bins, config.bin_limit)
        # The first rewards that it dreams are 0: nothing is made up before anything was learned.
        self.reward_head = head(self.width, config.bins, config.units, 1, generator, scale=0.0)
        self.continue_head = head(self.width, 1, config.units, 1, generator)

    def rewards(self, features: Tensor) -> Tensor:  # (..., width) -> (...)
        """Expected on arriving in a state."""
        return self.two_hot.mean(self.reward_head(features))

    def continues(self, features: Tensor) -> Tensor:  # (..., width) -> (...)
        """The probability that the episode does not terminate in a state."""
        return self.continue_head(features)[..., 0].sigmoid()

    def _precision(self) -> Tensor | float:
        """What a squared error counts: in the paper 1, calibrated 1 / (2 variance)."""
        if not self.config.calibrated:
            return 1.0
        return 0.5 / self.senses.error.clamp(min=LEAST_VARIANCE)

    def loss(self, batch: Batch, generator: torch.Generator, last: int = 0) -> WorldLoss:
        """Equation 4: the mean over all rows.

        :param last: over so many rows at the end of each sequence only; 0: over all.
        """
        config = self.config
        tokens = self.senses.encode(batch.obs.flatten(0, 1)).unflatten(0, batch.first.shape)
        states, posterior = self.rssm.observe(tokens, batch.action, batch.first, generator)
        states, posterior = State(*(part[-last:] for part in states)), posterior[-last:]
        batch = Batch(*(part[-last:] for part in batch))
        rows = batch.obs.flatten(0, 1)
        prior = self.rssm.prior(states.deter)
        features = states.features()
        # In proportion to what a latent can hold: else the KL of a small one lies below it always.
        free = config.free_nats * config.groups / PAPER_GROUPS
        dyn, rep = latent_loss(posterior, prior, free)
        # A row's error is a sum, so the mean over rows is the sum of the means.
        output = self.senses.decoder(features.flatten(0, 1))
        error = (output - self.senses.target(rows)).pow(2).mean(dim=0)
        reward_log_probs = self.reward_head(features).log_softmax(dim=-1)
        # An episode that is cut off could have gone on: only a terminal row counts as an end.
        going_on = (~batch.terminal).float()
        losses = {
            "reconstruction": (error * self._precision()).sum(),
            "reward": self.two_hot.cross_entropy(reward_log_probs, batch.reward).mean(),
            "continue": F.binary_cross_entropy_with_logits(
                self.continue_head(features)[..., 0], going_on
            ),
            "dyn": dyn.mean(),
            "rep": rep.mean(),
        }
        scales = {"dyn": config.kl_dyn, "rep": config.kl_rep}
        total = torch.stack([scales.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
        with torch.no_grad():
            metrics = {f"train/{name}_loss": loss.detach() for name, loss in losses.items()}
            metrics["train/world_loss"] = total.detach()
            metrics["train/kl"] = divergence(posterior, prior).mean()
            metrics["train/posterior_entropy"] = entropy(posterior).mean()
            metrics["train/prior_entropy"] = entropy(prior).mean()
        return WorldLoss(total, states, error.detach(), metrics)
