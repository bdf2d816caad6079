"""Our scores beside public ones, and what may be said of the two.

The rule, for an arm with n runs of mean m and deviation s, and a public score r:

1. Protocols come first, field by field. Another environment version or budget, other wrappers,
   scores of training episodes, or actions drawn another way: "not comparable because ...", which
   names each, whatever the numbers. Where our runs were also played as the public ones were,
   greedily or by sampling, those scores are compared, and the row says so.
2. A public score of ONE run knows nothing of its seeds: its ± is over episodes. It is then asked
   whether that run could be one more of ours: the difference m - r has the variance
   s^2 (1 + 1/n) + sd^2 / episodes, its seed's deviation taken to be ours, and n - 1 degrees of
   freedom: a prediction interval, exact for normal scores. Where the number of episodes is not
   told, it counts as one.
3. A public score over k seeds gets Welch's interval: s^2 / n + sd^2 / k.
4. All rows of one table are one family: with K rows that can be compared, each has an interval at
   1 - 0.05 / K (Bonferroni), so 95 % hold for all of them together.
5. The interval of m - r above 0: "better". Below 0: "worse". Else "consistent", which is not
   "equal": few runs are consistent with much. So each row says how large a true difference has to
   be for such runs to tell it: the one that leaves "consistent" with probability 0.8, by
   noncentral t, its spread taken to be the one that was seen.
6. Fewer than 3 runs, a missing one, or scores that are all the same: not comparable.

Means are compared, because that is what was published.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field

from harness import stats
from harness.config.model import Strict
from harness.config.shipped import shipped
from harness.config.strict import read
from harness.report.document import Table, behind
from harness.report.evidence import Evidence
from harness.report.number import percent
from harness.spec import RunSpec
from harness.stats import Array, Gap, Public
from harness.store.run_files import OTHER_MODE

Outcome = Literal["consistent", "better", "worse", "not comparable"]


class PublicScore(Strict):
    """One row of a published table."""

    agent: str = Field(description="The agent's name here.")
    env: str = Field(description="The name of the environment's card here.")
    measured_on: str | None = Field(
        None, description="The environment's name there, if it is a different version."
    )
    steps: int = Field(ge=1, description="Environment steps of training.")
    deterministic: bool | None = Field(
        None, description="Greedy or sampled actions; default: as the file says."
    )
    wrappers: tuple[str, ...] = Field(
        (),
        description="Wrappers on top of the environment card's, by their names here.",
    )
    score: float = Field(description="The mean return that was published.")
    sd: float = Field(ge=0, description="The ± of the table; see `spread`.")
    episodes: int | None = Field(None, ge=1, description="Evaluation episodes, if given.")


class ReferenceFile(Strict):
    """configs/references/<name>.yaml: one published table of scores, and its protocol."""

    model_config = ConfigDict(title="Public scores")

    name: str = Field(description="What reports call it.")
    source: str = Field(description="Where the numbers were published, with the version.")
    protocol: str = Field(description="The protocol, in one line.")
    score: Literal["evaluation", "training"] = Field(
        description="Scores of evaluation episodes after training, or of training episodes."
    )
    deterministic: bool | None = Field(
        None,
        description="Greedy or sampled actions, for rows without this key; left out: unknown.",
    )
    seeds: int = Field(ge=1, description="Runs behind each number.")
    spread: Literal["episodes", "seeds"] = Field(description="The source of variation in ±.")
    scores: tuple[PublicScore, ...] = Field(description="The rows of the table.")

    def acting(self, public: PublicScore) -> bool | None:
        """Greedily, or by sampling; None: it is not told."""
        return self.deterministic if public.deterministic is None else public.deterministic


@dataclass(frozen=True)
class Comparison:
    """One arm on one environment beside one public score."""

    run: RunSpec  # the first of the arm's
    file: ReferenceFile
    public: PublicScore
    scores: Array  # ours, of all seeds; NaN: a run is missing
    deterministic: bool | None  # how ours acted; None: they act alike in both ways
    gap: Gap | None = None  # of our mean and the public score; None: they cannot be compared

    @property
    def mean(self) -> float:
        """Ours; NaN: a run is missing."""
        return float(self.scores.mean())

    @property
    def turned(self) -> str:
        """How ours acted, where that is not how they are scored here; empty: it is."""
        if self.deterministic in (None, self.run.evaluation.deterministic):
            return ""
        return "greedily" if self.deterministic else "by sampling"

    @property
    def why(self) -> str:
        """The two cannot be compared because of it; empty: they can."""
        return "; ".join(_obstacles(self))

    @property
    def verdict(self) -> Outcome:
        if self.gap is None:
            return "not comparable"
        return "better" if self.gap.low > 0 else "worse" if self.gap.high < 0 else "consistent"


@cache
def references() -> tuple[ReferenceFile, ...]:
    return tuple(
        read(path, ReferenceFile) for path in sorted(shipped("configs/references").glob("*.yaml"))
    )


def compare(evidence: Evidence) -> list[Comparison]:
    """Every arm with a public score for its agent in its environment, in the sweep's order."""
    beside = [
        Comparison(run, file, public, *_ours(evidence, run, file.acting(public)))
        for run in (evidence.specs(arm, env)[0] for arm, env in evidence.pairs)
        if isinstance(run, RunSpec)
        for file in references()
        for public in file.scores
        if (public.agent, public.env) == (run.agent, run.env)
    ]
    level = _level(sum(not one.why for one in beside))
    return [
        one
        if one.why
        else replace(one, gap=stats.gap(one.scores, published(one.file, one.public), level))
        for one in beside
    ]


