"""What a curiosity bonus is: a number per transition, and what it learns from them."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn

from baselines import ACTIONS
from baselines.api import Config


class Transitions(NamedTuple):
    """Steps of B environments: (T, B) in time order from a rollout, or (M,) as a minibatch.

    The next observation is the true one: at the end of an episode its last, never the first of the
    next episode.
    """

    obs: Tensor  # (..., D) float32, as the policy's network sees it, flat
    actions: Tensor  # (..., action_dim): the number of a discrete action, or a vector
    next_obs: Tensor  # (..., D)
    terminated: Tensor  # (...) bool
    truncated: Tensor  # (...) bool

    def flat(self) -> Transitions:
        """The same steps as one minibatch (T * B,)."""
        return Transitions(*(part.flatten(0, 1) for part in self))

    def at(self, rows: Tensor) -> Transitions:
        """Some rows of a minibatch."""
        return Transitions(*(part[rows] for part in self))

    def share(self, proportion: float, generator: torch.Generator) -> Transitions:
        """Each row of a minibatch with this probability, one at least; for 1 nothing is drawn."""
        if proportion == 1:
            return self
        drawn = torch.rand(len(self.obs), generator=generator) < proportion
        drawn[0] |= ~drawn.any()
        return self.at(drawn.to(self.obs.device))


class Bonus(nn.Module):
    """What all bonuses share. Running statistics are buffers: whatever saves the module saves them.

    The learner calls, once per rollout: `reward`, then `update`, then `loss` on its minibatches.
    """

    Config: ClassVar[type[Config]]
    summary: ClassVar[str]  # "random network distillation (Burda et al., 2018)"
    version: ClassVar[int] = 1  # raise it whenever a change can move scores: old runs go stale
    reach: str = "training"  # of baselines.REACHES; an instance may reach otherwise than its class
    actions: ClassVar[tuple[str, ...]] = ACTIONS  # those that it can tell apart

    def __init__(
        self, obs_dim: int, action_space: spaces.Space, config: Any, generator: torch.Generator
    ) -> None:
        """:param generator: draws first weights, and whatever is drawn later."""
        super().__init__()
        self.config = config
        self.generator = generator

    def reward(self, steps: Transitions) -> Tensor:
        """The raw bonus of each step of a rollout: (T, B) -> (T, B), without gradients.

        Asked twice, it answers the same: whatever is remembered is remembered by `update`.
        """
        raise NotImplementedError

    def update(self, steps: Transitions) -> None:
        """Take a rollout, or the random agent's steps before training, into the statistics."""

    def loss(self, steps: Transitions) -> Tensor:
        """What to minimise on a minibatch (M,): a scalar with gradients."""
        return torch.zeros((), device=steps.obs.device, requires_grad=True)  # nothing is learned
