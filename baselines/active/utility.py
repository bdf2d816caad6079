"""What there is to learn of a step, by how far the models of an ensemble disagree about it.

Shyam, Jaskowski and Gomez 2019 (arXiv:1810.12162), section 2: the information that a transition
brings about the environment is the Jensen-Shannon divergence of what all models expect. Noise that
all of them expect is worth nothing.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def entropy(p: np.ndarray) -> np.ndarray:
    """Of categories along the last axis, in nats: (..., C) -> (...)."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)


def jensen_shannon(p: np.ndarray) -> np.ndarray:
    """Section 2.3: the entropy of the mixture less the mean entropy: (K, ..., C) -> (...)."""
    return entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)


def jensen_renyi(means: Tensor, log_variances: Tensor) -> Tensor:  # (K, ..., D) both -> (...)
    """The same of K Gaussians with independent dimensions, by Renyi's quadratic entropy.

    Section 2.4: it has a closed form for a mixture of Gaussians, and Shannon's entropy has none.
    """
    size, dimensions = means.shape[0], means.shape[-1]
    apart = means[:, None] - means[None, :]  # (K, K, ..., D)
    together = torch.logaddexp(log_variances[:, None], log_variances[None, :])
    # N(mean_i - mean_j; 0, variance_i + variance_j), without the factor 2 pi, which cancels.
    overlap = -0.5 * (apart.pow(2) / together.exp() + together).sum(dim=-1)
    mixture = 2 * math.log(size) - overlap.flatten(0, 1).logsumexp(dim=0)
    each = 0.5 * (log_variances.sum(dim=-1) + dimensions * math.log(2))
    return mixture - each.mean(dim=0)
