"""LaProp or Adam behind adaptive gradient clipping, for all parameters at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from baselines.sb3_config import schedule
from baselines.world_models.dreamer.config import Config

BETA1, BETA2 = 0.9, 0.999
SMALLEST_NORM = 1e-3  # of a parameter, as clipping sees it


def clip(gradients: Sequence[Tensor], parameters: Sequence[Tensor], most: float) -> None:
    """Shorten each gradient, in place, to `most` times its parameter's norm (arXiv:2102.06171)."""
    sizes = torch.stack(torch._foreach_norm(parameters)).clamp(min=SMALLEST_NORM)
    lengths = torch.stack(torch._foreach_norm(gradients))
    factors = (most * sizes / lengths.clamp(min=1e-12)).clamp(max=1.0)
    torch._foreach_mul_(gradients, list(factors.unbind()))


class Optimizer:
    """`laprop` (arXiv:2002.04839) scales a gradient before its momentum is taken, `adam` after."""

    def __init__(self, parameters: Sequence[Tensor], config: Config) -> None:
        self.parameters = list(parameters)
        self.config = config
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.updates = 0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], remaining: float = 1.0) -> None:
        """One step along gradients, in the order of the parameters, which it may change.

        :param remaining: the part of the budget that is left.
        """
        config, laprop = self.config, self.config.optimizer == "laprop"
        self.updates += 1
        clip(gradients, self.parameters, config.clip)
        torch._foreach_mul_(self.second, BETA2)
        torch._foreach_addcmul_(self.second, gradients, gradients, 1 - BETA2)
        scales = torch._foreach_div(self.second, 1 - BETA2**self.updates)
        torch._foreach_sqrt_(scales)
        torch._foreach_add_(scales, 1e-20 if laprop else 1e-8)
        if laprop:
            gradients = torch._foreach_div(gradients, scales)
        torch._foreach_lerp_(self.first, gradients, 1 - BETA1)
        rate = self._rate(remaining) * min(1.0, self.updates / max(1, config.warmup))
        rate /= 1 - BETA1**self.updates
        if laprop:
            torch._foreach_add_(self.parameters, self.first, alpha=-rate)
        else:
            torch._foreach_addcdiv_(self.parameters, self.first, scales, -rate)

    def _rate(self, remaining: float) -> float:
        chosen = schedule(self.config.learning_rate)
        return chosen(remaining) if callable(chosen) else chosen

    def state_dict(self) -> dict[str, Any]:
        return {"first": self.first, "second": self.second, "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("first", "second"):
            torch._foreach_copy_(getattr(self, name), state[name])
        self.updates = state["updates"]
