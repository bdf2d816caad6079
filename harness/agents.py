"""The only door to the learners: their names, how they are made, and what they can act in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any, cast

import gymnasium as gym

import baselines
from baselines import AGENTS, BONUSES, BOTH, LOCKSTEP, OBSERVATIONS, SB3, Entry, names, split, takes
from baselines.api import GOAL_METHODS, Agent, Config, Task
from baselines.space import action_kind, observation_kind, shown
from harness import provenance
from harness.config import declared, study
from harness.config.name import joined
from harness.config.strict import suggest
from harness.spec import Engine

# What engines beside the learner's own are compiled by: the extra of that name has it.
COMPILERS = {LOCKSTEP: ("numba", "llvmlite", "scipy", "threadpoolctl")}


def entry(name: str, engine: str = SB3) -> Entry:
    """What an agent is, and the version of one of the user's own.

    :param engine: what trains it.
    :raises KeyError: with a suggestion or the way out, if there is no such agent, its module cannot
        be used, or the engine cannot train it.
    """
    if engine != SB3:
        if why := untrained(name, engine):
            raise KeyError(why)
        return entry(name).under(engine)
    own = own_parts(name)
    try:
        for part in own:
            study.thing(part)
    except ValueError as error:
        raise KeyError(error.args[0]) from None
    try:
        found = baselines.entry(name)
    except KeyError:
        others = [*names(), *declared.names("agents")]
        raise KeyError(f"unknown agent '{name}'.{suggest(name, others)}") from None
    except Exception as error:  # whatever a module raises while it is imported
        raise KeyError(study.not_usable(name, error)) from None
    if found.version is not None:
        return found
    made = [provenance.fingerprint(part.partition(":")[0]) for part in own]
    plain = baselines.split(name)[0]
    learner = [str(AGENTS[plain].version)] if plain in AGENTS else []
    return replace(found, version="-".join([*learner, *made]))


def own_parts(name: str) -> list[str]:
    """The parts of an agent that are the user's own."""
    return [part for part in name.split("+") if baselines.is_target(part)]


def named(name: str) -> str:
    """An agent as runs hold it: what a package declares, by its target instead of its name.

    :raises KeyError: if two have the name; its argument tells the way out.
    """
    learner, plus, bonus = name.partition("+")
    learner = declared.target("agents", learner, names())
    return f"{learner}{plus}{declared.target('bonuses', bonus, BONUSES)}"


def modules(name: str, engine: str) -> tuple[str, ...]:
    """What decides an agent's bits besides all that it imports of ours: itself, its compilers."""
    return entry(name, engine).module, *COMPILERS.get(engine, ())


def untrained(name: str, engine: str) -> str:
    """Why an engine does not train an agent here; empty: it does."""
    if engine == SB3:
        return ""
    if entry(name).lockstep is None:
        twins = {each: other.lockstep for each, other in AGENTS.items() if other.lockstep}
        able = joined([*twins, *(f"{each} with a bonus" for each in twins if twins[each].curious)])
        return f"the engine {engine} does not train {name}, only {able}: take the engine {SB3}"
    if missing := next((each for each in COMPILERS[engine] if find_spec(each) is None), None):
        return f"the engine {engine} needs {missing}: pip install 'rl-ablation-harness[{engine}]'"
    return ""


