"""The only door to the learners: their names, hyper-parameters and what they can act in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

import gymnasium as gym
from pydantic import Field

import baselines
from baselines import AGENTS, BONUSES, BOTH, LOCKSTEP, OBSERVATIONS, SB3, Entry, names, split, takes
from baselines.api import GOAL_METHODS, Agent, Config, Task
from baselines.space import action_kind, observation_kind, shown
from harness import provenance
from harness.config import declared, study
from harness.config.failure import in_a_line
from harness.config.model import Strict
from harness.config.name import is_name, joined
from harness.config.shipped import shipped
from harness.config.space import Range
from harness.config.strict import Document, Problem, UserError, load, parse, suggest, validate
from harness.config.tree import Place, dotted, flat, merged, walk
from harness.spec import Engine

# What engines beside the learner's own are compiled by: the extra of that name has it.
COMPILERS = {LOCKSTEP: ("numba", "llvmlite", "scipy", "threadpoolctl")}


class Tuned(Strict):
    """Hyper-parameters for one environment, with their source."""

    source: str = Field(
        description="The published file, paper or command from which these numbers come."
    )
    tuned_on: tuple[str, ...] = Field(
        description="The environments on which they were tuned, by a search or by hand, as far "
        "as `source` says; []: none."
    )
    hparams: dict[str, Any] = Field(description="Changes to `default`.")
    with_bonus: dict[str, Any] | None = Field(
        None,
        description="Further hyper-parameters for the agent with a bonus. Without this key, the "
        "entry does not apply to agents with a bonus.",
    )


class AgentFile(Strict):
    """configs/agents/<agent>.yaml: what the harness adds to an agent's own defaults.

    A learner with a bonus, such as ppo_rnd, needs none: it departs from what its learner has.
    """

    source: str = Field("", description="The source of `default`.")
    default: dict[str, Any] = Field(
        default_factory=dict, description="Changes to the agent's own defaults."
    )
    envs: dict[str, Tuned] = Field(
        default_factory=dict,
        description="Changes per environment: an exact name, or a pattern like MiniGrid-*.",
    )
    search: dict[str, Range | None] = Field(
        default_factory=dict,
        description="The search space of `harness tune`, by dotted hyper-parameters such as "
        "policy_kwargs.net_arch. null removes a range of `search_like`.",
    )
    search_like: str | None = Field(
        None, description="Another agent, whose search space `search` extends or replaces."
    )


class Layer(NamedTuple):
    """Hyper-parameters from one place. Later layers win, key by key, inside nested ones too."""

    origin: str  # "ablations/rnd.yaml: arms.episodic"
    hparams: Mapping[str, Any]
    document: Document | None = None  # where errors point to
    path: Place = ()
    tuned_on: tuple[str, ...] | None = None  # the environments that chose them; None: not said


class Settings(NamedTuple):
    """An agent's complete hyper-parameters, each with the place it comes from."""

    hparams: dict[str, Any]
    origins: dict[str, str]  # dotted key -> origin
    problem: Callable[[Place, str], Problem]  # what is wrong with one, at the place that set it


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
    own = _own(name)
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


def _own(name: str) -> list[str]:
    """The parts of an agent that are the user's own."""
    return [part for part in name.split("+") if baselines.is_target(part)]


def named(name: str) -> str:
    """An agent as runs hold it: what a package declares, by its target instead of its name.

    :raises KeyError: if two have the name; its argument tells the way out.
    """
    learner, plus, bonus = name.partition("+")
    learner = declared.target("agents", learner, [*names()])
    return f"{learner}{plus}{declared.target('bonuses', bonus, BONUSES)}"


def modules(name: str, engine: str) -> tuple[str, ...]:
    """What decides an agent's bits besides all that it imports of ours: itself, its compilers."""
    return entry(name, engine).module, *COMPILERS.get(engine, ())


def untrained(name: str, engine: str) -> str:
    """Why an engine does not train an agent here; empty: it does."""
    if engine == SB3:
        return ""
    if entry(name).lockstep is None:
        able = joined(each for each, other in AGENTS.items() if other.lockstep)
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


@cache
def _shipped(name: str) -> tuple[Document, AgentFile]:
    """configs/agents/<name>.yaml; nothing where there is none."""
    path = shipped("configs/agents") / f"{name}.yaml"
    if not is_name(name) or not path.exists():
        return Document(str(path), {}, {}), AgentFile()
    document = load(path)
    return document, parse(document, AgentFile)


def shipped_layers(name: str, env: str) -> list[Layer]:
    """What configs/agents says of an agent; if it has a bonus, of its learner first.

    The learner's entry for an environment counts with a bonus where it says so, or where there is
    one of both that departs from it.
    """
    learner, bonus = split(name)
    layers = _layers(learner, env)  # default, entry, what the entry adds with a bonus
    if not bonus:
        return layers[:2]
    own = _layers(name, env)[:2]
    untried = len(layers) == 2 and len(own) == 1
    return [*(layers[:1] if untried else layers), *own]


