"""Hyper-parameters: an agent's own, those of configs/agents, and what departs from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache, partial
from typing import Any, NamedTuple

from pydantic import Field

import baselines
from baselines import split
from harness import agents
from harness.config import study
from harness.config.failure import in_a_line
from harness.config.model import Strict
from harness.config.name import is_name
from harness.config.shipped import shipped
from harness.config.space import Range
from harness.config.strict import Document, Problem, UserError, load, parse, validate
from harness.config.tree import Place, dotted, flat, merged, walk


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
        pair = agents.entry(name)
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
    return dict(agents.entry(name).load().Config().model_dump(mode="json"))


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
        model, problems = validate(settings, agents.entry(name).load().Config)
        hparams = {} if model is None else model.model_dump(mode="json")
    except Exception as error:
        if not agents.own_parts(name):
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
    config = agents.entry(name).load().Config
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
