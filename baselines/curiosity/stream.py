"""The intrinsic reward stream: how a raw bonus becomes an advantage (Burda et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.curiosity.bonus import Transitions
from baselines.curiosity.scale import Scaled
from baselines.curiosity.settings import Config


def advantages(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    going_on: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Generalised advantage estimation (arXiv:1506.02438); all (T, B).

    :param next_values: the value after each step, 0 where nothing can follow.
    :param going_on: 1 where step t + 1 continues step t, 0 where the sum over time is cut.
    """
    found = (rewards + gamma * next_values - values).cpu().numpy()
    shares = (gamma * gae_lambda * going_on).cpu().numpy()
    for t in range(len(found) - 2, -1, -1):
        found[t] += shares[t] * found[t + 1]
    return torch.from_numpy(found).to(rewards.device)


class Stream(Scaled):
    """A bonus, its unit and its critic: one state_dict holds them, running statistics included."""

    def __init__(self, bonus: nn.Module, critic: nn.Module, config: Config, n_envs: int) -> None:
        super().__init__(bonus, config, config.int_gamma, n_envs)
        self.critic = critic
        self.register_buffer("random_rollouts", torch.zeros((), dtype=torch.long))  # done so far

    @torch.no_grad()
    def values(self, obs: Tensor) -> Tensor:  # (..., D) -> (...)
        return self.critic(obs)[..., 0]

    def value_loss(self, obs: Tensor, returns: Tensor) -> Tensor:  # (M, D), (M,)
        return (self.critic(obs)[..., 0] - returns).pow(2).mean()

    def scale(self, raw: Tensor) -> Tensor:  # (T, B)
        """In units that know these bonuses already."""
        self.count(raw)
        return raw / self.unit()

    def advantages(
        self,
        rewards: Tensor,
        values: Tensor,
        steps: Transitions,
        *,
        episodic: bool,
        gamma: float,
        gae_lambda: float,
    ) -> Tensor:
        """Of the rewards (T, B), given the values (T + 1, B) of what was seen, the last included.

        Unless `episodic`, an episode's end is a step like any other: life goes on with the first
        observation of the next one. If it is, a termination is worth 0 and a truncation the value
        of the observation at which the episode was cut.
        """
        next_values, going_on = values[1:], torch.ones_like(rewards)
        if episodic:
            ends = steps.terminated | steps.truncated
            after = self.values(steps.next_obs[ends]) * ~steps.terminated[ends]
            next_values = next_values.masked_scatter(ends, after)
            going_on = (~ends).float()
        return advantages(
            rewards, values[:-1], next_values, going_on, gamma=gamma, gae_lambda=gae_lambda
        )
