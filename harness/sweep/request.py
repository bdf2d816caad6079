"""What the arms of a file ask for: one run for each environment, and where its parts stand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from harness import agents, envs
from harness.config import study
from harness.config.strict import Document, Problem, Problems, UserError, suggest
from harness.config.tree import Place
from harness.setting import Layer
from harness.spec import Checkpoint, Engine, Evaluation
from harness.sweep.arm import Composed
from harness.sweep.file import Experiment


class Source(NamedTuple):
    """Where a request is written, for errors to point to."""

    document: Document = Document("harness run", {}, {})
    # Of its parts; others stand under their own name.
    places: Mapping[str, Place] = {"arm": ()}

    def problem(self, place: Place, message: str) -> Problem:
        part, *inner = place
        return self.document.problem((*self.places.get(str(part), (part,)), *inner), message)


class Request(NamedTuple):
    """One run as it is asked for; what is left out is filled in from what ships."""

    agent: str
    env: str
    steps: int | None  # None: there is no budget for this environment
    seed: int = 0
    layers: tuple[Layer, ...] = ()  # hyper-parameters; the last one wins
    wrappers: Sequence[Any] = ()  # on top of the card's, as a sweep file has them
    evaluation: Evaluation | Any = Evaluation()  # or data, as a sweep file has it
    engine: Engine | Any = Engine()
    checkpoint: Checkpoint | Any = None
    arm: str = ""
    source: Source = Source()


def requests(
    file: Experiment,
    document: Document,
    arm: Composed,
    cards: Collection[str],
    problems: Problems,
) -> Iterator[Request]:
    """:param cards: the environments that there are. Without any, the first stands in for them."""
    wrappers_place, wrappers = arm.last("wrappers")
    engine_place, engine = arm.last("engine")
    agent_place, agent = _agent(arm, problems)
    if agent is None:
        return
    layers = tuple(arm.layers(document))
    for env in arm.among(cards) if cards else file.envs[:1]:
        place, steps = arm.budget(env, file.steps)
        places: dict[str, Place] = {"env": ("envs", file.envs.index(env)), "steps": place}
        places |= {"agent": agent_place, "wrappers": wrappers_place, "arm": arm.place}
        places |= {} if engine is None else {"engine": engine_place}
        yield Request(
            agent,
            env,
            steps,
            layers=layers,
            wrappers=wrappers or (),
            evaluation=file.evaluation,
            engine=file.engine if engine is None else file.engine.merged(engine),
            checkpoint=file.checkpoint,
            arm=arm.label,
            source=Source(document, places | {"seed": ("seeds",)}),
        )


def _agent(arm: Composed, problems: Problems) -> tuple[Place, str | None]:
    """The name of an arm's agent, with its bonus, and where it stands."""
    place, agent = arm.last("agent")
    if agent is None:
        if not any(problems.lost((*at, "agent")) for at, _ in arm.departures):
            base = " or in `base`" if len(arm.departures) > 1 else ""
            problems.add(arm.place, f"no agent: set `agent:` here{base}")
        return place, None
    try:
        agent = agents.named(agent)
    except KeyError as error:
        problems.add(place, error.args[0])
        return place, None
    where, bonus = arm.last("bonus")
    study.name(agent, bonus or "")
    if bonus is None or not agents.known(agent):  # `resolve` says that there is no such agent
        return place, agent
    try:
        return place, agents.with_bonus(agent, bonus)
    except KeyError as error:
        problems.add(where, error.args[0])
        return place, None


def card_of(env: str, place: Place, problems: Problems) -> envs.Card | None:
    """The card of an environment, all that it names imported and of its kind."""
    study.name(env)
    try:
        card = envs.card(env)
        envs.check(card)
    except UserError as error:
        for problem in error.problems:
            problems.take(problem)
        return None
    except (KeyError, ImportError, ValueError) as error:
        problems.add(place, str(error.args[0]))
        return None
    return card


E = TypeVar("E", bound=Experiment)


def with_names(file: E, problems: Problems) -> E:
    """The file, with environments that it gives by the path of a card called by their names."""
    names = []
    for i, given in enumerate(file.envs):
        path = Path(given)
        by_path = path.suffix in (".yaml", ".yml")
        names.append(path.stem if by_path else given)
        own = study.card_file(path.stem)
        if by_path and (own is None or own != study.beside(given)):
            places = " or ".join(f"{place}/" for place in study.CARDS)
            message = f"no card of this study: put it into {places} beside this file."
            problems.add(("envs", i), message + suggest(given, _cards_of_study()))
    return file.model_copy(update={"envs": names})


def _cards_of_study() -> list[str]:
    """The study's own cards, as a sweep file names them."""
    folder = study.folder()
    return [f"{card.parent.name}/{card.name}" for card in study.cards(folder)] if folder else []


def cards_of(file: Experiment, problems: Problems) -> dict[str, envs.Card]:
    """The cards of a file's environments, without those that are wrong."""
    problems.twice(("envs",), file.envs)
    cards = {name: card_of(name, ("envs", i), problems) for i, name in enumerate(file.envs)}
    for place, steps in file.budgets():
        for name in steps if isinstance(steps, dict) else ():
            if name not in file.envs and not problems.lost(("envs",)):
                message = f"not an environment of this sweep.{suggest(name, file.envs)}"
                problems.add((*place, name), message)
    return {name: card for name, card in cards.items() if card is not None}
