"""Q-learning in a table (Watkins, 1989), for states that can be counted.

A vector of a few numbers is cut into buckets; a longer one, such as a one-hot position, is its own
state. States are added when first visited, so that only those that occur take memory.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from gymnasium import spaces
from pydantic import ConfigDict, Field

from baselines import api
from baselines.bound import MOST, Real
from baselines.classic.space import only_of, probe
from baselines.kept import Kept

FEW = 8  # numbers in an observation, up to which it is bucketed: the table is a product
ENDLESS = 1e6  # a bound beyond this is a way of writing "none"
LOG_EVERY = 1000  # steps
EPISODES = 100  # over which the training return is averaged, as in SB3

Bins = Annotated[int, Field(ge=1)]
Bound = Annotated[float, Field(gt=0, le=MOST)]


class TabularQ:
    """One table of action values. Unvisited states have the value that every entry starts with."""

    class Config(api.Config):
        """Schedules fall linearly over their fraction of the budget, and stay."""

        model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

        gamma: float = Field(0.99, ge=0, le=1, description="Discount factor.")
        learning_rate: float = Field(0.5, gt=0, le=1, description="The first one.")
        learning_rate_final: float = Field(0.05, gt=0, le=1, description="The last one.")
        learning_rate_fraction: float = Field(
            1.0, gt=0, le=1, description="Part of the budget over which it falls."
        )
        exploration_initial_eps: float = Field(
            1.0, ge=0, le=1, description="Probability of a random action, at first."
        )
        exploration_final_eps: float = Field(
            0.02, ge=0, le=1, description="Probability of a random action, at last."
        )
        exploration_fraction: float = Field(
            0.5, gt=0, le=1, description="Part of the budget over which it falls."
        )
        initial_value: Real = Field(0.0, description="Of every entry; high explores by itself.")
        states: Literal["auto", "buckets", "exact"] = Field(
            "auto", description=f"auto: buckets for up to {FEW} numbers, else exact."
        )
        bins: Bins | list[Bins] = Field(8, description="Buckets of each number, or of all.")
        bound: Bound | list[Bound] = Field(
            3.0, description="Buckets cover [-bound, bound] where the space has no bounds."
        )

        def memory(self, sizes: api.Sizes) -> dict[str, float]:
            bins = self.bins if isinstance(self.bins, list) else [self.bins]
            return super().memory(sizes) | {"bins": 8.0 * sum(bins)}

    def __init__(self, task: api.Task, config: Any) -> None:
        env = probe(task)
        kinds = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete)
        space = only_of(env.observation_space, kinds, "observations")
        actions = only_of(env.action_space, (spaces.Discrete,), "actions")
        self._task = task
        self._config = config
        self._start = int(actions.start)
        self._edges = _edges(space, config)
        self._rows: dict[bytes, int] = {}  # state -> row of the table
        self._q = np.full((64, int(actions.n)), config.initial_value)  # doubled when full
        self._rng = np.random.default_rng(task.seed)
        self._ended: deque[tuple[float, int]] = deque(maxlen=EPISODES)  # return and length
        self._step = 0

    def kept(self) -> Kept:
        return Kept(self)

    def learn(self, progress: api.Progress) -> int:
        """One environment, one update a step: Sutton and Barto, 2018, equation 6.8."""
        task, config, rng, ended = self._task, self._config, self._rng, self._ended
        env = task.make_env()
        row = self._visit(env.reset(seed=task.env_seed)[0])
        episode, length = 0.0, 0
        for step in range(self._step + 1, task.steps + 1):
            epsilon, rate = schedules(config, step / task.steps)
            action = self._explore(row, epsilon, rng)
            observation, reward, terminated, truncated, _ = env.step(self._start + action)
            after = self._visit(observation)
            # An episode that is cut off goes on in the value of its last state.
            rest = 0.0 if terminated else self._q[after].max()
            self._q[row, action] += rate * (reward + config.gamma * rest - self._q[row, action])
            row, episode, length = after, episode + reward, length + 1
            if terminated or truncated:
                ended.append((episode, length))
                row, episode, length = self._visit(env.reset()[0]), 0.0, 0
            progress.at(step)
            if step % LOG_EVERY == 0 or step == task.steps:
                metrics = {"rollout/exploration_rate": epsilon, "train/learning_rate": rate}
                metrics["rollout/states"] = float(len(self._rows))
                if ended:
                    returns, lengths = zip(*ended, strict=True)
                    metrics["rollout/ep_rew_mean"] = float(np.mean(returns))
                    metrics["rollout/ep_len_mean"] = float(np.mean(lengths))
                progress.log(step, metrics)
            if step == task.barrier:
                self._step = step
                raise api.Barrier(step)
        env.close()
        return task.steps

    def _explore(self, row: int, epsilon: float, rng: np.random.Generator) -> int:
        """At random with probability epsilon, else one of the best: ties are drawn."""
        values = self._q[row]
        if rng.random() < epsilon:
            return int(rng.integers(len(values)))
        return int(rng.choice(np.flatnonzero(values == values.max())))

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """Always the first of the best actions; in a state never visited, that is the first."""
        codes = [self._code(one) for one in observation]
        rows = [self._rows.get(code) for code in codes]
        best = [0 if row is None else int(self._q[row].argmax()) for row in rows]
        return self._start + np.array(best), None

    def _code(self, observation: Any) -> bytes:
        values = np.asarray(observation).ravel()
        if self._edges is None:
            return values.tobytes()
        found = [np.searchsorted(edges, x) for edges, x in zip(self._edges, values, strict=True)]
        return np.array(found, np.int64).tobytes()

    def _visit(self, observation: Any) -> int:
        row = self._rows.setdefault(self._code(observation), len(self._rows))
        if row == len(self._q):
            self._q = np.concatenate([self._q, np.full_like(self._q, self._config.initial_value)])
        return row

    def weights(self) -> dict[str, np.ndarray]:
        """The values, and the states in the order of their rows, each as its bytes."""
        states = [np.frombuffer(code, np.uint8) for code in self._rows]
        return {"q": self._q[: len(states)].copy(), "states": np.array(states, np.uint8)}

    def save(self, folder: Path) -> None:
        np.savez(folder / "table.npz", **self.weights())

    def load(self, folder: Path) -> None:
        with np.load(folder / "table.npz") as saved:
            self._q = saved["q"]
            self._rows = {state.tobytes(): row for row, state in enumerate(saved["states"])}


def schedules(config: Any, part: float) -> tuple[float, float]:
    """Epsilon and the learning rate, when `part` of the budget is spent."""
    epsilon = falling(
        config.exploration_initial_eps,
        config.exploration_final_eps,
        part / config.exploration_fraction,
    )
    rate = falling(
        config.learning_rate, config.learning_rate_final, part / config.learning_rate_fraction
    )
    return epsilon, rate


def falling(first: float, last: float, part: float) -> float:
    """From `first` to `last` in a line while `part` goes from 0 to 1, then level."""
    return first + (last - first) * min(part, 1.0)


def _edges(space: spaces.Space, config: Any) -> list[np.ndarray] | None:
    """Inner edges of the buckets of each number; None where an observation is its own state."""
    if not isinstance(space, spaces.Box) or config.states == "exact":
        return None
    size = int(np.prod(space.shape))
    if config.states == "auto" and size > FEW:
        return None
    bound = _each(config.bound, size, "bound")
    low = np.where(np.abs(space.low.ravel()) < ENDLESS, space.low.ravel(), -bound)
    high = np.where(np.abs(space.high.ravel()) < ENDLESS, space.high.ravel(), bound)
    bins = _each(config.bins, size, "bins")
    return [np.linspace(a, b, n + 1)[1:-1] for a, b, n in zip(low, high, bins, strict=True)]


def _each(value: Any, size: int, name: str) -> np.ndarray:
    if np.size(value) not in (1, size):
        raise ValueError(f"{name}: {np.size(value)} numbers, but an observation has {size}")
    return np.broadcast_to(value, size)
