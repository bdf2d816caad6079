"""The scores of every arm in every environment, and what there is beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from harness import stats
from harness.report.document import Cell, Section, Table, Text, behind
from harness.report.evidence import Evidence
from harness.report.number import bracket, raw, share
from harness.report.results import acting, caption, reference
from harness.stats import Estimate, MissingRuns

FEWER_SEEDS = (3, 5, 10)


def section(evidence: Evidence) -> Section:
    note = f"IQM over seeds. {caption.brackets(evidence)}"
    return Section("Scores by environment", (*_blocks(evidence), Text(note)))


def _blocks(evidence: Evidence) -> Iterator[Table | Section]:
    for score in evidence.sweep.report.scores:
        yield by_environment(evidence, score)
    yield from acting.blocks(evidence)
    yield from reference.blocks(evidence)
    for make in (generalisation, measures, fewer_seeds):
        if (table := make(evidence)) is not None:
            yield table
    for metric in evidence.sweep.report.metrics:
        yield of_training(evidence, metric)


def by_environment(evidence: Evidence, score: str) -> Table:
    """A score of every arm in every environment."""
    title = caption.describe_score(evidence, score)
    return replace(
        score_grid(evidence, evidence.estimates[score]),
        title=f"{title[:1].upper()}{title[1:]}",
        name=f"table_{score}",
        about=f"Higher is better; {caption.seeds(evidence)}.",
        listed=score_list(evidence, score),
    )


def score_grid(evidence: Evidence, found: dict[tuple[str, str], Estimate]) -> Table:
    """Arms down, environments across, anchors last."""
    envs = evidence.sweep.envs
    formats = {env: evidence.format(env) for env in envs}

    def cell(arm: str, env: str) -> str:
        if (arm, env) not in found:
            return ""
        used = evidence.learned_from(arm, env)
        text = bracket(found[arm, env], formats[env]) + (f" after {used} steps" if used else "")
        return Cell(text, evidence.keys(arm, env))

    rows = [(arm, *(cell(arm, env) for env in envs)) for arm in evidence.sweep.arms]
    arms, anchors = len(rows), evidence.sweep.anchors
    for name in ("reference", "random") if anchors else ():
        scores = {env: getattr(anchors[env], name).score for env in envs if env in anchors}
        shown = (formats[env](scores[env]) if env in scores else "" for env in envs)
        rows.append((f"({name} on the card)", *shown))
    heads = (f"{env} (unequal budgets)" if env in evidence.unequal else env for env in envs)
    return Table(("arm", *heads), tuple(rows), foot=len(rows) - arms)


def generalisation(evidence: Evidence) -> Table | None:
    """Final scores on the variants that training saw and on those that it never saw."""
    rows = []
    for env in evidence.sweep.envs:
        number = evidence.format(env)
        for arm in evidence.arms_on(env):
            statuses = evidence.statuses_of(arm, env)
            results = [s.result for s in statuses if s.result and "test" in s.result]
            if not results:
                continue
            if len(results) < len(statuses):
                missing = stats.unavailable(f"{len(results)} of {len(statuses)} runs")
                cells = [bracket(missing, number)] * 3
                rows.append((env, arm, *behind(cells, evidence.keys(arm, env))))
                continue
            seen, unseen = (
                np.array([[result[split]["mean"]] for result in results])
                for split in ("final", "test")
            )
            cells = [
                bracket(stats.estimate(values, stats.iqm, arm, env, name), number)
                for name, values in [("seen", seen), ("unseen", unseen), ("gap", seen - unseen)]
            ]
            rows.append((env, arm, *behind(cells, evidence.keys(arm, env))))
    head = ("environment", "arm", "seen in training", "never seen", "gap within a run")
    about = "The final score everywhere else is the one on variants that training saw."
    title = "Generalisation: final score on variants of the environment"
    return Table(head, tuple(rows), title, "table_generalisation", about) if rows else None


def measures(evidence: Evidence) -> Table | None:
    """What the environments' cards report beside the score, at the end of the final episodes."""
    rows = []
    for env in evidence.sweep.envs:
        for arm in evidence.arms_on(env):
            statuses = evidence.statuses_of(arm, env)
            told = [s.result["final"].get("measures", {}) for s in statuses if s.result]
            for name in dict.fromkeys(name for each in told for name in each):
                values = np.array([[each[name]] for each in told if name in each])
                if len(values) < len(statuses):
                    found = stats.unavailable(f"{len(values)} of {len(statuses)} runs")
                else:
                    found = stats.estimate(values, stats.iqm, arm, env, name)
                mean = bracket(found, raw(None, np.abs(values).max()))
                rows.append((env, name, arm, Cell(mean, evidence.keys(arm, env))))
    rows.sort(key=lambda row: (evidence.sweep.envs.index(row[0]), row[1]))
    head = ("environment", "at the end of an episode", "arm", "mean")
    about = "How the final episodes ended, solved or not: the mean of each run, IQM over seeds."
    return Table(head, tuple(rows), "Beside the score", "table_measures", about) if rows else None


def fewer_seeds(evidence: Evidence) -> Table | None:
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
    table = Table((*head, *asked), tuple(rows), title, "table_fewer_seeds", _FEWER_SEEDS)
    return table if rows else None


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
        runs = evidence.specs(arm, env)
        found = [told[arm, env, run.seed] for run in runs if (arm, env, run.seed) in told]
        if not found:  # not every agent tells it
            return ""
        if len(found) < len(runs):
            estimate = stats.unavailable(f"{len(found)} of {len(runs)} runs")
        else:
            values = np.array(found)[:, None]  # (runs, 1)
            estimate = stats.estimate(values, stats.iqm, arm, env, name)
        return Cell(bracket(estimate, number), evidence.keys(arm, env))

    envs = evidence.sweep.envs
    rows = tuple((arm, *(cell(arm, env) for env in envs)) for arm in evidence.sweep.arms)
    title = f"{name}: training metric, mean of the last 20 % of steps"
    file = f"table_{name.replace('/', '_')}"
    return Table(("arm", *envs), rows, title, file, "From each run's train.jsonl.")


def score_list(evidence: Evidence, score: str) -> Table:
    """One estimate to a row, for machines."""
    rows = []
    for (arm, env), estimate in evidence.estimates[score].items():
        number = evidence.format(env)
        have, planned = evidence.raw[score].count(arm, [env])
        ends = stats.has_ends(estimate.shows)
        rows.append(
            (
                env,
                arm,
                score,
                "" if estimate.shows == "missing" else number(estimate.point),
                number(estimate.low) if ends else "",
                number(estimate.high) if ends else "",
                estimate.shows,
                str(have),
                str(planned),
            )
        )
    return Table(
        ("env", "arm", "score", "iqm", "low", "high", "shows", "runs", "planned"), tuple(rows)
    )
