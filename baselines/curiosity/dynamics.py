"""Forward models of Burda et al. 2018 (arXiv:1808.04355), several of them at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """K linear layers side by side: (K, M, in) -> (K, M, out)."""

    def __init__(
        self, members: int, width_in: int, width_out: int, gain: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, width_out, width_in))
        self.bias = nn.Parameter(torch.zeros(members, 1, width_out))
        for weight in self.weight:
            nn.init.orthogonal_(weight, gain, generator=generator)

    def forward(self, rows: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, rows, self.weight.mT)


class Dynamics(nn.Module):
    """K models of what an action does to an embedding; the action enters at every layer.

    One layer, residual blocks of two, and a linear one, as in section 2 and the authors' code.
    """

    def __init__(
        self,
        members: int,
        dim: int,
        action_dim: int,
        width: int,
        blocks: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.members = members

        def layer(width_in: int, width_out: int, gain: float) -> Linear:
            return Linear(members, width_in + action_dim, width_out, gain, generator)

        self.first = layer(dim, width, math.sqrt(2))
        self.inner = nn.ModuleList(layer(width, width, math.sqrt(2)) for _ in range(blocks))
        self.outer = nn.ModuleList(layer(width, width, 1.0) for _ in range(blocks))
        self.last = layer(width, dim, 1.0)

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:  # (..., F), (..., A)
        """What each member expects: (K, ..., F)."""
        lead = features.shape[:-1]
        taken = actions.flatten(0, -2).expand(self.members, -1, -1)

        def through(layer: nn.Module, rows: Tensor) -> Tensor:
            return layer(torch.cat([rows, taken], dim=-1))

        rows = features.flatten(0, -2).expand(self.members, -1, -1)
        rows = nn.functional.leaky_relu(through(self.first, rows))
        for inner, outer in zip(self.inner, self.outer, strict=True):
            rows = rows + through(outer, nn.functional.leaky_relu(through(inner, rows)))
        return through(self.last, rows).reshape(self.members, *lead, -1)
