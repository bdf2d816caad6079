"""What a curiosity bonus is: a number per transition, and what it learns from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from gymnasium import spaces
from torch import Tensor, nn

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


class Bonus(Protocol):
    """A torch module with three more methods. Running statistics are its buffers.

    The learner calls, once per rollout: `reward`, then `update`, then `loss` on its minibatches.
    A bonus that begins anew with every episode says so by `episodic = True` and reads the rollouts
    (T, B) of the same environments in their order: no minibatch will do.
    """

    Config: ClassVar[type[Config]]
    episodic: bool

    def __init__(
        self, obs_dim: int, action_space: spaces.Space, config: Any, generator: torch.Generator
    ) -> None: ...

    def reward(self, steps: Transitions) -> Tensor:
        """The raw bonus of each step of a rollout: (T, B) -> (T, B), without gradients.

        Asked twice, it answers the same: whatever is remembered is remembered by `update`.
        """

    def update(self, steps: Transitions) -> None:
        """Take a rollout, or the random agent's steps before training, into the statistics."""

    def loss(self, steps: Transitions) -> Tensor:
        """What to minimise on a minibatch (M,): a scalar with gradients."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...
