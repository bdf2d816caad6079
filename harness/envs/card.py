"""An environment's card: the facts that decide outcomes, and the two points of its score axis.

`configs/envs/<name>.yaml` is one card. `<name>-N.yaml` is a family: it serves <name>-10,
<name>-20 and every other size, and its environment gets the number as the keyword `size`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import gymnasium as gym
from pydantic import Field, field_validator, model_validator

from baselines import target
from baselines.space import action_kind
from harness import provenance
from harness.config import declared, strict, study
from harness.config.model import Strict
from harness.config.name import RULE, is_name, is_target, shortened
from harness.config.shipped import shipped
from harness.envs.extra import Extra, need
from harness.envs.plane import Plane
from harness.envs.registered import known, registered
from harness.envs.wrappers import check_wrapper, complete
from harness.spec import Anchors, KnownAnchors

FAMILY = "-N"  # how the file of a family ends
MEMBER = re.compile(r"^(?P<family>.+)-(?P<size>[1-9]\d*)$")


Range = Annotated[
    tuple[int, int], Field(description="From the first up to, but not including, the second.")
]


class Variant(Strict):
    """One variation of the environment."""

    attributes: dict[str, float] = Field(
        {},
        description="Attributes to set on the unwrapped environment, including those derived "
        "from them.",
    )
    options: dict[str, Any] = Field({}, description="Options for the environment's reset.")
    layouts: Range | None = Field(None, description="A range of reset seeds, one layout each.")


class Variants(Strict):
    """Training and test variants; one is sampled for each episode."""

    train: tuple[Variant, ...] = Field(
        min_length=1, description="Variants of training, and of the score."
    )
    test: tuple[Variant, ...] = Field(
        min_length=1, description="Variants that no training has seen."
    )


class Measure(Strict):
    """A value of `info` at the end of an episode that is reported beside the score."""

    name: str = Field(description="Its name in reports.")
    unit: str = Field(description="Its unit in reports.")
    factor: float = Field(1.0, description="Conversion factor from info's unit.")

    def __str__(self) -> str:
        return f"{self.name}, {self.unit}"

    def written(self, value: float) -> str:
        """What `info` tells, in the reader's unit: 4.1 cm, 9.3°."""
        return f"{self.factor * value:.1f} {self.unit}".replace(" °", "°")


