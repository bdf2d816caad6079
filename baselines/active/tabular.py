"""MAX in a table (Shyam, Jaskowski and Gomez 2019, arXiv:1810.12162): explore by planning to learn.

An ensemble of models says where they disagree about what comes next; the agent plans, in the
models, to go there, before it has ever been there. Rewards have no part in where it goes. Whoever
evaluates it sees the task: the best policy in the transitions that it has explored so far.

Differences from the paper, whose models are networks, planned in by tree search: a model is a table
drawn from the posterior of the counts, a Dirichlet distribution, of which the paper's ensemble is
an approximation; and planning is value iteration in the mean of the models.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from gymnasium import spaces
from pydantic import Field

from baselines import api
from baselines.active.dynamics import TabularDynamics
from baselines.active.planner import plan
from baselines.active.utility import jensen_shannon
from baselines.bound import Above0, Count, Fraction, Positive, Repeats
from baselines.classic.space import only_of, probe
from baselines.kept import Kept

LOG_EVERY = 100  # steps
EPISODES = 100  # over which the training return is averaged, as in SB3
DOUBLE = 8  # bytes

Members = Annotated[int, Field(ge=2)]


class Config(api.Config):
    """The hyper-parameters of MAX in a table."""

    exploration: Literal["active", "reactive", "random"] = Field(
        "active",
        description="active: plan in the models; reactive: value the utility of transitions that "
        "were seen, and of no others; random: uniform random actions.",
    )
    learning_starts: Count = Field(0, description="Random steps before the first plan.")
    train_freq: Positive = Field(1, description="Steps between two plans in renewed models.")
    ensemble_size: Members = Field(10, description="Models.")
    prior_weight: Above0 = Field(
        0.1, description="Observations that the prior is worth, of each state and action."
    )
    horizon: Repeats = Field(50, description="Steps ahead that are planned.")
    gamma: Fraction = Field(0.99, description="Discount factor of the utility.")
    exploration_rate: Fraction = Field(
        0.1, description="Probability of a random action, where exploration is reactive."
    )
    task_horizon: Repeats = Field(100, description="Steps ahead that are planned for the task.")
    task_gamma: Fraction = Field(0.99, description="Discount factor of the task's reward.")

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        table = DOUBLE * sizes.obs * sizes.actions * (sizes.obs + 1)
        return {"ensemble_size": float((self.ensemble_size + 2) * table)}


def draw(
    counts: np.ndarray, prior_weight: float, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Models from the posterior: (..., C) -> (size, ..., C), each summing to 1 along C.

    A Dirichlet distribution by normalised gamma variables, in logarithms: of a small concentration
    c they are those of c + 1 times U^(1/c), which would be 0 too often.
    """
    concentration = counts + prior_weight / counts.shape[-1]
    shape = size, *counts.shape
    uniform = 1.0 - rng.random(shape)  # above 0
    logs = np.log(rng.standard_gamma(concentration + 1, shape)) + np.log(uniform) / concentration
    drawn = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return drawn / drawn.sum(axis=-1, keepdims=True)


