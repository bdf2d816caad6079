"""The two ways of acting: what final episodes score greedily and by sampling, where they differ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from harness import stats
from harness.report.document import Section, Table, Text, behind
from harness.report.evidence import Evidence, once
from harness.spec import RunSpec
from harness.stats import Array, Estimate

TITLE = "Acting greedily and by sampling"


class Pair(NamedTuple):
    """An arm in an environment whose final episodes were played in both ways."""

    env: str
    arm: str
    scored: str  # in which of the two its score was made
    greedy: Estimate
    sampled: Estimate
    difference: Estimate  # greedy less sampled within a run, so that seeds are paired

    @property
    def apart(self) -> bool:
        """Whether the two differ by more than their error.

        The interval of the difference must leave 0 out; where too few seeds have none, all of them
        must agree on the sign. Of fewer than three, or of seeds that tie, no error is known.
        """
        if stats.has_ends(self.difference.shows):
            return self.difference.low > 0 or self.difference.high < 0
        return self.difference.point != 0


@once
def pairs(evidence: Evidence) -> list[Pair]:
    """Those of which every run was played in both ways."""
    found = []
    for arm, env in evidence.pairs:
        results = _in_both(evidence, arm, env)
        if results and len(results) == len(evidence.specs(arm, env)):
            spec = evidence.specs(arm, env)[0]
            greedily = isinstance(spec, RunSpec) and spec.evaluation.deterministic
            found.append(compared(env, arm, greedily, np.array([*map(_scores, results)])))
    return found


def _in_both(evidence: Evidence, arm: str, env: str) -> list[dict[str, Any]]:
    results = [status.result for status in evidence.statuses_of(arm, env) if status.result]
    return [result for result in results if result.get("other_mode")]


def _scores(result: dict[str, Any]) -> tuple[float, float]:
    """Greedily and by sampling."""
    final, other = result["final"]["mean"], result["other_mode"]["mean"]
    return (other, final) if result["other_mode"]["deterministic"] else (final, other)


def compared(env: str, arm: str, greedily: bool, scores: Array) -> Pair:
    """:param scores: greedily and by sampling, (runs, 2)."""
    greedy, sampled = scores[:, :1], scores[:, 1:]
    named = {"greedy": greedy, "sampled": sampled, "difference": greedy - sampled}
    found = {n: stats.estimate(values, stats.iqm, arm, env, n) for n, values in named.items()}
    return Pair(env, arm, "greedily" if greedily else "by sampling", **found)


def blocks(evidence: Evidence) -> list[Table | Section]:
    """Scores in both ways where they differ by more than their error, or that they do not."""
    rows, words = [], about(evidence)
    for pair in pairs(evidence):
        if pair.apart:
            estimates = (pair.greedy, pair.sampled, pair.difference)
            cells = (stats.bracket(each, evidence.format(pair.env)) for each in estimates)
            runs = evidence.keys(pair.arm, pair.env)
            rows.append((pair.env, pair.arm, pair.scored, *behind(cells, runs)))
    if rows:
        ways = ("greedily", "by sampling", "difference within a run")
        head = ("environment", "arm", "scored", *ways)
        return [Table(head, tuple(rows), TITLE, "table_modes", words)]
    return [Section(TITLE, (Text(words),))] if words else []


def about(evidence: Evidence) -> str:
    """In how many of those that were played in both ways it matters; empty: none was."""
    n, apart = len(pairs(evidence)), sum(pair.apart for pair in pairs(evidence))
    if not n:
        return ""
    incomplete = sum(bool(_in_both(evidence, *pair)) for pair in evidence.pairs) - n
    missing = f" Left out, because runs are missing: {incomplete} more." if incomplete else ""
    where = f"of {n} pair{'s' if n > 1 else ''} of an arm and an environment"
    differ = f"in {apart} {where} the two" if apart else f"in none {where} do the two"
    return (
        "The final episodes were also played in the other way of acting: greedily where the score "
        f"is by sampling, and the reverse; {differ} differ by more than their error.{missing}"
    )
