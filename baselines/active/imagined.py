"""The models as an environment in which any policy can train: what it is paid is what it may learn.

In each step each episode follows a member drawn for it (the authors' code; TS1 of Chua et al. 2018,
arXiv:1805.12114).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from baselines.active.ensemble import Models
from baselines.world_models.action import ActionCode


class Imagined:
    """Episodes side by side; one that ends begins again in the same step.

    It has the parts of `world_models.dream.Dream` that a policy trains in. Observations are
    normalised.

    :param starts: observations (N, D) from which episodes begin, each as likely.
    :param bounds: the least and the largest observation (D,) that there can be.
    :param decay: of the variances in the utility (`Gaussians.wider`); None: the task's reward is
        paid, not the utility.
    """

    render_mode = None  # SB3 asks

    def __init__(
        self,
        models: Models,
        starts: Tensor,
        bounds: tuple[Tensor, Tensor],
        actions: ActionCode,
        horizon: int,
        num_envs: int,
        decay: float | None,
    ) -> None:
        self.models, self.starts, self.bounds = models, starts, bounds
        self.actions, self.horizon, self.num_envs, self.decay = actions, horizon, num_envs, decay
        shape = starts.shape[1:]
        self.single_observation_space = spaces.Box(-np.inf, np.inf, shape, np.float32)
        self.single_action_space = actions.space
        self.generator = torch.Generator(starts.device)
        self.paid: list[float] = []  # the mean reward of each step

    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        if seed is not None:
            self.generator.manual_seed(seed)
        self._obs = self._begin()
        self._steps = torch.zeros(self.num_envs, dtype=torch.long, device=self.starts.device)
        return self._observe(), {}

    @torch.no_grad()
    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        models, obs = self.models, self._obs
        action = self.actions.encode(actions).to(obs.device)
        expected = models.expected(obs, action)
        lanes = torch.arange(self.num_envs, device=obs.device)
        member = self._integers(len(expected.means))
        mean, log_variance = (part[member, lanes] for part in expected)
        noise = torch.randn(mean.shape, generator=self.generator, device=obs.device)
        after = models.after(obs, mean + noise * (0.5 * log_variance).exp()).clamp(*self.bounds)
        reward, logit = models.outcome(obs, action, after)
        if self.decay is None:
            paid = models.reward_mean + models.reward_std * reward
        else:
            paid = models.utility(obs, action, self.decay)
        drawn = torch.rand(logit.shape, generator=self.generator, device=obs.device)
        terminated = drawn < torch.sigmoid(logit)
        self._steps += 1
        truncated = (self._steps >= self.horizon) & ~terminated
        ended = terminated | truncated
        self._obs = after
        infos = {"final_obs": self._observe()}
        self._obs = torch.where(ended[:, None], self._begin(), after)
        self._steps = self._steps * ~ended
        self.paid.append(float(paid.mean()))
        outcome = (part.cpu().numpy() for part in (paid.double(), terminated, truncated))
        return self._observe(), *outcome, infos

    def _begin(self) -> Tensor:
        return self.starts[self._integers(len(self.starts))]

    def _integers(self, high: int) -> Tensor:
        return torch.randint(
            high, (self.num_envs,), generator=self.generator, device=self.starts.device
        )

    def _observe(self) -> np.ndarray:
        return self.models.normalized(self._obs).cpu().numpy()
