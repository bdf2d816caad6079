"""A sweep file, and what it says: the list of all its runs, with nothing left open."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from harness import agents, envs, own, setting, stats
from harness.config import study
from harness.config.name import joined
from harness.config.strict import Problems, load, suggest, survey
from harness.config.tree import Place
from harness.setting import Layer, Settings
from harness.spec import Decide, Engine, Metric, ResolvedSweep, Run, RunSpec
from harness.store.reader import Store
from harness.store.scalars import SCALARS
from harness.sweep import claim, imported, rehearsal, uncounted
from harness.sweep.arm import Arms, compose
from harness.sweep.best import taken_over
from harness.sweep.claim import SCORES
from harness.sweep.file import SweepFile
from harness.sweep.request import Request, cards_of, requests, with_names
from harness.sweep.resolve import not_reporting, resolve, without_barriers

MOST_RUNS = 20_000  # refused before anything is expanded; ours have 400


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
            settings = setting.resolve(asked.agent, asked.env, taken_over(asked.layers))
            tuned_on = self.sweep.tuned_on.get(asked.arm, {}).get(asked.env)
            yield Origins(asked.arm, asked.env, settings, tuned_on)


def expand(
    path: Path,
    overrides: Sequence[Layer] = (),
    anyway: bool = False,
    rehearse: bool = False,
    engine: Engine | None = None,
    store: Store | None = None,
) -> Expansion:
    """Every run of a sweep. Looks at nothing but the file, its folder, what is shipped, and what
    its arms say was imported.

    :param overrides: hyper-parameters that win over everything, from `--set`.
    :param anyway: allow claims that no outcome could support; the objections are recorded.
    :param engine: what it says wins over the file, too, from `--engine`.
    :param rehearse: look at this machine, too, and make each learner once, as before training.
    :param store: where what was imported lies.
    :raises UserError: with everything that is wrong at once, before anything trains.
    """
    document = load(path)
    study.enter(path.parent)
    file, problems = survey(document, SweepFile, SweepFile.STAND_INS)
    if file is None:
        raise problems.error()
    file = with_names(file, problems)
    rehearse = rehearse and not problems
    cards = cards_of(file, problems)
    arms = compose(file, problems)
    _check_arms(file, arms, problems)
    _check_report(file, arms, problems)
    metrics, figures = _metrics(file, problems), _figures(file, problems)
    seeds = _seeds(file, arms, problems)
    asked, runs = list[Request](), list[Run]()
    for arm in arms.composed:
        if arm.imported is not None:
            runs += imported.runs_of(arm, file, store, problems)
            continue
        for request in requests(file, document, arm, cards, problems):
            request = request._replace(layers=(*request.layers, *overrides))
            if engine is not None:
                request = request._replace(engine=request.engine.merged(engine))
            asked.append(request)
            with problems.gathered():
                spec = resolve(request, rehearse)
                runs += [spec.model_copy(update={"seed": seed}) for seed in seeds]
    if rehearse and not problems:
        _rehearse(metrics, runs, problems)
        _rehearse_films(file, runs, problems)
    _check_told(file, runs, problems)
    if not problems:
        _check_distinct(file, runs, problems)
    if file.checkpoint and runs and not problems and (why := without_barriers(runs)):
        problems.add(("checkpoint", "every"), why)
    complete = not problems
    if file.decide is not None:
        _check_decide(file, file.decide, problems)
    known = arms.known(word for text in file.claims for word in text.split())
    scores = [metric.name for metric in metrics]
    claims = claim.read(file.claims, known, file.envs, problems, scores)
    elsewhere = {arm.label for arm in arms.composed if arm.imported is not None}
    for i, made in claims.items():
        if made.score in scores and (outside := elsewhere & set(made.arms)):
            message = f"{made.score} is made of runs that are trained here, and no run of"
            problems.add(("claims", i), f"{message} {joined(sorted(outside))} is")
        if why := uncounted.refused(made, metrics, [r for r in runs if isinstance(r, RunSpec)]):
            problems.add(("claims", i), f"'{made.text}': {why}")
        if file.decide is not None and made.of_worst:
            message = "looks along the way are of ranks, and the worst quarter is judged once: drop"
            problems.add(("claims", i), f"'{made.text}': {message} the claim, or `decide`")
        if file.decide is not None and (outside := elsewhere & set(made.arms)):
            message = "is not trained here, so its seeds cannot come in blocks: drop the claim"
            problems.add(("claims", i), f"{joined(sorted(outside))} {message}, or `decide`")
    if not complete:
        raise problems.error()
    anchors = {name: scale for name, card in cards.items() if (scale := card.scale())}
    for i, made in claims.items():
        if why := claim.without_anchors(made, tuple(cards), anchors):
            problems.add(("claims", i), why)
    sweep = ResolvedSweep(
        name=file.name,
        question=file.question,
        source=document.file,
        arms=tuple(arms.labels),
        envs=tuple(cards),
        claims=tuple(claims.values()),
        metrics=tuple(metrics),
        report=imported.report(file, runs, claims, problems).model_copy(
            update={"figures": figures}
        ),
        anchors=anchors,
        components={a.label: a.components for a in arms.composed if a.components is not None},
        tuned_on=_tuned_on(asked),
        limits=file.limits,
        decide=file.decide,
        runs=tuple(runs),
    )
    if file.decide is not None:
        _check_first(file.decide, sweep, problems)
    looks = file.decide is None or file.decide.looks
    objections = _objections(sweep, claims) if looks else {}
    for i, why in objections.items() if not anyway else ():
        problems.add(("claims", i), f"'{file.claims[i]}': {why} (--anyway)")
    problems.check()
    overridden = tuple(f"{file.claims[i]}: {why}" for i, why in objections.items())
    return Expansion(file, sweep.model_copy(update={"anyway": overridden}), tuple(asked))


def _check_decide(file: SweepFile, plan: Decide, problems: Problems) -> None:
    if not file.claims:
        message = "there is no claim to decide: add `claims`, or say `seeds` instead"
        problems.add(("decide",), message)
    for key, seeds in (("cap", plan.cap), ("beyond", plan.last)):
        over = (seeds - plan.first) % plan.block
        if seeds < plan.first:
            message = f"{seeds} seeds are fewer than the first look has: raise it to {plan.first}"
            problems.add(("decide", key), f"{message} or more")
            return
        if over:
            message = f"{seeds} is not {plan.first} and a number of blocks of {plan.block}"
            below = seeds - over
            problems.add(("decide", key), f"{message}: {below} or {below + plan.block} is")
            return
    if plan.beyond is not None and not plan.reserve:
        message = "without a `reserve` no error is left beyond the cap: drop it, or declare one"
        problems.add(("decide", "beyond"), f"{message} before the first run")
    if plan.last < plan.cap:
        message = f"{plan.last} seeds are fewer than the cap of {plan.cap}: raise it"
        problems.add(("decide", "beyond"), message)


def _check_first(plan: Decide, sweep: ResolvedSweep, problems: Problems) -> None:
    """Whether the first look has enough seeds for the interval of every claim."""
    for tasks in {1 if each.env else len(sweep.envs) for each in sweep.claims}:
        needed = stats.seeds_needed(stats.DIFFERENCE, plan.first, tasks)
        if needed is not None and needed > plan.first:
            where = "one environment" if tasks == 1 else f"{tasks} environments"
            message = f"{plan.first} seeds on {where} give no interval, so the first look could "
            problems.add(("decide", "first"), f"{message}decide nothing: raise it to {needed}")


def _objections(sweep: ResolvedSweep, places: Iterable[int]) -> dict[int, str]:
    """Claims that no outcome could support, by their place in the file, and why."""
    abilities = zip(places, stats.abilities(sweep), strict=True)
    return {i: ability.impossible for i, ability in abilities if ability.impossible}


def _seeds(file: SweepFile, arms: Arms, problems: Problems) -> list[int]:
    """None of them if they are wrong, or too many to look at."""
    given = file.seeds
    if file.decide is not None:
        if given is not None:
            problems.add(("seeds",), "`decide` says how many seeds there are: drop one of the two")
        given = file.decide.last
    elif given is None:
        if not problems.lost(("decide",)):
            problems.add(("seeds",), "this key is required, or `decide`")
        return []
    if isinstance(given, int):  # of a number that is too large, only the last seed is looked at
        given = list(range(given)) if not not_reporting([given - 1]) else [given - 1]
    problems.twice(("seeds",), given)
    if outside := not_reporting(given):
        problems.add(("seeds",), outside)
        return []
    if not given:
        problems.add(("seeds",), "at least one seed is needed, and 10 for an interval to trust")
    many = len(given) * sum(len(arm.among(file.envs)) for arm in arms.composed)
    if many > MOST_RUNS:
        message = f"{many:,} runs: a sweep has at most {MOST_RUNS:,}. Split it, or thin it out"
        problems.add(("seeds",), message)
        return []
    return given


def _check_arms(file: SweepFile, arms: Arms, problems: Problems) -> None:
    for label, arm in file.arms.items():
        place = ("arms", label, "envs")
        if arm.envs == []:
            problems.add(place, "no environment, so no run: name some, or drop `envs`")
        for i, name in enumerate(arm.envs or ()):
            if name not in file.envs:
                message = f"'{name}' is not among `envs`.{suggest(name, file.envs)}"
                problems.add((*place, i), message)
        problems.twice(place, arm.envs or ())
    for label, n in Counter(arms.labels).items():
        where = _place_of(label, file)
        if n > 1:
            problems.add(where, f"two arms are called '{label}': rename one")
        if not label or len(label.split()) != 1 or not label.isprintable():
            problems.add(where, f"claims cannot name an arm '{label}': no spaces, please")
    # Effects know an arm by its components: two of one name would be two answers to one.
    for first, second in itertools.combinations(arms.composed, 2):
        apart = first.components is None or first.components != second.components
        if apart or not set(first.among(file.envs)) & set(second.among(file.envs)):
            continue
        parts = ", ".join(first.components or ()) or "none at all"
        written = second if second.place[0] == "arms" else first  # a design's all differ
        problems.add(
            (*written.place, "components"),
            f"'{first.label}' and '{second.label}' have the same components ({parts}): name "
            "what sets them apart as a component too, or leave `components` out of one",
        )


def _check_report(file: SweepFile, arms: Arms, problems: Problems) -> None:
    report, baseline = file.report, file.report.baseline
    if baseline is not None and baseline not in arms.known([baseline]):
        message = f"no arm '{baseline}'.{suggest(baseline, arms.labels)}"
        problems.add(("report", "baseline"), message)
    if not report.scores:
        problems.add(("report", "scores"), f"no score: name {' or '.join(SCORES)}")
    for i, score in enumerate(report.scores):
        if score not in SCORES:
            message = f"no score '{score}'.{suggest(score, SCORES)}"
            problems.add(("report", "scores", i), message)
    problems.twice(("report", "scores"), report.scores)
    problems.twice(("report", "metrics"), report.metrics)


def _check_told(file: SweepFile, runs: Iterable[Run], problems: Problems) -> None:
    """A training metric that nobody tells would be an empty table, hours later.

    What is the user's own may tell what it likes; and so may what an environment says in `info`,
    which is a rollout's.
    """
    theirs = any(not isinstance(run, RunSpec) or agents.own_parts(run.agent) for run in runs)
    for i, name in enumerate(file.report.metrics):
        if not (theirs or name in SCALARS or name.startswith("rollout/")):
            message = f"no agent that ships tells '{name}'.{suggest(name, SCALARS)}"
            problems.add(("report", "metrics", i), message)


def _metrics(file: SweepFile, problems: Problems) -> list[Metric]:
    """The user's own, each found and with a name of its own."""
    found = _found(("metrics",), file.metrics, own.metric, problems)
    if len(found) < len(file.metrics):
        problems.leave_out(("claims",))  # they may name what is missing
    return found


