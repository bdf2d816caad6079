"""M, the memory of a world model: what comes next (Ha and Schmidhuber 2018, arXiv:1803.10122).

A recurrent network reads latents and actions; from its state a mixture of Gaussians, one for each
dimension of the latent, predicts the next latent. Differences from the paper: the mixture may
predict the change of the latent instead of the latent, and its standard deviations have a floor:
without it, dimensions that can be predicted exactly drive theirs to zero, and their gradients
dominate all others. Reward and termination have networks of their own, which read the state and the
next latent and do not shape the recurrent network: sharing it, a rare termination was never
learned. Instead of the LSTM it may have a GRU or a transformer (transformer.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor, nn

from baselines import api
from baselines.bound import Above0, Amount, LearningRate, Repeats0, Widths
from baselines.world_models.config import Group
from baselines.world_models.recurrent import GRU, LSTM
from baselines.world_models.transformer import Config as AttentionConfig
from baselines.world_models.transformer import Transformer
from baselines.world_models.vae import perceptron

SHARP = math.log(1e-6)  # an untrained deterministic head is certain


class Config(Group):
    """The hyper-parameters of M."""

    cell: Literal["lstm", "gru", "transformer"] = Field("lstm", description="What remembers.")
    attention: AttentionConfig = AttentionConfig()
    hidden_size: int = Field(
        256, ge=1, description="Dimensions of the recurrent state; of a transformer, its width."
    )
    net_arch: Widths = Field([], description="Hidden widths between that state and the mixture.")
    head: Literal["mixture", "deterministic"] = Field(
        "mixture", description="deterministic: one value with a squared error, nothing to sample."
    )
    mixtures: int = Field(5, ge=1, description="Gaussians for each dimension of the latent.")
    min_log_std: float = Field(
        -3.0, ge=-20, le=20, description="Floor of the mixture's log standard deviations."
    )
    predict_delta: bool = Field(True, description="Predict the latent's change, not the latent.")
    outcome_net_arch: Widths = Field(
        [64, 64], description="Hidden widths of the networks for reward and termination."
    )
    trained: Literal["all", "heads", "none"] = Field(
        "all", description="heads: the recurrent network keeps its random weights, a reservoir."
    )
    learning_rate: LearningRate = Field(1e-3, description="Of all but the outcome.")
    outcome_learning_rate: LearningRate = Field(3e-3, description="Of reward and termination.")
    batch_size: int = Field(32, ge=1, description="Windows of a minibatch.")
    sequence_length: int = Field(
        50, ge=1, description="Steps of a window; a transformer attends to no more than these."
    )
    input_noise: Amount = Field(
        0.0,
        description="Standard deviation of noise on the latents that M reads in training, in those "
        "of the latents: it learns to correct what a dream has added up.",
    )
    epochs: Repeats0 = Field(20, description="Passes over the data in each round.")
    max_grad: Above0 = Field(1.0, description="Every element of a gradient is clipped here.")

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        if self.cell != "transformer" and self.attention != AttentionConfig():
            yield "attention", f"{self.cell} has none: take cell transformer"
        if self.cell == "transformer" and self.hidden_size % self.attention.heads:
            why = f"{self.attention.heads} heads cannot share a hidden_size of {self.hidden_size}"
            yield "attention.heads", f"{why}: take a divisor of it"

    @model_serializer(mode="wrap")
    def _said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Of attention nothing is said where there is none: what is not said moves no key."""
        said: dict[str, Any] = write(self)
        if self.cell != "transformer":
            said.pop("attention", None)
        return said

    def memory(self, sizes: api.Sizes, latents: int = 1) -> dict[str, float]:
        """:param latents: dimensions of a latent."""
        hidden = self.hidden_size
        outputs = latents * (3 * self.mixtures if self.head == "mixture" else 1)
        learned = {
            "hidden_size": 3 * hidden * (hidden + latents + sizes.actions),
            "mixtures": (self.net_arch or [hidden])[-1] * outputs,
            "net_arch": api.weights_of(hidden, *self.net_arch),
            "outcome_net_arch": 2 * api.weights_of(hidden + latents, *self.outcome_net_arch, 1),
        }
        if self.cell == "transformer":
            layers = self.attention.layers
            learned["attention.layers"] = layers * 12 * hidden**2
            learned["hidden_size"] = hidden * (latents + sizes.actions)
        found = {name: api.TRAINED * weights for name, weights in learned.items()}
        window = api.NUMBER * self.sequence_length * (sizes.actions + 3)
        return super().memory(sizes) | found | {"sequence_length": window}


