"""The methods paragraph of a paper: what was run, how it was judged, and with which versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness import stats
from harness.config.name import joined
from harness.config.tree import grouped
from harness.report.checklist import records
from harness.report.citation import cite
from harness.report.document import Text, quoted
from harness.report.evidence import Evidence, imported
from harness.report.number import percent
from harness.report.results import acting, caption, protocol

# Beside the packages that environments come from; what else was installed is in the table.
PACKAGES = ("stable-baselines3", "sb3-contrib", "gymnasium", "torch", "numpy", "sacred")


def paragraphs(evidence: Evidence) -> list[Text]:
    """Every clause is read off the records."""
    parts = [_runs(evidence), _evaluation(evidence), _statistics(evidence), _made(evidence)]
    return [Text(" ".join(clauses)) for clauses in parts]


def _runs(evidence: Evidence) -> list[str]:
    sweep = evidence.sweep
    agents = {run.arm: f"{run.agent}{cite(f'agent:{run.agent}')}" for run in sweep.made}
    arms = grouped((agents.get(arm, "imported, not made here"), arm) for arm in sweep.arms)
    learners = joined(f"{joined(map(quoted, names))} ({agent})" for agent, names in arms.items())
    counts = Counter(map(imported.state, evidence.unique))
    ended = joined(f"{n} {state}" for state, n in sorted(counts.items()))
    number = len(sweep.arms)
    clauses = [
        f"We compare {number} arm{'s' if number > 1 else ''}, {learners}, on "
        f"{_environments(evidence)}.",
        f"{_budgets(evidence)}",
        f"All {len(evidence.unique)} training runs {'finished' if sweep.made else 'are imported'}."
        if set(counts) in ({"finished"}, {"imported"})
        else f"Of {len(evidence.unique)} training runs, {ended}.",
    ]
    return [*clauses, *caption.budgets(evidence)]


def _environments(evidence: Evidence) -> str:
    """Those that cite the same work together."""
    cards = {run.env: run.card for run in evidence.sweep.made}
    made = {env: env for env in evidence.sweep.envs}
    made |= {env: cards[env].get("id") or cards[env].get("entry_point") or env for env in cards}
    cited = grouped((cite(f"env:{made[env]}"), env) for env in evidence.sweep.envs)
    return joined(f"{joined(envs)}{source}" for source, envs in cited.items())


def _budgets(evidence: Evidence) -> str:
    table = protocol.budgets(evidence).rows
    steps = _on((budget.replace(", ", " or "), env) for env, budget, _ in table)
    seeds = _on((seeds.replace("-", "\N{EN DASH}"), env) for env, _, seeds in table)
    of = imported.steps(evidence)
    return f"Budgets in {of} are {joined(steps)}; seeds are {'; '.join(seeds)}."


def _on(values: Iterable[tuple[str, str]]) -> list[str]:
    """Each with its environments, if there are several."""
    envs = grouped(values)
    return [v if len(envs) == 1 else f"{v} on {joined(where)}" for v, where in envs.items()]


def _evaluation(evidence: Evidence) -> list[str]:
    words = protocol.everywhere(evidence)
    sentences = [*protocol.evaluation(evidence), words, acting.about(evidence)]
    return [sentence for sentence in (*sentences, *caption.metrics(evidence)) if sentence]


def _statistics(evidence: Evidence) -> list[str]:
    seeds, level = evidence.fewest_seeds, percent(stats.LEVEL)
    clauses = [f"Point estimates are interquartile means over seeds{cite('method:iqm')}."]
    shows = stats.gate("IQM", seeds, 1)
    if stats.has_interval(shows):
        clauses.append(
            f"Intervals are {level} expanded percentile intervals{cite('method:interval')} of "
            f"{stats.RESAMPLES:,} resamples of whole runs within each environment."
        )
    elif shows == "range":
        clauses.append(f"With {seeds} seeds, ranges are given instead of intervals.")
    else:
        clauses.append(f"With {seeds} seeds, no interval is given.")
    if evidence.sweep.anchors and not evidence.no_aggregates:
        clauses.append(
            "Over environments, returns are normalised to 0 at the random policy's score and 1 at "
            "a reference score, both fixed beforehand."
        )
    family = len(evidence.sweep.claims)
    by = stats.correction(claim.margin for claim in evidence.sweep.claims)
    if family:
        correction = (
            f", after {by}'s correction{cite(f'method:{by.lower()}')} for all {family} claims,"
            if family > 1
            else ""
        )
        clauses.append(
            f"The sweep makes {family} claim{'s' if family > 1 else ''}. "
            f"{records.declared(evidence)} {_decision(evidence, correction)}"
        )
    if by == "Bonferroni":
        clauses.append(
            "A claim with a margin is about the difference of the means of normalised scores, "
            "clipped to [0, 1] and paired by seed: it is decided when an interval of bets"
            f"{cite('method:betting')} lies within the margin, or beyond it."
        )
    return clauses


def _decision(evidence: Evidence, correction: str) -> str:
    plan, most = evidence.sweep.decide, "\N{LESS-THAN OR EQUAL TO}"
    if plan is None:
        return (
            f"A claim is decided when an exact permutation test of ranks"
            f"{cite('method:permutation')} gives p {most} {stats.ALPHA:g}{correction} and the "
            "interval of the difference lies on the same side of 0."
        )
    return (
        f"Claims are looked at after {plan.first} seeds and every {plan.block} more, up to "
        f"{plan.last}; arms train on while a claim of theirs is open. A claim is decided when the "
        f"anytime p of relabelled paths of the rank sum{cite('method:sequential')} is {most} "
        f"{plan.alpha:g}{correction} and the interval of the difference, at the level of the look, "
        "lies on the same side of 0."
    )


def _made(evidence: Evidence) -> list[str]:
    if not evidence.results:
        return ["No run has finished."]
    if not evidence.sweep.made:
        return ["With which code, packages and machines the runs were made is not known."]
    versions = evidence.recorded("packages")
    made_by = {str(run.card.get("id") or "").partition(":")[0] for run in evidence.sweep.made}
    wanted = dict.fromkeys((*PACKAGES, *(name for name in versions if name in made_by)))
    named = [
        f"{name} {' or '.join(versions[name])}{cite(f'package:{name}')}"
        for name in wanted
        if versions.get(name, ["not installed"]) != ["not installed"]
    ]
    pythons = evidence.recorded("machine").get("python", [])
    clauses = []
    if named:
        python = f"Python {' or '.join(pythons)} and " if pythons else ""
        whose = "The runs that were made here" if evidence.imported else "The runs"
        clauses.append(f"{whose} recorded {python}{joined(named)}.")
    if commits := evidence.recorded("git").get("commit"):
        clauses.append(f"Commits of the code: {joined(quoted(commit[:12]) for commit in commits)}.")
    clauses.append(f"Machine: {records.infrastructure(evidence).text}")
    clauses.append(f"Compute: {records.compute(evidence).text}")
    return [*clauses, *protocol.repetition(evidence)]
