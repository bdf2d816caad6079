"""A sweep file, and what it says: the list of all its runs, with nothing left open."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from harness import agents, envs, stats
from harness.agents import Layer, Settings
from harness.config.strict import Problems, load, suggest, survey
from harness.config.tree import Place
from harness.spec import Claim, ResolvedSweep, RunSpec
from harness.sweep import claim
from harness.sweep.arm import Arms, Composed, compose, with_bonus
from harness.sweep.best import taken_over
from harness.sweep.claim import SCORES
from harness.sweep.file import SweepFile
from harness.sweep.resolve import Request, Source, card_of, not_reporting, resolve

MOST_RUNS = 20_000  # refused before anything is expanded; ours have 400

Steps = int | dict[str, int] | None  # a budget as a file has it: one for all environments, or each


class Origins(NamedTuple):
    """Where each hyper-parameter of one arm in one environment comes from."""

    arm: str
    env: str
    settings: Settings
    tuned_on: tuple[str, ...] | None  # the environments that chose them; None: nothing to tune


class Expansion(NamedTuple):
    """A sweep with nothing left open, and what each of its arms asks for in each environment."""

    file: SweepFile
    sweep: ResolvedSweep
    requests: tuple[Request, ...]

    def origins(self) -> Iterator[Origins]:
        for asked in self.requests:
            settings = agents.resolve(asked.agent, asked.env, taken_over(asked.layers))
            tuned_on = self.sweep.tuned_on.get(asked.arm, {}).get(asked.env)
            yield Origins(asked.arm, asked.env, settings, tuned_on)


def expand(
    path: Path, overrides: Sequence[Layer] = (), anyway: bool = False, rehearse: bool = False
) -> Expansion:
    """Every run of a sweep. Looks at nothing but the file and what is shipped.

    :param overrides: hyper-parameters that win over everything, from `--set`.
    :param anyway: allow claims that no outcome could support; the objections are recorded.
    :param rehearse: look at this machine, too, and make each learner once, as before training.
    :raises UserError: with everything that is wrong at once, before anything trains.
    """
    document = load(path)
    read = survey(document, SweepFile, SweepFile.STAND_INS)
    problems = Problems(document.problem, read)
    if read.value is None:
        raise problems.error()
    file = read.value
    cards = cards_of(file.envs, _budgets(file), problems)
    arms = compose(file, problems)
    _check_labels(file, arms, problems)
    _check_components(file, arms, problems)
    seeds = _seeds(file, arms, problems)
    requests: list[Request] = []
    runs: list[RunSpec] = []
    for arm in arms.composed:
        for asked, places in _requests(file, arm, cards, problems):
            asked = asked._replace(layers=(*arm.layers(document), *overrides))
            requests.append(asked)
            with problems.gathered():
                spec = resolve(asked, Source(document, places), rehearse and not read.problems)
                runs += [spec.model_copy(update={"seed": seed}) for seed in seeds]
    if not problems:
        _check_distinct(file, runs, problems)
    complete = not problems
    claims = _claims(file, arms, problems)
    if not complete:
        raise problems.error()
    sweep = ResolvedSweep(
        name=file.name,
        question=file.question,
        source=document.file,
        arms=tuple(arms.labels),
        envs=tuple(cards),
        claims=tuple(claims.values()),
        report=file.report,
        anchors={name: card.scale() for name, card in cards.items()},
        components={a.label: a.components for a in arms.composed if a.components is not None},
        tuned_on=_tuned_on(requests),
        runs=tuple(runs),
    )
    objections = {
        i: ability.impossible
        for i, ability in zip(claims, stats.abilities(sweep), strict=True)
        if ability.impossible
    }
    for i, why in objections.items() if not anyway else ():
        problems.add(("claims", i), f"'{file.claims[i]}': {why} (--anyway)")
    problems.check()
    overridden = tuple(f"{file.claims[i]}: {why}" for i, why in objections.items())
    return Expansion(file, sweep.model_copy(update={"anyway": overridden}), tuple(requests))


def cards_of(
    names: Sequence[str], budgets: Iterable[tuple[Place, Steps]], problems: Problems
) -> dict[str, envs.Card]:
    """The cards of a file's environments, without those that are wrong.

    :param budgets: the steps that the file gives, and where.
    """
    problems.twice(("envs",), names)
    cards = {name: card_of(name, ("envs", i), problems) for i, name in enumerate(names)}
    for place, steps in budgets:
        for name in steps if isinstance(steps, dict) else ():
            if name not in names and not problems.lost(("envs",)):
                message = f"not an environment of this sweep.{suggest(name, names)}"
                problems.add((*place, name), message)
    return {name: card for name, card in cards.items() if card is not None}


def budget(env: str, budgets: Iterable[tuple[Place, Steps]]) -> tuple[Place, int | None]:
    """The steps of a run, and where they stand: the first budget that has any for `env`."""
    for place, steps in budgets:
        if isinstance(steps, int):
            return place, steps
        if isinstance(steps, dict) and env in steps:
            return (*place, env), steps[env]
    return ("steps",), None


def _budgets(file: SweepFile) -> Iterator[tuple[Place, Steps]]:
    yield ("steps",), file.steps
    yield from ((("arms", label, "steps"), arm.steps) for label, arm in file.arms.items())


def _requests(
    file: SweepFile, arm: Composed, cards: Collection[str], problems: Problems
) -> Iterator[tuple[Request, dict[str, Place]]]:
    """What an arm asks for in each of its environments, and where its parts stand.

    :param cards: the environments that there are. Without any, the first stands in for them.
    """
    where, agent = arm.last("agent")
    worn, wrappers = arm.last("wrappers")
    if agent is None:
        if not any(problems.lost((*place, "agent")) for place, _ in arm.departures):
            problems.add(arm.place, "no agent: set `agent:` here or in `base`")
        return
    at, bonus = arm.last("bonus")
    agent = with_bonus(agent, bonus, at, problems)
    if agent is None:
        return
    own = (*arm.place, "envs")
    if arm.envs == []:
        problems.add(own, "no environment, so no run: name some, or drop `envs`")
    for i, name in enumerate(arm.envs or ()):
        if name not in file.envs:
            message = f"'{name}' is not among `envs`.{suggest(name, file.envs)}"
            problems.add((*own, i), message)
    problems.twice(own, arm.envs or ())
    for env in cards or file.envs[:1]:
        if cards and arm.envs is not None and env not in arm.envs:
            continue
        given = [((*arm.place, "steps"), arm.steps), (("steps",), file.steps)]
        at, steps = budget(env, given)
        places = {"env": ("envs", file.envs.index(env)), "steps": at, "seed": ("seeds",)}
        places |= {"agent": where, "wrappers": worn, "arm": arm.place}
        yield (
            Request(
                agent,
                env,
                steps,
                wrappers=wrappers or (),
                evaluation=file.evaluation,
                engine=file.engine,
                arm=arm.label,
            ),
            places,
        )


def _seeds(file: SweepFile, arms: Arms, problems: Problems) -> list[int]:
    """None of them if they are wrong, or too many to look at."""
    given = file.seeds
    if isinstance(given, int):  # of a number that is too large, only the last seed is looked at
        given = list(range(given)) if not not_reporting([given - 1]) else [given - 1]
    problems.twice(("seeds",), given)
    if outside := not_reporting(given):
        problems.add(("seeds",), outside)
        return []
    if not given:
        problems.add(("seeds",), "at least one seed is needed, and 10 for an interval to trust")
    many = len(given) * sum(len(_envs(file, arm)) for arm in arms.composed)
    if many > MOST_RUNS:
        message = f"{many:,} runs: a sweep has at most {MOST_RUNS:,}. Split it, or thin it out"
        problems.add(("seeds",), message)
        return []
    return given


def _envs(file: SweepFile, arm: Composed) -> list[str]:
    return [env for env in file.envs if arm.envs is None or env in arm.envs]


def _check_labels(file: SweepFile, arms: Arms, problems: Problems) -> None:
    labels, report = arms.labels, file.report
    for label in labels:
        where = ("arms", label) if label in file.arms else ("components",)
        if labels.count(label) > 1:
            problems.add(where, f"two arms are called '{label}': rename one")
        if not label or len(label.split()) != 1 or not label.isprintable():
            problems.add(where, f"claims cannot name an arm '{label}': no spaces, please")
    baseline = report.baseline
    if baseline is not None and baseline not in arms.known([baseline]):
        problems.add(("report", "baseline"), f"no arm '{baseline}'.{suggest(baseline, labels)}")
    if not report.scores:
        problems.add(("report", "scores"), f"no score: name {' or '.join(SCORES)}")
    for i, score in enumerate(report.scores):
        if score not in SCORES:
            message = f"no score '{score}'.{suggest(score, SCORES)}"
            problems.add(("report", "scores", i), message)
    problems.twice(("report", "scores"), report.scores)
    problems.twice(("report", "metrics"), report.metrics)


def _check_components(file: SweepFile, arms: Arms, problems: Problems) -> None:
    """Effects know an arm by its components: two of one name would be two answers to one."""
    for first, second in itertools.combinations(arms.composed, 2):
        apart = first.components is None or first.components != second.components
        if apart or not set(_envs(file, first)) & set(_envs(file, second)):
            continue
        parts = ", ".join(first.components or ()) or "none at all"
        written = second if second.place[0] == "arms" else first  # a design's all differ
        problems.add(
            (*written.place, "components"),
            f"'{first.label}' and '{second.label}' have the same components ({parts}): name "
            "what sets them apart as a component too, or leave `components` out of one",
        )


def _check_distinct(file: SweepFile, runs: Iterable[RunSpec], problems: Problems) -> None:
    """Two arms that are one and the same would compare an arm with itself."""
    keys: dict[str, list[str]] = {}
    for run in runs:
        keys.setdefault(run.arm, []).append(run.key)
    first: dict[tuple[str, ...], str] = {}
    for arm, same in keys.items():
        other = first.setdefault(tuple(same), arm)
        if other != arm:
            where = ("arms", arm) if arm in file.arms else ("components",)
            message = f"'{other}' and '{arm}' are the very same runs: change or drop one"
            problems.add(where, message)


def _claims(file: SweepFile, arms: Arms, problems: Problems) -> dict[int, Claim]:
    """Those that can be read, by their place in the file."""
    known = arms.known(word for text in file.claims for word in text.split())
    claims = claim.read(file.claims, known, file.envs)
    for i, message in claims.problems:
        problems.add(("claims", i), message)
    return claims.read


def _tuned_on(requests: Collection[Request]) -> dict[str, dict[str, tuple[str, ...]]]:
    """By arm and environment, of agents that learn."""
    tuned_on: dict[str, dict[str, tuple[str, ...]]] = {}
    for asked in requests:
        if agents.entry(asked.agent).learns:
            named = agents.tuned_on(asked.agent, asked.env, taken_over(asked.layers))
            tuned_on.setdefault(asked.arm, {})[asked.env] = named
    return tuned_on