def _layers(name: str, env: str) -> list[Layer]:
    """What one file says: its default, then its entry for the environment."""
    document, file = _shipped(name)
    label = f"configs/agents/{name}.yaml"
    layers = [Layer(f"{label}: default", file.default, document, ("default",))]
    key = env if env in file.envs else next((k for k in file.envs if fnmatchcase(env, k)), None)
    if key is not None:  # a pattern that it fits, if it is not named
        tuned, path, label = file.envs[key], ("envs", key), f"{label}: {key}"
        at = (*path, "hparams")
        layers.append(Layer(label, tuned.hparams, document, at, tuned.tuned_on))
        if tuned.with_bonus is not None:
            at = (*path, "with_bonus")
            layers.append(Layer(f"{label} with a bonus", tuned.with_bonus, document, at))
    return layers


def tuned_on(name: str, env: str, layers: Iterable[Layer] = ()) -> tuple[str, ...]:
    """The environments on which the settings for `env` were chosen: as the last layer says."""
    said = [layer.tuned_on for layer in [*shipped_layers(name, env), *layers]]
    return next((each for each in reversed(said) if each is not None), ())


def search_space(name: str) -> dict[str, tuple[Range, Document]]:
    """The ranges that a search tries by default, and where their errors are.

    A bonus adds its own, which stand in its class, to its learner's, and so does an agent of the
    user's own; an agent's file has the last word.
    """
    learner, bonus = split(name)
    document, file = _shipped(name)
    like = learner if bonus else file.search_like
    space = search_space(like) if like else {}
    parts = [(file.search, document)]
    if bonus or baselines.is_target(name):
        pair = entry(name)
        where = Document(pair.target, {}, {})
        parts.insert(0, (_ranges(pair.load().Config.search, where), where))
    for ranges, where in parts:
        for key, one in ranges.items():
            space.pop(key, None)
            if one is not None:
                space[key] = one, where
    return space


def _ranges(search: Any, document: Document) -> dict[str, Range | None]:
    """Those of a Config.

    :raises UserError: if they are none, in a Config of the user's own.
    """
    ranges: dict[str, Range | None] = {}
    for key, one in search.items() if isinstance(search, Mapping) else [("", search)]:
        ranges[key], wrong = (None, []) if one is None else validate(one, Range)
        if wrong:
            at = ("Config", "search", *filter(None, [key]))
            raise UserError(document.problem((*at, *place), why) for place, why in wrong)
    return ranges


def own_defaults(name: str) -> dict[str, Any]:
    """The hyper-parameters of the agent's class, complete, before any file departs from them."""
    return dict(entry(name).load().Config().model_dump(mode="json"))


def resolve(name: str, env: str, layers: Iterable[Layer]) -> Settings:
    """All hyper-parameters of `name` in `env`: its own defaults, the shipped file, then `layers`.

    :raises UserError: with every unknown key and wrong value, pointing into the layer that set it.
    """
    settings: dict[str, Any] = {}
    owner: dict[Place, tuple[Layer, Place]] = {}
    for layer in [*shipped_layers(name, env), *layers]:
        settings = merged(settings, layer.hparams)
        owner |= {place: (layer, place) for place, _ in walk(layer.hparams) if place}
    try:
        model, problems = validate(settings, entry(name).load().Config)
        hparams = {} if model is None else model.model_dump(mode="json")
    except Exception as error:
        if not _own(name):
            raise
        raise UserError([_unread(name, error)]) from None
    if model is None:
        raise UserError(_locate(owner, name, path, message) for path, message in problems)
    named = {dotted(path): layer.origin for path, (layer, _) in owner.items()}
    origins = {key: named.get(key, "the agent's own default") for key in flat(hparams)}
    return Settings(hparams, origins, partial(_locate, owner, name))


def _unread(name: str, error: Exception) -> Problem:
    """Why the Config of an agent of the user's own is of no use, where it stands."""
    why = f"cannot be read: {in_a_line(error)}{study.place(error)}"
    config = entry(name).load().Config
    try:
        file, line = str(inspect.getsourcefile(config)), inspect.getsourcelines(config)[1]
    except (OSError, TypeError):  # of a learner with a bonus, made of several
        return Problem(name, None, "Config", why)
    return Problem(file, line, "Config", why)


def _locate(
    owner: Mapping[Place, tuple[Layer, Place]], name: str, path: Place, message: str
) -> Problem:
    """An error of the merged hyper-parameters, at the place in the file that caused it."""
    message = f"{message} (hyper-parameter of {name})"
    for known, (layer, within) in reversed(list(owner.items())):
        if known[: len(path)] == path or path[: len(known)] == known:
            place = (*layer.path, *within)
            line = layer.document.line(place) if layer.document else None
            file = layer.document.file if layer.document else layer.origin
            return Problem(file, line, dotted(place), message)
    return Problem(name, None, dotted(path), message)
