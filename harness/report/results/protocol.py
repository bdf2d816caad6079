"""How the numbers were made: protocol, anchors, what the arms changed, versions. For the report."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import stats
from harness.config.name import joined
from harness.config.tree import canonical, flat, grouped, written
from harness.report.document import Code, Items, Section, Table, Text
from harness.report.evidence import Evidence, equal_tuning, imported
from harness.report.number import budget, ranges
from harness.report.results import caption
from harness.spec import Evaluation, ImportedRun, Run, RunSpec


def section(evidence: Evidence) -> Section:
    return Section("How it was made", tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> Iterator[Table | Section | Text]:
    yield budgets(evidence)
    known = "Every hyper-parameter of every arm"
    if evidence.sweep.imported:
        both = f"{known} that was made here, and what is told of those of the others"
        known = both if evidence.sweep.made else "What is told of hyper-parameters"
    yield Text(
        f"{known}: [hyperparameters.csv](hyperparameters.csv); the environments and their "
        "wrappers: [environments.csv](environments.csv)."
    )
    notes = [words for words in (everywhere(evidence), *caption.metrics(evidence)) if words]
    yield Section("Evaluation", (Items(tuple(evaluation(evidence))), *map(Text, notes)))
    yield Section("Statistics", (Text(_STATISTICS), *coverage(evidence)))
    if evidence.sweep.anchors:
        same = "That imported scores are of the same environment is taken from its name. "
        words = Text(
            same * bool(evidence.imported)
            + "(return - random) / (reference - random), with fixed anchors:"
        )
        yield Section("Normalisation", (words, anchors(evidence)))
    if len(evidence.sweep.arms) > 1 and evidence.sweep.made:
        yield departures(evidence)
    made = versions(evidence)
    if made is not None:
        yield made
    yield from map(Text, repetition(evidence))
    again = evidence.sweep.command or f"harness sweep {evidence.sweep.source}"
    lines = Code(f"{again}\nharness report {evidence.sweep.name}")
    if evidence.sweep.made:
        yield Section("To repeat it", (lines,))
    else:
        yield Section("To repeat the report", (lines, Text("The runs cannot be repeated here.")))


_STATISTICS = (
    "Point estimates are interquartile means: of T runs, floor(T / 4) are cut at each end, as in "
    "rliable. Intervals are expanded percentile intervals (Hesterberg, 2015) of "
    f"{stats.RESAMPLES:,} resamples of whole runs within each environment "
    f"({stats.BAND_RESAMPLES:,} for bands), with a fixed seed and Satterthwaite's degrees of "
    "freedom; those of P(improvement) are score intervals, those of profiles Clopper and "
    "Pearson's. They hold for these environments and say nothing of others. An arm with a missing "
    "run has no estimate where that run would count."
)


def beside(evidence: Evidence) -> Iterator[Table]:
    """Tables that are too long for a page, and lie beside it."""
    yield environments(evidence)
    yield settings(evidence)


def evaluation(evidence: Evidence) -> list[str]:
    """One sentence for each protocol in the sweep, and what is known of scores from elsewhere."""
    envs = grouped(dict.fromkeys((run.evaluation, run.env) for run in evidence.sweep.made))
    whose = "policy of each arm that was made here" if evidence.sweep.imported else "policy"
    made = [
        f"{'The' if len(envs) == 1 else f'On {joined(where)}, the'} {whose} is "
        f"{_protocol(protocol)}"
        for protocol, where in envs.items()
    ]
    return made + imported.about(evidence)


def _protocol(protocol: Evaluation) -> str:
    acting = "greedily"
    if not protocol.deterministic:
        acting = "by sampling from the policy, where an agent has one to sample from"
    return (
        f"evaluated before training, every {protocol.every:,} steps on {protocol.episodes} "
        f"episodes, and after training on {protocol.final_episodes} episodes, acting {acting}."
    )


def coverage(evidence: Evidence) -> list[Text | Table]:
    """How often intervals like those of this report hold the truth at worst, as simulated."""
    seeds = evidence.fewest_seeds
    several = len(evidence.sweep.envs) if not evidence.no_aggregates else 1
    asked = [(name, 1) for name in (*_ON_EACH, stats.CURVE_LINE)]
    if several > 1:
        over_all = (*stats.AGGREGATES, *_ON_EACH, stats.PROFILE, stats.PROFILE_LINE)
        asked += [(name, several) for name in dict.fromkeys(over_all)]
    rows = [
        (name, str(tasks), f"{100 * least.coverage:.1f} %", least.scores, str(least.seeds))
        for name, tasks in asked
        if (least := stats.worst(name, seeds, tasks)) is not None
        and _printed(evidence, name, seeds, tasks)
    ]
    if not rows:
        return []
    head = ("95 % interval of", "environments", "holds in at least", "worst scores", "simulated n")
    words = (
        "How often such intervals hold the truth, in the worst of the simulated kinds of scores "
        f"(`harness calibrate`, docs/statistics.md), with {seeds} seeds:"
    )
    return [Text(words), Table(head, tuple(rows))]


_ON_EACH = ("IQM", stats.DIFFERENCE, stats.EFFECT, stats.IMPROVEMENT)


def _printed(evidence: Evidence, statistic: str, seeds: int, tasks: int) -> bool:
    """Whether this report has such intervals."""
    if statistic in (stats.CURVE_LINE, stats.PROFILE_LINE):
        return evidence.joint_bands and stats.holds_lines(statistic, seeds, tasks)
    if statistic == stats.EFFECT and not evidence.sweep.components:
        return False
    return stats.has_interval(stats.gate(statistic, seeds, tasks))


def everywhere(evidence: Evidence) -> str:
    """What holds of every score that was made here."""
    if not evidence.sweep.imported:
        return (
            "Scores are raw returns of the environment. Evaluation episodes are reset with seeds "
            "that training never sees and that are the same for every arm."
        )
    if not evidence.sweep.made:
        return ""
    return (
        "Scores that were made here are raw returns of the environment, of episodes that are reset "
        "with seeds that training never sees and that are the same for each of these arms. The two "
        "sides had no common protocol that is known: part of a difference may be one of protocol."
    )


def budgets(evidence: Evidence) -> Table:
    """The steps of each environment."""
    rows = []
    for env in evidence.sweep.envs:
        steps = ", ".join(
            dict.fromkeys(
                budget(run.steps for run in evidence.specs(arm, env))
                for arm in evidence.arms_on(env)
            )
        )
        seeds = ranges(run.seed for run in evidence.sweep.runs if run.env == env)
        rows.append((env, steps, seeds))
    return Table(("environment", "steps", "seeds"), tuple(rows), "Budgets and seeds", "budgets")


def anchors(evidence: Evidence) -> Table:
    """What 0 and 1 are on the normalised axis."""
    rows = []
    for env, pair in evidence.sweep.anchors.items():
        for name, anchor in (("random (0)", pair.random), ("reference (1)", pair.reference)):
            measured = "" if anchor.episodes is None else f"{anchor.episodes:,}"
            error = "" if anchor.standard_error is None else f"{anchor.standard_error:g}"
            rows.append((env, name, f"{anchor.score:g}", error, measured, anchor.source))
    head = ("environment", "anchor", "score", "SE", "episodes", "source")
    return Table(head, tuple(rows), name="anchors")


def departures(evidence: Evidence) -> Table:
    """What each arm changed against the baseline, and where, if not everywhere."""
    rows = []
    for arm in evidence.sweep.arms:
        if arm == evidence.baseline:
            rows.append((arm, "the baseline", "", ""))
            continue
        pair = (evidence.baseline, arm)
        both = [env for env in evidence.sweep.envs if {*pair} <= {*evidence.arms_on(env)}]
        changes = grouped(
            (change, env)
            for env in both
            for change in _changes(*(evidence.specs(each, env)[0] for each in pair))
        )
        for (what, was, now), where in changes.items():
            place = "" if where == both else f" ({', '.join(where)})"
            rows.append((arm, what + place, was, now))
        if not changes:
            rows.append((arm, "nothing" if both else "no environment in common", "", ""))
    head = ("arm", "setting", f"in {evidence.baseline}", "in the arm")
    return Table(head, tuple(rows), f"What the arms change against {evidence.baseline}")


def _changes(baseline: Run, arm: Run) -> list[tuple[str, str, str]]:
    if isinstance(baseline, ImportedRun) or isinstance(arm, ImportedRun):
        known = {True: "not known: imported", False: "made here"}
        one, other = (known[isinstance(run, ImportedRun)] for run in (baseline, arm))
        return [("all settings", one, other)]
    before, after = _settings(baseline), _settings(arm)
    names = dict.fromkeys((*before, *after))
    shown = [(name, before.get(name, "-"), after.get(name, "-")) for name in names]
    return [change for change in shown if change[1] != change[2]]


def _settings(spec: RunSpec) -> dict[str, str]:
    """All that an arm can change, by name."""
    return {
        "agent": spec.agent,
        "steps": f"{spec.steps:,}",
        "wrappers": written(list(spec.wrappers)),
        **{name: written(value) for name, value in sorted(spec.hparams.items())},
        **{f"evaluation.{name}": written(value) for name, value in spec.evaluation},
        **{name: written(value) for name, value in _engine(spec)},
    }


def _engine(spec: RunSpec) -> Iterator[tuple[str, Any]]:
    for name, value in spec.engine:
        yield "engine" if name == "name" else f"engine.{name}", value


def settings(evidence: Evidence) -> Table:
    """Every hyper-parameter of every arm: each value, with the arms and environments it has."""
    places: dict[str, dict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    known = sorted(evidence.pairs, key=lambda pair: evidence.sweep.arms.index(pair[0]))
    for arm, env in known:
        spec = evidence.specs(arm, env)[0]
        if isinstance(spec, ImportedRun):
            for name, value in _told(evidence.specs(arm, env)).items():
                places[name][written(value)].append((arm, env))
            continue
        facts: dict[str, Any] = {"agent": spec.agent, "wrappers": list(spec.wrappers)}
        if env in evidence.sweep.tuned_on.get(arm, {}):
            tuned_on = evidence.sweep.tuned_on[arm][env]
            facts["tuned on"] = ", ".join(tuned_on) or equal_tuning.NOWHERE
        hparams = dict(sorted(flat(spec.hparams).items()))
        for name, value in (facts | hparams | dict(_engine(spec))).items():
            places[name][written(value)].append((arm, env))
    rows = [
        (name, value, _where(where, known))
        for name, values in places.items()
        for value, where in values.items()
    ]
    return Table(("setting", "value", "where"), tuple(rows), name="hyperparameters")


def _told(runs: Sequence[Run]) -> dict[str, Any]:
    """The settings that imported runs of an arm tell."""
    found = grouped(
        (name, value)
        for run in runs
        for name, value in {"agent": "not known: imported", **run.hparams}.items()
    )
    alike = {name: len(each) == len(runs) and len({*map(written, each)}) == 1
             for name, each in found.items()}  # fmt: skip
    return {
        name: each[0] if alike[name] else "differs between runs" for name, each in found.items()
    }


def _where(pairs: list[tuple[str, str]], known: list[tuple[str, str]]) -> str:
    """In few words: everywhere, some arms, some environments, or each arm with its own."""
    if len(pairs) == len(known):
        return "everywhere"
    for side, words in ((0, ""), (1, "on ")):
        some = dict.fromkeys(pair[side] for pair in pairs)
        if len(pairs) == sum(pair[side] in some for pair in known):
            others = list(dict.fromkeys(p[side] for p in known if p[side] not in some))
            if side == 0 and len(others) < len(some):
                return f"all but {', '.join(others)}"
            return words + ", ".join(some)
    return "; ".join(f"{arm} on {', '.join(where)}" for arm, where in grouped(pairs).items())


def environments(evidence: Evidence) -> Table:
    """What each environment is, and what stands between it and the agents."""
    rows = []
    for env in evidence.sweep.envs:
        made = [run for run in evidence.sweep.made if run.env == env]
        if not made:
            rows.append((env, "not known: imported", "", "", ""))
            continue
        card = made[0].card
        made_from = str(card.get("id") or card.get("entry_point") or env)
        limit = card.get("max_episode_steps")
        steps = "" if limit is None else f"{limit:,}"
        wrappers = ", ".join(_named(wrapper) for wrapper in card.get("wrappers") or ())
        rows.append((env, made_from, _options(card.get("kwargs") or {}), steps, wrappers))
    head = ("environment", "made from", "with", "limit in steps", "wrappers")
    return Table(head, tuple(rows), name="environments")


def _named(wrapper: Mapping[str, Any]) -> str:
    options = _options({name: value for name, value in wrapper.items() if name != "name"})
    return f"{wrapper['name']} ({options})" if options else str(wrapper["name"])


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={written(value)}" for name, value in options.items())


def repetition(evidence: Evidence) -> list[str]:
    """How many runs `harness verify` made once more, and what came of it."""
    found = list(evidence.certificates.values())
    if not found:
        return []
    counts = Counter(certificate["outcome"] for certificate in found)
    head = f"{len(found)} of {len(evidence.unique)} runs were repeated"
    tail = "in fresh processes (`harness verify`): every evaluation and the weights' hash compared"
    if counts["equal"] == len(found):
        text = f"{head} bit for bit {tail}."
    else:
        others = [("equal", "bit for bit"), ("differs", "with other numbers"), ("failed", "failed")]
        each = ", ".join(f"{counts[name]} {words}" for name, words in others if counts[name])
        text = f"{head} {tail}: {each}."
    same = [certificate for certificate in found if certificate["outcome"] == "equal"]
    changed = sorted({name for certificate in same for name in certificate["changed"]})
    return [text + (f" Equal although these had changed: {', '.join(changed)}." if changed else "")]


def versions(evidence: Evidence) -> Table | None:
    """Packages and machine of the first finished run; `warnings` tells when others differ."""
    if not evidence.made_results:
        return None
    result = evidence.made_results[0]
    facts = {name: result.get(name) or {} for name in ("machine", "git", "sources", "packages")}
    machine, git, packages = (
        [(name, str(value)) for name, value in sorted(facts[kind].items())]
        for kind in ("machine", "git", "packages")
    )
    device = [("device", str(result["device"]))] if "device" in result else []
    git = [(f"git {name}", value) for name, value in git]
    sources = hashlib.sha256(canonical(facts["sources"]).encode()).hexdigest()[:16]
    of = f"{len(facts['sources'])} files: {sources}"  # each has its own in result.json
    files = [("sources", of)] if facts["sources"] else []
    rows = (*machine, *device, *git, *files, *packages)
    return Table(("what", "value"), rows, "Versions", "versions")