def _level(rows: int) -> float:
    """Of each interval, so that all of these rows are right together at stats.LEVEL."""
    return 1 - (1 - stats.LEVEL) / max(1, rows)


def _ours(
    evidence: Evidence, run: RunSpec, deterministic: bool | None
) -> tuple[Array, bool | None]:
    """The final scores of an arm, acting as it is asked where its runs were played so; and how."""
    results = [s.result for s in evidence.statuses_of(run.arm, run.env) if s.result]
    others = [result[OTHER_MODE] for result in results if OTHER_MODE in result]
    told = bool(others) and len(others) == len(results)
    turned = told and all(other and other["deterministic"] == deterministic for other in others)
    finals = map(stats.final, evidence.of(evidence.curves, run.arm, run.env))
    scores = [other["mean"] for other in others] if turned else list(finals)
    gone = [math.nan] * (len(evidence.specs(run.arm, run.env)) - len(scores))
    alike = told and not any(others)
    here = deterministic if turned else run.evaluation.deterministic
    return np.array([*scores, *gone]), None if alike else here


def _obstacles(of: Comparison) -> Iterator[str]:
    run, file, public, scores = of.run, of.file, of.public, of.scores
    have = int(np.isfinite(scores).sum())
    if have < len(scores):
        yield f"{have} of {len(scores)} runs are finished"
    elif have < stats.SEEDS_FOR_A_RANGE:
        yield f"{have} seeds have no interval"
    elif np.ptp(scores) == 0:
        yield f"all of its {have} runs score the same, which says nothing of other seeds"
    if public.measured_on:
        yield f"it was measured on {public.measured_on}"
    if public.steps != run.steps:
        yield f"it trained for {public.steps:,} steps, not {run.steps:,}"
    acting = file.acting(public)
    if file.score == "training":
        yield "it is a score of training episodes"
    elif None not in (acting, of.deterministic) and acting != of.deterministic:
        yield f"its actions were {'greedy, not sampled' if acting else 'sampled, not greedy'}"
    wears = tuple(str(wrapper["name"]) for wrapper in run.wrappers)
    if wears != public.wrappers:
        theirs, here = (", ".join(names) or "none" for names in (public.wrappers, wears))
        yield f"its wrappers were {theirs}, not {here}"


