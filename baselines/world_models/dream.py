"""The dream: a Gymnasium vector environment that M makes, in which any agent can train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from pydantic import Field
from torch import Tensor

from baselines.bound import Above0
from baselines.world_models.action import ActionCode
from baselines.world_models.config import Group
from baselines.world_models.mdn_rnn import MDNRNN
from baselines.world_models.vae import Code


class Config(Group):
    """What dreams are like."""

    temperature: Above0 = Field(1.0, description="Of M's samples; above 1 their variance grows.")
    temperature_final: Above0 | None = Field(
        None, description="Temperature at the end of C's training, reached linearly."
    )
    termination: Literal["sample", "threshold", "off"] = Field(
        "sample",
        description="threshold: a dream ends at a predicted probability above 0.5; off: never.",
    )
    horizon: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Steps after which a dream is cut off; null: as many as an episode of the "
        "environment may have, 1000 if there is no limit.",
    )

    def temperature_at(self, part: float) -> float:
        """When `part` of C's training is done."""
        last = self.temperature if self.temperature_final is None else self.temperature_final
        return self.temperature + (last - self.temperature) * part


def features(latents: Tensor, hidden: Tensor, with_hidden: bool) -> Tensor:
    """What C sees: the latent, and what M remembers of all before it."""
    return torch.cat([latents, hidden], dim=-1) if with_hidden else latents


class Dream(VectorEnv):
    """Observations are what C sees; actions and rewards are the environment's own.

    A dream begins with the latent of one of `starts`, the first observations of real episodes, and
    with nothing remembered. When it ends, the next one begins in the same step.

    :param starts: their codes.
    :param config: with a horizon.
    """

    def __init__(
        self,
        memory: MDNRNN,
        starts: Code,
        actions: ActionCode,
        config: Config,
        num_envs: int,
        with_hidden: bool = True,
    ) -> None:
        self.memory, self.starts, self.actions, self.config = memory, starts, actions, config
        self.num_envs, self.with_hidden = num_envs, with_hidden
        self.temperature = config.temperature
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        size = memory.latent_size + (memory.config.hidden_size if with_hidden else 0)
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.single_action_space = actions.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.device = memory.noise.device
        self.generator = torch.Generator(self.device)

    @torch.no_grad()
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        if seed is not None:
            self.generator.manual_seed(seed)
        self._latents = self._begin(self.num_envs)
        self._state = torch.zeros(self.num_envs, self.memory.state_size, device=self.device)
        self._steps = torch.zeros(self.num_envs, dtype=torch.long, device=self.device)
        return self._observe(), {}

    @torch.no_grad()
    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        memory = self.memory
        taken = self.actions.encode(actions).to(self.device)
        self._state = memory.advance(self._latents, taken, self._state)
        hidden = memory.hidden(self._state)
        mixture = memory.next_latent(hidden, self._latents)
        self._latents = memory.sample(mixture, self.temperature, self.generator)
        rewards, logits = memory.outcome(hidden, self._latents)
        self._steps += 1
        terminated = self._terminated(logits)
        truncated = (self._steps >= self.config.horizon) & ~terminated
        ended = terminated | truncated
        infos: dict[str, Any] = {}
        if ended.any():
            mask = ended.cpu().numpy()
            infos = {"final_obs": self._observe(), "_final_obs": mask}
            self._latents = torch.where(ended[:, None], self._begin(self.num_envs), self._latents)
            self._state = self._state * ~ended[:, None]
            self._steps = self._steps * ~ended
        outcome = (rewards.double(), terminated, truncated)
        return self._observe(), *(part.cpu().numpy() for part in outcome), infos

    def _terminated(self, logits: Tensor) -> Tensor:
        if self.config.termination == "off":
            return torch.zeros_like(logits, dtype=torch.bool)
        if self.config.termination == "threshold":
            return logits > 0
        drawn = torch.rand(logits.shape, generator=self.generator, device=self.device)
        return drawn < torch.sigmoid(logits)

    def _begin(self, n: int) -> Tensor:
        mean, std = self.starts
        like = {"generator": self.generator, "device": self.device}
        rows = torch.randint(len(mean), (n,), **like)
        return Code(mean[rows], std[rows]).sample(self.generator)

    def _observe(self) -> np.ndarray:
        hidden = self.memory.hidden(self._state)
        return features(self._latents, hidden, self.with_hidden).cpu().numpy()


def dreamed_to_the_end(dream: Dream, act: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The return of one new dream in each lane: (num_envs,)."""
    observations, _ = dream.reset()
    returns, going = np.zeros(dream.num_envs), np.ones(dream.num_envs, bool)
    while going.any():
        observations, rewards, terminated, truncated, _ = dream.step(act(observations))
        returns += rewards * going
        going &= ~(terminated | truncated)
    return returns
