"""Networks that draw their first weights from a generator that is passed in.

Torch's own layers draw from the global generator, so adding a network would move every random
number of the learner beside it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(
    sizes: Sequence[int],
    activation: type[nn.Module],
    generator: torch.Generator,
    last_gain: float = math.sqrt(2),
) -> nn.Sequential:
    """Linear layers of these widths with the activation between them; orthogonal weights."""
    layers: list[nn.Module] = []
    for i, (width_in, width_out) in enumerate(pairwise(sizes)):
        last = i == len(sizes) - 2
        layer = nn.utils.skip_init(nn.Linear, width_in, width_out)
        gain = last_gain if last else math.sqrt(2)
        nn.init.orthogonal_(layer.weight, gain, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer] if last else [layer, activation()]
    return nn.Sequential(*layers)


class RunningMoments(nn.Module):
    """Mean and variance of all values seen, one pair per feature, in double precision.

    They are buffers: whatever saves the module saves them.
    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("var", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, values: Tensor) -> None:  # (M, *shape)
        var, mean = torch.var_mean(values.double(), dim=0, correction=0)
        self.join(mean, var, len(values))

    @torch.no_grad()
    def join(self, mean: Tensor, var: Tensor, n: int) -> None:  # (*shape)
        """Chan et al. 1979: the moments of two samples together."""
        total = self.count + n
        shift = mean - self.mean
        weight = n / total
        spread = self.var * (1 - weight) + var * weight + shift.pow(2) * weight * (1 - weight)
        self.mean.add_(shift * weight)
        self.var.copy_(spread)
        self.count.copy_(total)

    def whiten(self, values: Tensor) -> Tensor:  # (..., *shape)
        """In standard deviations from the mean, clipped at 5."""
        mean, var = self.mean.float(), self.var.float()
        return ((values - mean) * (var + 1e-8).rsqrt()).clamp(-5, 5)

    def after(self, values: Tensor) -> RunningMoments:  # (M, *shape)
        """What they would be after an update, which is not made."""
        found = copy.deepcopy(self)
        found.update(values)
        return found