def published(file: ReferenceFile, public: PublicScore) -> Public:
    """What is known of its spread; episodes that are not told count as one."""
    seeds = file.seeds if file.spread == "seeds" else 1
    return Public(public.score, public.sd, seeds, public.episodes or 1)


def about(found: list[Comparison]) -> str:
    """How the verdicts come about."""
    rows = sum(one.gap is not None for one in found)
    level = f"the {percent(stats.LEVEL)} interval of the difference leaves 0 out"
    if rows > 1:
        level = (
            "the interval of the difference leaves 0 out, at a level that holds at "
            f"{percent(stats.LEVEL)} for all {rows} compared rows together (Bonferroni: "
            f"{percent(_level(rows))} each)"
        )
    return (
        f"Means, because that is what was published. Better, worse: {level}. "
        "Of one public run it is asked whether it could be one more of ours (a prediction interval "
        "of Student's t): what its other seeds would have done is not known. "
        f"{_holds(found)}Consistent is not equal: if seeds vary as "
        f"they did here, a true difference as large as `detectable` is called better or worse in "
        f"{10 * stats.POWER:g} of 10 such comparisons, and a smaller one is missed more often."
        f"{_turned(found)}"
    )


def _turned(found: list[Comparison]) -> str:
    """Which scores of ours are not those of the other tables."""
    ways = " or ".join(f"`({way})`" for way in dict.fromkeys(one.turned for one in found) if way)
    played = "our final episodes, played as the public ones were and not as we score them"
    return f" {ways}: {played}." if ways else ""


def _holds(found: list[Comparison]) -> str:
    """How often such intervals held, for scores that are not normal."""
    compared = [one for one in found if one.gap is not None]
    if not compared:
        return ""
    seeds = min(len(one.scores) for one in compared)
    many = {published(one.file, one.public).seeds > 1 for one in compared}
    worst = (stats.worst(stats.MANY_RUNS if each else stats.ONE_RUN, seeds, 1) for each in many)
    least = min((row for row in worst if row), key=lambda row: row.coverage)
    return (
        f"Levels are exact for normal scores; the worst that was simulated, {least.scores}, was "
        f"held in {percent(least.coverage)} instead of {percent(stats.LEVEL)}, with "
        f"{least.seeds} seeds. "
    )


def blocks(evidence: Evidence) -> list[Table]:
    """A table where there is something to compare."""
    found = compare(evidence)
    return [table(found, evidence)] if found else []


def table(found: list[Comparison], evidence: Evidence) -> Table:
    """One comparison to a row."""
    rows = []
    for one in found:
        number, seeds, verdict = evidence.format(one.run.env), len(one.scores), one.verdict
        ours = "-" if math.isnan(one.mean) else number(one.mean)
        ours += f" ({one.turned})" if one.turned else ""
        cells, words = ("", ""), f"{verdict} because {one.why}"
        if one.gap is not None:
            ends = f"[{number(one.gap.low)}, {number(one.gap.high)}]"
            cells = f"{number(one.mean - one.public.score)} {ends}", number(one.gap.detectable)
            words = verdict + (" (low n)" if seeds < stats.FEW_SEEDS else "")
        runs = f"{one.file.seeds} run{'s' if one.file.seeds > 1 else ''}"
        public = f"{number(one.public.score)} ({one.file.name}, {runs})"
        row = behind(
            (ours, str(seeds), public, *cells, words), evidence.keys(one.run.arm, one.run.env)
        )
        rows.append((one.run.env, one.run.arm, *row))
    head = ("environment", "arm", "here", "seeds", "public", "difference", "detectable", "verdict")
    about_all = " ".join([about(found), *sources(found)])
    return Table(head, tuple(rows), "Beside public numbers", "table_references", about_all)


def sources(found: list[Comparison]) -> list[str]:
    """Where the public numbers come from, and how they were made."""
    files = {one.file.name: one.file for one in found}
    return [f"{f.name}: {f.protocol} ({f.source})." for f in files.values()]
