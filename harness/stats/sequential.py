"""Claims that may be looked at after every block of seeds, and keep the error of the family.

The statistic at a look is that of `permutation`: the sum of ranks of all runs so far. Its law over
all looks together is that of relabelled paths: in every block, the block's runs are dealt at random
to the two arms, and each of these paths is looked at as what happened is. Looks share the error in
proportion to the seeds, as Lan and DeMets (1983) spend it. Without a difference between the arms
the path that happened is one among equals, so the test is exact for any number of paths, any ties
and any tasks (Hemerik and Goeman, 2018, "Exact testing with random permutations"); AdaStop (Mathieu
et al., 2023, arXiv:2306.10882) deals labels within blocks and spends so, too, for means. An anytime
p never rises, so Holm's correction covers claims and looks at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from harness.spec import Decide
from harness.stats.aggregate import Array, iqm
from harness.stats.calibration import DIFFERENCE, gate, has_interval
from harness.stats.equivalence import Equivalence, equivalence
from harness.stats.improvement import improvement
from harness.stats.permutation import Correction, corrected, correction
from harness.stats.resample import generator
from harness.stats.uncertainty import Estimate, difference, estimate

PATHS = 50_000  # what happened is the first of them
FUTILE = 0.3  # of all paths as far out as what happened: a claim may be given up
PRINTED = np.geomspace(1e-4, 1.0, 80)  # p-values that are told apart in print
_ROUNDING = 1e-9

Decided = Literal["supported", "contradicted", "equivalent", "not equivalent"]
State = Literal["open", Decided, "given up", "undecided"]
DECIDED: tuple[Decided, ...] = get_args(Decided)


class Look(NamedTuple):
    """What the runs of a claim say when they are looked at."""

    seeds: int  #: of each arm
    p: float  #: anytime: valid at whichever look one stops
    adjusted: float  #: the same after the correction for the family
    spent: float  #: the share of the error that may be spent by now; NaN: bets spend none
    as_far: float  #: the share of all paths that are as far out as what happened, here
    level: float  #: of the interval: 1 - the share of all paths beyond the boundary of this look
    better: Estimate  #: the IQM; of a claim with a margin, the mean of clipped scores
    worse: Estimate
    difference: Estimate  #: of these, at `level`
    improvement: Estimate  #: P(a run of the better arm scores above one of the worse)
    boundary: float  #: the P(improvement) beyond which a path is stopped here, at the plan's alpha,
    first_step: float  #: and at the first step of Holm's correction


class Pair(NamedTuple):
    """The scores of the two arms of a claim, as far as there are any."""

    x: Array  #: (runs, tasks), by seed
    y: Array
    names: tuple[str, ...]  #: seed its random numbers; the same whichever arm comes first
    better: str = "better"
    worse: str = "worse"
    span: Array | None = None  #: see `uncertainty.difference`
    margin: float | None = None  #: the claim is that they differ by less, in normalised scores


@dataclass
class Course:
    """One claim, look after look."""

    pair: Pair
    planned: int = 0  #: looks, up to the cap
    correction: Correction = "Holm"
    state: State = "open"
    looks: list[Look] = field(default_factory=list)

    @property
    def decided(self) -> bool:
        return self.state in DECIDED

    @property
    def seeds(self) -> int:
        """Of each arm, at its last look."""
        return self.looks[-1].seeds if self.looks else 0


# Of a pair, after so many seeds: at a level of the difference, and a p after the correction.
Estimates = Callable[[Pair, int, float, float], tuple[Estimate, Estimate, Estimate, Estimate]]


def share(seeds: int, cap: int, reserve: float = 0.0) -> float:
    """Of the error, what may be spent after so many seeds.

    :param reserve: what is left for seeds beyond the cap.
    """
    inside = (1 - reserve) * seeds / cap
    return inside if seeds <= cap else 1 - reserve * cap / seeds


def follow(
    pairs: Sequence[Pair],
    plan: Decide,
    paths: int = PATHS,
    printed: Array = PRINTED,
    estimates: Estimates | None = None,
) -> list[Course]:
    """Every claim of a family, look by look, as far as its runs reach.

    A claim ends when it is decided, given up, or at the cap. It waits, open, where runs of its next
    look are missing. Claims without runs count in the family all the same.

    :param printed: levels of p beside those that decide.
    :param estimates: what a look shows, for who needs less than all of it.
    """
    levels = np.union1d(printed, plan.alpha / np.arange(1, len(pairs) + 1))
    by = correction(pair.margin for pair in pairs)
    courses = [Course(pair, len(plan.looks), by) for pair in pairs]
    tests = [
        Bets(pair.margin, plan.alpha / len(pairs))
        if pair.margin
        else Paths(plan, levels, pair.names, paths, len(pairs))
        for pair in pairs
    ]
    for n in plan.looks:
        ready = [
            i
            for i, course in enumerate(courses)
            if course.state == "open" and min(len(course.pair.x), len(course.pair.y)) >= n
        ]
        for i in ready:
            tests[i].look(pairs[i].x[:n], pairs[i].y[:n])
        adjusted = corrected([each.p for each in tests], by)
        for i in ready:
            test, level = tests[i], 1 - tests[i].outside
            found = (estimates or _estimates)(pairs[i], n, level, adjusted[i])
            look = Look(
                n, test.p, adjusted[i], test.spent, test.as_far, level, *found, *test.boundaries
            )
            courses[i].looks.append(look)
            courses[i].state = _state(look, test, plan)
    return courses


def _estimates(
    pair: Pair, n: int, level: float, adjusted: float
) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    """The IQM of both arms, their difference, and P(improvement), after n seeds."""
    x, y, names = pair.x[:n], pair.y[:n], pair.names
    if pair.margin:
        return *means(equivalence(x, y, pair.margin, 1 - level)), improvement(x, y)
    gap = difference(x, y, iqm, pair.better, pair.worse, *names, span=pair.span, level=level)
    better, worse = estimate(x, iqm, pair.better, *names), estimate(y, iqm, pair.worse, *names)
    return better, worse, gap, improvement(x, y)


def means(found: Equivalence) -> tuple[Estimate, Estimate, Estimate]:
    """Of both arms, and their difference, the only one that has an interval."""
    better, worse = (
        Estimate(mean, math.nan, math.nan, found.seeds, "point") for mean in (found.x, found.y)
    )
    point = found.x - found.y
    return better, worse, Estimate(point, found.low, found.high, found.seeds, "interval")


def _state(look: Look, test: Paths | Bets, plan: Decide) -> State:
    """The test, at this look or before, and the interval, now, must agree; those of bets do."""
    crossed, side = look.adjusted <= plan.alpha * (1 + _ROUNDING), test.side
    if crossed and isinstance(test, Bets):
        return "equivalent" if side > 0 else "not equivalent"
    if crossed and side > 0 and look.difference.low > 0:
        return "supported"
    if crossed and side < 0 and look.difference.high < 0:
        return "contradicted"
    if look.seeds == plan.last:
        return "undecided"
    if plan.futility and 2 * look.seeds >= plan.cap and look.as_far > FUTILE:
        return "given up"
    return "open"


def attainable(plan: Decide, tasks: int) -> float:
    """The smallest p that any look can give, which is the last; 1: it has no interval."""
    if not plan.looks or not has_interval(gate(DIFFERENCE, plan.looks[-1], tasks)):
        return 1.0
    blocks = [plan.first, *[plan.block] * (len(plan.looks) - 1)]
    ways = tasks * sum(math.lgamma(2 * n + 1) - 2 * math.lgamma(n + 1) for n in blocks)
    least = max(2 * math.exp(-ways), 1 / PATHS)
    return min(1.0, least / share(plan.looks[-1], plan.cap, plan.reserve))


class Bets:
    """The capitals of a claim with a margin. They need no cap, so no look spends anything."""

    spent = as_far = math.nan
    boundaries = math.nan, math.nan

    def __init__(self, margin: float, error: float) -> None:
        """:param error: of this claim."""
        self.p, self.side = 1.0, 0  # 1: equivalent; -1: not
        self.outside = error  # of the interval
        self._margin = margin

    def look(self, x: Array, y: Array) -> None:
        """:param x: (runs, tasks), normalised: those of earlier looks, and a block more."""
        found = equivalence(x, y, self._margin, self.outside)
        self.p, self.side = found.p, found.side


class Paths:
    """The relabelled paths of one claim, and which of them the looks so far have stopped."""

    def __init__(
        self,
        plan: Decide,
        levels: Array,
        names: Sequence[str],
        paths: int = PATHS,
        family: int = 1,
    ) -> None:
        """:param levels: of error, ascending; the plan's alpha and its share of a `family` are
        among them.
        """
        self.p = 1.0
        self.side = 0  # of 0, where what happened stood when p last fell
        self.spent = self.as_far = self.outside = 0.0  # at the last look
        self._plan, self._levels, self._names, self._paths = plan, levels, names, paths
        self._alpha, self._first = (
            int(np.argmin(np.abs(levels - level))) for level in (plan.alpha, plan.alpha / family)
        )
        self.boundaries = (1.0, 1.0)  # at the last look: see `Look`
        self._signs: list[tuple[NDArray[np.intp], NDArray[np.int8]]] = []  # of each block
        self._seen = 0
        self._stopped = np.zeros((len(levels), paths), dtype=bool)

    def look(self, x: Array, y: Array) -> None:
        """:param x: (runs, tasks): those of earlier looks, and a block more."""
        self._deal(x, y)
        sums = self._sums(x, y)
        far = np.abs(sums)
        self.spent = share(len(x), self._plan.cap, self._plan.reserve)
        self.as_far = float((far >= far[0]).mean())
        bounds = self._stop(far)
        # A sum W of n runs on each of M tasks is a P(improvement) of 1/2 + W / (4 n^2 M).
        a, b = 0.5 + bounds[[self._alpha, self._first]] / (4 * len(x) * x.size)
        self.boundaries = float(a), float(b)
        p = self._p()
        if p < self.p:
            self.p, self.side = p, int(np.sign(sums[0]))

    def _deal(self, x: Array, y: Array) -> None:
        """Deal the runs of the new block to the two arms, on each task by itself.

        They are dealt in the order of their scores, so that nothing hangs on whose is whose.
        """
        new = len(x) - self._seen
        rng = generator(*self._names, f"block {len(self._signs)}")
        both = np.concatenate([x[self._seen :], y[self._seen :]])  # (2 new, tasks)
        ours = np.repeat(np.array([1, -1], dtype=np.int8), new)
        order = np.argsort(both, axis=0, kind="stable")
        signs = np.empty((self._paths, *both.shape), dtype=np.int8)
        for task in range(both.shape[1]):
            signs[..., task] = rng.permuted(np.tile(ours, (self._paths, 1)), axis=1)
        signs[0] = ours[order]
        self._signs.append((order, signs.reshape(self._paths, -1)))
        self._seen = len(x)

    def _sums(self, x: Array, y: Array) -> Array:
        """Of the doubled, centred ranks of all runs so far, on every path: (paths,)."""
        n = len(x)
        ranks = 2 * rankdata(np.concatenate([x, y]), axis=0) - (2 * n + 1)  # (2 n, tasks)
        sums, start = np.zeros(self._paths), 0
        for order, signs in self._signs:
            end = start + len(order) // 2
            block = np.concatenate([ranks[start:end], ranks[n + start : n + end]])
            dealt = np.take_along_axis(block, order, axis=0).astype(np.float32)
            sums += signs.astype(np.float32) @ dealt.ravel()
            start = end
        return sums

    def _stop(self, far: Array) -> Array:
        """At every level, stop the paths that are furthest out, as many as may be by now.

        :return: beyond which sums they are.
        """
        bounds = np.full(len(self._levels), -1.0)
        order = np.argsort(-far)
        ordered = far[order]
        for i, level in enumerate(self._levels):
            stopped = self._stopped[i]
            room = math.floor(level * self.spent * self._paths + _ROUNDING) - int(stopped.sum())
            living = ordered[~stopped[order]]
            if room < len(living):
                bounds[i] = living[room]
            stopped |= far > bounds[i]
        self.outside = float((far > bounds[self._alpha]).mean())
        return bounds

    def _p(self) -> float:
        """The least level at which what happened is stopped, there and at every larger one."""
        kept = np.flatnonzero(~self._stopped[:, 0])
        first = int(kept[-1]) + 1 if len(kept) else 0
        return float(self._levels[first]) if first < len(self._levels) else 1.0