class Mixture(NamedTuple):
    """One mixture of K Gaussians for each of D numbers: all (..., D, K)."""

    log_weights: Tensor  # normalised over K
    means: Tensor
    log_stds: Tensor


def mixture_log_prob(mixture: Mixture, target: Tensor) -> Tensor:  # target (..., D)
    """log sum_k w_k N(target; mu_k, sigma_k), by number: (..., D) nats."""
    error = (target[..., None] - mixture.means) * (-mixture.log_stds).exp()
    log_normal = -0.5 * error.pow(2) - mixture.log_stds - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(mixture.log_weights + log_normal, dim=-1)


def mixture_mean(mixture: Mixture) -> Tensor:  # -> (..., D)
    return (mixture.log_weights.exp() * mixture.means).sum(dim=-1)


def mixture_sample(mixture: Mixture, temperature: float, generator: torch.Generator) -> Tensor:
    """One draw (..., D) of each mixture at a temperature tau: the log weights are divided by tau,
    the noise is multiplied by its root (the paper's section 4.3)."""
    weights = torch.softmax(mixture.log_weights / temperature, dim=-1)
    like = {"generator": generator, "device": weights.device}
    drawn = torch.rand((*weights.shape[:-1], 1), **like)
    chosen = (weights.cumsum(dim=-1) < drawn).sum(dim=-1, keepdim=True)
    chosen = chosen.clamp(max=weights.shape[-1] - 1)  # rounding may leave the last sum below 1
    mean = mixture.means.gather(-1, chosen)[..., 0]
    std = mixture.log_stds.gather(-1, chosen)[..., 0].exp()
    return mean + math.sqrt(temperature) * std * torch.randn(mean.shape, **like)


class Losses(NamedTuple):
    """Means over real steps."""

    latent: Tensor  # negative log-likelihood, or squared error, by number
    reward: Tensor  # squared error, in units of the reward's standard deviation
    termination: Tensor  # binary cross-entropy


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:  # (N, L), (N, L)
    return (values * mask).sum() / mask.sum()


def make_memory(inputs: int, config: Config) -> LSTM | GRU | Transformer:
    width = config.hidden_size
    if config.cell == "transformer":
        return Transformer(inputs, width, config.sequence_length, config.attention)
    return LSTM(inputs, width) if config.cell == "lstm" else GRU(inputs, width)


