"""The unit of a bonus: the standard deviation of its discounted sums (Burda et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.curiosity.bonus import Transitions
from baselines.curiosity.network import RunningMoments
from baselines.curiosity.settings import BonusConfig


def discounted_sums(rewards: Tensor, carry: Tensor, gamma: float) -> Tensor:  # (T, B), (B,)
    """The sum R_t = gamma R_{t-1} + r_t of each environment, from `carry` = R_{-1} on: (T, B)."""
    sums, before = rewards.cpu().numpy().copy(), carry.cpu().numpy()
    for t in range(len(sums)):
        sums[t] += gamma * before
        before = sums[t]
    return torch.from_numpy(sums).to(rewards.device)


class Scaled(nn.Module):
    """A bonus and its unit.

    One that forgets never falls below a share of the first one: without that floor a bonus that has
    died would be scaled up to size 1 for ever.

    :param gamma: discount of the sums, which run over time and the ends of episodes.
    """

    def __init__(self, bonus: nn.Module, config: BonusConfig, gamma: float, n_envs: int) -> None:
        super().__init__()
        self.bonus = bonus
        self.config = config
        self.gamma = gamma
        self.moments = RunningMoments()  # of the discounted sums of raw bonuses
        self.register_buffer("carry", torch.zeros(n_envs))  # the last of these sums
        self.register_buffer("floor", torch.zeros(()))  # of their standard deviation

    @torch.no_grad()
    def raw(self, steps: Transitions) -> Tensor:  # (T, B)
        """The bonus of each step.

        :raises ValueError: if it is not one number for each.
        """
        raw = self.bonus.reward(steps)
        if raw.shape != steps.terminated.shape:
            what = f"{type(self.bonus).__name__}.reward makes numbers of shape {tuple(raw.shape)}"
            raise ValueError(f"{what} for steps of shape {tuple(steps.terminated.shape)}")
        return raw

    @torch.no_grad()
    def count(self, raw: Tensor) -> None:  # (T, B) in time order
        """Take raw bonuses into the unit."""
        sums = discounted_sums(raw, self.carry, self.gamma)
        self.carry.copy_(sums[-1])
        first = self.moments.count == 0
        self.moments.update(sums.flatten())
        if self.config.deviation == "moving":
            if first:
                self.floor.copy_(self.config.deviation_floor * self.moments.var.sqrt())
            self.moments.count.clamp_(max=self.config.deviation_memory)  # the past weighs less

    def unit(self) -> Tensor:
        """What raw bonuses are divided by."""
        if not self.config.normalize_reward:
            return torch.ones_like(self.floor)
        return torch.maximum(self.moments.var.sqrt().float(), self.floor) + 1e-8
