"""What a learner is: the few things that the harness asks of it, and the few that it gives to it.

Nothing here imports the harness, so that every learner can be used without it::

    agent = PPO(Task(make_env=lambda: gym.make("CartPole-v1"), steps=10_000), PPO.Config())
    agent.learn(NoProgress())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
from pydantic import BaseModel, ConfigDict

# What an observation consists of where the goal can be another one, and what tells an environment's
# reward and end for other goals; Gymnasium-Robotics' names.
GOAL_PARTS = ("observation", "achieved_goal", "desired_goal")
GOAL_METHODS = ("compute_reward", "compute_terminated")

# A task's own seeds for resets are those from its `env_seed` on, so many; others judge.
RESET_SEEDS = 1 << 16


class Config(BaseModel):
    """The hyper-parameters of a learner, in Stable-Baselines3's spelling; no unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def least_steps(self) -> int:
        """The smallest budget, in environment steps, in which anything is learned."""
        return 1


@dataclass(frozen=True)
class Task:
    """All that a learner may know of what it is asked to learn."""

    make_env: Callable[[], gym.Env]  # a fresh training environment; call it once per parallel copy
    steps: int  # the budget in environment steps: a ceiling, never exceeded
    seed: int = 0  # for weights, exploration and minibatches
    env_seed: int = 0  # the i-th parallel environment is first reset with env_seed+i
    device: str = "cpu"  # where torch puts the networks


class Progress(Protocol):
    """How a learner tells where it is. Neither call touches its random numbers or weights."""

    def at(self, step: int) -> None:
        """`step` environment steps are done in all. Evaluates the learner when that is due.

        Call it after every (vectorised) environment step: it is cheap when nothing is due. It may
        raise to end the run; let that pass.
        """

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record training metrics, such as losses: once per update, or per thousand steps."""


class NoProgress:
    """For a learner that runs alone."""

    def at(self, step: int) -> None: ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...


MEMBERS = ("learn", "predict", "weights", "save", "load")  # of an `Agent`


class Agent(Protocol):
    """A learner. Making one with an equal task and config, then `learn`, gives equal weights."""

    Config: ClassVar[type[Config]]

    def __init__(self, task: Task, config: Any) -> None: ...

    def learn(self, progress: Progress) -> int:
        """Train to the end of the budget; return the steps taken, at most task.steps."""

    def predict(
        self,
        observation: Any,  # a batch: (n, *observation shape), or a dict of such
        state: Any = None,  # what the last call returned; None at the first
        episode_start: np.ndarray | None = None,  # (n,) bool: a new episode begins here
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,  # (n, actions) bool; only for agents that mask
    ) -> tuple[np.ndarray, Any]:
        """Actions (n, *action shape) for n environments, and the state to hand to the next call."""

    def weights(self) -> dict[str, np.ndarray]:
        """All that was learned, normalisation statistics too, by name: what `load` restores."""

    def save(self, folder: Path) -> None:
        """Write what `load` needs into an existing folder."""

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote, into an agent made with the same task and config."""


def is_agent(found: object) -> bool:
    """Whether it is a class like `Agent`: with its members, and a `Config`."""
    config = getattr(found, "Config", None)
    return (
        isinstance(found, type)
        and isinstance(config, type)
        and issubclass(config, Config)
        and all(callable(getattr(found, name, None)) for name in MEMBERS)
    )


@runtime_checkable
class ModelBased(Protocol):
    """What a learner is beside an `Agent` if it has a model of its environment."""

    def dynamics(self) -> Any:
        """The model as it now is, alone: a `baselines.world_models.open_loop.Dynamics`."""
