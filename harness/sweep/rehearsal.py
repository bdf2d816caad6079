"""Whether a learner can be made for an environment on this machine: asked before anything trains.

Nothing is stepped, but an environment of the user's own, once, and for metrics of the user's own.
Memory is reckoned from sizes alone, before anything of that size is made.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from baselines.api import Sizes, Task
from harness import agents, envs, own
from harness.config import study
from harness.config.failure import failed, in_a_line
from harness.config.strict import UserError
from harness.envs.picture import picture, to_draw
from harness.seeding import untouched_rng
from harness.spec import Metric

GB = 1e9
MOST_REHEARSED = 1_000  # steps of an episode
CHECKPOINT = "checkpoint"
CGROUP = Path("/sys/fs/cgroup/memory.max")  # of the container, where there is one


def installed_memory() -> float:
    """Bytes that this machine, or its container, has in all."""
    installed = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    limit = CGROUP.read_text().strip() if CGROUP.is_file() else ""
    return min(installed, float(limit)) if limit.isdigit() else installed


class Asked(NamedTuple):
    """What is to be made."""

    agent: str
    hparams: Mapping[str, Any]
    env: str
    steps: int
    engine: str
    resumes: bool = False  # goes on from barriers


def misfits(asked: Asked, make_env: Callable[[], gym.Env[Any, Any]]) -> Iterator[tuple[str, str]]:
    """Why such a run cannot be: (hyper-parameter, or "", and what is wrong with the way out).

    Of what cannot be kept at a barrier: (CHECKPOINT, which part).
    """
    agent, hparams, env, steps, engine, resumes = asked
    try:
        made = [make_env()]
    except Exception as error:  # whatever its constructor raises
        yield "", f"{env} cannot be made: {_told(error)}"
        return
    if why := envs.breach(made[0]) or _trial(env, make_env) or agents.unreadable(agent, made[0]):
        made[0].close()
        yield "", f"{env}: {why}"
        return
    needed = agents.config(agent, hparams).memory(Sizes.of(made[0], steps))
    least, installed = sum(needed.values()), installed_memory()
    if least > installed:
        largest = max(needed, key=lambda name: needed[name])
        yield (
            largest,
            f"a run needs at least {least / GB:,.1f} GB of memory, {needed[largest] / GB:,.1f} GB "
            f"of them for {largest}, and this machine has {installed / GB:,.1f} GB: make it "
            "smaller",
        )
    else:
        try:
            with untouched_rng(0):
                task = Task(lambda: _kept(make_env(), made), steps)
                learner = agents.make(agent, task, hparams, engine)
                if resumes and (why := agents.unkept(learner)):
                    yield CHECKPOINT, why
        except Exception as error:  # whatever a library raises for what it cannot do
            yield "", f"{agent} cannot be made for {env}: {_told(error)}"
    for name in ("observation_space", "action_space"):
        here, *others = (getattr(each, name) for each in made)
        if other := next((space for space in others if space != here), None):
            yield "", f"{env}: its {name} changes from {here} to {other} when it is made again"
    for each in made:
        each.close()


def _trial(env: str, make_env: Callable[[], gym.Env[Any, Any]]) -> str:
    """Why one that does not ship cannot be stepped, as far as one step shows; empty: it can."""
    if envs.is_shipped(env):
        return ""
    try:
        with untouched_rng(0):
            tried = make_env()
            why = envs.first_step(tried)
            tried.close()
    except Exception as error:  # whatever its author wrote
        return f"its first step fails: {type(error).__name__}: {_told(error)}"
    return why


def fails(metric: Metric, env: str, make_env: Callable[[], gym.Env[Any, Any]]) -> str:
    """Why a metric makes no number of an episode of random actions; empty: it does."""
    ended: list[own.Episode] = []
    function = study.function(metric.target)
    try:
        played = own.Recorder(make_env(), env, ended.append)
        masked = played.has_wrapper_attr("action_masks")
        played.action_space.seed(0)
        played.reset(seed=0)
        for _ in range(MOST_REHEARSED):
            mask = played.get_wrapper_attr("action_masks")().astype(np.int8) if masked else None
            played.step(played.action_space.sample(mask))
            if ended:
                break
        episode = ended[0] if ended else played.episode()
        played.close()
    except Exception:  # what is wrong with an environment is said elsewhere
        return ""
    try:
        own.number(function(episode))
    except Exception as error:  # whatever a function of the user's own raises
        return f"{failed(function, error)}, in an episode of random actions on {env}"
    return ""


def undrawn(card: envs.Card, wrappers: Sequence[Mapping[str, Any]]) -> str:
    """Why an environment cannot be filmed; empty: it can."""
    try:
        with untouched_rng(0):
            tried = to_draw(card, wrappers)
            tried.reset(seed=0)
            picture(tried, card.name)
            tried.close()
    except UserError as error:
        return "; ".join(each.message for each in error.problems)
    except Exception:  # what is wrong with an environment is said elsewhere
        return ""
    return ""


def _told(error: Exception) -> str:
    return in_a_line(error)[:300] + study.place(error)


def _kept(env: gym.Env[Any, Any], among: list[gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    among.append(env)
    return env