def refused(name: str, engine: Engine, hparams: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an engine that trains an agent cannot do of what is asked: (key, why).

    Keys of the engine begin with `engine.`, others are hyper-parameters.
    """
    if engine.name == SB3:
        return
    way_out = f"take the engine {SB3}"
    for key, asked, able in (("threads", engine.threads, 1), ("device", engine.device, "cpu")):
        if asked != able:
            yield f"engine.{key}", f"the engine {engine.name} has {key} {able} only: {way_out}"
    learner = entry(name, engine.name).load()
    for key, why in learner.refuses(config(name, hparams)):
        yield key, f"the engine {engine.name} cannot train {name} so, {why}: {way_out}"


def resumable(name: str, engine: str) -> bool:
    """Whether what an engine trains may go on from a barrier; see `unkept`."""
    return hasattr(entry(name, engine).load(), "kept")


def unkept(agent: Agent) -> str:
    """What of an agent cannot be kept at a barrier; empty: all of it can."""
    from baselines import state

    try:
        state.taken(cast(Any, agent).kept())
    except state.Unsaved as error:
        return str(error)
    return ""


def known(name: str) -> bool:
    """Whether it may be an agent: one that ships, or one of the user's own."""
    return baselines.is_target(name) or name in names()


def with_bonus(agent: str, bonus: str) -> str:
    """The short name of a learner with a bonus: ppo, rnd -> ppo_rnd.

    :raises KeyError: with a suggestion or the way out, if there is none.
    """
    learner, other = split(agent)
    if baselines.is_target(learner):
        raise KeyError(f"{learner} takes no bonus: learners that ship do (`harness ls bonuses`)")
    if other:
        raise KeyError(f"{agent} has a bonus already: name its learner, {learner}, beside it")
    bonus = declared.known("bonuses", bonus, BONUSES)
    try:
        taken = takes(learner, bonus)
    except Exception as error:  # whatever a module raises while it is imported
        raise KeyError(study.not_usable(bonus, error)) from None
    if not taken:
        able = [name for name in BONUSES if takes(learner, name)]
        instead = f"take {joined(able, 'or')}" if able else "`harness ls bonuses` shows who does"
        raise KeyError(f"{learner} does not take the bonus {bonus}: {instead}")
    return baselines.name(learner, bonus)


def make(name: str, task: Task, hparams: Mapping[str, Any], engine: str = SB3) -> Agent:
    """The learner `name` with complete hyper-parameters, ready to learn.

    :param engine: what trains it.
    :raises RuntimeError: if the task's device is not here, or the learner went to another one.
    :raises ValueError: if it cannot read the observations of the environment, or take its actions.
    """
    learner = entry(name, engine).load()
    missing = no_device(task.device)
    if missing:
        raise RuntimeError(missing)
    readable = replace(task, make_env=partial(_readable, name, task.make_env))
    agent: Agent = learner(readable, config(name, hparams))
    used = provenance.devices(agent)
    if used and not any(task.device in (at, at.partition(":")[0]) for at in used):
        places = ", ".join(sorted(used))
        raise RuntimeError(
            f"{name} was to learn on {task.device}, and its parameters are on {places}"
        )
    return agent


def _readable(name: str, make_env: Callable[[], gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    env = make_env()
    if why := unreadable(name, env):
        env.close()
        raise ValueError(why)
    return env


def no_device(name: str) -> str:
    """Why nothing can learn on this torch device here; empty: it can.

    Stable-Baselines3 would quietly take the CPU.
    """
    if name == provenance.CPU:  # without a look, and without importing torch
        return ""
    import torch

    accelerator = torch.accelerator.current_accelerator(check_available=True)
    kind = accelerator.type if accelerator else ""
    devices = [f"{kind}:{i}" for i in range(torch.accelerator.device_count())] if kind else []
    if name in devices or (devices and name == kind):
        return ""
    here = ", ".join([provenance.CPU, *devices])
    return f"there is no device '{name}' here: this machine has {here}"


def config(name: str, hparams: Mapping[str, Any]) -> Config:
    """Complete hyper-parameters as the agent's own Config."""
    return cast(Config, entry(name).load().Config.model_validate(dict(hparams)))


def too_short(name: str, hparams: Mapping[str, Any], steps: int) -> str | None:
    """Why nothing is learned in so many steps, if so, and the way out."""
    given = config(name, hparams)
    if steps >= given.least_steps():
        return None
    lower = joined(given.paced_by() or ["what it does before its first update"], "or")
    return (
        f"hold no update of {name}, which needs {given.least_steps()}: raise `steps`, or lower "
        f"{lower}"
    )


def watch_noise(agent: Agent) -> list[tuple[int, float, float]]:
    """Filled while a PPO learns: (step, signal, noise) before each update; see noise_scale.py.

    :raises TypeError: if it is no PPO.
    """
    from baselines.noise_scale import watch

    return cast("list[tuple[int, float, float]]", watch(cast(Any, agent)))


def unfit(name: str, env: str, actions: str) -> str | None:
    """Why the agent cannot act in an environment with such actions, if so."""
    found = entry(name)
    if found.envs and env not in found.envs:
        return f"{name} can act in {', '.join(found.envs)} only, not in {env}"
    if actions not in found.actions:
        able = joined((kind for kind in BOTH if kind in found.actions), "or")
        return f"{name} needs {able} actions, and {env} has {actions} ones"
    return None


# What to do about a space that hardly any learner knows.
OTHERWISE = {
    "array": "show images as bytes; if there are none among them, add the wrapper flatten",
    "shifted": "count from 0, in a wrapper",
    "unbounded": "give them bounds, in a wrapper",
    "other": "show or take others, in a wrapper",
}
# What may become a vector without somebody's looking: no image is hidden there.
FLATTENED = ("discrete", "multibinary", "multidiscrete", "dict", "shifted", "other")


def unreadable(name: str, env: gym.Env[Any, Any]) -> str | None:
    """Why the agent cannot read an environment's observations or take its actions, if so."""
    agent, seen, taken = entry(name), env.observation_space, env.action_space
    kind, action = observation_kind(seen), action_kind(taken)
    if kind in agent.observations and action in agent.actions:
        return None
    others = [
        other
        for other, each in AGENTS.items()
        if each.learns and kind in each.observations and action in each.actions
    ]
    flat = kind in FLATTENED and seen.is_np_flattenable and "vector" in agent.observations
    instead = "add the wrapper flatten, which shows one vector" if flat else "add a wrapper"
    if others:
        instead = f"take one that does, such as {', '.join(others[:3])}, or {instead}"
    if kind not in agent.observations:
        reads = joined((OBSERVATIONS[each] for each in agent.observations), "or")
        way_out = instead if flat else OTHERWISE.get(kind, instead)
        return f"{name} reads {reads}, not {shown(seen)}: {way_out}"
    able = joined(agent.actions, "or")
    return f"{name} takes {able} actions, not {shown(taken)}: {OTHERWISE.get(action, instead)}"


def lacks_goals(name: str, env: gym.Env[Any, Any]) -> bool:
    """Whether the agent needs goals, and the environment with its wrappers does not show them."""
    if not entry(name).goals:
        return False
    told = all(env.has_wrapper_attr(method) for method in GOAL_METHODS)
    return observation_kind(env.observation_space) != "goals" or not told
