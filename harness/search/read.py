"""A search file, and what it says: a plan for each of its arms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness import agents, envs, setting
from harness.config import study
from harness.config.name import as_file
from harness.config.space import Range, order_problems
from harness.config.strict import Document, Problem, Problems, UserError, load, suggest, survey
from harness.config.tree import Place, get, put
from harness.search.file import Halving, Searched, SearchFile
from harness.search.plan import Instance, Plan
from harness.setting import Layer
from harness.sweep.arm import Composed
from harness.sweep.request import Request, cards_of, requests, with_names
from harness.sweep.resolve import resolve, without_barriers

MOST_POINTS = 100_000  # of a grid
NO_ANCHORS = (
    "a mean over environments needs normalised scores, and {0} has no anchors: give it a card with "
    "anchors (`harness calibrate-env {0} --write`), or search in it alone"
)


def read(path: Path, rehearse: bool = False) -> list[Plan]:
    """A search file's plans, one for each arm.

    :param rehearse: make the learner of each default trial once, too, as before training.
    :raises UserError: with everything that is wrong at once, before anything trains.
    """
    study.enter(path.parent)
    return _plans(load(path), rehearse)


def shipped(
    agent: str,
    env: str,
    steps: int,
    trials: int,
    arm: Mapping[str, Any] | None = None,
    rehearse: bool = False,
) -> list[Plan]:
    """The plan of a search that was asked for without a file, in the current folder.

    :param arm: as a search file has it; default: the agent, and nothing else.
    :param rehearse: make the learner of the default trial once, too, as before training.
    :raises UserError: if there is no such agent or environment, or no space for the agent.
    """
    data = {
        "name": as_file(f"{agent}-{env}"),
        "envs": [env],
        "steps": steps,
        "evaluation": {"every": steps, "episodes": 1, "final_episodes": 50},
        "arms": {as_file(agent): dict(arm or {"agent": agent})},
        "budget": {"trials": trials},
    }
    study.enter(Path())
    return _plans(Document("harness tune", data, {}), rehearse)


def _plans(document: Document, rehearse: bool = False) -> list[Plan]:
    file, problems = survey(document, SearchFile, SearchFile.STAND_INS)
    if file is None:
        raise problems.error()
    file = with_names(file, problems)
    plans = []
    cards = cards_of(file, problems)
    for label in file.arms:
        with problems.gathered():
            plans.append(_plan(file, document, label, cards, rehearse))
    problems.check()
    return plans


def _plan(
    file: SearchFile,
    document: Document,
    label: str,
    cards: Mapping[str, envs.Card],
    rehearse: bool = False,
) -> Plan:
    arm, place, problems = file.arms[label], ("arms", label), Problems(document.problem)
    composed = Composed(label, place, ((place, arm),))
    asked, base = list[Request](), []
    for request in requests(file, document, composed, cards, problems):
        if file.default == "own":
            with contextlib.suppress(KeyError):  # no such agent: `resolve` says so
                own = Layer("the agent's own default", setting.own_defaults(request.agent))
                request = request._replace(layers=(own, *request.layers))
        asked.append(request)
        with problems.gathered():
            base.append(resolve(request, rehearse))
    if problems:
        if arm.hparams:  # what is wrong beside them is told at once, too
            without = {label: arm.model_copy(update={"hparams": {}})}
            with problems.gathered():
                _plan(file.model_copy(update={"arms": without}), document, label, cards)
        raise problems.error()
    if file.checkpoint and base and (why := without_barriers(base)):
        problems.add(("checkpoint", "every"), why)
    space = _space(document, label, arm, base[0].agent, cards.values())
    anchors = {name: scale for name, card in cards.items() if (scale := card.scale())}
    for name in cards if len(cards) > 1 else ():
        if name not in anchors:
            problems.add(("envs", file.envs.index(name)), NO_ANCHORS.format(name))
    ranges = {name: one.range for name, one in space.items()}
    plan = Plan(file, document, label, ranges, anchors, tuple(asked), tuple(base))
    for name, message in order_problems(ranges):
        problems.take(space[name].problem(message))
    for name, one in space.items():
        for problem in _refused(plan, name, one):
            problems.take(problem)
    _check_settings(plan, problems)
    problems.check()
    return plan


def _check_settings(plan: Plan, problems: Problems) -> None:
    """Whether the settings of a search go with one another."""
    file = plan.file
    if file.sampler == "grid":
        points = 1.0
        for name, one in plan.space.items():
            endless = one.points() is None
            if endless or one.when:
                why = "is conditional" if one.when else "has no `step`, whole numbers or `choices`"
                problems.add(("sampler",), f"a grid cannot be made: {name} {why}")
            points *= one.points() or 1.0
        if points > MOST_POINTS:
            message = f"more than {MOST_POINTS:,} points: search less, or with another sampler"
            problems.add(("sampler",), message)
    if isinstance(file.pruner, Halving) and file.pruner.first >= max(plan.steps.values()):
        message = f"the first rung must be shorter than a run of {max(plan.steps.values())} steps"
        problems.add(("pruner", "first"), message)
    least = max(agents.config(spec.agent, spec.hparams).least_steps() for spec in plan.base)
    if isinstance(file.pruner, Halving) and file.pruner.first < least:
        message = f"{file.pruner.first} steps hold no update of the default, which needs {least}"
        problems.add(("pruner", "first"), message)
    if file.budget.steps is not None and file.budget.steps < plan.cost():
        message = f"not enough for one trial, which takes {plan.cost()} steps"
        problems.add(("budget", "steps"), message)
    if file.confirm.noise_runs and "batch_size" not in plan.space:
        message = "the noise scale is drawn among batch sizes, and batch_size is not searched"
        problems.add(("confirm", "noise_runs"), message)


class _Placed(NamedTuple):
    """A range, and where it stands: in the search's file, or in what ships for the agent."""

    range: Range
    document: Document
    place: Place

    def problem(self, message: str, *inner: str | int) -> Problem:
        return self.document.problem((*self.place, *inner), message)


