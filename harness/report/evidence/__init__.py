"""All that a report is made from, read from the store once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from harness import stats
from harness.report import number
from harness.report.evidence import verdict
from harness.spec import Claim, ResolvedSweep, RunSpec
from harness.stats import Array, Curve, Estimate, FewerSeeds, RunId, Scores, Studies
from harness.store.declaration import Standing, ended_before, standing
from harness.store.estimate import Experience, Progress, behind, progress, to_come
from harness.store.files import Damaged
from harness.store.reader import RunStatus, Store
from harness.store.run_files import Visits

MOST_JOINT_BANDS = 4  # in one panel
# How many times as much CPU time one arm takes to learn as another before it is compared.
FAR_APART = 2.0
# The part of a budget that may go unused without a word.
UNUSED = 0.01
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


@dataclass(frozen=True)
class Evidence:
    """The runs of a sweep as they are now, and their scores."""

    sweep: ResolvedSweep
    statuses: tuple[RunStatus, ...]
    curves: dict[RunId, Curve]
    raw: dict[str, Scores]  # by score
    normalised: dict[str, Scores]  # by score; empty when an environment has no anchors
    no_aggregates: str  # empty: the arms can be compared over all environments
    metrics: dict[str, dict[RunId, float]]  # by name: what finished runs told late in training
    visits: dict[RunId, Visits]  # where states are cells of a plane
    history: tuple[dict[str, Any], ...] = ()  # every change of the sweep, oldest first
    certificates: dict[str, dict[str, Any]] = field(default_factory=dict)  # by key, of `verify`
    models: dict[RunId, dict[str, Any]] = field(default_factory=dict)  # of `model-report`
    clocks: dict[RunId, Array] = field(default_factory=dict)  # see `_clocks`
    # What runs to come are expected to take, in CPU seconds by key; None: nobody knows.
    seconds_to_come: dict[str, float | None] = field(default_factory=dict)
    lost_histories: tuple[str, ...] = ()  # the sweeps of which some of it is damaged
    standings: tuple[Standing, ...] = ()  # of the sweep's claims, in their order
    found: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # see `once`

    @property
    def baseline(self) -> str:
        return self.sweep.report.baseline or self.sweep.arms[0]

    def span(self, env: str | None) -> stats.Array | None:
        """The scores between which an environment's are expected, (2, tasks): its anchors.

        :param env: None: all environments, normalised.
        """
        if env is None:
            return np.tile([[0.0], [1.0]], (1, len(self.sweep.envs)))
        anchors = self.sweep.anchors.get(env)
        if anchors is None:
            return None
        return np.sort([[anchors.random.score], [anchors.reference.score]], axis=0)

    @property
    def joint_bands(self) -> bool:
        """Whether lines have a simultaneous band beside the pointwise one: many would cross."""
        return len(self.sweep.arms) <= MOST_JOINT_BANDS

    @cached_property
    def unique(self) -> list[RunStatus]:
        """The runs, each once: two arms may share one."""
        return list({status.spec.key: status for status in self.statuses}.values())

    @cached_property
    def unequal(self) -> tuple[str, ...]:
        """The environments on which arms were trained for different numbers of steps."""
        return tuple(env for env in self.sweep.envs if len(self.budgets(env)) > 1)

    def budgets(self, env: str) -> dict[int, list[str]]:
        """The arms by their number of steps."""
        found: dict[int, list[str]] = {}
        for arm in self.arms_on(env):
            for steps in sorted({run.steps for run in self.specs(arm, env)}):
                found.setdefault(steps, []).append(arm)
        return found

    @cached_property
    def _runs(self) -> dict[tuple[str, str], list[RunSpec]]:
        found: dict[tuple[str, str], list[RunSpec]] = {}
        for run in self.sweep.runs:
            found.setdefault((run.arm, run.env), []).append(run)
        return found

    @cached_property
    def _statuses(self) -> dict[tuple[str, str], list[RunStatus]]:
        found: dict[tuple[str, str], list[RunStatus]] = {}
        for status in self.statuses:
            found.setdefault((status.spec.arm, status.spec.env), []).append(status)
        return found

    def statuses_of(self, arm: str, env: str) -> list[RunStatus]:
        return self._statuses.get((arm, env), [])

    @once
    def arms_on(self, env: str) -> tuple[str, ...]:
        return tuple(arm for arm in self.sweep.arms if (arm, env) in self._runs)

    def specs(self, arm: str, env: str) -> list[RunSpec]:
        return self._runs.get((arm, env), [])

    @once
    def keys(
        self, arm: str | None = None, env: str | None = None, state: str | None = None
    ) -> tuple[str, ...]:
        """The runs of an arm, in an environment, in a state; None: of all."""
        return tuple(
            status.spec.key
            for status in self.statuses
            if arm in (None, status.spec.arm)
            and env in (None, status.spec.env)
            and state in (None, status.state)
        )

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

    @once
    def format(self, env: str | None) -> number.Format:
        """How scores on `env` are written; None: normalised ones."""
        if env is None:
            return number.fixed(number.NORMALISED_DECIMALS)
        column = self.sweep.envs.index(env)
        seen = [np.abs(v[:, column]) for s in self.raw.values() for v in s.values.values()]
        finite = np.concatenate(seen)
        finite = finite[np.isfinite(finite)]
        return number.raw(self.sweep.anchors.get(env), float(finite.max(initial=0.0)))

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
        theirs_of_k = self._studies_of_baseline(score, env, k)
        ours_of_k = stats.studies(scores.matrix(arm, [env]), stats.iqm, k)
        return stats.fewer_seeds(ours_of_k, theirs_of_k, self.tenth(env))

    @once
    def _studies_of_baseline(self, score: str, env: str, k: int) -> Studies:
        return stats.studies(self.raw[score].matrix(self.baseline, [env]), stats.iqm, k)

    def tenth(self, env: str) -> float:
        """A tenth of the way from the random to the reference score; NaN without anchors."""
        anchors = self.sweep.anchors.get(env)
        return abs(anchors.reference.score - anchors.random.score) / 10 if anchors else math.nan

    @cached_property
    def estimates(self) -> dict[str, dict[tuple[str, str], Estimate]]:
        """By score: the IQM of every arm on each of its environments, raw."""
        return {
            score: {
                (arm, env): stats.estimate_arm(self.raw[score], arm, stats.iqm, [env])
                for env in self.sweep.envs
                for arm in self.arms_on(env)
            }
            for score in self.sweep.report.scores
        }

    @once
    def verdicts(self) -> list[verdict.Verdict]:
        return verdict.decide([self._examine(claim) for claim in self.sweep.claims])

    def _examine(self, claim: Claim) -> verdict.Finding:
        scores = self.raw[claim.score]
        if claim.env is None:
            if not self.normalised:
                return verdict.unexamined(claim, self.no_aggregates)
            scores = self.normalised[claim.score]
            if not scores.complete((claim.better, claim.worse)):
                why = "the two arms do not share all environments and seeds"
                return verdict.unexamined(claim, why)
        state = self.progress(claim)
        if state.missing:
            return verdict.unexamined(claim, str(state), pending=True)
        return verdict.examine(claim, scores, self.span(claim.env))

    def progress(self, claim: Claim | None = None) -> Progress:
        """How far the runs behind a claim are, or all runs."""
        runs = self.statuses if claim is None else behind(claim, self.statuses)
        return progress(runs, self.seconds_to_come)

    def learning_curves(self, arm: str, env: str) -> tuple[Array, dict[int, Array]]:
        """The returns of an arm's runs by seed, on one grid of steps."""
        seeds = [run.seed for run in self.specs(arm, env) if (arm, env, run.seed) in self.curves]
        found = {seed: self.curves[arm, env, seed] for seed in seeds}
        if not found:
            return np.zeros(0), {}
        end = min(c.steps[-1] for c in found.values())
        grid = np.unique(np.concatenate([c.steps for c in found.values()]))
        grid = grid[grid <= end]
        return grid, {s: np.interp(grid, c.steps, c.returns) for s, c in found.items()}