class MDNRNN(nn.Module):
    """All of M. Its state (N, S) is one row of numbers for each environment, at first all 0.

    The state before step t summarises what came before latent t; `hidden` of it is what C reads.
    """

    def __init__(self, latent_size: int, action_size: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.latent_size = latent_size
        self.rnn = make_memory(latent_size + action_size, config)
        outputs = latent_size * (3 * config.mixtures if config.head == "mixture" else 1)
        widths = [config.hidden_size, *config.net_arch]
        body = [perceptron(widths), nn.SiLU()] if config.net_arch else []
        self.mixture = nn.Sequential(*body, nn.Linear(widths[-1], outputs))
        outcome = [config.hidden_size + latent_size, *config.outcome_net_arch, 1]
        self.reward = perceptron(outcome)
        self.termination = perceptron(outcome)
        self.register_buffer("reward_mean", torch.zeros(()))
        self.register_buffer("reward_std", torch.ones(()))
        self.register_buffer("rewards_seen", torch.zeros((), dtype=torch.bool))
        self.register_buffer("noise", torch.full((latent_size,), SHARP))  # deterministic: log std

    @property
    def state_size(self) -> int:
        """Of the state before the first step; later ones may be wider."""
        return self.rnn.state_size

    def see(self, rewards: Tensor) -> None:  # (M,)
        """The scale of rewards, by the first data in which they differ, and so for good."""
        if not self.rewards_seen or self.reward_std == 0:
            std, mean = torch.std_mean(rewards.double(), correction=0)
            self.reward_mean.copy_(mean)
            self.reward_std.copy_(std)  # 0 if all are alike: so is every dreamed one then
            self.rewards_seen.fill_(True)

    def trained_parameters(self) -> list[dict[str, Any]]:
        """What is learned, in groups for an optimiser."""
        config = self.config
        if config.trained == "none":
            return []
        remembering = [p for p in self.rnn.parameters() if p.requires_grad]
        told = remembering if config.trained == "all" else []
        outcome = [*self.reward.parameters(), *self.termination.parameters()]
        return [
            {"params": [*told, *self.mixture.parameters()], "lr": config.learning_rate},
            {"params": outcome, "lr": config.outcome_learning_rate},
        ]

    def hidden(self, state: Tensor) -> Tensor:  # (N, S) -> (N, H)
        return state[:, : self.config.hidden_size]

    def advance(self, latents: Tensor, actions: Tensor, state: Tensor) -> Tensor:
        """The state after these latents (N, D) and the actions (N, A) taken at them: (N, S)."""
        return self.rnn.advance(torch.cat([latents, actions], dim=-1), state)

    def unroll(self, latents: Tensor, actions: Tensor) -> Tensor:  # (N, L, D), (N, L, A)
        """What `hidden` is after each step, from a state of zeros on: (N, L, H)."""
        return self.rnn.unroll(torch.cat([latents, actions], dim=-1))

    def next_latent(self, hidden: Tensor, latents: Tensor) -> Mixture:  # (..., H), (..., D)
        """The mixture of the next latent, from `hidden` after this latent and its action."""
        outputs = self.mixture(hidden).unflatten(-1, (self.latent_size, -1))
        if self.config.head == "mixture":
            logits, means, log_stds = outputs.chunk(3, dim=-1)
            # A smooth floor: a clamp would give no gradient to what has once fallen below it.
            floor = self.config.min_log_std
            log_stds = floor + nn.functional.softplus(log_stds - floor)
        else:
            logits, means = torch.zeros_like(outputs), outputs
            log_stds = self.noise[:, None].expand_as(outputs)
        if self.config.predict_delta:
            means = means + latents[..., None]
        return Mixture(torch.log_softmax(logits, dim=-1), means, log_stds)

    def outcome(self, hidden: Tensor, next_latents: Tensor) -> tuple[Tensor, Tensor]:
        """The reward of a step and the logit of its termination, both (...)."""
        seen = torch.cat([hidden, next_latents], dim=-1).detach()
        reward = self.reward(seen)[..., 0] * self.reward_std + self.reward_mean
        return reward, self.termination(seen)[..., 0]

    def sample(self, mixture: Mixture, temperature: float, generator: torch.Generator) -> Tensor:
        """The next latent (..., D); the deterministic head knows only one."""
        if self.config.head == "deterministic":
            return mixture_mean(mixture)
        return mixture_sample(mixture, temperature, generator)

    def losses(
        self,
        latents: Tensor,
        actions: Tensor,
        rewards: Tensor,
        terminated: Tensor,
        mask: Tensor,
        noise: torch.Generator | None = None,
    ) -> Losses:
        """Of N windows: latents (N, L + 1, D), actions (N, L, A), the others (N, L).

        Where the mask is 0 nothing counts. Only a terminated step is a termination: one that was
        truncated goes on in the dream.

        :param noise: of what is read, never of what is to be predicted.
        """
        before, after = latents[:, :-1], latents[:, 1:]
        if noise is not None and self.config.input_noise:
            drawn = torch.randn(before.shape, generator=noise, device=before.device)
            before = before + self.config.input_noise * drawn
        hidden = self.unroll(before, actions)
        mixture = self.next_latent(hidden, before)
        if self.config.head == "mixture":
            latent = -mixture_log_prob(mixture, after).mean(dim=-1)
        else:
            latent = (mixture_mean(mixture) - after).pow(2).mean(dim=-1)
        reward, logit = self.outcome(hidden, after)
        reward_error = ((reward - rewards) / self.reward_std.clamp(min=1e-6)).pow(2)
        entropy = nn.functional.binary_cross_entropy_with_logits
        return Losses(
            masked_mean(latent, mask),
            masked_mean(reward_error, mask),
            masked_mean(entropy(logit, terminated, reduction="none"), mask),
        )

    @torch.no_grad()
    def measure_noise(self, latents: Tensor, actions: Tensor, mask: Tensor) -> None:
        """Give the deterministic head a standard deviation, so that it has a likelihood too."""
        before, after = latents[:, :-1], latents[:, 1:]
        mean = mixture_mean(self.next_latent(self.unroll(before, actions), before))
        squares = (mean - after).pow(2) * mask[..., None]
        log_std = 0.5 * (squares.sum(dim=(0, 1)) / mask.sum()).log()
        self.noise.copy_(log_std.clamp(min=self.config.min_log_std))