def _rehearse(metrics: Iterable[Metric], runs: Iterable[Run], problems: Problems) -> None:
    """Whether each metric makes a number of an episode in each environment."""
    firsts = {run.env: run for run in reversed([*runs]) if isinstance(run, RunSpec)}
    for (i, metric), run in itertools.product(enumerate(metrics), firsts.values()):
        make_env = partial(envs.make, envs.card(run.env), run.wrappers, training=False)
        why = rehearsal.fails(metric, run.env, make_env) if metric.of == "episode" else ""
        if why:
            problems.add(("metrics", i), f"'{metric.target}': {why}")


def _rehearse_films(file: SweepFile, runs: Iterable[Run], problems: Problems) -> None:
    """Whether each environment can be drawn, where runs are to be filmed."""
    firsts = {run.env: run for run in runs if isinstance(run, RunSpec)}
    for run in firsts.values() if file.report.films else ():
        if why := rehearsal.undrawn(envs.card(run.env), run.wrappers):
            problems.add(("report", "films"), f"{run.env}: {why}")


def _figures(file: SweepFile, problems: Problems) -> tuple[str, ...]:
    """The targets of the user's own."""
    given = file.report.figures
    found = _found(("report", "figures"), given, own.figure, problems)
    return tuple(figure.target for figure in found)


