"""The memory of the episode that each environment is in, for bonuses that begin anew with it.

What step t may look back on are the observations of its episode up to the one from which it set
out; its bonus is about where it arrives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.curiosity.bonus import Transitions
from baselines.curiosity.visits import Growing, digests


class EpisodeMemory(Growing):
    """What each environment has shown so far in the episode that it is in.

    :param shape: of one key, such as an embedding or the digest of a state.
    :param limit: the most keys that an environment keeps, the newest of them; None: all.
    """

    def __init__(
        self, *shape: int, dtype: torch.dtype = torch.float32, limit: int | None = None
    ) -> None:
        super().__init__()
        self.limit = limit
        self.register_buffer("keys", torch.zeros(0, 0, *shape, dtype=dtype))  # (L, B, *shape)
        self.register_buffer("live", torch.zeros(0, 0, dtype=torch.bool))  # (L, B)

    def recall(self, keys: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
        """All keys (L + T, B, *shape), and which of them each step may look back on.

        :param keys: of the observations from which the rollout's steps set out: (T, B, *shape).
        :param ends: the steps that end an episode: (T, B) bool.
        :return: the keys, and a mask (T, L + T, B).
        """
        held, live = self._held(keys)
        episode = ends.long().cumsum(dim=0) - ends.long()  # 0 is the one that was going on
        time = torch.arange(len(keys), device=keys.device)
        old = live & (episode == 0)[:, None]
        new = (episode[:, None] == episode) & (time <= time[:, None])[..., None]
        return torch.cat([held, keys]), torch.cat([old, new], dim=1)

    def visits(self, keys: Tensor, arrived: Tensor, ends: Tensor) -> Tensor:  # (T, B)
        """How often each step may look back on the key at which it arrives: digests, all (T, B)."""
        held, known = self.recall(keys, ends)
        return ((held == arrived[:, None]) & known).sum(dim=1).float()

    def update(self, keys: Tensor, ends: Tensor) -> None:
        """Keep what belongs to the episodes that go on after the rollout."""
        keys, seen = self.recall(keys, ends)
        live = seen[-1] & ~ends[-1]
        if self.limit is not None:
            keys, live = keys[-self.limit :], live[-self.limit :]
        rows = live.any(dim=1)
        self.keys, self.live = keys[rows].clone(), live[rows].clone()

    def forget(self) -> None:
        """Every environment was reset."""
        self.keys, self.live = self.keys[:0], self.live[:0]

    def _held(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        if len(self.keys):
            return self.keys, self.live
        return keys[:0], torch.zeros(0, keys.shape[1], dtype=torch.bool, device=keys.device)


class EpisodeVisits(EpisodeMemory):
    """Where each environment has been in the episode that it is in."""

    def __init__(self) -> None:
        super().__init__(dtype=torch.long)

    def before(self, steps: Transitions) -> Tensor:  # (T, B)
        """How often each step of a rollout has been where it arrives, in its episode."""
        ends = steps.terminated | steps.truncated
        return self.visits(digests(steps.obs), digests(steps.next_obs), ends)

    def add(self, steps: Transitions) -> None:
        self.update(digests(steps.obs), steps.terminated | steps.truncated)


def forget_episodes(module: nn.Module) -> None:
    """The environments were reset: no memory within the module outlives that."""
    for part in module.modules():
        if hasattr(part, "forget"):
            part.forget()
