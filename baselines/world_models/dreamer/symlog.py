"""Numbers of any size in a range that a network can learn (arXiv:2301.04104, equations 9 to 11)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def symlog(x: Tensor) -> Tensor:
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    return x.sign() * x.abs().expm1()


class TwoHot(nn.Module):
    """A number as a distribution over bins, symmetric about 0 and spread as symexp.

    :param bins: their number, odd.
    :param limit: the outermost bins are at symexp(limit) and its negative.
    """

    def __init__(self, bins: int, limit: float) -> None:
        super().__init__()
        positive = symexp(torch.linspace(0, limit, bins // 2 + 1))[1:]
        values = torch.cat([-positive.flip(0), torch.zeros(1), positive])
        self.register_buffer("values", values, persistent=False)

    def mean(self, logits: Tensor) -> Tensor:  # (..., bins) -> (...)
        """Bin against opposite bin, so that a uniform distribution has mean 0 to the last bit."""
        middle = len(self.values) // 2
        probs = logits.softmax(dim=-1)
        lean = probs[..., middle + 1 :] - probs[..., :middle].flip(-1)
        return (lean * self.values[middle + 1 :]).sum(dim=-1)

    def encode(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The bin above each target (the one below comes before it), and its share in [0, 1]."""
        targets = targets.clamp(self.values[0], self.values[-1])
        above = torch.searchsorted(self.values, targets).clamp(min=1)
        low, high = self.values[above - 1], self.values[above]
        return above, (targets - low) / (high - low)

    def cross_entropy(self, log_probs: Tensor, targets: Tensor) -> Tensor:  # (..., bins), (...)
        """Of the two bins beside each target with the weights whose mean it is: (...)."""
        above, share = self.encode(targets.contiguous())
        pairs = torch.stack([above - 1, above], dim=-1)
        low, high = log_probs.gather(-1, pairs).unbind(dim=-1)
        return -(low * (1 - share) + high * share)
