"""An agent of my own: any class like `baselines.api.Agent`, or a subclass of an SB3 algorithm."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from baselines import api
from baselines.kept import Kept


class Config(api.Config):
    """Its hyper-parameters."""

    # What `harness tune --agent my_agent:HillClimber` tries.
    search: ClassVar[dict[str, Any]] = {
        "noise": {"why": "How far a step of the search goes.", "low": 0.01, "high": 10, "log": True}
    }

    noise: float = Field(0.5, gt=0, description="Standard deviation of a change of the weights.")


class HillClimber:
    """Keep a random change of a linear policy if an episode with it scores at least as high."""

    Config: ClassVar[type[Config]] = Config
    # What it reads and takes; `harness check` refuses other environments by this.
    actions = ("discrete",)
    observations = ("vector",)
    samples = False

    def __init__(self, task: api.Task, config: Config) -> None:
        self.task, self.config = task, config
        self.rng = np.random.default_rng(task.seed)
        self.env = task.make_env()
        inputs = int(np.prod(self.env.observation_space.shape)) + 1
        self.policy = np.zeros((inputs, self.env.action_space.n))
        self.steps, self.best = 0, -np.inf

    def kept(self) -> Kept:
        """What it goes on from, in a sweep with `checkpoint`: all that it holds."""
        return Kept(self)

    def learn(self, progress: api.Progress) -> int:
        seed: int | None = self.task.env_seed  # the first episode's; the others follow from it
        while self.steps < self.task.steps:
            if self.task.barrier is not None and self.steps >= self.task.barrier:
                raise api.Barrier(self.steps)
            policy = self.policy + self.rng.normal(0, self.config.noise, self.policy.shape)
            (obs, _), score, over = self.env.reset(seed=seed), 0.0, False
            seed = None
            while not over and self.steps < self.task.steps:
                action = int(self._act(policy, obs[None])[0])
                obs, reward, terminated, truncated, _ = self.env.step(action)
                score, over = score + float(reward), terminated or truncated
                self.steps += 1
                progress.at(self.steps)
            if over and score >= self.best:
                self.best, self.policy = score, policy
                progress.log(self.steps, {"rollout/best": self.best})
        return self.steps

    @staticmethod
    def _act(policy: np.ndarray, obs: np.ndarray) -> np.ndarray:  # (n, ...) -> (n,)
        flat = obs.reshape(len(obs), -1)
        return np.argmax(np.c_[flat, np.ones(len(flat))] @ policy, axis=1)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        return self._act(self.policy, np.asarray(observation)), state

    def weights(self) -> dict[str, np.ndarray]:
        return {"policy": self.policy.copy()}

    def save(self, folder: Path) -> None:
        np.save(folder / "policy.npy", self.policy)

    def load(self, folder: Path) -> None:
        self.policy = np.load(folder / "policy.npy")
