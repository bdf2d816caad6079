"""What a figure's caption says: what was measured, what a bar means, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness import stats
from harness.config.name import joined
from harness.config.tree import grouped
from harness.report.document import quoted
from harness.report.evidence import Evidence, imported
from harness.report.number import count, stamp
from harness.spec import Metric

_BAR = "a 95 % interval of the stratified bootstrap over the seeds of each environment"
_BAND = "a 95 % interval of the bootstrap over whole runs, stratified by environment"
_CHANCE = "a 95 % score interval, which keeps a width where one arm always wins"
_ANCHORS = "Dashed: the reference score; dotted: the random policy."
_SHARE = "a 95 % interval of Clopper and Pearson"
# What an interval is, where it is not a bootstrap's.
_KINDS = {stats.IMPROVEMENT: _CHANCE, stats.PROFILE: _SHARE}


class Caption(NamedTuple):
    """What stands below a figure, and what its bars and bands are: many figures share that."""

    words: str
    marks: str


def fill(
    caption: str, evidence: Evidence, score: str, aggregate: bool, statistics: Sequence[str]
) -> Caption:
    """Put what is known of the sweep into a caption, and add what its reader must not miss.

    :param statistics: those whose intervals are drawn, by their names in the table of coverages.
    """
    n, tasks = evidence.fewest_seeds, len(evidence.sweep.envs) if aggregate else 1
    marks = {
        "bar": bars(statistics, n, tasks),
        "comparison": bars(statistics, n, tasks, ranges=False),
        "band": bands(statistics[0], n, tasks, evidence.joint_bands),
    }
    words = caption.format(
        score=describe_score(evidence, score),
        envs=f"{tasks} environment{'s' if tasks > 1 else ''}",
        returns="return" if evidence.imported else "raw return",
        seeds=seeds(evidence),
        baseline=evidence.baseline,
        between=_between(evidence),
        anchors=_ANCHORS if evidence.sweep.anchors and score not in evidence.measured else "",
        **dict.fromkeys(marks, ""),
    )
    words += "".join(f" **{sentence}**" for sentence in budgets(evidence))
    words += _gaps(evidence) if aggregate else ""
    used = (text for name, text in marks.items() if f"{{{name}}}" in caption)
    return Caption(" ".join(words.split()), " ".join(used))


def _between(evidence: Evidence) -> str:
    """How runs make one line that were scored at different steps, as those from elsewhere may."""
    alike = all(
        len({tuple(curve.steps) for curve in evidence.of(evidence.curves, arm, env)}) < 2
        for arm, env in evidence.pairs
    )
    return "" if alike else (
        "Where runs of an arm have scores at different steps, they are interpolated linearly, and "
        "the line covers the steps that all of them reach."
    )  # fmt: skip


def bars(statistics: Sequence[str], seeds: int, tasks: int, ranges: bool = True) -> str:
    """What stands beside the points of these statistics.

    :param ranges: false where no range is drawn, as of a difference.
    """
    known = [name for name in statistics if stats.has_interval(stats.gate(name, seeds, tasks))]
    others = [name for name in statistics if name not in known]
    # Where some have one and some have none, it must be said which.
    of_known, of_others = (
        f" of {joined(names)}" if known and others else "" for names in (known, others)
    )
    text = []
    if known:
        kind = _KINDS.get(known[0], _BAR)
        text.append(f"A bar{of_known} is {kind}: how the number would vary with other seeds.")
        text += [
            stamp(name, seeds, tasks)
            for name in known
            if stats.gate(name, seeds, tasks) == "stamped"
        ]
    if others:
        what = f"There is no bar{of_others}"
        if ranges and seeds >= stats.SEEDS_FOR_A_RANGE:
            what = f"A dotted line{of_others} is the range of the single seeds"
        text.append(f"{what}: with {count(seeds)} no interval covers often enough.")
    return " ".join(text)


def bands(statistic: str, seeds: int, tasks: int, joint: bool) -> str:
    """What surrounds a line of this statistic."""
    shows = stats.gate(statistic, seeds, tasks)
    if stats.has_interval(shows):
        whole = stats.PROFILE_LINE if statistic == stats.PROFILE else stats.CURVE_LINE
        edges = "pointwise"
        if joint and stats.holds_lines(whole, seeds, tasks):
            edges += " where shaded; between the thin lines lies the whole line at 95 %"
            edges += " (they may leave the panel)"
        text = f"The band is {_KINDS.get(statistic, _BAND)}, {edges}."
        return f"{text} {stamp(statistic, seeds, tasks)}" if shows == "stamped" else text
    why = f"with {count(seeds)} no interval covers often enough."
    if shows == "range" and statistic != stats.PROFILE:
        return f"The band is the range of the single seeds: {why}"
    return f"There is no band: {why}"


def budgets(evidence: Evidence) -> list[str]:
    """That arms had not the same budget, a sentence for those that differ, one for unknown ones."""
    envs = grouped((do, env) for env, do in evidence.unequal.items())
    return [f"Budgets {do} between arms on {joined(of)}." for do, of in envs.items()]


def brackets(evidence: Evidence) -> str:
    """What stands beside the IQMs of one environment in tables."""
    shows = {n: stats.gate("IQM", n, 1) for n in _seed_counts(evidence)}
    text = []
    if any(map(stats.has_interval, shows.values())):
        text.append("`[ ]`: 95 % interval of the bootstrap over seeds.")
    if stamped := [n for n, shown in shows.items() if shown == "stamped"]:
        text.append(f"`†` {stamp('IQM', min(stamped), 1)}")
    if "range" in shows.values():
        text.append("`{ }`: the range of the seeds, too few for an interval.")
    text.append("`(ties)`: the runs that decide it tie, so no interval can be told.")
    return " ".join(text)


def table_name(evidence: Evidence, score: str) -> str:
    """Of the files of a score's table: no metric may be called like another table."""
    return f"table_metric_{score}" if score in evidence.measured else f"table_{score}"


