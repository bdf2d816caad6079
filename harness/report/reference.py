"""Our scores beside public ones, and what may be said of the two.

The rule, for an arm with n runs of mean m and deviation s, and a public score r:

1. Protocols come first. Another environment version or budget, other wrappers, scores of training
   episodes, or actions drawn another way: "not comparable because ...", whatever the numbers.
2. A public score of ONE run knows nothing of its seeds: its ± is over episodes. It is then asked
   whether that run could be one more of ours: the difference m - r has the variance
   s^2 (1 + 1/n) + sd^2 / episodes, its seed's deviation taken to be ours, and n - 1 degrees of
   freedom: a prediction interval, exact for normal scores. Where the number of episodes is not
   told, it counts as one.
3. A public score over k seeds gets Welch's interval: s^2 / n + sd^2 / k.
4. The 95 % interval of m - r above 0: "better". Below 0: "worse". Else "consistent", which is not
   "equal": few runs are consistent with much. Fewer than 3 runs, or a missing one: not comparable.

Means are compared, because that is what was published.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import stdtrit

from harness import stats
from harness.config import read, shipped
from harness.report.evidence import Evidence
from harness.report.tables import Table
from harness.spec import RunSpec
from harness.stats import Array

Verdict = Literal["consistent", "better", "worse", "not comparable"]

ABOUT = (
    "Means, because that is what was published. Better, worse: the 95 % interval of the "
    "difference leaves 0 out. Of one public run it is asked whether it could be one more of ours "
    "(a prediction interval of Student's t): what its other seeds would have done is not known. "
    "Consistent is not equal."
)


class PublicScore(BaseModel):
    """One row of a public table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: str = Field(description="The name that it has here.")
    env: str = Field(description="The name that its card has here.")
    measured_on: str | None = Field(
        None, description="The environment's name there, if it is another version."
    )
    steps: int = Field(ge=1, description="Environment steps of training.")
    score: float
    sd: float = Field(ge=0, description="The ± beside it, over what `spread` says.")
    episodes: int | None = Field(None, ge=1, description="Episodes of the evaluation, if told.")


class ReferenceFile(BaseModel):
    """configs/references/<name>.yaml: the numbers of one public table, and their protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Public scores")

    name: str
    source: str = Field(description="Where the numbers stand, and in which version.")
    protocol: str = Field(description="How they were made, in one line.")
    score: Literal["evaluation", "training"] = Field(
        description="Of episodes after training, or of those of training itself."
    )
    deterministic: bool | None = Field(None, description="Greedy actions; absent: it is not told.")
    seeds: int = Field(ge=1, description="Runs behind each number.")
    spread: Literal["episodes", "seeds"] = Field(description="What the ± is taken over.")
    scores: tuple[PublicScore, ...]


@dataclass(frozen=True)
class Comparison:
    """One arm on one environment beside one public score."""

    arm: str
    env: str
    file: ReferenceFile
    public: PublicScore
    mean: float  # ours; NaN: a run is missing
    seeds: int
    low: float  # of the difference; NaN: there is no interval
    high: float
    why: str  # not comparable because of it; empty: comparable

    @property
    def verdict(self) -> Verdict:
        if self.why:
            return "not comparable"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "consistent"


@cache
def references() -> tuple[ReferenceFile, ...]:
    return tuple(
        read(path, ReferenceFile) for path in sorted(shipped("configs/references").glob("*.yaml"))
    )


def compare(evidence: Evidence) -> list[Comparison]:
    """Every arm with a public score for its agent in its environment, in the sweep's order."""
    return list(_comparisons(evidence, references()))


def _comparisons(evidence: Evidence, files: tuple[ReferenceFile, ...]) -> Iterator[Comparison]:
    for env in evidence.sweep.envs:
        for arm in evidence.arms_on(env):
            run = evidence.specs(arm, env)[0]
            for file in files:
                for public in file.scores:
                    if (public.agent, public.env) == (run.agent, env):
                        yield _compare(evidence, run, file, public)


def _compare(
    evidence: Evidence, run: RunSpec, file: ReferenceFile, public: PublicScore
) -> Comparison:
    curves = (
        evidence.curves.get((run.arm, run.env, s.seed)) for s in evidence.specs(run.arm, run.env)
    )
    ours = np.array([math.nan if curve is None else stats.final(curve) for curve in curves])
    why = "; ".join(_obstacles(ours, run, file, public))
    low, high = (math.nan, math.nan) if why else interval(ours, file, public)
    mean = float(ours.mean())
    return Comparison(run.arm, run.env, file, public, mean, len(ours), low, high, why)


def _obstacles(
    ours: Array, run: RunSpec, file: ReferenceFile, public: PublicScore
) -> Iterator[str]:
    """Why the two cannot be compared."""
    have = int(np.isfinite(ours).sum())
    if have < len(ours):
        yield f"{have} of {len(ours)} runs are finished"
    elif have < stats.SEEDS_FOR_A_RANGE:
        yield f"{have} seeds have no interval"
    if public.measured_on:
        yield f"it was measured on {public.measured_on}"
    if public.steps != run.steps:
        yield f"it trained for {public.steps:,} steps, not {run.steps:,}"
    if file.score == "training":
        yield "it is a score of training episodes"
    elif file.deterministic not in (None, run.evaluation.deterministic):
        yield "its actions were " + ("greedy" if file.deterministic else "sampled")
    if run.wrappers:
        yield f"the arm wears {', '.join(str(wrapper['name']) for wrapper in run.wrappers)}"


def interval(ours: Array, file: ReferenceFile, public: PublicScore) -> tuple[float, float]:
    """The 95 % interval of our mean less the public score."""
    n, own = len(ours), float(ours.var(ddof=1))
    parts: tuple[tuple[float, float], ...]  # variances with their degrees of freedom
    if file.spread == "seeds" and file.seeds > 1:
        parts = (own / n, n - 1), (public.sd**2 / file.seeds, file.seeds - 1)
    else:
        parts = (own * (1 + 1 / n), n - 1), (public.sd**2 / (public.episodes or 1), math.inf)
    variance = sum(part for part, _ in parts)
    inverse = sum((part / variance) ** 2 / df for part, df in parts) if variance else 0.0
    freedom = 1 / inverse if inverse else 1e9  # Welch and Satterthwaite; none known: normal
    half = float(stdtrit(freedom, (1 + stats.LEVEL) / 2)) * math.sqrt(variance)
    difference = float(ours.mean()) - public.score
    return difference - half, difference + half


def table(found: list[Comparison], evidence: Evidence) -> Table:
    """One comparison to a row."""
    rows = []
    for one in found:
        number = evidence.format(one.env)
        ours = "-" if math.isnan(one.mean) else number(one.mean)
        ends = f"[{number(one.low)}, {number(one.high)}]"
        gap = "" if one.why else f"{number(one.mean - one.public.score)} {ends}"
        low_n = " (low n)" if not one.why and one.seeds < stats.SEEDS_FOR_AN_INTERVAL else ""
        verdict = f"not comparable because {one.why}" if one.why else one.verdict + low_n
        public = f"{number(one.public.score)} ({one.file.name})"
        rows.append((one.env, one.arm, ours, str(one.seeds), public, gap, verdict))
    head = ("environment", "arm", "here", "seeds", "public", "difference", "verdict")
    return Table(head, tuple(rows))


def sources(found: list[Comparison]) -> list[str]:
    """Where the public numbers come from, and how they were made."""
    files = {one.file.name: one.file for one in found}
    return [f"{f.name}: {f.protocol} ({f.source})." for f in files.values()]
