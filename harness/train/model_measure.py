"""All that is measured of one run's model, as one tree of numbers that JSON holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from baselines.api import Agent, ModelBased, NoProgress
from baselines.world_models import truth
from baselines.world_models.dreaming import Tempered, dreamed_returns
from baselines.world_models.episode import Episode
from harness import agents
from harness.seeding import untouched_rng
from harness.train.trained import Trained

TEMPERATURES = (0.1, 0.5, 1.0, 1.5, 3.0)
DREAMS = 5  # from each first observation; of images one
PARTS = (16, 8, 4, 2)  # of the budget: what the model knows after so much of it

Episodes = Mapping[str, list[Episode]]  # by policy


def measures(run: Trained, episodes: Episodes) -> dict[str, Any]:
    """Of the model that training left."""
    dynamics, seed = dynamics_of(run.agent), run.spec.seed
    unit = truth.unit(episodes["random"])
    policies, steps = {}, []
    for name, each in episodes.items():
        policies[name], alone = truth.judge(dynamics, each, unit, seed)
        steps.append(alone)
    names, dimensions = run.card.observation_names, episodes["random"][0].observations[0].size
    return {
        "observation_names": list(names) if len(names) == dimensions else [],
        "policies": policies,
        "together": truth.events(truth.pool(steps)),
        "returns": returns(run, dynamics, episodes["trained"]),
    }


def dynamics_of(agent: Agent) -> Any:
    assert isinstance(agent, ModelBased)
    return agent.dynamics()


def returns(run: Trained, dynamics: Any, real: list[Episode]) -> dict[str, Any]:
    """The same controller awake and asleep, from the same first observations."""
    first = np.stack([episode.observations[0] for episode in real])
    first = np.concatenate([first] * (1 if truth.are_images(real) else DREAMS))
    limit = run.card.max_episode_steps or max(len(episode) for episode in real)
    tempered = isinstance(dynamics, Tempered)
    dreams = {}
    with untouched_rng(run.spec.seed):  # policies may draw from the global generators
        for temperature in TEMPERATURES if tempered else (1.0,):
            dream = dynamics.tempered(temperature) if tempered else dynamics
            imagined = dreamed_returns(dream, _controller(run), first, limit, run.spec.seed)
            dreams[str(temperature)] = imagined.tolist()
    awake = [float(episode.rewards.sum()) for episode in real]
    return {"limit": limit, "real": awake, "dreamed": dreams}


def _controller(run: Trained) -> Any:
    env = run.task.make_env()
    space, deterministic = env.action_space, run.spec.evaluation.deterministic
    env.close()

    def act(seen: NDArray[Any], state: Any, starts: NDArray[np.bool_]) -> tuple[NDArray[Any], Any]:
        actions, state = run.agent.predict(seen, state, starts, deterministic)
        if isinstance(space, gym.spaces.Box):  # as evaluation does
            actions = np.clip(actions, space.low, space.high).astype(space.dtype)
        return actions, state

    return act


def learning(run: Trained, episodes: Episodes, last: Mapping[str, Any]) -> dict[str, Any]:
    """The errors of models that had only the beginning of the budget, and of one that had none.

    The agent is trained anew for each: some learn their model in one piece when all data is there,
    so that looking at them on the way would show nothing.

    :param last: the measures of the run itself.
    """
    unit, errors = truth.unit(episodes["random"]), dict[str, list[Any]]()
    steps = [0, *budgets(run)]
    for budget in steps:
        task = replace(run.task, steps=budget)
        agent = agents.make(run.spec.agent, task, run.spec.hparams, run.spec.engine.name)
        if budget:
            agent.learn(NoProgress())
        for name, each in episodes.items():
            error = truth.error(dynamics_of(agent), each, unit)
            errors.setdefault(name, []).append(error)
    for name, each in errors.items():
        each.append(last["policies"][name]["error"])
    return {"steps": [*steps, run.spec.steps], "error": errors}


def budgets(run: Trained) -> Iterator[int]:
    least = agents.config(run.spec.agent, run.spec.hparams).least_steps()
    return (n for part in PARTS if (n := run.spec.steps // part) >= least)


def plain(value: Any) -> Any:
    """With None for what is not a number, which JSON does not know."""
    return json.loads(to_json(value, inf_nan_mode="null"))
