"""PPO with a curiosity bonus as a second reward stream, in the manner of RND (arXiv:1810.12894).

The policy, its critic and their update are Stable-Baselines3's PPO, unchanged: its critic is the
extrinsic one. Beside it stand the bonus and an intrinsic critic, with an optimiser of their own.
The two advantages are mixed before PPO's update. Differences from the paper: the critics share no
torso; the extrinsic discount is PPO's 0.99 (there 0.999); PPO normalises the mixed advantage, so
that `int_coef` cancels as long as the extrinsic one is 0, which it is where no reward has ever come
and the critic knows it; and the bonus is warmed up on the random agent's steps before its running
standard deviation begins to count. Without that, in runs as short as ours, the bonuses of an
untrained predictor dominate it, and the scaled bonus is almost 0 before it is used.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces.utils import flatdim
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.torch_layers import NatureCNN
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from baselines.curiosity.bonus import Transitions, told
from baselines.curiosity.diagnostic import Diagnostic
from baselines.curiosity.encoder import Convolutions
from baselines.curiosity.episodic import forget_episodes
from baselines.curiosity.learner import Curious
from baselines.curiosity.network import mlp
from baselines.curiosity.settings import settings_of
from baselines.curiosity.stream import Stream


class End(NamedTuple):
    """The end of an episode within a rollout."""

    t: int
    env: int
    last_obs: np.ndarray
    truncated: bool


class CuriousRollouts(Curious):
    """What stands before PPO, or a kind of it."""

    settings = staticmethod(settings_of)

    def _setup_model(self) -> None:
        super()._setup_model()
        config = self.curiosity_config
        # Generators of our own: with int_coef 0 and no random rollouts this is PPO bit for bit.
        seed = 0 if self.seed is None else self.seed
        generator = torch.Generator().manual_seed(seed)
        self._rng = np.random.default_rng(seed)
        self._random_actions = copy.deepcopy(self.action_space)
        self._random_actions.seed(seed)
        bonus = self._make_bonus(generator)
        critic = self._make_critic(generator)
        self.stream = Stream(bonus, critic, config, self.n_envs).to(self.device)
        learned = [p for p in self.stream.bonus.parameters() if p.requires_grad]
        self.stream_optimizer = torch.optim.Adam(
            [
                {"params": list(self.stream.critic.parameters()), "lr": config.int_learning_rate},
                {"params": learned, "lr": config.bonus_learning_rate},
            ],
            eps=1e-5,
            fused=True,  # the plain one costs more than the networks themselves
        )
        self._ends: list[End] = []
        self._infos: list[dict[str, np.ndarray]] = []  # what the bonus asks for, step by step
        self._callback: BaseCallback | None = None  # knows the rewards of a step
        self._time = 0
        self._rollout: tuple[Transitions, Tensor] | None = None  # with its intrinsic returns (T, B)
        self._random_rollouts: list[Transitions] = []
        self._diagnostic = Diagnostic()

    def _make_critic(self, generator: torch.Generator) -> nn.Sequential:
        """A perceptron, behind convolutions like the policy's where that has some."""
        space = self.observation_space
        torso, width = [], flatdim(space)
        if isinstance(self.policy.features_extractor, NatureCNN):
            torso = [Convolutions(space.shape, generator)]
            width = torso[0].width
        widths = [width, *self.curiosity_config.int_net_arch, 1]
        return nn.Sequential(*torso, *mlp(widths, nn.Tanh, generator, last_gain=1.0))

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        before = self._last_obs
        found = super()._setup_learn(*args, **kwargs)
        if self._last_obs is not before:
            forget_episodes(self.stream.bonus)
        return found

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        self._ends, self._infos, self._time, self._rollout = [], [], 0, None
        self._callback = callback
        config = self.curiosity_config
        if self.stream.random_rollouts < config.random_rollouts:
            return self._collect_random_rollout(env, callback, n_rollout_steps)
        ext_coef, int_coef = config.coefficients(self.num_timesteps / self._total_timesteps)
        if not super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps):
            return False
        # Policy, critics and bonus stand still during a rollout: one pass over all of it suffices.
        seen, actions = self._rollout_of(rollout_buffer)
        steps, values = self._steps(seen, actions), self._values(seen)
        raw = self._raw(steps)
        rewards = self.stream.scale(raw)
        found = self.stream.advantages(
            rewards,
            values,
            steps,
            episodic=config.int_episodic,
            gamma=config.int_gamma,
            gae_lambda=self.gae_lambda,
        )
        rollout_buffer.advantages = (
            ext_coef * rollout_buffer.advantages + int_coef * found.cpu().numpy()
        )
        self._update(steps)
        self._rollout = steps, found + values[:-1]
        self._tell(raw, rewards)
        return True

    def _tell(self, raw: Tensor, rewards: Tensor) -> None:
        steps, returns = self._rollout
        metrics = {
            "curiosity/raw_bonus": raw.mean().item(),
            "curiosity/scaled_bonus": rewards.mean().item(),
            "curiosity/raw_return": (returns.mean() * self.stream.unit()).item(),
            "curiosity/scaled_return": returns.mean().item(),
        }
        for name, value in (metrics | self._diagnostic.metrics(steps, raw)).items():
            self.logger.record(name, value)

    def train(self) -> None:
        if self._rollout is None:  # it was a random rollout
            self._warm_up()
            return
        super().train()
        steps, returns = self._rollout
        flat, flat_returns = steps.flat(), returns.flatten()
        epochs = range(self.curiosity_config.int_n_epochs)
        losses = [self._learn(flat, flat_returns) for _ in epochs]
        for name in losses[0]:
            self.logger.record(name, np.mean([loss[name] for loss in losses]))
        if self.stream.bonus.reach != "episode":  # raw_bonus is before learning
            learned = self._raw(steps).mean().item()
            self.logger.record("curiosity/raw_bonus_learned", learned)

    def _collect_random_rollout(self, env: VecEnv, callback: BaseCallback, n_steps: int) -> bool:
        """As long as any other rollout: whole rollouts fill the budget as they do in PPO."""
        seen, taken = [], []
        for _ in range(n_steps):
            self._watch()
            actions = np.stack([self._random_actions.sample() for _ in range(env.num_envs)])
            new_obs, rewards, dones, infos = env.step(actions)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, dones)
            seen.append(self._last_obs)
            taken.append(actions.reshape(env.num_envs, -1))
            self._last_obs, self._last_episode_starts = new_obs, dones
        steps = self._steps(self._all_seen(np.stack(seen)), np.stack(taken))
        self._update(steps)
        self._diagnostic.metrics(steps, None)
        self.stream.random_rollouts += 1
        self._random_rollouts.append(steps)
        return True

    def _watch(self) -> None:
        """The policy sees what the random agent sees: for a policy with a memory."""

    def _warm_up(self) -> None:
        if self.stream.random_rollouts < self.curiosity_config.random_rollouts:
            return
        steps = Transitions.joined([steps.flat() for steps in self._random_rollouts])
        for _ in range(self.curiosity_config.warmup_epochs):
            self._learn(steps, None)
        self._random_rollouts = []

    def _update_info_buffer(
        self, infos: list[dict[str, Any]], dones: np.ndarray | None = None
    ) -> None:
        """SB3 calls this after every step, while it still knows how the step ended."""
        super()._update_info_buffer(infos, dones)
        for i in np.flatnonzero(dones):
            truncated = bool(infos[i].get("TimeLimit.truncated", False))
            self._ends.append(End(self._time, int(i), infos[i]["terminal_observation"], truncated))
        if self.stream.bonus.infos:
            scaled = self._vec_normalize_env
            rewards = scaled.get_original_reward() if scaled else self._callback.locals["rewards"]
            self._infos.append(told(self.stream.bonus.infos, rewards, infos))
        self._time += 1

    def _rollout_of(self, buffer: RolloutBuffer) -> tuple[Tensor, np.ndarray]:
        """What was seen (T + 1, B, D), and the actions (T, B, action_dim)."""
        return self._all_seen(buffer.observations), buffer.actions

    def _all_seen(self, obs: np.ndarray) -> Tensor:  # (T, B, *shape) -> (T + 1, B, D)
        """The observations of a rollout, and that after it."""
        last = self._last_obs
        return self._encode(np.concatenate([obs.reshape(-1, *last.shape), last[None]]))

    def _values(self, seen: Tensor) -> Tensor:  # (T + 1, B, D) -> (T + 1, B)
        return self.stream.values(seen)

    def _raw(self, steps: Transitions) -> Tensor:  # (T, B)
        return self.stream.raw(steps)

    def _update(self, steps: Transitions) -> None:
        self.stream.bonus.update(steps)

    def _steps(self, seen: Tensor, actions: np.ndarray) -> Transitions:
        """A rollout as tensors."""
        next_obs = seen[1:]
        terminated = torch.zeros(next_obs.shape[:2], dtype=torch.bool, device=self.device)
        truncated = torch.zeros_like(terminated)
        if self._ends:
            next_obs = next_obs.clone()
            t, i, last_obs, cut = zip(*self._ends, strict=True)
            next_obs[t, i] = self._encode(np.stack(last_obs))
            truncated[t, i] = torch.tensor(cut, device=self.device)
            terminated[t, i] = ~truncated[t, i]
        taken = torch.as_tensor(actions, device=self.device)
        infos = {
            key: torch.as_tensor(np.stack([step[key] for step in self._infos]), device=self.device)
            for key in self.stream.bonus.infos
        }
        return Transitions(seen[:-1], taken, next_obs, terminated, truncated, infos)

    def _learn(self, steps: Transitions, returns: Tensor | None) -> dict[str, float]:
        """One pass in minibatches: the bonus learns, and with returns the critic does too."""
        order = torch.from_numpy(self._rng.permutation(len(steps.obs))).to(self.device)
        return self._fit(order.split(self.curiosity_config.int_batch_size), steps, returns)

    def _fit(
        self, minibatches: Sequence[Tensor], steps: Transitions, returns: Tensor | None
    ) -> dict[str, float]:
        """:param minibatches: rows (M,) of the steps."""
        bonus_losses, value_losses = [], []
        for rows in minibatches:
            batch = steps.at(rows)
            loss = self.stream.bonus.loss(batch)
            bonus_losses.append(loss.detach())
            if returns is not None:
                value_loss = self.stream.value_loss(batch.obs, returns[rows])
                value_losses.append(value_loss.detach())
                loss = loss + 0.5 * value_loss
            self.stream_optimizer.zero_grad()
            loss.backward()
            self.stream_optimizer.step()
        found = {"train/bonus_loss": bonus_losses, "train/int_value_loss": value_losses}
        return {name: torch.stack(losses).mean().item() for name, losses in found.items() if losses}

    def _encode(self, obs: np.ndarray) -> Tensor:
        """Observations (..., *shape) as the policy's network sees them, flat: (..., D) float32."""
        shape = self.observation_space.shape
        lead = obs.shape[: obs.ndim - len(shape)]
        rows = torch.as_tensor(obs.reshape(-1, *shape), device=self.device)
        return preprocess_obs(rows, self.observation_space).flatten(1).reshape(*lead, -1)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, variables = super()._get_torch_save_params()
        return [*names, "stream", "stream_optimizer"], variables

    def _excluded_save_params(self) -> list[str]:
        ours = ["_rollout", "_random_rollouts", "_ends", "_infos", "_callback", "_diagnostic"]
        return [*super()._excluded_save_params(), *ours]
