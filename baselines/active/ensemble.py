"""Models of an environment that tell how sure they are: an ensemble of Gaussian networks.

Shyam, Jaskowski and Gomez 2019 (arXiv:1810.12162), section 3 and the authors' code
(github.com/nnaisense/MAX): each member predicts the mean and the variance of what an observation
changes by, from first weights and minibatches of its own. What a step pays, and whether it ends the
episode, is predicted beside them, by one network; there is none in the paper, whose rewards are
known functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.active.transition import Batch
from baselines.active.utility import jensen_renyi

LEAST, MOST = -5.0, -1.0  # of a log variance, in units of what observations change by
STILL = 1e-6  # a standard deviation below it is a constant's
MAX_GRAD = 5.0  # of each number of a gradient


class Gaussians(NamedTuple):
    """What each member expects: (K, ..., D) both."""

    means: Tensor
    log_variances: Tensor

    def wider(self, decay: float) -> Gaussians:
        """Variances moved towards the largest one that there can be, all but `decay` of the way."""
        variances = math.exp(MOST) - decay * (math.exp(MOST) - self.log_variances.exp())
        return Gaussians(self.means, variances.log())


class Members(nn.Module):
    """K perceptrons side by side, with swish between their layers.

    :param widths: of all layers, input and output included.
    """

    def __init__(self, size: int, widths: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for width_in, width in pairwise(widths):
            bound = 1 / math.sqrt(width_in)  # as torch's own layers begin
            for shape, into in (((width_in, width), self.weights), ((1, width), self.biases)):
                drawn = torch.rand(size, *shape, generator=generator)
                into.append(nn.Parameter(bound * (2 * drawn - 1)))

    def forward(self, x: Tensor) -> Tensor:  # (K, B, inputs), or (B, inputs) for all alike
        x = x.expand(len(self.weights[0]), *x.shape[-2:])
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, F.silu(x) if i else x, weight)
        return x


def negative_log_likelihood(expected: Gaussians, came: Tensor) -> Tensor:  # (K, B, D) -> (K, B)
    """As in the authors' code: twice it, its mean over the dimensions, without its constant."""
    means, log_variances = expected
    return ((means - came).pow(2) * (-log_variances).exp() + log_variances).mean(dim=-1)


class Models(nn.Module):
    """The ensemble, what is predicted beside it, and the units in which they see the world.

    Observations are normalised, changes are in units of their standard deviation.
    """

    def __init__(
        self,
        size: int,
        obs_width: int,
        action_width: int,
        net_arch: list[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        inputs = obs_width + action_width
        self.members = Members(size, (inputs, *net_arch, 2 * obs_width), generator)
        self.outcomes = Members(1, (inputs + obs_width, *net_arch, 2), generator)
        for name, width in (("obs", obs_width), ("change", obs_width), ("reward", 1)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_std", torch.ones(width))

    def measure(self, seen: Batch) -> None:
        """The units, anew from all that was seen."""
        changes = seen.next_obs - seen.obs
        parts = ("obs", seen.obs), ("change", changes), ("reward", seen.reward[:, None])
        for name, values in parts:
            std = values.std(dim=0, correction=0)
            getattr(self, f"{name}_mean").copy_(values.mean(dim=0))
            getattr(self, f"{name}_std").copy_(torch.where(std > STILL, std, 1.0))

    def normalized(self, obs: Tensor) -> Tensor:
        return (obs - self.obs_mean) / self.obs_std

    def expected(self, obs: Tensor, action: Tensor) -> Gaussians:
        """Of the change, in its units; rows (B, ...), or (K, B, ...) for each member its own."""
        output = self.members(torch.cat([self.normalized(obs), action], dim=-1))
        means, free = output.chunk(2, dim=-1)
        return Gaussians(means, LEAST + (MOST - LEAST) * torch.sigmoid(free))

    def outcome(self, obs: Tensor, action: Tensor, next_obs: Tensor) -> tuple[Tensor, Tensor]:
        """Reward (B,), in its units, and the logit of the episode's end (B,)."""
        parts = [self.normalized(obs), action, self.normalized(next_obs)]
        reward, logit = self.outcomes(torch.cat(parts, dim=-1))[0].unbind(dim=-1)
        return reward, logit

    def after(self, obs: Tensor, change: Tensor) -> Tensor:
        """The observation after a change in its units."""
        return obs + self.change_mean + self.change_std * change

    def utility(self, obs: Tensor, action: Tensor, decay: float) -> Tensor:  # (B, ...) -> (B,)
        """How much the members disagree about it."""
        return jensen_renyi(*self.expected(obs, action).wider(decay))

    def change(self, obs: Tensor, next_obs: Tensor) -> Tensor:
        """`after` undone."""
        return (next_obs - obs - self.change_mean) / self.change_std

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """(K, B, ...) -> one number each."""
        came, expected = (
            self.change(batch.obs, batch.next_obs),
            self.expected(batch.obs, batch.action),
        )
        model = negative_log_likelihood(expected, came)
        first = Batch(*(part[0] for part in batch))
        reward, logit = self.outcome(first.obs, first.action, first.next_obs)
        paid = (first.reward - self.reward_mean) / self.reward_std
        return {
            "model": model.mean(dim=1).sum(dim=0),  # each member's own
            "reward": F.mse_loss(reward, paid),
            "continue": F.binary_cross_entropy_with_logits(logit, first.terminated),
        }


def fit(
    models: Models,
    optimizer: torch.optim.Optimizer,
    seen: Batch,
    steps: int,
    batch_size: int,
    generator: torch.Generator,
) -> Mapping[str, float]:
    """Gradient steps on all that was seen, each member on rows drawn for it alone.

    :return: the mean losses, of one member.
    """
    models.measure(seen)
    size, sums = len(models.members.weights[0]), dict.fromkeys(("model", "reward", "continue"), 0.0)
    for _ in range(steps):
        shape = size, batch_size
        rows = torch.randint(len(seen.reward), shape, generator=generator, device=seen.obs.device)
        losses = models.losses(Batch(*(part[rows] for part in seen)))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_value_(models.parameters(), MAX_GRAD)
        optimizer.step()
        for name, loss in losses.items():
            sums[name] += float(loss.detach()) / (size if name == "model" else 1) / steps
    return {f"train/{name}_loss": value for name, value in sums.items()}
