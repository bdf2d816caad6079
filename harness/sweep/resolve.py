"""A sweep file, and what it says: the list of all its runs, with nothing left open."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from harness import agents, envs, stats
from harness.agents import Layer, Settings
from harness.config.name import below
from harness.config.strict import Document, Problem, Survey, UserError, load, suggest, survey
from harness.config.tree import Place, canonical
from harness.spec import Batch, Claim, ResolvedSweep, RunSpec
from harness.store import declaration
from harness.store.files import Damaged, append_json, make_way, mend_lines, set_aside, write_json
from harness.store.reader import HISTORY, SWEEP, Store
from harness.store.writer import now
from harness.sweep import claim, rehearsal
from harness.sweep.best import Winner, read_winner
from harness.sweep.claim import SCORES
from harness.sweep.file import FROM, Departure, SweepFile

FIRST_TUNING_SEED = 10_000  # seeds from here on choose hyper-parameters and never report them
MOST_ARMS, MOST_RUNS = 500, 20_000  # refused before anything is expanded; ours have 12 and 400
MOST_STEPS = 10**12  # of one run: three months at 100,000 a second


class Origins(NamedTuple):
    """Where each hyper-parameter of one arm in one environment comes from."""

    arm: str
    env: str
    settings: Settings
    tuned_on: tuple[str, ...] | None  # the environments that chose them; None: nothing to tune


class Acting(NamedTuple):
    """How agents act when they are scored in one environment, and who says so."""

    deterministic: bool
    origin: str


class Sweep(NamedTuple):
    """A sweep file that reads well, with the lines its errors point to."""

    file: SweepFile
    document: Document

    @classmethod
    def load(cls, path: Path) -> Sweep:
        """:raises UserError: see `of`."""
        return cls.of(load(path))

    @classmethod
    def of(cls, document: Document) -> Sweep:
        """A document as a sweep.

        :raises UserError: with every unknown key and wrong type at once, and with what is wrong
            with the runs that the rest would have.
        """
        found = survey(document, SweepFile, SweepFile.STAND_INS)
        if found.value is not None and not found.problems:
            return cls(found.value, document)
        further: list[Problem] = []
        if found.value is not None:
            expansion = _Expansion(cls(found.value, document), None, found)
            expansion.walk()
            further = expansion.problems
        raise UserError(in_order([*found.problems, *further]))

    def expand(
        self, overrides: Layer | None = None, anyway: bool = False, rehearse: bool = False
    ) -> ResolvedSweep:
        """Every run of the sweep. Pure: looks at nothing but the file and what is shipped.

        :param overrides: hyper-parameters that win over everything, from `--set`.
        :param anyway: allow claims that no outcome could support; the objections are recorded.
        :param rehearse: look at this machine, too, and make each learner once, as before training.
        :raises UserError: with everything that is wrong at once, before anything trains.
        """
        return _Expansion(self, overrides, rehearse=rehearse).resolved(anyway)

    def explain(self, overrides: Layer | None = None) -> list[Origins]:
        """Every hyper-parameter of every arm in every environment, with its origin."""
        expansion = _Expansion(self, overrides)
        expansion.resolved(anyway=True)
        return expansion.origins

    def acting(self, card: envs.Card) -> Acting:
        """The file's own word, else the card's, else greedily."""
        evaluation = self.file.evaluation
        if "deterministic" in evaluation.model_fields_set:
            return Acting(evaluation.deterministic, f"{self.document.file}: evaluation")
        said = "deterministic" in card.model_fields_set
        return Acting(card.deterministic, f"the card of {card.name}" if said else "the default")


class _Layered(NamedTuple):
    """An arm after grids and designs: departures in order, each with its place in the file."""

    label: str
    departures: list[tuple[Place, Departure]]
    envs: list[str] | None = None
    steps: int | dict[str, int] | None = None
    path: Place = ()
    grid: Mapping[str, Any] = {}
    components: tuple[str, ...] | None = None  # None: it is not said what it is made of

    def last(self, name: str) -> tuple[Place, Any]:
        """The last departure that sets `name`, and where it stands."""
        for path, departure in reversed(self.departures):
            value = getattr(departure, name)
            if value is not None:
                return (*path, name), value
        return self.path, None


class _Expansion:
    """The walk from a sweep file to its runs; gathers problems on the way."""

    def __init__(
        self,
        sweep: Sweep,
        overrides: Layer | None,
        survey: Survey[SweepFile] | None = None,
        rehearse: bool = False,
    ) -> None:
        """:param survey: what is wrong with the file already: the walk goes over the rest."""
        self.sweep = sweep
        self.file, self.document = sweep
        self.overrides, self.rehearse = overrides, rehearse
        self.survey = survey or Survey(self.file, [], [])
        self.lost = set(self._unread("arms"))  # labels that are no arms because of a mistake
        self.problems: list[Problem] = []
        self.origins: list[Origins] = []

    def resolved(self, anyway: bool) -> ResolvedSweep:
        """:param anyway: write down objections to the claims, instead of refusing them."""
        (found, objections), file = self.walk(), self.file
        if not anyway:
            self.problems += [
                self.document.problem(("claims", i), f"'{file.claims[i]}': {why} (--anyway)")
                for i, why in objections.items()
            ]
        if self.problems:
            raise UserError(in_order(self.problems))
        texts = tuple(f"{file.claims[i]}: {why}" for i, why in objections.items())
        return found.model_copy(update={"anyway": texts})

    def walk(self) -> tuple[ResolvedSweep, dict[int, str]]:
        """What can be made of the file, and objections to its claims, by their place in it."""
        seeds = self._seeds()
        cards = self._cards()
        self._device()
        arms = list(self._arms())
        self._labels([arm.label for arm in arms])
        self._parts(arms)
        runs = list(self._all_runs(arms, cards, seeds))
        if not self.problems and not self.survey.problems:
            self._distinct(runs)
        complete = not self.problems and not self.survey.problems
        claims = self._claims([arm.label for arm in arms])
        file = self.file
        found = ResolvedSweep(
            name=file.name,
            question=file.question,
            source=self.document.file,
            arms=tuple(arm.label for arm in arms),
            envs=tuple(cards),
            claims=tuple(claims.values()),
            report=file.report,
            anchors={name: card.scale() for name, card in cards.items()},
            components={a.label: a.components for a in arms if a.components is not None},
            tuned_on=self._tuning(),
            runs=tuple(runs),
        )
        return found, self._objections(found, list(claims)) if complete else {}

    def _tuning(self) -> dict[str, dict[str, tuple[str, ...]]]:
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for each in self.origins:
            if each.tuned_on is not None:
                found.setdefault(each.arm, {})[each.env] = each.tuned_on
        return found

    def _objections(self, found: ResolvedSweep, places: Sequence[int]) -> dict[int, str]:
        """Claims that no outcome could support, by their place in the file, and why."""
        return {
            i: ability.impossible
            for i, ability in zip(places, stats.abilities(found), strict=True)
            if ability.impossible
        }

    def _wrong(self, path: Place, message: str) -> None:
        """Note a problem, unless it comes of what could not be read of the file."""
        problem = self.document.problem(path, message)
        if not self.survey.follows(problem):
            self.problems.append(problem)

    def _unread(self, *path: str) -> list[str]:
        """Labels that stand at a place of the file and are left out of what could be read."""
        return [str(at[len(path)]) for at in self.survey.wrong if at[: len(path)] == path != at]

    # Arms: as written, multiplied by grids, and made from components.

    def _arms(self) -> Iterator[_Layered]:
        base = (("base",), self.file.base)
        if not self.file.arms and not self.file.design:
            self._wrong(("arms",), "a sweep needs `arms`, or a `design` with `components`")
        for label, arm in self.file.arms.items():
            path = ("arms", label)
            for point in self._points((*path, "grid"), arm.grid):
                suffix = ",".join(f"{key}={value}" for key, value in point.items())
                yield _Layered(
                    f"{label}[{suffix}]" if suffix else label,
                    [base, (path, arm)],
                    arm.envs,
                    arm.steps,
                    path,
                    point,
                    None if arm.components is None else tuple(sorted(set(arm.components))),
                )
        if self.file.design and not self.file.components:
            self._wrong(("design",), "a design combines `components`, and there are none")
        if self.file.components and not self.file.design:
            self._wrong(("components",), "say how to combine them: `design: leave_one_out`, ...")
        for label, chosen in self._subsets():
            parts = [
                (("components", name, side), departure)
                for name, component in self.file.components.items()
                for side, departure in [
                    ("with", component.present) if name in chosen else ("without", component.absent)
                ]
            ]
            yield _Layered(
                label, [base, *parts], path=("components",), components=tuple(sorted(chosen))
            )

    def _points(self, path: Place, grid: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
        """Every combination of a grid's values."""
        for key, values in grid.items():
            if not values:
                self._wrong((*path, key), "no value, so no arm: give some, or drop the key")
            self._twice((*path, key), map(canonical, values))
        points = math.prod(len(values) for values in grid.values())
        if points > MOST_ARMS:
            self._wrong(path, f"more than {MOST_ARMS} arms: give fewer values")
        if not 0 < points <= MOST_ARMS:
            self.lost.add(str(path[1]))
            return
        for point in itertools.product(*grid.values()):
            yield dict(zip(grid, point, strict=True))

    def _twice(self, path: Place, values: Iterable[Any]) -> None:
        for value, n in Counter(values).items():
            if n > 1:
                self._wrong(path, f"{value} stands there {n} times: once is enough")

    def _subsets(self) -> Iterator[tuple[str, set[str]]]:
        """Labels, and the components that are in."""
        names = list(self.file.components)
        if self.file.design == "factorial" and 2 ** len(names) > MOST_ARMS:
            self._wrong(("design",), f"more than {MOST_ARMS} arms: combine fewer components")
            return
        if self.file.design == "one_in":
            yield "base", set()
            yield from ((f"only_{name}", {name}) for name in names)
        elif self.file.design == "leave_one_out":
            yield "full", set(names)
            yield from ((f"no_{name}", set(names) - {name}) for name in names)
        elif self.file.design == "factorial":
            for size in range(len(names) + 1):
                for chosen in itertools.combinations(names, size):
                    yield "+".join(chosen) or "base", set(chosen)

    def _labels(self, labels: list[str]) -> None:
        for label in [label for label, n in Counter(labels).items() if n > 1]:
            where = ("arms", label) if label in self.file.arms else ("components",)
            self._wrong(where, f"two arms are called '{label}': rename one")
        for label in labels:
            if not label or len(label.split()) != 1 or not label.isprintable():
                where = ("arms", label) if label in self.file.arms else ("components",)
                self._wrong(where, f"claims cannot name an arm '{label}': no spaces, please")
        baseline = self.file.report.baseline
        if baseline is not None and baseline not in self._known(labels, [baseline]):
            self._wrong(("report", "baseline"), f"no arm '{baseline}'.{suggest(baseline, labels)}")
        scores = self.file.report.scores
        if not scores:
            self._wrong(("report", "scores"), f"no score: name {' or '.join(SCORES)}")
        for i, score in enumerate(scores):
            if score not in SCORES:
                self._wrong(("report", "scores", i), f"no score '{score}'.{suggest(score, SCORES)}")
        self._twice(("report", "scores"), scores)
        self._twice(("report", "metrics"), self.file.report.metrics)

    def _known(self, labels: Iterable[str], names: Iterable[str]) -> set[str]:
        """The arms that there are, and those of `names` that may have been lost to a mistake."""
        return {*labels, *(name for name in names if name.partition("[")[0] in self.lost)}

    def _parts(self, arms: list[_Layered]) -> None:
        """Effects know an arm by its components: two of one name would be two answers to one."""
        for label, arm in self.file.arms.items():
            self._twice(("arms", label, "components"), arm.components or ())
        for first, second in itertools.combinations(arms, 2):
            apart = first.components is None or first.components != second.components
            if apart or not set(self._envs(first)) & set(self._envs(second)):
                continue
            parts = ", ".join(first.components or ()) or "none at all"
            written = second if second.path[0] == "arms" else first  # a design's all differ
            self._wrong(
                (*written.path, "components"),
                f"'{first.label}' and '{second.label}' have the same components ({parts}): name "
                "what sets them apart as a component too, or leave `components` out of one",
            )

    # What the arms run on.

    def _envs(self, arm: _Layered) -> list[str]:
        return [env for env in self.file.envs if arm.envs is None or env in arm.envs]

    def _seeds(self) -> list[int]:
        """None of them if they are too many to look at."""
        seeds = self.file.seeds
        if isinstance(seeds, int):
            outside = [] if seeds <= FIRST_TUNING_SEED else [seeds - 1]
            seeds = [] if outside else list(range(seeds))
        else:
            outside = [seed for seed in seeds if not 0 <= seed < FIRST_TUNING_SEED]
        if outside:
            self._wrong(
                ("seeds",),
                f"{outside[0]} is outside 0 ... {FIRST_TUNING_SEED - 1}: seeds from "
                f"{FIRST_TUNING_SEED} on are for tuning and never report",
            )
        elif not seeds:
            self._wrong(("seeds",), "at least one seed is needed, and 10 for an interval to trust")
        self._twice(("seeds",), seeds)
        return seeds

    def _device(self) -> None:
        missing = agents.no_device(self.file.engine.device)
        if missing:
            self._wrong(("engine", "device"), missing)

    def _cards(self) -> dict[str, envs.Card]:
        cards = {}
        for i, name in enumerate(self.file.envs):
            try:
                card = envs.card(name)
                envs.check(card)
                cards[name] = card
            except (KeyError, ImportError, ValueError) as error:
                self._wrong(("envs", i), str(error.args[0]))
        self._twice(("envs",), self.file.envs)
        for path, given in [
            (("steps",), self.file.steps),
            *((("arms", label, "steps"), arm.steps) for label, arm in self.file.arms.items()),
        ]:
            for name in given if isinstance(given, dict) else ():
                if name not in self.file.envs and ("envs",) not in self.survey.wrong:
                    self._wrong(
                        (*path, name),
                        f"not an environment of this sweep.{suggest(name, self.file.envs)}",
                    )
        return cards

    def _steps(self, arm: _Layered, env: str) -> int | None:
        for path, given in [((*arm.path, "steps"), arm.steps), (("steps",), self.file.steps)]:
            if isinstance(given, int) or (isinstance(given, dict) and env in given):
                steps = given if isinstance(given, int) else given[env]
                if 1 <= steps <= MOST_STEPS:
                    return steps
                self._wrong(path, f"a run has 1 to {MOST_STEPS:,} steps, and {steps} are given")
                return None
        self._wrong(("steps",), f"no budget for {env}: add '{env}: <environment steps>'")
        return None

    def _all_runs(
        self, arms: list[_Layered], cards: Mapping[str, envs.Card], seeds: list[int]
    ) -> Iterator[RunSpec]:
        many = len(seeds) * sum(len(self._envs(arm)) for arm in arms)
        if many > MOST_RUNS:
            message = f"{many:,} runs: a sweep has at most {MOST_RUNS:,}. Split it, or thin it out"
            self._wrong(("seeds",), message)
        for arm in arms:
            yield from self._runs(arm, cards, seeds if many <= MOST_RUNS else [])

    def _runs(
        self, arm: _Layered, cards: Mapping[str, envs.Card], seeds: list[int]
    ) -> Iterator[RunSpec]:
        path, agent = arm.last("agent")
        if agent is None:
            if not any((*place, "agent") in self.survey.wrong for place, _ in arm.departures):
                self._wrong(arm.path, "no agent: set `agent:` here or in `base`")
            return
        try:
            entry = agents.entry(agent)
        except KeyError as error:
            self._wrong(path, error.args[0])
            return
        if arm.envs == []:
            self._wrong((*arm.path, "envs"), "no environment, so no run: name some, or drop `envs`")
        for i, name in enumerate(arm.envs or ()):
            if name not in self.file.envs:
                where = (*arm.path, "envs", i)
                self._wrong(where, f"'{name}' is not among `envs`.{suggest(name, self.file.envs)}")
        self._twice((*arm.path, "envs"), arm.envs or ())
        if not cards:
            self._settings(agent, "", arm)  # without an environment, its mistakes can be seen
        wrappers = self._wrappers(arm)
        for name, card in cards.items():
            if arm.envs is not None and name not in arm.envs:
                continue
            before = len(self.problems)
            self._fits(arm, agent, card, wrappers)
            misfit = agents.unfit(agent, name, card.actions)
            steps = self._steps(arm, name)
            settings = self._settings(agent, name, arm)
            if misfit:
                self._wrong(path, misfit)
            if misfit or steps is None or settings is None:
                continue
            short = agents.too_short(agent, settings.hparams, steps)
            if short:
                self._wrong(arm.path, f"{steps} steps on {name} {short}")
            elif self.rehearse and len(self.problems) == before:
                self._rehearse(arm, agent, card, wrappers, settings, steps)
            tuned_on = self._tuned_on(agent, name, arm) if entry.learns else None
            self.origins.append(Origins(arm.label, name, settings, tuned_on))
            acting = {"deterministic": self.sweep.acting(card).deterministic}
            for seed in seeds:
                yield RunSpec(
                    agent=agent,
                    agent_version=entry.version,
                    env=name,
                    card=card.identity(),
                    wrappers=wrappers,
                    seed=seed,
                    steps=steps,
                    hparams=settings.hparams,
                    evaluation=self.file.evaluation.model_copy(update=acting),
                    engine=self.file.engine,
                    arm=arm.label,
                )

    def _wrappers(self, arm: _Layered) -> tuple[dict[str, Any], ...]:
        path, given = arm.last("wrappers")
        wrappers = [{"name": item} if isinstance(item, str) else dict(item) for item in given or ()]
        wrong = [
            (i, text) for i, given in enumerate(wrappers) for text in envs.check_wrapper(given)
        ]
        for i, message in wrong:
            self._wrong((*path, i), message)
        return () if wrong else tuple(envs.complete(wrapper) for wrapper in wrappers)

    def _fits(
        self, arm: _Layered, agent: str, card: envs.Card, wrappers: tuple[dict[str, Any], ...]
    ) -> None:
        """Whether the environment can wear the wrappers: some are made for others.

        And whether it then shows the goals that some agents need.
        """
        if not (wrappers or agents.entry(agent).goals):
            return
        try:
            env = envs.make(card, wrappers)
        except Exception as error:  # whatever the wrapper raises when it meets the wrong one
            path, _ = arm.last("wrappers")
            self._wrong(path, f"{card.name} cannot wear these: {error}")
            return
        if agents.lacks_goals(agent, env):
            path, _ = arm.last("agent")
            self._wrong(
                path,
                f"{agent} needs goals, and {card.name} as it is observed has none: give it the "
                "wrapper goal_observation, if it is a task that has goals",
            )
        env.close()

    def _rehearse(
        self,
        arm: _Layered,
        agent: str,
        card: envs.Card,
        wrappers: tuple[dict[str, Any], ...],
        settings: Settings,
        steps: int,
    ) -> None:
        """Whether this machine can hold the learner, and the learner can be made."""
        make_env = partial(envs.make, card, wrappers)
        found = rehearsal.misfits(agent, settings.hparams, card.name, make_env, steps)
        for key, message in found:
            if key:
                self.problems.append(settings.problem(tuple(key.split(".")), message))
            else:
                self._wrong(arm.path, message)

    def _settings(self, agent: str, env: str, arm: _Layered) -> Settings | None:
        layers = []
        for path, departure in arm.departures:
            try:
                layers += self._found(path, departure)
            except UserError as error:
                self.problems += error.problems
                return None
            label = f"{self.document.file}: {'.'.join(map(str, path))}"
            own = {key: value for key, value in departure.hparams.items() if key != FROM}
            layers.append(Layer(label, own, self.document, (*path, "hparams")))
        label = f"{self.document.file}: {'.'.join(map(str, arm.path))}.grid"
        layers.append(Layer(label, arm.grid, self.document, (*arm.path, "grid")))
        if self.overrides:
            layers.append(self.overrides)
        try:
            return agents.resolve(agent, env, layers)
        except UserError as error:
            self.problems += error.problems
            return None

    def _tuned_on(self, agent: str, env: str, arm: _Layered) -> tuple[str, ...]:
        """The environments on which an arm's settings were chosen: the last word of its layers."""
        found = agents.tuned_on(agent, env)
        for path, departure in arm.departures:
            winner = self._winner(path, departure)
            if winner is not None and winner[1].provenance is not None:
                found = tuple(winner[1].provenance.envs)
            if departure.tuned_on is not None:
                found = tuple(departure.tuned_on)
        return found

    def _found(self, path: Place, departure: Departure) -> list[Layer]:
        """What a search found.

        :raises UserError: see `_winner`.
        """
        found = self._winner(path, departure)
        if found is None:
            return []
        document, winner = found
        return [Layer(document.file, winner.hparams, document, ("hparams",))]

    def _winner(self, path: Place, departure: Departure) -> tuple[Document, Winner] | None:
        """`from: best.yaml`, by its place relative to the sweep file; None: nothing is taken over.

        :raises UserError: if there is no such file, or it is no best.yaml.
        """
        given = departure.hparams.get(FROM)
        if given is None:
            return None
        place = (*path, "hparams", FROM)
        if not isinstance(given, str):
            raise UserError([self.document.problem(place, "the path of a best.yaml")])
        try:
            file = below(Path(self.document.file).parent, given)
        except ValueError as error:
            raise UserError([self.document.problem(place, f"{given}: {error}")]) from None
        if not file.is_file():
            message = f"there is no {file}: paths are relative to the sweep file"
            raise UserError([self.document.problem(place, message)])
        return read_winner(file)

    def _distinct(self, runs: Iterable[RunSpec]) -> None:
        """Two arms that are one and the same would compare an arm with itself."""
        keys: dict[str, list[str]] = {}
        for run in runs:
            keys.setdefault(run.arm, []).append(run.key)
        first: dict[tuple[str, ...], str] = {}
        for arm, same in keys.items():
            other = first.setdefault(tuple(same), arm)
            if other != arm:
                where = ("arms", arm) if arm in self.file.arms else ("components",)
                self._wrong(
                    where, f"'{other}' and '{arm}' are the very same runs: change or drop one"
                )

    def _claims(self, labels: list[str]) -> dict[int, Claim]:
        """Those that can be read, by their place in the file."""
        texts = self.file.claims
        arms = self._known(labels, (word for text in texts for word in text.split()))
        found = claim.read(texts, arms, self.file.envs)
        for i, message in found.problems:
            self._wrong(("claims", i), message)
        return found.read


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each once, by line."""
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)


def plan(
    specs: Sequence[RunSpec], seconds: Callable[[RunSpec], float | None] = lambda spec: None
) -> list[Batch]:
    """The order of work: seeds before arms, so that a sweep that is stopped early has about as many
    seeds of every arm. Within a seed the longest runs come first, so that none is left when the
    others have ended.

    What one process may train together is one batch, at the place of its first seed: the seeds of
    an agent that says `seed_batch`.

    :param seconds: what a run is expected to take; None: nobody knows, so it comes first.
    """
    batches: dict[str, list[RunSpec]] = {}
    for spec in specs:
        together = agents.entry(spec.agent).seed_batch
        group = spec.model_copy(update={"seed": 0, "arm": ""}).key if together else spec.key
        batches.setdefault(group, []).append(spec)

    def place(group: list[RunSpec]) -> tuple[int, float]:
        known = [math.inf if (time := seconds(spec)) is None else time for spec in group]
        return min(spec.seed for spec in group), -sum(known)

    return [Batch(specs=tuple(group)) for group in sorted(batches.values(), key=place)]


def single(
    agent: str,
    env: str,
    seed: int,
    steps: int,
    overrides: Layer | None = None,
    wrappers: Sequence[Any] = (),
    protocol: Mapping[str, Any] | None = None,
    rehearse: bool = False,
) -> RunSpec:
    """The spec of one run, as a sweep of one arm and one seed would make it.

    :param wrappers: as a sweep file has them.
    :param protocol: its `evaluation` and its `engine`, likewise.
    :param rehearse: as `Sweep.expand`.
    :raises UserError: with everything that is wrong with it.
    """
    data = {
        "name": "run",
        "question": "",
        "envs": [env],
        "seeds": [seed],
        "steps": steps,
        "arms": {agent: {"agent": agent, "wrappers": list(wrappers)}},
        **(protocol or {}),
    }
    document = Document("harness run", data, {})
    return Sweep.of(document).expand(overrides, rehearse=rehearse).runs[0]


def keep(resolved: ResolvedSweep, store: Store) -> list[str]:
    """Write down what was started: the report needs nothing else. Every change leaves a line.

    :return: what was damaged and is set aside, a line each.
    """
    folder = store.sweep_folder(resolved.name)
    aside = make_way(folder.parent, folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        before: ResolvedSweep | None = store.sweep(resolved.name)
    except FileNotFoundError:
        before = None
    except Damaged as error:
        before = None
        aside.append(f"{error.damage}; set aside as {set_aside(folder / SWEEP).name}")
    log = store.history(resolved.name)
    if log.damage and os.path.lexists(folder / HISTORY):
        aside.append(mend_lines(folder / HISTORY, log))
    if before != resolved:
        reported = store.reported(resolved.name)
        ended = Counter(run.arm for run in before.runs if store.finished(run)) if before else {}
        append_json(folder / HISTORY, declaration.line(resolved, now(), reported, ended))
        write_json(folder / SWEEP, resolved.model_dump(mode="json"))
    return aside
