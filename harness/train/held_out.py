"""Episodes to hold a model against: three policies, on seeds that no training saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from baselines.api import Agent
from baselines.classic.null import Null
from baselines.world_models.episode import Episode
from harness import agents, envs
from harness.seeding import episode_seeds
from harness.train.evaluate import Evaluator
from harness.train.trained import Trained

EPISODES, IMAGE_EPISODES = 20, 10  # of each policy


def held_out(run: Trained) -> dict[str, list[Episode]]:
    """The same episodes for all arms at one seed, but for those of the trained policy.

    The environment is the one that was trained in, with its reward: it is what the model is of.
    """
    return {name: play(run, player) for name, player in players(run).items()}


def players(run: Trained) -> dict[str, Agent]:
    nobody = replace(run.task, steps=0)
    null: Agent = Null(nobody, Null.Config(action=run.card.null_action))
    return {"null": null, "random": agents.make("random", nobody, {}), "trained": run.agent}


def play(run: Trained, player: Agent) -> list[Episode]:
    spec, tapes = run.spec, dict[int, _Tape]()
    seeds = episode_seeds("model", spec.env, spec.seed, _number(run))
    evaluator = Evaluator(lambda: _Recorder(envs.make(run.card, spec.wrappers), tapes))
    evaluator.play(player, seeds, spec.evaluation.deterministic)
    evaluator.close()
    return [tapes[seed].episode() for seed in seeds]


def _number(run: Trained) -> int:
    env = run.task.make_env()
    shape = env.observation_space.shape
    env.close()
    return IMAGE_EPISODES if shape and len(shape) == 3 else EPISODES


class _Tape:
    """One episode as it goes on."""

    def __init__(self, first: Any) -> None:
        self.seen, self.terminated = [np.array(first)], False
        self.taken: list[Any] = []
        self.rewards: list[float] = []

    def episode(self) -> Episode:
        return Episode(
            np.stack(self.seen), np.array(self.taken), np.array(self.rewards), self.terminated
        )


class _Recorder(gym.Wrapper[Any, Any, Any, Any]):
    """Writes every seeded episode down."""

    def __init__(self, env: gym.Env[Any, Any], tapes: dict[int, _Tape]) -> None:
        super().__init__(env)
        self._tapes = tapes

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        assert seed is not None
        self._tape = self._tapes[seed] = _Tape(observation)
        return observation, info

    def step(self, action: Any) -> Any:
        outcome = self.env.step(action)
        self._tape.seen.append(np.array(outcome[0]))
        self._tape.taken.append(action)
        self._tape.rewards.append(float(outcome[1]))
        self._tape.terminated = bool(outcome[2])
        return outcome
