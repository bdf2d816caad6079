"""The two kinds of policies: how they draw the codes of actions, as `ActionCode` writes them."""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor

from baselines.world_models.action import ActionCode
from baselines.world_models.dreamer.rssm import OneHot, mixed

LEAST_STD, MOST_STD = 0.1, 1.0


class Discrete:
    """One of n. A policy's output is n logits."""

    def __init__(self, space: spaces.Discrete, unimix: float) -> None:
        self.code = ActionCode(space)
        self.width = self.outputs = self.code.size
        self.unimix = unimix

    def noise(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """What `draw` needs for a sample, in the shape of a policy's output."""
        return torch.empty_like(like).exponential_(generator=generator)

    def mode(self, output: Tensor) -> Tensor:
        return self.draw(output, None)

    def draw(self, output: Tensor, noise: Tensor | None) -> Tensor:  # (..., n) -> (..., n)
        return OneHot.apply(mixed(output, self.unimix), noise)

    def log_prob(self, output: Tensor, action: Tensor) -> Tensor:  # -> (...)
        return (mixed(output, self.unimix).log() * action).sum(dim=-1)

    def entropy(self, output: Tensor) -> Tensor:  # -> (...)
        probs = mixed(output, self.unimix)
        return -(probs * probs.log()).sum(dim=-1)


class Continuous:
    """Numbers between bounds. A policy's output is a mean and a standard deviation for each."""

    def __init__(self, space: spaces.Box) -> None:
        self.code = ActionCode(space)
        self.width = self.code.size
        self.outputs = 2 * self.width

    def noise(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        return like.new_empty(*like.shape[:-1], self.width).normal_(generator=generator)

    def mode(self, output: Tensor) -> Tensor:
        return self._moments(output)[0]

    def draw(self, output: Tensor, noise: Tensor) -> Tensor:
        mean, std = self._moments(output)
        return mean + std * noise

    def log_prob(self, output: Tensor, action: Tensor) -> Tensor:
        mean, std = self._moments(output)
        squared = ((action - mean) / std).pow(2)
        return -(0.5 * squared + std.log() + 0.5 * math.log(2 * math.pi)).sum(dim=-1)

    def entropy(self, output: Tensor) -> Tensor:
        _, std = self._moments(output)
        return (std.log() + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=-1)

    def _moments(self, output: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = output.chunk(2, dim=-1)
        return mean.tanh(), LEAST_STD + (MOST_STD - LEAST_STD) * (std + 2).sigmoid()


def kind_of(space: Any, unimix: float) -> Discrete | Continuous:
    return Discrete(space, unimix) if isinstance(space, spaces.Discrete) else Continuous(space)
