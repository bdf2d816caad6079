"""What the components of an ablation do, as tables and figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness import stats
from harness.report import plot
from harness.report.document import Cell, Section, Table, Text
from harness.report.evidence import Evidence, once
from harness.report.plot import Axis, Look, Panel, Plot, Rule
from harness.report.results import caption, curves
from harness.report.results.claims import SCORE_WORDS
from harness.stats import Effect, Estimate, MissingRuns


def section(evidence: Evidence) -> Iterator[Section]:
    """Where the arms differ by components that were named."""
    scores = evidence.sweep.report.scores
    made = (make(evidence, score) for score in scores for make in (table, path_table))
    if tables := [each for each in made if each.rows]:
        note = Text(f"{_NOTE} {caption.brackets(evidence)}")
        yield Section("Components", (*tables, note))


_NOTE = (
    "What a component adds is the difference of IQMs between arms with it and the same arms "
    "without it, averaged over all such pairs; `a with b` is what the two add together beyond what "
    "each adds alone. These effects belong to no claim: their intervals are not corrected for "
    "their number. The order of a path is chosen by the scores that it shows."
)


def places(evidence: Evidence) -> list[str | None]:
    """Where effects are looked at: over all environments if that can be, and on each."""
    several = len(evidence.sweep.envs) > 1 and not evidence.no_aggregates
    return [None, *evidence.sweep.envs] if several else [*evidence.sweep.envs]


def members(evidence: Evidence, envs: Sequence[str]) -> dict[str, frozenset[str]]:
    """The components of the arms that are trained on all of these environments."""
    return {
        arm: frozenset(evidence.sweep.components[arm])
        for arm in evidence.sweep.arms
        if arm in evidence.sweep.components and all(arm in evidence.arms_on(env) for env in envs)
    }


def table(evidence: Evidence, score: str) -> Table:
    """Components down, and pairs of them; environments across."""
    cells: dict[str, dict[str | None, Cell]] = defaultdict(dict)
    for env in places(evidence):
        number = evidence.format(env)
        for effect in stats.effects(members(evidence, _envs(evidence, env))):
            runs = (key for arm in effect.weights for key in evidence.keys(arm, env))
            text = stats.bracket(estimate(evidence, score, effect, env), number)
            cells[name(effect)][env] = Cell(text, runs)
    rows = tuple(
        (label, *(known.get(env, "") for env in places(evidence))) for label, known in cells.items()
    )
    head = ("component", *(env or _ALL for env in places(evidence)))
    title = f"What each adds: {caption.describe_score(evidence, score)}"
    return Table(head, rows, title, f"table_components_{score}")


_ALL = "all, normalised"


def name(effect: Effect) -> str:
    return " with ".join(effect.components)


@once
def estimate(evidence: Evidence, score: str, effect: Effect, env: str | None) -> Estimate:
    """An effect with its interval; or the reason why there is none."""
    scores, envs = evidence.scores(score, env), [env] if env else None
    try:
        parts = [stats.Part(arm, w, scores.matrix(arm, envs)) for arm, w in effect.weights.items()]
    except MissingRuns as missing:
        return stats.unavailable(str(missing))
    names = ("effect", *effect.components, *(envs or ()))
    return stats.contrast(parts, stats.iqm, *names, span=evidence.span(env))


@once
def path(evidence: Evidence, score: str, env: str | None) -> list[tuple[str, str, Estimate]]:
    """What each step adds, the arm that it leads to, and the arm's score; empty: no path."""
    of_arm = members(evidence, _envs(evidence, env))
    scores, envs = evidence.scores(score, env), [env] if env else None
    found = {arm: stats.estimate_arm(scores, arm, stats.iqm, envs) for arm in of_arm}
    if any(one.shows == "missing" for one in found.values()):
        return []
    arms = stats.path(of_arm, {arm: one.point for arm, one in found.items()})
    steps, before = [], frozenset[str]()
    for i, arm in enumerate(arms):
        added = " + ".join(sorted(of_arm[arm] - before))
        steps.append((f"+ {added}" if i else (added or "none"), arm, found[arm]))
        before = of_arm[arm]
    return steps


def path_table(evidence: Evidence, score: str) -> Table:
    env = places(evidence)[0]
    rows = tuple(
        (step, arm, Cell(stats.bracket(found, evidence.format(env)), evidence.keys(arm, env)))
        for step, arm, found in path(evidence, score, env)
    )
    title = f"From none to all: {caption.describe_score(evidence, score)}"
    return Table(("step", "arm", env or _ALL), rows, title, f"table_path_{score}")


def _envs(evidence: Evidence, env: str | None) -> Sequence[str]:
    return evidence.sweep.envs if env is None else [env]


# Figures -----------------------------------------------------------------------------------------


def effects_plot(evidence: Evidence, score: str) -> Plot | str:
    """Effects with their intervals, around 0."""
    effects = stats.effects(members(evidence, evidence.sweep.envs))
    found = {name(effect): estimate(evidence, score, effect, None) for effect in effects}
    label = f"change of the IQM of the normalised {SCORE_WORDS.get(score, score)}"
    return _rows(evidence, found, label, (Rule(_NONE, x=0.0),)) if found else ""


def path_plot(evidence: Evidence, score: str) -> Plot | str:
    """The arms along the path, from none to all."""
    steps = {step: found for step, _, found in path(evidence, score, None)}
    label = f"IQM of the normalised {SCORE_WORDS.get(score, score)}"
    return _rows(evidence, steps, label) if steps else ""


_NONE = Look("", plot.GREY, dashes=(1, 2))
_ROW = replace(plot.looks([""])[""], line=False)  # all in one look: the rows are no arms


def _rows(
    evidence: Evidence, found: dict[str, Estimate], x: str, rules: tuple[Rule, ...] = ()
) -> Plot:
    rows = curves.rows(found, dict.fromkeys(found, _ROW), evidence.format(None))
    axis = Axis(x, least=plot.LEAST)
    panel = Panel(axis, Axis(names=tuple(found)), (*rules, *rows))
    return Plot((panel,), caption.over(evidence))
