"""What a curiosity bonus is: a number per transition, and what it learns from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim
from torch import Tensor, nn

from baselines import ACTIONS, FLAT
from baselines.api import Config

# A step's reward, as the environment paid it in training: what it asks for by this name in `infos`.
REWARD = "reward"
# What vector environments and Monitor add to `info`.
ADDED = {"terminal_observation", "TimeLimit.truncated", "episode"}


class Transitions(NamedTuple):
    """Steps of B environments: (T, B) in time order from a rollout, or (M,) as a minibatch.

    The next observation is the true one: at the end of an episode its last, never the first of the
    next episode.
    """

    obs: Tensor  #: (..., D) float32, as the policy's network sees it, flat
    actions: Tensor  #: (..., action_dim): the number of a discrete action, or a vector
    next_obs: Tensor  #: (..., D)
    terminated: Tensor  #: (...) bool
    truncated: Tensor  #: (...) bool
    infos: Mapping[str, Tensor] = {}  #: `(..., *shape)` float32: what `Bonus.infos` asks for

    def each(self, change: Callable[[Tensor], Tensor]) -> Transitions:
        """The same steps, every part changed alike."""
        return Transitions(
            change(self.obs),
            change(self.actions),
            change(self.next_obs),
            change(self.terminated),
            change(self.truncated),
            {key: change(part) for key, part in self.infos.items()},
        )

    def flat(self) -> Transitions:
        """The same steps as one minibatch (T * B,)."""
        return self.each(lambda part: part.flatten(0, 1))

    def at(self, rows: Tensor) -> Transitions:
        """Some rows of a minibatch."""
        return self.each(lambda part: part[rows])

    @classmethod
    def joined(cls, minibatches: Sequence[Transitions]) -> Transitions:
        """One minibatch of several."""
        told = minibatches[0].infos
        return cls(
            torch.cat([each.obs for each in minibatches]),
            torch.cat([each.actions for each in minibatches]),
            torch.cat([each.next_obs for each in minibatches]),
            torch.cat([each.terminated for each in minibatches]),
            torch.cat([each.truncated for each in minibatches]),
            {key: torch.cat([each.infos[key] for each in minibatches]) for key in told},
        )

    def share(self, proportion: float, generator: torch.Generator) -> Transitions:
        """Each row of a minibatch with this probability, one at least; for 1 nothing is drawn."""
        if proportion == 1:
            return self
        return self.at(drawn(len(self.obs), proportion, generator).to(self.obs.device))


def drawn(rows: int, proportion: float, generator: torch.Generator) -> Tensor:  # (rows,) bool
    """Each with this probability, one at least."""
    chosen = torch.rand(rows, generator=generator) < proportion
    chosen[0] |= ~chosen.any()
    return chosen


class Bonus(nn.Module):
    """What all bonuses share. Running statistics are buffers: whatever saves the module saves them.

    The learner calls, once per rollout: `reward`, then `update`, then `loss` on its minibatches.
    """

    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str]  #: default: the first line of its docstring
    version: ClassVar[int] = 1  #: raise it whenever a change can move scores: old runs go stale
    reach: str = "training"  #: a key of `baselines.REACHES`; an instance may have another
    actions: ClassVar[tuple[str, ...]] = ACTIONS  #: kinds that it can tell apart
    observations: ClassVar[tuple[str, ...]] = FLAT  #: kinds that it reads: "image" may be added
    #: Keys of the environment's `info` that `Transitions.infos` holds for each step: numbers, or
    #: arrays of one shape; and REWARD, the environment's own reward.
    infos: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        if "summary" not in vars(cls):
            cls.summary = (cls.__doc__ or cls.__name__).strip().partition("\n")[0]

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        config: Any,
        generator: torch.Generator,
    ) -> None:
        """
        :param observation_space: as the policy sees it, so of images with the channels first. Steps
            have observations of it flat, of `obs_dim` numbers, those of images from 0 to 1.
        :param generator: draws first weights, and whatever is drawn later.
        """
        super().__init__()
        self.observation_space = observation_space
        self.obs_dim = flatdim(observation_space)
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


def told(
    wanted: Sequence[str], rewards: np.ndarray, infos: Sequence[Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """What a bonus asks for of one step of B environments: (B, *shape) float32 by key.

    :raises ValueError: if an environment does not tell it in numbers.
    """
    values = {REWARD: np.array(rewards, np.float32)} if REWARD in wanted else {}
    for key in wanted:
        if key == REWARD:
            continue
        if missing := [info for info in infos if key not in info]:
            others = ", ".join(sorted(missing[0].keys() - ADDED)) or "nothing"
            raise ValueError(f"the bonus asks for '{key}' in `info`, and a step told {others}")
        try:
            values[key] = np.stack([np.asarray(info[key], np.float32) for info in infos])
        except (TypeError, ValueError):
            raise ValueError(
                f"the bonus asks for '{key}' in `info`, and it is {infos[0][key]!r}: it must be a "
                "number, or an array that always has the same shape"
            ) from None
    return values
