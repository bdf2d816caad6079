"""From what is asked of one run to its spec: every setting filled in, and all of it checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from harness import agents, envs, setting
from harness.config import study
from harness.config.strict import Problems, validate
from harness.setting import Settings
from harness.spec import Checkpoint, Engine, Evaluation, Run, RunSpec
from harness.sweep import rehearsal
from harness.sweep.best import taken_over
from harness.sweep.request import Request, card_of

M = TypeVar("M", bound=BaseModel)

FIRST_TUNING_SEED = 10_000  # seeds from here on choose hyper-parameters and never report them
MOST_STEPS = 10**12  # of one run: three months at 100,000 a second


class Acting(NamedTuple):
    """How agents act when they are scored in one environment, and who says so."""

    deterministic: bool
    origin: str


def resolve(request: Request, rehearse: bool = False) -> RunSpec:
    """The spec of a run.

    :param rehearse: look at this machine, too, and make the learner once, as before training.
    :raises UserError: with everything that is wrong with the request, before anything trains.
    """
    agent, steps, source = request.agent, request.steps, request.source
    problems = Problems(source.problem)
    evaluation = _read("evaluation", request.evaluation, Evaluation, problems) or Evaluation()
    engine = _read("engine", request.engine, Engine, problems) or Engine()
    checkpoint = None
    if request.checkpoint is not None:
        checkpoint = _read("checkpoint", request.checkpoint, Checkpoint, problems)
    if rehearse and (missing := agents.no_device(engine.device)):
        problems.add(("engine", "device"), missing)
    if outside := not_reporting([request.seed]):
        problems.add(("seed",), outside)
    card = card_of(request.env, ("env",), problems)
    if (wrong := _no_budget(request)) and (card or steps is not None):
        problems.add(("steps",), wrong)
    wrappers = _wrappers(request.wrappers, problems)
    try:
        agent = agents.named(agent)
        study.name(agent)
        entry = agents.entry(agent)
    except KeyError as error:
        problems.add(("agent",), error.args[0])
        raise problems.error() from None
    try:
        entry = agents.entry(agent, engine.name)
    except KeyError as error:
        problems.add(("agent",), error.args[0])
        engine = Engine()  # to see the rest
    if not (entry.learns and checkpoint and checkpoint.every < (steps or 0)):
        checkpoint = None  # it passes no barrier, and is the run that it is without
    if checkpoint and not agents.resumable(agent, engine.name):
        problems.add(("checkpoint",), _cannot_go_on(request, agent))
    if card is not None:
        _check_fit(agent, card, wrappers, problems)
    settings = None
    with problems.gathered():  # without an environment, too, mistakes in them can be seen
        settings = setting.resolve(agent, card.name if card else "", taken_over(request.layers))
    if card is None or settings is None:
        raise problems.error()
    if not wrong and (short := agents.too_short(agent, settings.hparams, steps or 0)):
        problems.add(("arm",), f"{steps} steps on {card.name} {short}")
    for key, why in agents.refused(agent, engine, settings.hparams):
        if key.startswith("engine."):
            problems.add(tuple(key.split(".")), why)
        else:
            problems.take(settings.problem(tuple(key.split(".")), why))
    if rehearse and not problems:
        asked = request._replace(agent=agent)
        resumes = checkpoint is not None
        _rehearse(asked, card, wrappers, settings, engine.name, resumes, problems)
    problems.check()
    acts = {"deterministic": acting_in(card, evaluation, source.document.file).deterministic}
    return RunSpec(
        agent=agent,
        agent_version=entry.version,
        env=card.name,
        card=card.identity(),
        wrappers=wrappers,
        seed=request.seed,
        steps=steps or 0,
        hparams=settings.hparams,
        evaluation=evaluation.model_copy(update=acts),
        engine=engine,
        checkpoint=checkpoint,
        arm=request.arm,
    )


def _no_budget(request: Request) -> str:
    if request.steps is None:
        return f"no budget for {request.env}: add '{request.env}: <environment steps>'"
    if 1 <= request.steps <= MOST_STEPS:
        return ""
    return f"a run has 1 to {MOST_STEPS:,} steps, and {request.steps} are given"


def _cannot_go_on(request: Request, agent: str, part: str = "") -> str:
    """Of an agent that was asked to go on from barriers.

    :param part: what of it cannot be kept; empty: it keeps nothing.
    """
    arm = request.source.problem(("agent",), "")
    where = f" ({arm.key}, line {arm.line})" if arm.line else ""
    why = part or "it has no `kept` (docs/living.md)"
    way_out = "leave `checkpoint` or the arm out" if where else "leave `checkpoint` out"
    return f"{agent}{where} cannot go on from a barrier, for {why}: {way_out}"


def without_barriers(runs: Iterable[Run]) -> str:
    """Why none of these runs passes a barrier, where they are asked to; empty: some do."""
    made = [run for run in runs if isinstance(run, RunSpec)]
    if any(run.checkpoint for run in made):
        return ""
    longest = max((run.steps for run in made if agents.entry(run.agent).learns), default=None)
    if longest is None:
        return "no run passes a barrier, for none learns anything: leave it out"
    return f"no run passes a barrier, for none has more than {longest:,} steps: lower `every`"


def not_reporting(seeds: Sequence[int]) -> str:
    """Why seeds may not report a score; empty: they may."""
    outside = next((seed for seed in seeds if not 0 <= seed < FIRST_TUNING_SEED), None)
    if outside is None:
        return ""
    return (
        f"{outside} is outside 0 ... {FIRST_TUNING_SEED - 1}: seeds from {FIRST_TUNING_SEED} on "
        "are for tuning and never report"
    )


def acting_in(card: envs.Card, evaluation: Evaluation, file: str) -> Acting:
    """The file's own word, else the card's, else greedily."""
    if "deterministic" in evaluation.model_fields_set:
        return Acting(evaluation.deterministic, f"{file}: evaluation")
    said = "deterministic" in card.model_fields_set
    return Acting(card.deterministic, f"the card of {card.name}" if said else "the default")


def _read(name: str, given: M | Any, model: type[M], problems: Problems) -> M | None:
    """None: it is wrong."""
    if isinstance(given, model):
        return given
    value, wrong = validate(given, model)
    for place, message in wrong:
        problems.add((name, *place), message)
    return value


def _wrappers(given: Sequence[Any], problems: Problems) -> tuple[dict[str, Any], ...]:
    """Complete wrappers; none if any is wrong."""
    wrappers = [one if isinstance(one, dict) else {"name": one} for one in given]
    study.name(*(str(one.get("name")) for one in wrappers))
    wrong = [(i, text) for i, one in enumerate(wrappers) for text in envs.check_wrapper(one)]
    for i, text in wrong:
        problems.add(("wrappers", i), text)
    return () if wrong else tuple(map(envs.complete, wrappers))


def _check_fit(
    agent: str, card: envs.Card, wrappers: tuple[dict[str, Any], ...], problems: Problems
) -> None:
    """Whether the environment can wear the wrappers: some are made for others.

    And whether the agent can act in it, and is shown the goals that it may need.
    """
    if misfit := agents.unfit(agent, card.name, card.actions):
        problems.add(("agent",), misfit)
    if not (wrappers or agents.entry(agent).goals):
        return
    try:
        env = envs.make(card, wrappers)
    except Exception as error:  # whatever the wrapper raises when it meets the wrong one
        problems.add(("wrappers",), f"{card.name} cannot wear these: {error}")
        return
    if agents.lacks_goals(agent, env):
        message = (
            f"{agent} needs goals, and {card.name} as it is observed has none: give it the "
            "wrapper goal_observation, if it is a task that has goals"
        )
        problems.add(("agent",), message)
    if why := envs.unlike(card, wrappers, env):
        problems.add(("wrappers",), why)
    env.close()


def _rehearse(
    request: Request,
    card: envs.Card,
    wrappers: tuple[dict[str, Any], ...],
    settings: Settings,
    engine: str,
    resumes: bool,
    problems: Problems,
) -> None:
    """Whether this machine can hold the learner, and the learner can be made."""
    make_env = partial(envs.make, card, wrappers)
    agent, hparams = request.agent, settings.hparams
    steps = request.steps or 0
    asked = rehearsal.Asked(agent, hparams, card.name, steps, engine, resumes)
    for key, message in rehearsal.misfits(asked, make_env):
        if key == rehearsal.CHECKPOINT:
            problems.add((key,), _cannot_go_on(request, agent, message))
        elif key:
            problems.take(settings.problem(tuple(key.split(".")), message))
        else:
            problems.add(("arm",), message)