class MaxTabular:
    """An outcome of a step is one of the S states, or the end of the episode, which comes last."""

    Config: ClassVar[type[Config]] = Config

    def __init__(self, task: api.Task, config: Any) -> None:
        env = probe(task)
        seen = only_of(env.observation_space, (spaces.Discrete,), "observations")
        actions = only_of(env.action_space, (spaces.Discrete,), "actions")
        self._task, self._config = task, config
        self._first_state, self._first_action = int(seen.start), int(actions.start)
        pairs = int(seen.n), int(actions.n)
        self._counts = np.zeros((*pairs, pairs[0] + 1))
        self._rewards = np.zeros(pairs)  # sums
        self._rng = np.random.default_rng(task.seed)
        self._members = draw(self._counts, config.prior_weight, config.ensemble_size, self._rng)
        self._utility = jensen_shannon(self._members)
        self._values = np.zeros(pairs)  # of exploring
        self._new: set[tuple[int, int]] = set()  # pairs that the models have not learned from yet
        self._task_values: np.ndarray | None = None  # None: to be planned
        self._ended: deque[tuple[float, int]] = deque(maxlen=EPISODES)  # return and length
        self._step = 0

    def kept(self) -> Kept:
        return Kept(self)

    def learn(self, progress: api.Progress) -> int:
        """One environment; the models are renewed and planned in every `train_freq` steps."""
        task, config = self._task, self._config
        env = task.make_env()
        state = int(env.reset(seed=task.env_seed)[0]) - self._first_state
        episode, length, utilities = 0.0, 0, []
        for step in range(self._step + 1, task.steps + 1):
            if (step - 1) % config.train_freq == 0:
                self._plan()
            action = self._explore(state, random=step <= config.learning_starts)
            utilities.append(self._utility[state, action])
            seen, reward, terminated, truncated, _ = env.step(self._first_action + action)
            after = int(seen) - self._first_state
            self._learn(state, action, float(reward), -1 if terminated else after)
            state, episode, length = after, episode + float(reward), length + 1
            if terminated or truncated:
                self._ended.append((episode, length))
                state = int(env.reset()[0]) - self._first_state
                episode, length = 0.0, 0
            progress.at(step)
            if step % LOG_EVERY == 0 or step == task.steps:
                progress.log(step, self._metrics(utilities))
                utilities = []
            if step == task.barrier:
                self._step = step
                raise api.Barrier(step)
        env.close()
        return task.steps

    def _learn(self, state: int, action: int, reward: float, outcome: int) -> None:
        self._counts[state, action, outcome] += 1
        self._rewards[state, action] += reward
        self._new.add((state, action))
        self._task_values = None

    def _plan(self) -> None:
        """Draw the models anew where something was learned, and plan in them."""
        config = self._config
        if self._new:
            rows = tuple(np.array(sorted(self._new)).T)
            counts = self._counts[rows]
            drawn = draw(counts, config.prior_weight, config.ensemble_size, self._rng)
            self._members[:, *rows] = drawn
            self._utility[rows] = jensen_shannon(drawn)
            self._new.clear()
        if config.exploration == "active":
            model = self._members.mean(axis=0)[..., :-1]
            self._values = plan(self._utility, model, config.gamma, config.horizon)
        elif config.exploration == "reactive":
            known = np.where(self._tried() > 0, self._utility, 0.0)
            self._values = plan(known, self._seen(), config.gamma, config.horizon)

    def _explore(self, state: int, random: bool) -> int:
        """One of the best actions, by chance if there are several."""
        rng, config = self._rng, self._config
        at_random = random or config.exploration == "random"
        if config.exploration == "reactive" and rng.random() < config.exploration_rate:
            at_random = True
        values = self._values[state]
        if at_random:
            return int(rng.integers(len(values)))
        return int(rng.choice(np.flatnonzero(values == values.max())))

    def _metrics(self, utilities: list[float]) -> dict[str, float]:
        metrics = {"curiosity/utility": float(np.mean(utilities))}
        metrics["curiosity/expected_utility"] = float(self._utility.mean())
        metrics["rollout/transitions"] = float(np.count_nonzero(self._tried()))
        if self._ended:
            returns, lengths = zip(*self._ended, strict=True)
            metrics["rollout/ep_rew_mean"] = float(np.mean(returns))
            metrics["rollout/ep_len_mean"] = float(np.mean(lengths))
        return metrics

    def _tried(self) -> np.ndarray:
        """How often each action was taken in each state: (S, A)."""
        return self._counts.sum(axis=-1)

    def _seen(self) -> np.ndarray:
        """How often each state came next, as a share: (S, A, S); what was never tried leads
        nowhere."""
        return self._counts[..., :-1] / np.maximum(self._tried(), 1)[..., None]

    def _mean_rewards(self) -> np.ndarray:
        return self._rewards / np.maximum(self._tried(), 1)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """The task's best action by what was explored; one never tried is worth nothing."""
        config = self._config
        if self._task_values is None:
            given = self._mean_rewards(), self._seen()
            self._task_values = plan(*given, config.task_gamma, config.task_horizon)
        rows = np.asarray(observation).reshape(-1) - self._first_state
        return self._first_action + self._task_values[rows].argmax(axis=-1), None

    def dynamics(self) -> TabularDynamics:
        """The mean of the posterior, alone; its utility is that of models drawn anew."""
        counts = self._counts + self._config.prior_weight / self._counts.shape[-1]
        model = counts / counts.sum(axis=-1, keepdims=True)
        config, rng = self._config, np.random.default_rng(self._task.seed)
        drawn = draw(self._counts, config.prior_weight, config.ensemble_size, rng)
        parts = self._mean_rewards(), jensen_shannon(drawn)
        return TabularDynamics(model, *parts, self._first_state, self._first_action)

    def weights(self) -> dict[str, np.ndarray]:
        return {"counts": self._counts.copy(), "rewards": self._rewards.copy()}

    def save(self, folder: Path) -> None:
        np.savez_compressed(folder / "table.npz", **self.weights())

    def load(self, folder: Path) -> None:
        with np.load(folder / "table.npz") as saved:
            self._counts, self._rewards = saved["counts"], saved["rewards"]
        self._task_values = None