class Card(Strict):
    """One environment: how it is made, and the scores that normalise its returns."""

    name: str = Field("", description="Leave it out: it is the file's name.")
    summary: str = Field(description="The task in one sentence.")
    id: str | None = Field(
        None, description='The Gymnasium id; "module:id" imports the module that registers it.'
    )
    entry_point: str | None = Field(None, description='Instead of an id: "module:Class".')
    version: Annotated[int, Field(ge=1)] | str | None = Field(
        None,
        description="Raise it whenever a change can change scores: old runs then count as stale. "
        "Without it, every change of the environment's own source does.",
    )
    kwargs: dict[str, Any] = Field(
        {}, description="Keyword arguments of the environment's constructor."
    )
    wrappers: tuple[dict[str, Any], ...] = Field(
        (), description="Wrappers that are part of the task, innermost first: {name: ..., options}."
    )
    variants: Variants | None = Field(
        None,
        description="For generalisation: the score is on `train`; the report shows `test` beside "
        "it.",
    )
    max_episode_steps: int | None = Field(
        None,
        ge=1,
        description="The time limit, at which episodes are truncated. Without it: each ends by "
        "itself after a fixed number of steps.",
    )
    actions: Literal["discrete", "continuous", "multidiscrete", "multibinary"] = Field(
        description="The kind of action space."
    )
    deterministic: bool = Field(
        True,
        description="Greedy actions in evaluation; false: sampled, for tasks in which a greedy "
        "policy gets stuck. A sweep's `evaluation` overrides it.",
    )
    null_action: int | None = Field(
        None,
        description="The discrete action that does nothing; default: the first. `harness "
        "model-report` uses it.",
    )
    anchors: KnownAnchors | None = Field(
        None, description="The scores that are normalised to 0 and 1."
    )
    anchors_from: str | None = Field(
        None,
        description='For a family, instead of anchors: "module:function", called with the kwargs.',
    )
    measures: dict[str, Measure] = Field(
        {}, description="Values of `info` that are reported beside the score, by their key."
    )
    observation_names: tuple[str, ...] = Field(
        (), description="Names of the observation dimensions, for reports on models."
    )
    cells: str | None = Field(
        None,
        description='If states, or transitions, are cells of a plane: "module:function", called '
        "with the unwrapped environment. Reports then show a map of visits, and how soon all cells "
        "were visited.",
    )
    extra: Extra | None = Field(
        None, description="The extra of this package that installs the environment's requirements."
    )
    sizes: tuple[int, ...] = Field(
        (), description="For a family: the sizes that `harness ls envs` lists; others work too."
    )

    @field_validator("wrappers")
    @classmethod
    def _known(cls, wrappers: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        shipped = [each for each in wrappers if ":" not in str(each.get("name"))]
        problems = [message for wrapper in shipped for message in check_wrapper(wrapper)]
        if problems:
            raise ValueError("; ".join(problems))
        return wrappers

    @model_validator(mode="after")
    def _one_of_each(self) -> Card:
        if (self.id is None) == (self.entry_point is None):
            raise ValueError("give either 'id' or 'entry_point'")
        if self.anchors is not None and self.anchors_from is not None:
            raise ValueError("give either 'anchors' or 'anchors_from'")
        return self

    @property
    def modules(self) -> set[str]:
        """Whose sources make it, beside those of its classes: of what a function makes, the
        function's own."""
        return {self.entry_point.partition(":")[0]} if self.entry_point else set()

    def identity(self) -> dict[str, Any]:
        """The facts that decide outcomes, and no others: they go into the key of every run."""
        facts = self.model_dump(
            mode="json",
            include={"id", "entry_point", "version", "kwargs", "max_episode_steps"},
        )
        facts["wrappers"] = [complete(wrapper) for wrapper in self.wrappers]
        if self.variants is not None:  # left out of the others, whose runs keep their keys
            facts["variants"] = self.variants.model_dump(mode="json")
        return facts

    def scale(self) -> Anchors | None:
        """Both anchors, read from the card or computed from its kwargs; None: one is not known.

        :raises ValueError: if `anchors_from` names something else, or refuses the kwargs.
        """
        if self.anchors is not None and self.anchors.reference is not None:
            return Anchors(random=self.anchors.random, reference=self.anchors.reference)
        if self.anchors_from is None:
            return None
        anchors = target.load(str(self.anchors_from), Anchors)(**self.kwargs)
        assert isinstance(anchors, Anchors), self.anchors_from
        return anchors

    def plane(self, env: gym.Env[Any, Any]) -> Plane | None:
        """The cells that the environment's states are; None: they are no cells of a plane."""
        if self.cells is None:
            return None
        plane = target.load(self.cells, Plane)(env.unwrapped)
        assert isinstance(plane, Plane), self.cells
        return plane


def card(name: str) -> Card:
    """The card of one environment: the study's own, a package's, or one that ships.

    Where there is none, Gymnasium's registry says what would stand on it.

    :raises KeyError: if there is none, or two; its argument tells the way out.
    :raises UserError: if it is wrong.
    """
    if not is_target(name):
        raise KeyError(f"'{shortened(name)}' is no name of an environment: it has {RULE}")
    made, own = _read(name), study.card_file(name)
    if own is not None and made is not None:
        both = f"{own} and {shipped('configs/envs') / own.name}"
        raise KeyError(f"two cards are called '{name}', {both}: rename yours")
    ships = f"{shipped('configs/envs') / name}.yaml" if made else ""
    if thing := declared.find("envs", name, str(own or ships)):
        own = declared.card_file(thing)
    if own is not None:
        return _of_study(own, name)
    if made is not None and not made.sizes:
        return made
    if member := MEMBER.match(name):
        family, size = _read(member["family"] + FAMILY), int(member["size"])
        if family is not None and family.sizes:
            return _member(family, name, size)
    if made is not None:
        example = name.removesuffix(FAMILY) + f"-{made.sizes[0]}"
        raise KeyError(f"'{name}' is a family: put a size for N, such as '{example}'")
    if (found := _registered(name)) is not None:
        return found
    task = name.rpartition("-v")[0]
    others = [each for each in gym.registry if task and each.rpartition("-v")[0] == task]
    hint = strict.suggest(name, [*card_names(), *declared.names("envs"), *others])
    raise KeyError(
        f"unknown environment '{name}'.{hint} One that a module of yours registers is called "
        "'module:Id'"
    )


def card_names() -> list[str]:
    """Every shipped environment by name; of a family, the members that its card lists."""
    return sorted(_names(), key=_natural)


def _names() -> Iterator[str]:
    for path in shipped("configs/envs").glob("*.yaml"):
        each = _read(path.stem)
        assert each is not None
        if each.sizes:
            yield from (path.stem.removesuffix(FAMILY) + f"-{size}" for size in each.sizes)
        else:
            yield path.stem


def _natural(name: str) -> list[str | int]:
    """Sorts DeepSea-8 before DeepSea-10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


@cache
def _read(stem: str) -> Card | None:
    path = shipped("configs/envs") / f"{stem}.yaml"
    if not is_name(stem) or not path.is_file():
        return None
    return strict.read(path, Card).model_copy(update={"name": stem})


def is_shipped(name: str) -> bool:
    """Whether a card that ships serves an environment."""
    member = MEMBER.match(name)
    return _read(name) is not None or (
        member is not None and _read(member["family"] + FAMILY) is not None
    )


def _of_study(path: Path, name: str) -> Card:
    """:raises UserError: if it is no card, or what it names cannot be imported."""
    document = strict.load(path)
    card = strict.parse(document, Card)
    key = "id" if card.entry_point is None else "entry_point"
    module, colon, _ = str(getattr(card, key)).partition(":")
    version = card.version or 1
    if colon:
        try:
            target.module(module)
        except Exception as error:  # whatever a module raises while it is imported
            problem = document.problem((key,), study.not_usable(module, error))
            raise strict.UserError([problem]) from None
        version = card.version or _version(module, card.id)
    elif card.id is not None:
        version = card.version or _version("", card.id)
    study.name(*(str(wrapper["name"]) for wrapper in card.wrappers))
    wrong = [(i, why) for i, wrapper in enumerate(card.wrappers) for why in check_wrapper(wrapper)]
    if wrong:
        raise strict.UserError(document.problem(("wrappers", i), why) for i, why in wrong)
    return card.model_copy(update={"name": name, "version": version})


# What Gymnasium's own environments need, by the module that they are in.
REQUIRED: dict[str, Extra] = {
    "gymnasium.envs.box2d": "box2d",
    "gymnasium.envs.mujoco": "mujoco",
    "ale_py": "atari",
}


@cache
def _registered(name: str) -> Card | None:
    """What Gymnasium's registry says of an environment for which there is no card.

    :raises KeyError: if the module before the colon may not be, or cannot be, imported.
    """
    module, colon, _ = name.rpartition(":")
    if colon and (why := study.refused(name)):
        raise KeyError(why)
    try:
        spec = known(name)
    except ValueError as error:
        if colon:
            raise KeyError(str(error)) from None
        return None
    except Exception as error:  # whatever a module raises while it is imported
        raise KeyError(study.not_usable(module, error)) from None
    made_by = str(spec.entry_point)
    extra = next((REQUIRED[each] for each in REQUIRED if made_by.startswith(each)), None)
    need(extra, name)
    try:
        env = registered(name, {})
    except ImportError as error:  # of a package that no extra of ours installs
        raise KeyError(f"'{name}' cannot be made: {error}") from None
    actions = action_kind(env.action_space)
    env.close()
    solved = spec.reward_threshold
    aim = "" if solved is None else f", solved at a return of {solved:g}"
    return Card(
        name=name,
        summary=f"{spec.id} as Gymnasium registers it{aim}",
        id=name,
        max_episode_steps=spec.max_episode_steps,
        actions=actions,
        extra=extra,
    ).model_copy(update={"version": _version(module, name)})


def _version(module: str, id_: str | None) -> int | str:
    """Of the sources that make an environment, where they are the user's own; else 1.

    :param module: that is imported to have it; empty: none.
    :param id_: as Gymnasium registers it, often with the name of a module that has its class.
    """
    makes = {module} - {""}
    if id_ is not None:
        with suppress(ValueError):  # it is told where the environment is made
            made_by = known(id_).entry_point
            makes.add(made_by.partition(":")[0] if isinstance(made_by, str)
                      else getattr(made_by, "__module__", ""))  # fmt: skip
    if module:
        return provenance.fingerprint(module, *sorted(makes - {module}))
    if provenance.own_sources(makes):
        return provenance.fingerprint(*sorted(makes))
    return 1


def _member(family: Card, name: str, size: int) -> Card:
    member = {"name": name, "kwargs": {**family.kwargs, "size": size}, "sizes": ()}
    made = family.model_copy(update=member)
    try:
        anchors = made.scale()
    except ValueError as error:
        raise KeyError(f"'{name}': {error}") from None
    return made.model_copy(update={"anchors": anchors, "anchors_from": None})