def gather(sweep: ResolvedSweep, store: Store) -> Evidence:
    curves = stats.curves(store.frame(sweep.runs))
    wanted = dict.fromkeys((*sweep.report.scores, *(claim.score for claim in sweep.claims)))
    raw = {score: stats.score_matrix(curves, sweep.runs, score) for score in wanted}
    why = _no_aggregates(sweep, next(iter(raw.values())))
    normalised = {
        score: stats.score_matrix(curves, sweep.runs, score, sweep.anchors)
        for score in ([] if _without_anchors(sweep) else wanted)
    }
    statuses = tuple(store.status(run) for run in sweep.runs)
    metrics = {name: _late(name, statuses, store) for name in sweep.report.metrics}
    counted = {(run.arm, run.env, run.seed): store.visits(run) for run in sweep.runs}
    visits = {run: each for run, each in counted.items() if each is not None}
    histories = store.histories()
    standings = tuple(
        standing(claim, sweep, behind(claim, statuses), histories, partial(_seen, store))
        for claim in sweep.claims
    )
    history = tuple(histories.get(sweep.name, ()))
    certificates = {each.spec.key: each.certificate for each in statuses if each.certificate}
    models = {
        (each.spec.arm, each.spec.env, each.spec.seed): each.measures
        for each in statuses
        if each.measures
    }
    known = Experience(store, probe=None)  # a report depends on files alone
    seconds = {
        status.spec.key: known.seconds(status.spec) for status in statuses if to_come(status)
    }
    return Evidence(
        sweep, statuses, curves, raw, normalised, why, metrics, visits, history, certificates,
        models, _clocks(statuses), seconds, store.lost_histories(), standings,
    )  # fmt: skip


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


def _late(name: str, statuses: Iterable[RunStatus], store: Store) -> dict[RunId, float]:
    found = {}
    for status in statuses:
        spec = status.spec
        told = store.late_metric(spec, name) if status.state == "finished" else None
        if told is not None:
            found[spec.arm, spec.env, spec.seed] = told
    return found


def _no_aggregates(sweep: ResolvedSweep, scores: Scores) -> str:
    if not scores.shared:
        return "the arms do not share all environments and seeds"
    without = _without_anchors(sweep)
    if without:
        return f"no random and reference score is known for {', '.join(without)}"
    if all(have < planned for have, planned in map(scores.count, scores.arms)):
        return "no arm has all of its runs"
    return ""


def _without_anchors(sweep: ResolvedSweep) -> list[str]:
    return [env for env in sweep.envs if env not in sweep.anchors]


def first_result(evidence: Evidence) -> dict[str, Any] | None:
    return next((status.result for status in evidence.unique if status.result), None)
