"""All that a report is made from, read from the store once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from harness import stats
from harness.config.tree import grouped
from harness.report import number
from harness.report.evidence import role, sequential, verdict
from harness.spec import (
    WORST_SCORE,
    Anchors,
    Claim,
    Decide,
    ImportedRun,
    Metric,
    ResolvedSweep,
    Run,
    RunSpec,
)
from harness.stats import Array, Course, Estimate, FewerSeeds, Pair, RunId, Scores, Studies
from harness.store import machines
from harness.store.declaration import ended_before, standing
from harness.store.estimate import Experience, Progress, behind, progress, to_come
from harness.store.files import Damaged
from harness.store.reader import RunStatus, Store
from harness.store.run_files import Measured

MOST_JOINT_BANDS = 4  # in one panel
# How many times as much CPU time one arm takes to learn as another before it is compared.
FAR_APART = 2.0
# The part of a budget that may go unused without a word.
UNUSED = 0.01
RETURN = "final"  # any of the scores that are returns: all of an environment are written alike
_TICK = 0.001  # second: times are written down to it, and an axis of powers of ten has no 0
P = ParamSpec("P")
T = TypeVar("T")


def once(
    find: Callable[Concatenate[Evidence, P], T],
) -> Callable[Concatenate[Evidence, P], T]:
    """Keep what is found with its evidence: a table, a figure and a page show one and the same."""

    @wraps(find)
    def kept(evidence: Evidence, /, *args: P.args, **kwargs: P.kwargs) -> T:
        asked = f"{find.__module__}.{find.__qualname__}{args}{kwargs}"
        if asked not in evidence.found:
            evidence.found[asked] = find(evidence, *args, **kwargs)
        answer: T = evidence.found[asked]
        return answer

    return kept


class Evidence:
    """The runs of a sweep as they are when it is made: no file is read later."""

    def __init__(self, sweep: ResolvedSweep, store: Store) -> None:
        self.sweep = sweep
        self.found: dict[str, Any] = {}  # see `once`
        self.evaluations = store.frame(sweep.runs)
        self.curves = stats.curves(self.evaluations)
        self.statuses = tuple(store.status(run) for run in sweep.runs)
        finished = [status for status in self.statuses if status.state == "finished"]
        # By name: what finished runs told late in training.
        self.metrics = {
            name: _by_run(finished, partial(_late, store, name)) for name in sweep.report.metrics
        }
        # What metrics of the user's own made of finished runs, by name.
        self.measured = {
            metric.name: _by_run(finished, partial(_measured, store, metric))
            for metric in sweep.metrics
        }
        # What training logged, by key, also of runs that have not finished.
        self.training = {
            status.spec.key: store.training(status.spec)
            for status in self.unique
            if status.state != "missing" and isinstance(status.spec, RunSpec)
        }
        # Where states are cells of a plane.
        self.visits = _by_run(self.statuses, lambda status: store.visits(status.spec))
        self.models = _by_run(self.statuses, lambda status: status.measures)  # of `model-report`
        self.clocks = _clocks(self.statuses)
        # Whose work is shown, and the films of them that there are, by key.
        self.roles = role.roles(sweep, self._final)
        kept = {each.run.key: store.film(each.run) for each in self.roles}
        self.films = {key: film for key, film in kept.items() if film is not None}
        self.certificates = {  # by key, of `verify`
            each.spec.key: each.certificate for each in self.statuses if each.certificate
        }
        histories = store.histories()
        self.history = tuple(histories.get(sweep.name, ()))  # every change, oldest first
        # What `harness doctor` found of machines, and the files of which nothing can be read.
        self.machines, self.damaged_machines = machines.kept(store.root)
        self.lost_histories = store.lost_histories()  # the sweeps of which some of it is damaged
        self.standings = tuple(  # of the claims, in their order
            standing(claim, sweep, behind(claim, self.statuses), histories, partial(_seen, store))
            for claim in sweep.claims
        )
        known = Experience(store, probe=None)  # a report depends on files alone
        # What runs to come are expected to take, in CPU seconds by key; None: nobody knows.
        self.seconds_to_come = {
            status.spec.key: known.seconds(status.spec)
            for status in self.statuses
            if to_come(status) and isinstance(status.spec, RunSpec)
        }

    # Runs -----------------------------------------------------------------------------------------

    @property
    def baseline(self) -> str:
        return self.sweep.report.baseline or self.sweep.arms[0]

    @cached_property
    def unique(self) -> list[RunStatus]:
        """The runs, each once: two arms may share one."""
        return list({status.spec.key: status for status in self.statuses}.values())

    @cached_property
    def results(self) -> list[dict[str, Any]]:
        """Of the finished runs, each once."""
        return [status.result for status in self.unique if status.result]

    def recorded(self, kind: str) -> dict[str, list[str]]:
        """Facts of the finished runs, such as `packages`: by name, every value that there is."""
        facts = [(result.get(kind) or {}).items() for result in self.results]
        values = grouped((name, str(value)) for each in facts for name, value in each)
        return {name: sorted({*each}) for name, each in values.items()}

    @cached_property
    def _statuses(self) -> dict[tuple[str, str], list[RunStatus]]:
        by_seed = sorted(self.statuses, key=lambda status: status.spec.seed)
        return grouped(((status.spec.arm, status.spec.env), status) for status in by_seed)

    def statuses_of(self, arm: str, env: str) -> list[RunStatus]:
        """By seed, as in `Scores.matrix`."""
        return self._statuses.get((arm, env), [])

    def specs(self, arm: str, env: str) -> list[Run]:
        return [status.spec for status in self.statuses_of(arm, env)]

    @cached_property
    def imported(self) -> dict[str, list[ImportedRun]]:
        """By arm, the runs that were not made here."""
        return grouped((run.arm, run) for run in self.sweep.imported)

    @cached_property
    def made_results(self) -> list[dict[str, Any]]:
        """Of the finished runs that were made here, each once."""
        made = (status for status in self.unique if isinstance(status.spec, RunSpec))
        return [status.result for status in made if status.result]

    def arms_on(self, env: str) -> tuple[str, ...]:
        return tuple(arm for arm in self.sweep.arms if (arm, env) in self._statuses)

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Every arm in every environment that it is trained in, environment by environment."""
        return [(arm, env) for env in self.sweep.envs for arm in self.arms_on(env)]

    @cached_property
    def fewest_seeds(self) -> int:
        """Of an arm in an environment."""
        return min(len(self.specs(arm, env)) for arm, env in self.pairs)

    def of(self, told: Mapping[RunId, T], arm: str, env: str) -> list[T]:
        """What is known of an arm's runs, by seed: of as many as it is known of."""
        runs = ((arm, env, run.seed) for run in self.specs(arm, env))
        return [told[run] for run in runs if run in told]

    @once
    def keys(self, arm: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """The runs of an arm, in an environment; None: of all."""
        return tuple(
            status.spec.key
            for status in self.statuses
            if arm in (None, status.spec.arm) and env in (None, status.spec.env)
        )

    def progress(self, claim: Claim | None = None) -> Progress:
        """How far the runs behind a claim are, or all runs."""
        runs = self.statuses if claim is None else behind(claim, self.statuses)
        return progress(runs, self.seconds_to_come)

    # Budgets --------------------------------------------------------------------------------------

    @cached_property
    def unequal(self) -> dict[str, str]:
        """The environments on which arms had not the same budget, and what their budgets do.

        "differ", or, where those of some arms were imported without steps, "are not known to be
        equal". A last score that was imported need not stand at the very end of its budget.
        """
        found = {}
        for env in self.sweep.envs:
            imported = {*self.arms_on(env)} & self.imported.keys()
            known = [steps for steps in self.budgets(env) if steps]
            if known and max(known) * (1 - (UNUSED if imported else 0)) > min(known):
                found[env] = "differ"
            elif known and 0 in self.budgets(env):
                found[env] = "are not known to be equal"
        return found

    def budgets(self, env: str) -> dict[int, list[str]]:
        """The arms by their number of steps."""
        return grouped(
            (steps, arm)
            for arm in self.arms_on(env)
            for steps in sorted({run.steps for run in self.specs(arm, env)})
        )

    @cached_property
    def begin_apart(self) -> dict[str, dict[str, int]]:
        """The environments on which curves begin at different steps, as those from elsewhere may:
        the latest first step of each arm.
        """
        found = {}
        for env in self.sweep.envs:
            curves = {arm: self.of(self.curves, arm, env) for arm in self.arms_on(env)}
            first = {
                arm: int(max(c.steps[0] for c in each)) for arm, each in curves.items() if each
            }
            budget = max(self.budgets(env))
            if first and max(first.values()) - min(first.values()) > UNUSED * budget:
                found[env] = first
        return found

    @once
    def learned_from(self, arm: str, env: str) -> str:
        """The steps that finished runs learned from: `16,384`; empty where it is their budget.

        What learns nothing has learned from 0.
        """
        results = [(s.spec.steps, s.result["steps_trained"]) for s in self.statuses_of(arm, env)
                   if s.result and s.result.get("steps_trained")]  # fmt: skip
        if all(used >= (1 - UNUSED) * steps for steps, used in results):
            return ""
        low, high = (f(used for _, used in results) for f in (min, max))
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"

    # Scores ---------------------------------------------------------------------------------------

    @cached_property
    def numbers(self) -> dict[str, dict[RunId, float]]:
        """Of each run that has one, by score: the returns, then the user's own metrics."""
        returns = {
            name: {run: score(curve) for run, curve in self.curves.items()}
            for name, score in stats.SCORES.items()
        }
        return returns | {
            name: {run: made.value for run, made in of.items() if made.value is not None}
            for name, of in self.measured.items()
        }

    def _final(self, run: RunSpec) -> float | None:
        return self.numbers[RETURN].get((run.arm, run.env, run.seed))

    @cached_property
    def raw(self) -> dict[str, Scores]:
        """By score: those of the report and of the claims, and every metric."""
        wanted = dict.fromkeys((*self._returns, *self.measured))
        return {name: stats.score_matrix(self._of_runs(name), self.sweep.runs) for name in wanted}

    @cached_property
    def normalised(self) -> dict[str, Scores]:
        """By score; empty when an environment has no anchors. A metric has none."""
        runs, anchors = self.sweep.runs, self.sweep.anchors
        wanted = () if self.no_anchors else self._returns
        return {name: stats.score_matrix(self._of_runs(name), runs, anchors) for name in wanted}

    def _of_runs(self, score: str) -> dict[RunId, float]:
        """The numbers of single runs that a score of a claim is made of."""
        return self.numbers[RETURN if score == WORST_SCORE else score]

    @property
    def _returns(self) -> list[str]:
        """The scores of the report and of the claims that are returns."""
        wanted = (*self.sweep.report.scores, *(claim.score for claim in self.sweep.claims))
        return [score for score in dict.fromkeys(wanted) if score not in self.measured]

    def scores(self, score: str, env: str | None) -> Scores:
        """In an environment raw; None: over all, normalised."""
        return self.normalised[score] if env is None else self.raw[score]

    @property
    def planned(self) -> Scores:
        """Any of the scores, for which of its runs there are."""
        return next(iter(self.raw.values()))

    @property
    def no_anchors(self) -> str:
        """Why scores cannot be normalised; empty: they can."""
        without = [env for env in self.sweep.envs if env not in self.sweep.anchors]
        return f"no random and reference score is known for {', '.join(without)}" if without else ""

    @cached_property
    def no_aggregates(self) -> str:
        """Why the arms cannot be compared over all environments; empty: they can."""
        if not self.planned.complete(self.planned.arms):
            return "the arms do not share all environments and seeds"
        counts = map(self.planned.count, self.planned.arms)
        none = "no arm has all of its runs" if all(have < all_ for have, all_ in counts) else ""
        return self.no_anchors or none

    @cached_property
    def estimates(self) -> dict[str, dict[tuple[str, str], Estimate]]:
        """By score: the IQM of every arm on each of its environments, raw."""
        return {
            score: {
                (arm, env): stats.estimate_arm(self.raw[score], arm, stats.iqm, [env])
                for arm, env in self.pairs
            }
            for score in (*self.sweep.report.scores, *self.measured)
        }

    def iqm(self, values: Sequence[float] | Array, arm: str, env: str, *names: str) -> Estimate:
        """Of a number of each of an arm's runs; where some have none, there is no estimate.

        :param names: of the number: they seed the bootstrap.
        """
        planned = len(self.specs(arm, env))
        if len(values) < planned:
            return stats.unavailable(f"{len(values)} of {planned} runs")
        return stats.estimate(np.array(values)[:, None], stats.iqm, arm, env, *names)

    def anchors(self, env: str, score: str) -> Anchors | None:
        """Of returns, where an environment has any; of a metric there are none."""
        return None if score in self.measured else self.sweep.anchors.get(env)

    def span(self, env: str | None, score: str = RETURN) -> Array | None:
        """The scores between which an environment's are expected, (2, tasks): its anchors.

        :param env: None: all environments, normalised.
        """
        if env is None:
            return np.tile([[0.0], [1.0]], (1, len(self.sweep.envs)))
        anchors = self.anchors(env, score)
        if anchors is None:
            return None
        return np.sort([[anchors.random.score], [anchors.reference.score]], axis=0)

    def tenth(self, env: str, score: str = RETURN) -> float:
        """A tenth of the way from the random to the reference score; NaN without anchors."""
        span = self.span(env, score)
        return math.nan if span is None else float(np.ptp(span)) / 10

    @once
    def format(self, env: str | None, score: str = RETURN) -> number.Format:
        """How scores on `env` are written, returns or those of a metric; None: normalised ones."""
        if env is None:
            return number.fixed(number.NORMALISED_DECIMALS)
        column = self.sweep.envs.index(env)
        alike = [score] if score in self.measured else self._returns
        seen = [np.abs(v[:, column]) for s in alike for v in self.raw[s].values.values()]
        finite = np.concatenate(seen)
        finite = finite[np.isfinite(finite)]
        return number.raw(self.anchors(env, score), float(finite.max(initial=0.0)))

    @property
    def joint_bands(self) -> bool:
        """Whether lines have a simultaneous band beside the pointwise one: many would cross."""
        return len(self.sweep.arms) <= MOST_JOINT_BANDS

    @once
    def fewer_seeds(self, score: str, arm: str, env: str, k: int) -> FewerSeeds | None:
        """How often k seeds of `arm` and the baseline mislead; None: there are too few to tell.

        :raises MissingRuns: when a planned run has no score.
        """
        scores = self.raw[score]
        column = scores.envs.index(env)
        ours, theirs = (scores.planned[name][:, column] for name in (arm, self.baseline))
        if (ours != theirs).any() or ours.sum() < stats.SEEDS_FOR_SUBSETS:
            return None
        theirs_of_k = self._studies(score, self.baseline, env, k)
        ours_of_k = self._studies(score, arm, env, k)
        return stats.fewer_seeds(ours_of_k, theirs_of_k, self.tenth(env, score))

    @once
    def _studies(self, score: str, arm: str, env: str, k: int) -> Studies:
        return stats.studies(self.raw[score].matrix(arm, [env]), stats.iqm, k)

    # Claims ---------------------------------------------------------------------------------------

    @once
    def courses(self) -> list[Course]:
        """Of claims that are looked at along the way, look by look; else there is none."""
        plan = self.sweep.decide
        return (
            stats.follow([self._pair(claim) for claim in self.sweep.claims], plan) if plan else []
        )

    def _pair(self, claim: Claim) -> Pair:
        """The scores of a claim's arms, up to the first seed of which one is missing."""
        names = (*sorted(claim.arms), claim.env or "", claim.score)
        if claim.env is None and self.no_anchors:
            nothing = np.empty((0, len(self.sweep.envs)))
            return Pair(nothing, nothing, names)
        scores = self.scores(claim.score, claim.env)
        columns = slice(None) if claim.env is None else [scores.envs.index(claim.env)]
        x, y = (self._scaled(claim, scores.values[arm][:, columns]) for arm in claim.arms)
        known = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
        known &= np.array(scores.seeds) == np.arange(len(scores.seeds))
        whole = int(np.logical_and.accumulate(known).sum())
        span = self.span(claim.env, claim.score)
        return Pair(x[:whole], y[:whole], names, *claim.arms, span, claim.margin)

    def _scaled(self, claim: Claim, scores: Array) -> Array:
        """Those of a claim with a margin normalised, also where it is about one environment."""
        if claim.margin is None or claim.env is None:
            return scores
        return stats.normalise(scores, self.sweep.anchors[claim.env])

    @once
    def verdicts(self) -> list[verdict.Verdict]:
        if plan := self.sweep.decide:
            pairs = zip(self.sweep.claims, self.courses(), strict=True)
            return [self._followed(claim, course, plan) for claim, course in pairs]
        return verdict.decide([self._examine(claim) for claim in self.sweep.claims])

    def _followed(self, claim: Claim, course: Course, plan: Decide) -> verdict.Verdict:
        family = len(self.sweep.claims)
        if claim.env is None and self.no_anchors:
            return sequential.unseen(claim, self.no_anchors, family)
        if not course.looks:
            state = f"before the first look, {self.progress(claim)}"
            return sequential.unseen(claim, state, family, pending=True)
        return sequential.decide(claim, course, plan, family)

    def _examine(self, claim: Claim) -> verdict.Finding:
        if claim.env is None and self.no_anchors:
            return verdict.unexamined(claim, self.no_aggregates)
        scores = self.scores(claim.score, claim.env)
        if claim.env is None and not scores.complete(claim.arms):
            why = "the two arms do not share all environments and seeds"
            return verdict.unexamined(claim, why)
        state = self.progress(claim)
        if state.missing:
            return verdict.unexamined(claim, str(state), pending=True)
        for arm in claim.arms if claim.score in self.measured else ():
            have, planned = scores.count(arm, [claim.env] if claim.env else None)
            if have < planned:
                why = f"{have} of {planned} runs of {arm} have a number of it"
                return verdict.unexamined(claim, why)
        if claim.margin:
            error = stats.ALPHA / len(self.sweep.claims)
            return verdict.weigh(claim, scores, partial(self._scaled, claim), error)
        return verdict.examine(claim, scores, self.span(claim.env, claim.score))


def _by_run(statuses: Iterable[RunStatus], read: Callable[[RunStatus], T | None]) -> dict[RunId, T]:
    """What can be read of runs."""
    each = ((status.spec, read(status)) for status in statuses)
    return {(run.arm, run.env, run.seed): found for run, found in each if found is not None}


def _measured(store: Store, metric: Metric, status: RunStatus) -> Measured | None:
    return store.measured(status.spec, metric)


def _late(store: Store, name: str, status: RunStatus) -> float | None:
    return store.late_metric(status.spec, name)


def _seen(store: Store, name: str, at: str) -> bool:
    """Whether a sweep had a finished run by then. What is damaged proves nothing."""
    try:
        return ended_before(map(store.result, store.sweep(name).runs), at)
    except (Damaged, FileNotFoundError):
        return False


def _clocks(statuses: Iterable[RunStatus]) -> dict[RunId, Array]:
    """When finished runs were evaluated, by what learning had cost; empty where arms hardly differ.

    (evaluations, 2): step, CPU seconds, evaluation left out. The last is the final one.
    """
    found: dict[RunId, Array] = {}
    ends: dict[str, dict[str, list[float]]] = {}
    for spec, told in ((s.spec, (s.result or {}).get("learning_seconds")) for s in statuses):
        if told:
            clock = np.array([(float(step), seconds) for step, seconds in told.items()])
            clock[:, 1] = np.maximum(clock[:, 1], _TICK)
            found[spec.arm, spec.env, spec.seed] = clock
            ends.setdefault(spec.env, {}).setdefault(spec.arm, []).append(clock[-1, 1])
    means = [[sum(each) / len(each) for each in arms.values()] for arms in ends.values()]
    return found if any(max(each) >= FAR_APART * min(each) for each in means) else {}
