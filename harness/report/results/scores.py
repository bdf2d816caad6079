"""The scores of every arm in every environment, and what there is beside them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from harness import stats
from harness.report.document import Cell, Section, Table, Text, behind
from harness.report.evidence import Evidence
from harness.report.number import parts, raw, share
from harness.report.results import acting, caption, reference
from harness.report.results.table import by_arm, by_pair
from harness.stats import MissingRuns

FEWER_SEEDS = (3, 5, 10)
_OWN = "A metric of the sweep's own, of which neither direction counts as better"


def section(evidence: Evidence) -> Section:
    note = f"IQM over seeds. {caption.brackets(evidence)}"
    return Section("Scores by environment", (*_blocks(evidence), Text(note)))


def _blocks(evidence: Evidence) -> Iterator[Table | Section]:
    for score in (*evidence.sweep.report.scores, *evidence.measured):
        yield by_environment(evidence, score)
    yield from acting.blocks(evidence)
    yield from reference.blocks(evidence)
    tables = (make(evidence) for make in (generalisation, measures, fewer_seeds))
    yield from (table for table in tables if table.rows)
    for metric in evidence.sweep.report.metrics:
        yield of_training(evidence, metric)


def by_environment(evidence: Evidence, score: str) -> Table:
    """A score of every arm in every environment: arms down, environments across, anchors last."""
    envs, own = evidence.sweep.envs, score in evidence.measured
    anchors = {} if own else evidence.sweep.anchors

    def cell(arm: str, env: str) -> str:
        used = evidence.learned_from(arm, env)
        text = stats.bracket(evidence.estimates[score][arm, env], evidence.format(env, score))
        return f"{text} after {used} steps" if used else text

    rows = by_arm(evidence, cell)
    foot = tuple(
        (
            f"({name} on the card)",
            *(
                evidence.format(env)(getattr(anchors[env], name).score) if env in anchors else ""
                for env in envs
            ),
        )
        for name in (("reference", "random") if anchors else ())
    )
    marks = {
        env: " (unequal budgets)" if do == "differ" else " (budgets not known)"
        for env, do in evidence.unequal.items()
    }
    heads = (env + marks.get(env, "") for env in envs)
    title = caption.describe_score(evidence, score)
    return Table(
        ("arm", *heads),
        rows + foot,
        f"{title[:1].upper()}{title[1:]}",
        caption.table_name(evidence, score),
        f"{_OWN if own else 'Higher is better'}; {caption.seeds(evidence)}.",
        listed=score_list(evidence, score),
        foot=len(foot),
    )


def score_list(evidence: Evidence, score: str) -> Table:
    """One estimate to a row, for machines."""
    rows = [
        (
            *(env, arm, score),
            *parts(estimate, evidence.format(env, score)),
            *map(str, evidence.raw[score].count(arm, [env])),
        )
        for (arm, env), estimate in evidence.estimates[score].items()
    ]
    head = ("env", "arm", "score", "iqm", "low", "high", "shows", "runs", "planned")
    return Table(head, tuple(rows))


def generalisation(evidence: Evidence) -> Table:
    """Final scores on the variants that training saw and on those that it never saw."""

    def rows(arm: str, env: str) -> Iterator[list[str]]:
        results = [status.result or {} for status in evidence.statuses_of(arm, env)]
        both = np.array([[r["final"]["mean"], r["test"]["mean"]] for r in results if "test" in r])
        if len(both):
            seen, unseen = both.T
            each = {"seen": seen, "unseen": unseen, "gap": seen - unseen}
            yield [
                stats.bracket(evidence.iqm(values, arm, env, name), evidence.format(env))
                for name, values in each.items()
            ]

    head = ("environment", "arm", "seen in training", "never seen", "gap within a run")
    about = "The final score everywhere else is the one on variants that training saw."
    title = "Generalisation: final score on variants of the environment"
    return Table(head, by_pair(evidence, rows), title, "table_generalisation", about)


def measures(evidence: Evidence) -> Table:
    """What the environments' cards report beside the score, at the end of the final episodes."""

    def of_arm(arm: str, env: str) -> Iterator[tuple[str, str]]:
        results = [s.result for s in evidence.statuses_of(arm, env) if s.result]
        told = [result["final"].get("measures", {}) for result in results]
        for name in dict.fromkeys(name for each in told for name in each):
            values = np.array([each[name] for each in told if name in each])
            mean = evidence.iqm(values, arm, env, name)
            yield name, stats.bracket(mean, raw(None, np.abs(values).max()))

    rows = [(env, str(name), arm, mean) for env, arm, name, mean in by_pair(evidence, of_arm)]
    rows.sort(key=lambda row: (evidence.sweep.envs.index(row[0]), row[1]))
    head = ("environment", "at the end of an episode", "arm", "mean")
    about = "How the final episodes ended, solved or not: the mean of each run, IQM over seeds."
    return Table(head, tuple(rows), "Beside the score", "table_measures", about)


def fewer_seeds(evidence: Evidence) -> Table:
    """How often studies with fewer seeds would have misled, against the baseline."""
    rows: list[tuple[str, ...]] = []
    for env, arm, score in product(
        evidence.sweep.envs, evidence.sweep.arms, evidence.sweep.report.scores
    ):
        shared = {arm, evidence.baseline} <= set(evidence.arms_on(env))
        for k in FEWER_SEEDS if shared and arm != evidence.baseline else ():
            pair = (*evidence.keys(arm, env), *evidence.keys(evidence.baseline, env))
            what = (env, f"{arm} - {evidence.baseline}", score)
            try:
                found = evidence.fewer_seeds(score, arm, env, k)
            except MissingRuns as missing:
                rows.append((*what, "", Cell(f"- ({missing})", pair), str(k), "", "", ""))
                continue
            if found is not None:
                off = share(found.off) if evidence.sweep.anchors.get(env) else "-"
                cells = (str(k), share(found.opposite), share(found.equal), off)
                difference = evidence.format(env)(found.difference)
                rows.append((*what, *behind((str(found.n), difference, *cells), pair)))
    head = ("environment", "arms", "score", "all seeds", "difference")
    asked = ("fewer seeds", "opposite", "no difference", "off by a tenth")
    title = "What studies with fewer seeds would have said"
    return Table((*head, *asked), tuple(rows), title, "table_fewer_seeds", _FEWER_SEEDS)


_FEWER_SEEDS = (
    "Differences of IQMs. Opposite: the share of the studies with so many of the seeds, the same "
    "for both arms, whose difference has the other sign than that of all seeds. Off by a tenth: "
    "the two are more than a tenth of the way from the random to the reference score apart. All "
    f"subsets of the seeds are tried, or {stats.SUBSETS:,} at random where there are more. They "
    "share seeds with the whole that judges them: studies with seeds of their own would disagree "
    "more."
)


def of_training(evidence: Evidence, name: str) -> Table:
    """Arms down, environments across: a number that training told, late in training."""
    told = evidence.metrics[name]
    number = raw(None, max(map(abs, told.values()), default=0.0))

    def cell(arm: str, env: str) -> str:
        values = evidence.of(told, arm, env)  # not every agent tells it
        return stats.bracket(evidence.iqm(values, arm, env, name), number) if values else ""

    title = f"{name}: training metric, mean of the last 20 % of steps"
    file = f"table_{name.replace('/', '_')}"
    about = "From each run's train.jsonl." if told else "No run tells it."
    return Table(("arm", *evidence.sweep.envs), by_arm(evidence, cell), title, file, about)
