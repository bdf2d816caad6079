"""A replay buffer that pays for novelty: learned when steps arrive, priced when they are sampled.

So a bonus counts visits, not how often a visit was replayed, and is never stale: a step that was
stored long ago is paid what it is worth today. Nothing of Stable-Baselines3 is copied or changed.
The buffer holds observations and rewards as the environment gave them; the bonus sees observations
as the policy does, after VecNormalize, and is added after VecNormalize has scaled the rewards.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from pydantic import Field
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor, nn

from baselines.bound import Repeats0
from baselines.curiosity.bonus import Transitions, told
from baselines.curiosity.scale import Scaled
from baselines.curiosity.settings import BonusConfig


class Config(BonusConfig):
    """What every bonus shares that is paid when a step is replayed."""

    search: ClassVar[dict[str, Any]] = {
        **BonusConfig.search,
        "int_coef_end": {
            "why": "The share of the bonus at the end of training; 0 leaves only the reward.",
            "low": 0.0,
            "high": 1.0,
        },
    }

    warmup_steps: int = Field(
        1000, ge=0, description="First steps, for which nothing is paid: they train the bonus only."
    )
    bonus_batch_size: int = Field(
        32, ge=1, description="The bonus learns whenever so many steps have arrived, from these."
    )
    bonus_gradient_steps: Repeats0 = Field(1, description="Its gradient steps on each of them.")

    def least_steps(self) -> int:
        """To the first step that is paid for, and the first from which the bonus learns on."""
        n_envs = getattr(self, "n_envs", 1)
        rows = (-(-steps // n_envs) for steps in (self.warmup_steps, self.bonus_batch_size))
        return max(super().least_steps(), n_envs * sum(rows))

    def paced_by(self) -> tuple[str, ...]:
        return (*super().paced_by(), "warmup_steps", "bonus_batch_size")


class Novelty(Scaled):
    """A bonus, its unit and its optimiser. What `load` must restore is in its state_dict."""

    def __init__(
        self, bonus: nn.Module, config: Config, *, gamma: float, n_envs: int, seed: int
    ) -> None:
        super().__init__(bonus, config, gamma, n_envs)
        self.register_buffer("warm", torch.tensor(config.warmup_steps == 0))
        learned = [weight for weight in bonus.parameters() if weight.requires_grad]
        self.optimizer = (
            torch.optim.Adam(learned, config.bonus_learning_rate, eps=1e-5, fused=True)
            if learned  # counts learn without gradients
            else None
        )
        self.metrics: dict[str, float] = {}
        self._rng = np.random.default_rng(seed)

    @torch.no_grad()
    def price(self, steps: Transitions) -> Tensor:  # (1, M)
        """What sampled steps are worth now: one step of each of M environments."""
        if not self.warm:
            return torch.zeros_like(steps.terminated, dtype=torch.float32)
        return self.raw(steps) / self.unit()

    def learn(self, steps: Transitions) -> None:  # (T, B) in time order, never seen before
        """Count their bonuses into the deviation; then they are a little less new."""
        raw = self.raw(steps)
        self.count(raw)
        self.bonus.update(steps)
        flat = steps.flat()
        losses = [self._descend(flat) for _ in range(self.config.bonus_gradient_steps)]
        self.metrics = {
            "curiosity/raw_bonus": raw.mean().item(),
            "curiosity/scaled_bonus": (raw / self.unit()).mean().item(),
            "train/bonus_loss": float(np.mean(losses or [0.0])),
        }

    def warm_up(self, steps: Transitions) -> None:  # (T, B) in time order
        """Forget how new everything was to an untrained bonus, before the deviation counts it."""
        self.bonus.update(steps)
        flat = steps.flat()
        for _ in range(self.config.warmup_epochs):
            order = torch.from_numpy(self._rng.permutation(len(flat.obs))).to(flat.obs.device)
            for rows in order.split(self.config.bonus_batch_size):
                self._descend(flat.at(rows))
        self.count(self.raw(steps))
        self.warm.fill_(True)

    def _descend(self, batch: Transitions) -> float:  # (M,)
        if self.optimizer is None:
            return 0.0
        loss = self.bonus.loss(batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class CuriousReplay(ReplayBuffer):
    """Stable-Baselines3's replay buffer; from `attach` on, with a bonus in what it samples."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.optimize_memory_usage:
            raise ValueError("optimize_memory_usage overwrites the last observations of episodes")
        self.novelty: Novelty | None = None
        self.int_coef = self.ext_coef = 1.0  # the learner sets them before each update
        self._waiting = 0  # rows that the bonus has not learned from
        self._infos: dict[str, np.ndarray] = {}  # (size, n_envs, ...): what the bonus asks for

    def attach(self, novelty: Novelty, vec_normalize: VecNormalize | None) -> None:
        """Pay for this novelty, of observations as this wrapper shows them to the policy."""
        self.novelty, self._vec_normalize = novelty, vec_normalize

    def add(
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        if self.novelty is not None:
            self._keep(reward, infos)
        super().add(obs, next_obs, action, reward, done, infos)
        if self.novelty is None:
            return
        config, warm = self.novelty.config, bool(self.novelty.warm)
        steps = config.bonus_batch_size if warm else config.warmup_steps
        rows = min(-(-steps // self.n_envs), self.buffer_size)
        self._waiting += 1
        if self._waiting >= rows:
            self._waiting = 0
            (self.novelty.learn if warm else self.novelty.warm_up)(self._latest(rows))

    def _get_samples(
        self, batch_inds: np.ndarray, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        wanted = self._infos and self.novelty is not None
        env_inds = self._next_env_inds(batch_inds) if wanted else batch_inds
        samples = super()._get_samples(batch_inds, env)
        rewards = samples.rewards  # (M, 1), after VecNormalize
        if self.ext_coef != 1:
            rewards = self.ext_coef * rewards
        if self.novelty is not None and self.int_coef > 0:
            terminated = samples.dones[:, 0].bool()  # SB3 has taken the truncated ones out
            steps = Transitions(
                self._encode(samples.observations),
                self._unscale(samples.actions),
                self._encode(samples.next_observations),
                terminated,
                torch.zeros_like(terminated),
                self._told(batch_inds, env_inds),
            )
            bonus = self.novelty.price(steps.each(lambda part: part[None]))  # (1, M)
            rewards = rewards + self.int_coef * bonus[0, :, None]
        return samples._replace(rewards=rewards)

    def _latest(self, rows: int) -> Transitions:  # (T, B)
        """The last rows in time order, as samples show them."""
        at = np.arange(self.pos - rows, self.pos) % self.buffer_size
        obs, next_obs = (
            self._encode(self.to_torch(self._normalize_obs(seen[at], self._vec_normalize)))
            for seen in (self.observations, self.next_observations)
        )
        done, truncated = (self.to_torch(marks[at]).bool() for marks in (self.dones, self.timeouts))
        taken = self._unscale(self.to_torch(self.actions[at]))
        infos = self._told(at)
        return Transitions(obs, taken, next_obs, done & ~truncated, truncated, infos)

    def _keep(self, rewards: np.ndarray, infos: list[dict[str, Any]]) -> None:
        """Of the step that is about to be stored, what the bonus asks for."""
        assert self.novelty is not None
        for key, values in told(self.novelty.bonus.infos, rewards, infos).items():
            if key not in self._infos:
                self._infos[key] = np.zeros((self.buffer_size, *values.shape), np.float32)
            self._infos[key][self.pos] = values

    def _told(self, *at: np.ndarray) -> dict[str, Tensor]:
        return {key: self.to_torch(values[at]) for key, values in self._infos.items()}

    def _next_env_inds(self, batch_inds: np.ndarray) -> np.ndarray:
        """The environments of which the next samples are: SB3 2.9.2 draws them first, and alone."""
        state = np.random.get_state()
        drawn = np.random.randint(0, high=self.n_envs, size=(len(batch_inds),))
        np.random.set_state(state)
        return drawn

    def _encode(self, obs: Tensor) -> Tensor:
        """Observations (..., *shape) as the policy's network sees them, flat: (..., D) float32."""
        lead = obs.shape[: obs.ndim - len(self.obs_shape)]
        rows = preprocess_obs(obs.reshape(-1, *self.obs_shape), self.observation_space)
        return rows.flatten(1).reshape(*lead, -1)

    def _unscale(self, actions: Tensor) -> Tensor:
        """Stored are vectors scaled to [-1, 1]; the environment took these."""
        space = self.action_space
        if not isinstance(space, spaces.Box):
            return actions
        low, high = (self.to_torch(bound.flatten()) for bound in (space.low, space.high))
        return low + 0.5 * (actions + 1) * (high - low)

    def __getstate__(self) -> dict[str, Any]:
        """Without the learner's parts: `attach` gives them back."""
        return vars(self) | {"novelty": None, "_vec_normalize": None}
