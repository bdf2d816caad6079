"""MAX (Shyam, Jaskowski and Gomez 2019, arXiv:1810.12162) for continuous states and actions.

An ensemble of Gaussian networks says where its members disagree about what comes next, and a
policy learns, in the models, to go there, before it has ever been there. Rewards have no part in
that. After `exploration_steps`, if there are any, a second policy learns the task in the models, by
the reward that was learned beside them, and acts from then on.

Differences from the paper and the authors' code (github.com/nnaisense/MAX), which train on a GPU:
an ensemble of 5 small networks, not 32 large ones; models and policy go on from where they were,
every 100 steps, and are not trained from scratch every 25; imagined episodes begin where the agent
was before, too, not only where it is; they may end as the environment's do, which is learned, as
the task's reward is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor

from baselines import api
from baselines.active.ensemble import Models, fit
from baselines.active.gaussian_dynamics import GaussianDynamics
from baselines.active.imagined import Imagined
from baselines.active.policy import Policy
from baselines.active.transition import Batch, Transitions
from baselines.bound import Amount, Fraction, LearningRate, Positive, Repeats, Share, Widths
from baselines.classic.space import only_of, probe
from baselines.kept import Kept
from baselines.world_models.action import ActionCode, CorrelatedActions

EPISODES = 100  # over which the training return is averaged, as in SB3

Members = Annotated[int, Field(ge=2)]


class Config(api.Config):
    """The hyper-parameters of MAX."""

    exploration: Literal["active", "reactive", "random"] = Field(
        "active",
        description="active: the policy learns in the models; reactive: on steps that were lived "
        "through, each worth its utility now; random: uniform random actions.",
    )
    exploration_steps: Positive | None = Field(
        None, description="Steps after which the task is learned, and acted for; null: never."
    )
    learning_starts: Positive = Field(256, description="Random steps before the first fit.")
    train_freq: Positive = Field(100, description="Steps between two fits of models and policy.")
    ensemble_size: Members = Field(5, description="Members. The paper: 32.")
    net_arch: Widths = Field([64, 64], description="Hidden widths of each. The paper: 4 x 512.")
    learning_rate: LearningRate = Field(1e-3, description="Of the models.")
    batch_size: Positive = Field(256, description="Steps in a minibatch of each member.")
    gradient_steps: Repeats = Field(100, description="Of the models in each fit.")
    renyi_decay: Share = Field(
        0.1,
        description="Share that is left of the differences between variances in the utility; 1: as "
        "they are predicted.",
    )
    imagined_episodes: Positive = Field(64, description="Side by side. The paper: 128.")
    horizon: Positive = Field(50, description="Steps of an imagined episode.")
    policy_steps: Repeats = Field(
        100, description="Gradient steps of the policy in each fit, each after an imagined step."
    )
    task_policy_steps: Repeats = Field(
        1000, description="The same, when exploration is over and the task's policy begins."
    )
    policy_learning_rate: LearningRate = Field(1e-3, description="Of SAC.")
    policy_batch_size: Positive = Field(256, description="Of SAC. The paper: 4096.")
    policy_net_arch: Widths = Field([64, 64], description="Of SAC. The paper: 2 x 256.")
    gamma: Fraction = Field(0.99, description="Discount factor of utility and of reward.")
    tau: Share = Field(0.005, description="Polyak coefficient of SAC's target networks.")
    ent_coef: Amount = Field(0.02, description="Entropy coefficient of SAC.")

    def least_steps(self) -> int:
        return self.learning_starts

    def paced_by(self) -> tuple[str, ...]:
        return ("learning_starts",)

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        widths = sizes.obs + sizes.actions, *self.net_arch, 2 * sizes.obs
        weights = api.TRAINED * api.weights_of(*widths)
        batch = 2 * api.NUMBER * self.batch_size * sum(widths)
        row = api.NUMBER * (2 * sizes.obs + sizes.actions + 3)
        rows = self.imagined_episodes * max(self.policy_steps, self.task_policy_steps)
        return super().memory(sizes) | {
            "ensemble_size": float(self.ensemble_size * (weights + batch)),
            "imagined_episodes": float(2 * rows * row),
            "policy_batch_size": float(self.policy_batch_size * row),
        }

    def of_sac(self) -> dict[str, Any]:
        return {
            "learning_rate": self.policy_learning_rate,
            "batch_size": self.policy_batch_size,
            "policy_kwargs": {"net_arch": self.policy_net_arch},
            "gamma": self.gamma,
            "tau": self.tau,
            "ent_coef": self.ent_coef,
        }


class Max:
    """One environment. Vectors are seen, continuous actions with bounds are taken."""

    Config: ClassVar[type[Config]] = Config

    def __init__(self, task: api.Task, config: Config) -> None:
        env = probe(task)
        seen = only_of(env.observation_space, (spaces.Box,), "observations")
        actions = only_of(env.action_space, (spaces.Box,), "actions")
        self._task, self._config, self._shape = task, config, seen.shape
        self._code = ActionCode(actions)
        bounds = (np.asarray(bound, np.float32).flatten() for bound in (seen.low, seen.high))
        low, high = (torch.as_tensor(bound, device=task.device) for bound in bounds)
        self._bounds = low, high
        init, update, numpy = np.random.SeedSequence(task.seed).generate_state(3).tolist()
        width, generator = len(low), torch.Generator().manual_seed(init)
        self._models = Models(
            config.ensemble_size, width, self._code.size, config.net_arch, generator
        ).to(task.device)
        self._optimizer = torch.optim.Adam(self._models.parameters(), lr=config.learning_rate)
        self._updating = torch.Generator(task.device).manual_seed(update)
        self._rng = np.random.default_rng(numpy)
        self._uniform = CorrelatedActions(actions, 0.0, self._rng)
        self._explorer, self._tasked = (
            Policy(replace(task, steps=steps * config.imagined_episodes), config.of_sac(), imagined)
            for steps, imagined in (
                (config.policy_steps, self._imagined(low[None], exploring=True)),
                (config.task_policy_steps, self._imagined(low[None], exploring=False)),
            )
        )
        self._lived = Transitions(task.steps, width, self._code.size)
        self._fitted = 0  # steps that the models have learned from
        self._ended: deque[tuple[float, int]] = deque(maxlen=EPISODES)  # return and length
        self._on_task = False  # whether the task's policy acts

    def kept(self) -> Kept:
        policies = [self._explorer.kept(), self._tasked.kept()]
        constant = tuple(each for kept in policies for each in kept.constant)
        return Kept(self, {"lived": self._lived.ring()}, policies[0].left, constant)

    def learn(self, progress: api.Progress) -> int:
        """Acts in one environment; models and policy are fitted every `train_freq` steps."""
        task, lived = self._task, self._lived
        env = task.make_env()
        obs = self._flat(env.reset(seed=task.env_seed)[0])
        episode, length = 0.0, 0
        for step in range(len(lived) + 1, task.steps + 1):
            action = self._act(obs, step)
            seen, reward, terminated, truncated, _ = env.step(self._code.restore(action))
            after = self._flat(seen)
            lived.add(obs, action.numpy(), after, float(reward), float(terminated))
            obs, episode, length = after, episode + float(reward), length + 1
            if terminated or truncated:
                self._ended.append((episode, length))
                obs, episode, length = self._flat(env.reset()[0]), 0.0, 0
            learned = self._fit(obs, step) if self._due(step) else {}
            progress.at(step)
            if learned or step == task.steps:
                progress.log(step, learned | self._returns())
            if step == task.barrier:
                raise api.Barrier(step)
        env.close()
        return task.steps

    def _due(self, step: int) -> bool:
        config, since = self._config, step - self._config.learning_starts
        return (since >= 0 and since % config.train_freq == 0) or step == config.exploration_steps

    def _fit(self, here: Tensor, step: int) -> dict[str, float]:
        """Models and policy, on all that was lived through.

        :param here: the observation (D,) to act on next.
        """
        config, device = self._config, self._task.device
        lived, new = self._lived.all(device), self._lived.all(device, self._fitted)
        metrics = self._judged(new) if self._fitted else {}
        fitting = config.gradient_steps, config.batch_size, self._updating
        metrics |= fit(self._models, self._optimizer, lived, *fitting)
        self._fitted = len(self._lived)
        switches = step == config.exploration_steps
        self._on_task = self._on_task or switches
        if not self._on_task and config.exploration == "random":
            return metrics
        seed, models = int(self._rng.integers(2**31)), self._models
        if not self._on_task and config.exploration == "reactive":
            with torch.no_grad():
                utility = models.utility(lived.obs, lived.action, config.renyi_decay)
            worth = lived._replace(
                obs=models.normalized(lived.obs),
                next_obs=models.normalized(lived.next_obs),
                reward=utility,
            )
            return metrics | self._explorer.replay(worth, config.policy_steps, seed)
        # Half of them begin here, the others anywhere that it has been.
        starts = torch.cat([lived.obs, here.to(device).expand_as(lived.obs)])
        imagined = self._imagined(starts, exploring=not self._on_task)
        policy = self._tasked if self._on_task else self._explorer
        steps = config.task_policy_steps if switches else config.policy_steps
        metrics |= policy.imagine(imagined, steps, seed)
        name = "dream/reward" if self._on_task else "dream/utility"
        return metrics | {name: float(np.mean(imagined.paid))}

    @torch.no_grad()
    def _judged(self, new: Batch) -> dict[str, float]:
        """On steps that were not learned from yet."""
        models, config = self._models, self._config
        losses = models.losses(
            Batch(*(part.expand(config.ensemble_size, *part.shape) for part in new))
        )
        found = {f"validation/{name}_loss": float(loss) for name, loss in losses.items()}
        found["validation/model_loss"] /= config.ensemble_size
        utility = models.utility(new.obs, new.action, config.renyi_decay)
        return found | {"curiosity/utility": float(utility.mean())}

    def _returns(self) -> dict[str, float]:
        if not self._ended:
            return {}
        returns, lengths = zip(*self._ended, strict=True)
        return {
            "rollout/ep_rew_mean": float(np.mean(returns)),
            "rollout/ep_len_mean": float(np.mean(lengths)),
        }

    def _act(self, obs: Tensor, step: int) -> Tensor:  # (D,) -> the action's code (A,)
        config = self._config
        unplanned = step <= config.learning_starts or config.exploration == "random"
        if unplanned and not self._on_task:
            action = self._uniform.draw()
        else:
            action = self._chosen(obs[None], deterministic=False)[0]
        return self._code.encode(np.asarray(action))

    def _chosen(self, obs: Tensor, deterministic: bool) -> np.ndarray:  # (n, D)
        policy = self._tasked if self._on_task else self._explorer
        seen = self._models.normalized(obs.to(self._task.device))
        return policy.act(seen.cpu().numpy(), deterministic)

    def _imagined(self, starts: Tensor, exploring: bool) -> Imagined:
        config = self._config
        return Imagined(
            self._models,
            starts,
            self._bounds,
            self._code,
            config.horizon,
            config.imagined_episodes,
            config.renyi_decay if exploring else None,
        )

    def _flat(self, observation: Any) -> Tensor:
        return torch.as_tensor(np.asarray(observation, np.float32).flatten())

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """By the policy that acts in training: the explorer, and later the task's."""
        rows = np.asarray(observation, np.float32)
        return self._chosen(torch.as_tensor(rows.reshape(len(rows), -1)), deterministic), None

    def dynamics(self) -> GaussianDynamics:
        """The models alone, for `open_loop`."""
        parts = self._models, self._bounds, self._shape, self._code
        return GaussianDynamics(*parts, self._config.renyi_decay)

    def weights(self) -> dict[str, np.ndarray]:
        """Of the models, with their units, and of both policies."""
        found = {
            f"models.{k}": v.cpu().numpy().copy() for k, v in self._models.state_dict().items()
        }
        for name, policy in self._policies().items():
            found |= {f"{name}.{key}": value for key, value in policy.weights().items()}
        return found | {"on_task": np.array(self._on_task)}

    def _policies(self) -> dict[str, Policy]:
        return {"explorer": self._explorer, "task": self._tasked}

    def save(self, folder: Path) -> None:
        torch.save(
            {"models": self._models.state_dict(), "on_task": self._on_task}, folder / "models.pt"
        )
        for name, policy in self._policies().items():
            policy.save(folder / name)

    def load(self, folder: Path) -> None:
        path, device = folder / "models.pt", self._task.device
        saved = torch.load(path, map_location=device, weights_only=True)
        self._models.load_state_dict(saved["models"])
        self._on_task = saved["on_task"]
        for name, policy in self._policies().items():
            policy.load(folder / name)
