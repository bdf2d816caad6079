"""What there is to learn of a step, by how far the models of an ensemble disagree about it.

Shyam, Jaskowski and Gomez 2019 (arXiv:1810.12162), section 2: the information that a transition
brings about the environment is the Jensen-Shannon divergence of what all models expect. Noise that
all of them expect is worth nothing.
"""

from __future__ import annotations

import numpy as np


def entropy(p: np.ndarray) -> np.ndarray:
    """Of categories along the last axis, in nats: (..., C) -> (...)."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)


def jensen_shannon(p: np.ndarray) -> np.ndarray:
    """Section 2.3: the entropy of the mixture less the mean entropy: (K, ..., C) -> (...)."""
    return entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)
