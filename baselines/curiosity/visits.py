"""Counting states exactly, where they come again at all: by a digest of the observation.

Two different states share one of 2^64 digests with a probability of 3e-8 among a million states.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Growing(nn.Module):
    """A module whose buffers grow with what it sees: loading takes their sizes over too."""

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, value in self._buffers.items():
            saved = state.get(prefix + name)
            if value is not None and saved is not None:
                setattr(self, name, torch.empty_like(saved, device=value.device))
        super()._load_from_state_dict(state, prefix, *rest)


def digests(obs: Tensor) -> Tensor:  # (..., D) -> (...) int64
    """One number per observation: equal for equal observations on every machine."""
    rows = obs.detach().cpu().numpy().reshape(-1, obs.shape[-1])
    first, of = _alike(rows)
    once = np.ascontiguousarray(rows[first] + 0.0)  # -0.0 and 0.0 are one value in two spellings
    joined = b"".join(blake2b(row, digest_size=8).digest() for row in once)
    found = np.frombuffer(joined, dtype="<i8").astype(np.int64)[of].reshape(obs.shape[:-1])
    return torch.from_numpy(found).to(obs.device)


def _alike(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (N, D) -> (m,), (N,)
    """Rows that stand for all others, which have equal numbers: in a world of few states, few.

    Two that are alike may both be among them.
    """
    every = np.arange(len(rows))
    keys = np.random.default_rng(0).random(rows.shape[1], rows.dtype)
    _, first, of = np.unique(rows @ keys, return_index=True, return_inverse=True)
    return (first, of) if np.array_equal(rows[first[of]], rows) else (every, every)


def earlier(digest: Tensor) -> Tensor:  # (T, B)
    """How often each state was seen before within this rollout; environments in their order."""
    flat = digest.flatten()
    ordered, order = flat.sort(stable=True)
    place = torch.arange(len(flat), device=flat.device)
    first = torch.ones_like(flat, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    since = place - (place * first).cummax(dim=0).values
    return torch.empty_like(flat).scatter_(0, order, since).reshape(digest.shape)


class Visits(Growing):
    """How often each state has been visited."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", torch.zeros(0, dtype=torch.long))  # digests, sorted
        self.register_buffer("counts", torch.zeros(0, dtype=torch.long))

    def __len__(self) -> int:
        return len(self.places)

    def count(self, digest: Tensor) -> Tensor:  # (...) -> (...)
        if not len(self):
            return torch.zeros_like(digest)
        at = torch.searchsorted(self.places, digest).clamp(max=len(self) - 1)
        return self.counts[at] * (self.places[at] == digest)

    def add(self, digest: Tensor) -> None:
        flat = digest.flatten()
        places, row = torch.cat([self.places, flat]).unique(return_inverse=True)
        more = torch.cat([self.counts, torch.ones_like(flat)])
        self.places = places
        self.counts = torch.zeros_like(places).scatter_add_(0, row, more)