def _space(
    document: Document, label: str, arm: Searched, agent: str, cards: Iterable[envs.Card]
) -> dict[str, _Placed]:
    """The shipped ranges, replaced and added to by the file's."""
    place, problems = ("arms", label), Problems(document.problem)
    shipped = setting.search_space(agent)
    space = {name: _Placed(one, file, ("search", name)) for name, (one, file) in shipped.items()}
    for name, one in arm.space.items():
        space[name] = _Placed(one, document, (*place, "space", name))
        if not all(name.split(".")):
            message = "no name of a hyper-parameter: policy_kwargs.net_arch"
            problems.take(space[name].problem(message))
    only = list(space) if arm.only is None else arm.only
    for i, name in enumerate(only):
        if name not in space:
            message = f"no range for '{name}'.{suggest(name, space)}"
            problems.add((*place, "only", i), message)
        elif name in only[:i]:
            problems.add((*place, "only", i), f"'{name}' stands there twice: once is enough")
    space = {name: one for name, one in space.items() if name in only}
    searched: dict[str, Any] = {}
    for name, placed in space.items():
        if (other := put(searched, name, None)) is not None:
            message = f"'{other}' is searched as a whole: drop one of the two"
            problems.take(placed.problem(message))
    problems.check()
    kinds = {card.actions for card in cards}
    taken = (None, *kinds) if len(kinds) == 1 else (None,)
    space = {name: one for name, one in space.items() if one.range.actions in taken}
    if not space:
        message = f"nothing to search: give ranges in `space`, or `search:` in {agent}.yaml"
        raise UserError([document.problem(place, message)])
    return space


def _refused(plan: Plan, name: str, placed: _Placed) -> Iterator[Problem]:
    """Why the agent cannot take one end of a range, or, told as often, any of its values."""
    one, out = placed.range, ""
    if placed.document is not plan.document:  # a shipped range: the way out is the user's own file
        out = f"; or give another range in {plan.document.file}: arms.{plan.label}.space"
    reasons = {end: _reason(plan, name, one, value) for end, value in one.extremes().items()}
    alike = len(set(reasons.values())) == 1
    for end, reason in reasons.items():
        if reason:
            yield placed.problem(reason + out, *(() if alike else end))


def _reason(plan: Plan, name: str, range_: Range, value: Any) -> str | None:
    try:
        specs = plan.specs({name: value}, [Instance(spec.env, 0) for spec in plan.base])
    except UserError as error:
        return "; ".join(dict.fromkeys(problem.message for problem in error.problems))
    if range_.whole and isinstance(get(specs[0].hparams, name), float):
        return f"{name} is a real number: write {range_.low}.0, to search what lies between"
    return None
