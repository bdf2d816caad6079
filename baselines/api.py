"""What a learner is: the few things that the harness asks of it, and the few that it gives to it.

Nothing here imports the harness, so that every learner can be used without it::

    agent = PPO(Task(make_env=lambda: gym.make("CartPole-v1"), steps=10_000), PPO.Config())
    agent.learn(NoProgress())
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim
from pydantic import BaseModel, ConfigDict, model_validator

# What an observation consists of where the goal can be another one, and what tells an environment's
# reward and end for other goals; Gymnasium-Robotics' names.
GOAL_PARTS = ("observation", "achieved_goal", "desired_goal")
GOAL_METHODS = ("compute_reward", "compute_terminated")

NUMBER = 4  # bytes of a float32
TRAINED = 4 * NUMBER  # of a weight: itself, its gradient and Adam's two moments

# A task's own seeds for resets are those from its `env_seed` on, so many; others judge.
RESET_SEEDS = 1 << 16


class Clash(ValueError):
    """Hyper-parameters that cannot stand beside one another.

    :param misfits: (dotted key, what is wrong with it and the way out), one or more.
    """

    def __init__(self, misfits: Iterable[tuple[str, str]]) -> None:
        self.misfits = list(misfits)
        super().__init__("; ".join(f"{key}: {why}" for key, why in self.misfits))


class Sizes(NamedTuple):
    """What decides, beside the hyper-parameters, how much memory a learner needs."""

    obs: int  # numbers of an observation
    obs_bytes: int  # of one that is kept as the environment gave it
    actions: int  # to choose from, or numbers of one
    steps: int  # the budget

    @classmethod
    def of(cls, env: gym.Env, steps: int) -> Sizes:
        seen, acts = env.observation_space, env.action_space
        obs = flatdim(seen)
        parts: list[Any] = list(seen.values()) if isinstance(seen, spaces.Dict) else [seen]
        obs_bytes = NUMBER * obs
        if all(isinstance(part, spaces.Box) for part in parts):
            obs_bytes = sum(math.prod(part.shape) * part.dtype.itemsize for part in parts)
        return cls(obs, obs_bytes, flatdim(acts), steps)


class Config(BaseModel):
    """The hyper-parameters of a learner, in Stable-Baselines3's spelling; no unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    search: ClassVar[Mapping[str, Any]] = {}  #: ranges for a search, as `search` in configs/agents

    @model_validator(mode="after")
    def _without_clashes(self) -> Self:
        misfits = list(self.clashes())
        if misfits:
            raise Clash(misfits)
        return self

    def clashes(self) -> Iterator[tuple[str, str]]:
        """The hyper-parameters that contradict others: dotted key, why and the way out."""
        yield from ()

    def least_steps(self) -> int:
        """The smallest budget, in environment steps, in which anything is learned."""
        return 1

    def paced_by(self) -> tuple[str, ...]:
        """The hyper-parameters that decide `least_steps`."""
        return ()

    def trained_steps(self, budget: int) -> int:
        """The part of a budget that is learned from, as far as it is known before."""
        return budget

    def memory(self, sizes: Sizes) -> dict[str, float]:
        """Bytes that training needs at least, by the hyper-parameter that decides them.

        Only what can become too much: networks, buffers and batches.
        """
        return {}


def weights_of(*widths: int) -> int:
    """Numbers in a perceptron with layers of these widths, its input and output included."""
    return sum((width_in + 1) * width for width_in, width in pairwise(widths))


@dataclass(frozen=True)
class Task:
    """All that a learner may know of what it is asked to learn."""

    make_env: Callable[[], gym.Env]  #: a fresh training environment; call it once per parallel copy
    steps: int  #: the budget in environment steps: a ceiling, never exceeded
    seed: int = 0  #: for weights, exploration and minibatches
    env_seed: int = 0  #: the i-th parallel environment is first reset with env_seed+i
    device: str = "cpu"  #: where torch puts the networks
    #: The environment step from which a `Resumable` raises Barrier as soon as its state is whole;
    #: beyond the budget if none is left. One that learns in stages raises it between them, too.
    barrier: int | None = None


class Barrier(Exception):
    """Raised by a learner that has come to its task's barrier: it has not learned to the end."""

    def __init__(self, step: int) -> None:
        super().__init__(f"a barrier at step {step}")
        self.step = step  # environment steps that are done in all


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
        """Train to the end of the budget; return the steps learned from, at most task.steps."""

    def predict(
        self,
        observation: Any,  # a batch: (n, *observation shape), or a dict of such
        state: Any = None,  # what the last call returned; None at the first
        episode_start: np.ndarray | None = None,  # (n,) bool: a new episode begins here
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,  # (n, actions) bool; only for agents that mask
    ) -> tuple[np.ndarray, Any]:
        """Actions `(n, *action shape)` for n environments, and the state for the next call."""

    def weights(self) -> dict[str, np.ndarray]:
        """All that was learned, normalisation statistics too, by name: what `load` restores."""

    def save(self, folder: Path) -> None:
        """Write what `load` needs into an existing folder."""

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote, into an agent made with the same task and config."""


def lacks(found: object) -> str:
    """What keeps it from being a class like `Agent`; empty: it is one."""
    if not isinstance(found, type):
        return "is no class"
    missing = [name for name in MEMBERS if not callable(getattr(found, name, None))]
    if missing:
        return f"has no {', '.join(missing)}"
    config = getattr(found, "Config", None)
    if not (isinstance(config, type) and issubclass(config, Config)):
        return "has no Config that is derived from baselines.api.Config"
    return ""


@runtime_checkable
class Resumable(Protocol):
    """What a learner is beside an `Agent` if it can go on later: it heeds `Task.barrier`.

    At a barrier its environments are left, which counts as a truncation, and `learn` raises
    Barrier. One that was made with an equal task and config, but for `env_seed` and `barrier`, and
    whose state was put back, goes on with `learn` as the first one would.
    """

    def kept(self) -> Any:
        """All that it goes on from, a `baselines.kept.Kept`; not its environments."""


@runtime_checkable
class ModelBased(Protocol):
    """What a learner is beside an `Agent` if it has a model of its environment."""

    def dynamics(self) -> Any:
        """The model as it now is, alone: a `baselines.world_models.open_loop.Dynamics`."""