def describe_score(evidence: Evidence, score: str) -> str:
    for metric in evidence.sweep.metrics:
        if metric.name == score:
            return f"metric {describe_metric(evidence, metric)}"
    if score == "auc":
        first = {curve.steps[0] for curve in evidence.curves.values()}
        start = "step 0" if first <= {0.0} else "its first step"
        return f"area under the learning curve (trapezoids from {start}, divided by steps)"
    made = f"mean return of {_episodes(evidence)} episodes after training"
    parts = (made if evidence.sweep.made else "", imported.scores_of(evidence))
    return f"final score ({'; '.join(part for part in parts if part)})"


def describe_metric(evidence: Evidence, metric: Metric) -> str:
    """What it says of itself, and of what a run's number is made."""
    of = "of the run's records"
    if metric.of == "episode":
        of = f"mean of the {_episodes(evidence)} episodes after training"
    about = metric.about.rstrip(".")
    about = about[:1].lower() + about[1:] if about[1:2].islower() else about  # no abbreviation
    return f"{metric.name} ({about}; {of})"


def metrics(evidence: Evidence) -> list[str]:
    """What the metrics of the user's own are, a sentence each, with what proves it."""
    return [
        f"The metric {describe_metric(evidence, metric)} is {quoted(metric.target)}, of source "
        f"{quoted(metric.version)}."
        for metric in evidence.sweep.metrics
    ]


def _episodes(evidence: Evidence) -> str:
    counts = sorted({run.evaluation.final_episodes for run in evidence.sweep.made})
    return " or ".join(str(n) for n in counts)


def _seed_counts(evidence: Evidence) -> list[int]:
    return sorted({len(evidence.specs(arm, env)) for arm, env in evidence.pairs})


def seeds(evidence: Evidence) -> str:
    counts = _seed_counts(evidence)
    return " or ".join(map(str, counts)) + (" seed" if counts == [1] else " seeds")


def over(evidence: Evidence) -> str:
    """How many runs of each arm are behind a number over all environments."""
    count = len(evidence.sweep.envs)
    return seeds(evidence) + (f" on each of {count} environments" if count > 1 else "")


def _gaps(evidence: Evidence) -> str:
    counts = {arm: evidence.planned.count(arm) for arm in evidence.sweep.arms}
    gone = [f"{arm} ({have} of {all_} runs)" for arm, (have, all_) in counts.items() if have < all_]
    return f" Not shown, because runs are missing: {', '.join(gone)}." if gone else ""
