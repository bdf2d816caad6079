"""What a curious learner logs beside its losses. Nothing here changes training."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.curiosity.bonus import Transitions
from baselines.curiosity.visits import Visits, digests, earlier

DISTINCT = 0.9  # if more of the first rollout's states are unlike all others, none are counted


class Diagnostic:
    """Coverage, and the bonus of new and of known states."""

    def __init__(self) -> None:
        self.visits: Visits | None = Visits()

    def metrics(self, steps: Transitions, raw: Tensor | None) -> dict[str, float]:
        """Of one rollout (T, B); raw is its bonus, None if it was not asked for."""
        if self.visits is None:
            return {}
        digest = digests(steps.next_obs)
        new = (self.visits.count(digest) == 0) & (earlier(digest) == 0)
        if not len(self.visits) and new.float().mean() > DISTINCT:
            self.visits = None  # the states are not discrete
            return {}
        self.visits.add(digest)
        found = {
            "rollout/states": float(len(self.visits)),
            "rollout/new_states": new.float().mean().item(),
        }
        for name, rows in (("new", new), ("known", ~new)):
            if raw is not None and torch.any(rows):
                found[f"curiosity/raw_bonus_{name}"] = raw[rows].mean().item()
        return found