F = TypeVar("F", Metric, own.Found)


def _found(
    place: Place, given: Sequence[str], find: Callable[[str], F], problems: Problems
) -> list[F]:
    """Functions of the user's own, no two of one name."""
    named: dict[str, F] = {}
    study.name(*given)
    for i, one in enumerate(given):
        try:
            found = find(one)
        except ValueError as error:
            problems.add((*place, i), str(error))
            continue
        other = named.setdefault(found.name, found)
        if other is not found:
            both = f"'{other.target}' and '{found.target}'"
            problems.add((*place, i), f"{both} are both called '{found.name}': rename one")
    return list(named.values())


def _place_of(label: str, file: SweepFile) -> Place:
    return ("arms", label) if label in file.arms else ("components",)


def _check_distinct(file: SweepFile, runs: Iterable[Run], problems: Problems) -> None:
    """Two arms that are one and the same, be it in one environment, would be compared with
    themselves there.
    """
    keys: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        keys.setdefault((run.arm, run.env), []).append(run.key)
    first: dict[tuple[str, ...], str] = {}
    same: dict[tuple[str, str], list[str]] = {}
    for (arm, env), made in keys.items():
        other = first.setdefault(tuple(made), arm)
        if other != arm:
            same.setdefault((other, arm), []).append(env)
    for (other, arm), where in same.items():
        message = f"'{other}' and '{arm}' are the very same runs on {joined(where)}"
        message += ": change or drop one, or leave these out of the `envs` of one"
        problems.add(_place_of(arm, file), message)


def _tuned_on(requests: Collection[Request]) -> dict[str, dict[str, tuple[str, ...]]]:
    """By arm and environment, of agents that learn."""
    tuned_on: dict[str, dict[str, tuple[str, ...]]] = {}
    for asked in requests:
        if agents.entry(asked.agent).learns:
            named = setting.tuned_on(asked.agent, asked.env, taken_over(asked.layers))
            tuned_on.setdefault(asked.arm, {})[asked.env] = named
    return tuned_on
