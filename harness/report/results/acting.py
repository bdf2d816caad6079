"""The two ways of acting: what final episodes score greedily and by sampling, where they differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness import stats
from harness.report.document import Section, Table, Text, behind
from harness.report.evidence import Evidence, once
from harness.report.number import bracket
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


class _Modes(NamedTuple):
    pairs: list[Pair]
    incomplete: int  # arms in environments of which only some runs have both


@once
def _modes(evidence: Evidence) -> _Modes:
    pairs, incomplete = [], 0
    for env in evidence.sweep.envs:
        for arm in evidence.arms_on(env):
            statuses = evidence.statuses_of(arm, env)
            both = [s for s in statuses if s.result and s.result.get("other_mode")]
            if both and len(both) < len(statuses):
                incomplete += 1
            elif both:
                scores = np.array([_scores(status.result or {}) for status in both])
                greedily = both[0].spec.evaluation.deterministic
                pairs.append(compared(env, arm, greedily, scores))
    return _Modes(pairs, incomplete)


def _scores(result: dict[str, dict[str, float]]) -> tuple[float, float]:
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
    """Scores in both ways where they differ, or a sentence that they do not."""
    found, words = table(evidence), about(evidence)
    if found is None:
        return [Section(TITLE, (Text(words),))] if words else []
    return [found]


def table(evidence: Evidence) -> Table | None:
    """Where the two differ by more than their error; None: nowhere."""
    rows = []
    for pair in _modes(evidence).pairs:
        number = evidence.format(pair.env)
        cells = (bracket(x, number) for x in (pair.greedy, pair.sampled, pair.difference))
        if pair.apart:
            runs = evidence.keys(pair.arm, pair.env)
            rows.append((pair.env, pair.arm, pair.scored, *behind(cells, runs)))
    head = ("environment", "arm", "scored", "greedily", "by sampling", "difference within a run")
    return Table(head, tuple(rows), TITLE, "table_modes", about(evidence)) if rows else None


def about(evidence: Evidence) -> str:
    """In how many of those that were played in both ways it matters; empty: none was."""
    pairs, incomplete = _modes(evidence)
    if not pairs:
        return ""
    missing = f" Left out, because runs are missing: {incomplete} more." if incomplete else ""
    apart, n = sum(pair.apart for pair in pairs), len(pairs)
    where = f"of {n} pair{'s' if n > 1 else ''} of an arm and an environment"
    differ = f"in {apart} {where} the two" if apart else f"in none {where} do the two"
    return (
        "The final episodes were also played in the other way of acting: greedily where the score "
        f"is by sampling, and the reverse; {differ} differ by more than their error.{missing}"
    )
