"""What the records of a sweep say to the questions of a checklist.

The docstring of each answer stands on docs/checklist.md: how it is found, for a reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from typing import Literal

from harness import stats
from harness.config.name import joined
from harness.report.evidence import Evidence, imported
from harness.report.number import fixed
from harness.report.results import caption
from harness.report.results.runs import account
from harness.seeding import ROOM, episode_seeds
from harness.spec import RunSpec

# ask: the records do not settle it, its author must; pending: they will, when all runs have ended.
Says = Literal["yes", "no", "ask", "pending"]


@dataclass(frozen=True)
class Finding:
    """The records' answer to one question, and where it can be checked."""

    says: Says
    text: str = ""
    # Files of the report; those that begin with runs/ or sweeps/ lie in the results folder.
    pointers: tuple[str, ...] = ()


Answer = Callable[[Evidence], Finding]


def author(text: str = "", *pointers: str) -> Answer:
    """A question that no record can answer."""

    def answered(evidence: Evidence) -> Finding:
        return Finding("ask", text, pointers)

    answered.__doc__ = f"Only the author can answer. {text}".strip()
    return answered


def settled(holds: bool, text: str, *pointers: str) -> Finding:
    return Finding("yes" if holds else "no", text, pointers)


def once_ended(answer: Answer) -> Answer:
    """A question whose answer would be another one with the runs that are still to come."""

    @wraps(answer)
    def answered(evidence: Evidence) -> Finding:
        state = evidence.progress()
        return Finding("pending", f"{state}.", ("runs.csv",)) if state.missing else answer(evidence)

    return answered


def _lists(names: Iterable[str], most: int = 4) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def _unknown(evidence: Evidence, what: str) -> str:
    """What no record of imported runs shows; empty where all runs were made here."""
    names = joined(evidence.imported)
    return f"{names}: not made here, and {what} not known." if names else ""


def _also(*texts: str) -> str:
    return " ".join(text for text in texts if text)


def _without(evidence: Evidence, fact: str) -> int:
    """How many of the finished runs do not tell it."""
    return sum(not result.get(fact) for result in evidence.results)


def _example(evidence: Evidence, file: str) -> tuple[str, ...]:
    """A file of the first finished run."""
    made = (s.spec for s in evidence.statuses if s.state == "finished")
    found = (s for s in made if isinstance(s, RunSpec))
    return tuple(f"runs/{s.agent}/{s.env}/{s.key}/{file}" for s in islice(found, 1))


# Models and algorithms ---------------------------------------------------------------------------


def setting(evidence: Evidence) -> Finding:
    """The records list algorithms, settings, environments and wrappers; the author writes the
    mathematics.
    """
    agents = _lists((f"{r.agent} (version {r.agent_version})" for r in evidence.sweep.made), 10)
    named = (
        f"The records name the algorithms, {agents}, with every setting, and the environments with "
        "their limits and wrappers; the mathematics is the author's."
    )
    return Finding(
        "ask",
        _also(named if agents else "", _unknown(evidence, "their algorithms and settings are")),
        ("hyperparameters.csv", "environments.csv", *_example(evidence, "spec.json")),
    )


def complexity(evidence: Evidence) -> Finding:
    """Time and memory of every arm are measured; the analysis is the author's."""
    steps = sorted({run.steps for run in evidence.sweep.made})
    if not steps:
        return Finding("ask", "Nothing was measured: the runs were not made here.")
    return Finding(
        "ask",
        "Measured: wall and CPU seconds and peak memory of the runs of each arm, at "
        f"{_lists((f'{n:,}' for n in steps), 6)} environment steps. The analysis is the author's.",
        ("runs.csv",),
    )


# Data --------------------------------------------------------------------------------------------


@once_ended
def statistics(evidence: Evidence) -> Finding:
    """Yes: environments, finished runs and steps of training are counted."""
    trained = sum(result.get("steps_trained", 0) for result in evidence.results)
    envs, made = len(evidence.sweep.envs), len(evidence.made_results)
    runs = [f"{made} finished runs, {trained:,} environment steps of training in all"]
    parts = (runs if evidence.sweep.made else []) + [
        f"{n} runs that were not made here" for n in [len(evidence.results) - made] if n
    ]
    return settled(
        bool(evidence.results),
        f"{envs} environment{'s' if envs > 1 else ''}; {', and '.join(parts)}.",
        "budgets.csv", "environments.csv", "scores.csv",
    )  # fmt: skip


def splits(evidence: Evidence) -> Finding:
    """Yes where training, the evaluations along the way and the final one share no reset seed,
    which is checked. No for imported runs.
    """
    if evidence.imported:
        return Finding("no", _unknown(evidence, "the reset seeds of their evaluation are"))
    pairs: dict[tuple[str, int], RunSpec] = {}
    for run in evidence.sweep.made:
        pairs.setdefault((run.env, run.seed), run)
    meet = [f"{env}, seed {seed}" for (env, seed), run in pairs.items() if _shared(run)]
    text = (
        "Seeds that report lie below 10,000, seeds for tuning above. Reset seeds of training, of "
        "the evaluations along the way and of the final one are disjoint"
    )
    checked = f": checked for all {len(pairs)} pairs of environment and seed."
    return settled(
        not meet, text + (checked if not meet else f", but not for {_lists(meet)}."), "budgets.csv"
    )


def _shared(run: RunSpec) -> bool:
    protocol = run.evaluation
    curve = set(episode_seeds("curve", run.env, run.seed, protocol.episodes))
    final = set(episode_seeds("final", run.env, run.seed, protocol.final_episodes))
    return bool(curve & final) or min(curve | final) < ROOM


def excluded(evidence: Evidence) -> Finding:
    """Yes: failed runs and runs with symptoms are counted, none is left out, and wrappers are
    listed. Of imported runs the author answers.
    """
    states = Counter(status.state for status in evidence.unique)
    gone = ", ".join(f"{n} {state}" for state, n in sorted(states.items()) if state != "finished")
    ill = sum(bool(status.symptoms) for status in evidence.unique if status.state == "finished")
    text = (
        "No run was left out of a number: "
        + (f"{gone} are counted and stop the estimates that need them." if gone else "none failed.")
        + (f" With symptoms of a broken learner, and in the numbers: {ill} runs." if ill else "")
        + " What changes observations, actions or rewards is listed as wrappers."
    )
    unknown = _unknown(evidence, "what was left out before, and their wrappers, are")
    return Finding(
        "ask" if unknown else "yes",
        _also(text, unknown),
        ("runs.csv", "scores.csv", "environments.csv", "hyperparameters.csv"),
    )


def environment_link(evidence: Evidence) -> Finding:
    """Yes where every environment comes from a public package, which is named with its version;
    of those that are defined in this code the author says where to get them.
    """
    packages: dict[str, str] = {}
    for result in evidence.results:
        packages |= result.get("packages") or {}
    own, public = [], []
    for run in {run.env: run for run in evidence.sweep.made}.values():
        name, module = str(run.card.get("id") or ""), str(run.card.get("entry_point") or "")
        if module:
            own.append(run.env)
        else:
            package = name.partition(":")[0] if ":" in name else "gymnasium"
            public.append(f"{run.env} of {package} {packages.get(package, '')}".rstrip())
    text = f"Public packages: {_lists(public, 10)}." if public else ""
    if own:
        text += f" Defined in this code: {_lists(own, 10)}; say where it can be downloaded."
    unknown = _unknown(evidence, "the versions of their environments are")
    files = ("environments.csv", "versions.csv") if evidence.sweep.made else ("environments.csv",)
    return Finding("ask" if own or unknown else "yes", _also(text.strip(), unknown), files)


# Code --------------------------------------------------------------------------------------------


def dependencies(evidence: Evidence) -> Finding:
    """Yes where every run recorded the versions of its packages."""
    without, n = _without(evidence, "packages"), len(evidence.results)
    text = f"The versions of packages were recorded with {n - without} of {n} runs."
    pointers = ("versions.csv", *_example(evidence, "result.json"))
    return settled(bool(n) and not without, text, *pointers)


def code(evidence: Evidence) -> Finding:
    """No where a run was made from uncommitted changes, or no commit is known; else the author says
    where the commit can be downloaded.
    """
    dirty = sum(bool((r.get("git") or {}).get("dirty")) for r in evidence.results)
    unknown, n = _without(evidence, "git"), len(evidence.results)
    if dirty or unknown or not n:
        why = f"{dirty} of {n} runs were made from code with uncommitted changes"
        if unknown or not n:
            why = f"for {unknown} of {n} runs no commit is known"
        return Finding("no", f"The code of the runs cannot be named: {why}.", ("versions.csv",))
    commits = _lists(commit[:12] for commit in evidence.recorded("git")["commit"])
    text = f"All runs were made from committed code ({commits}); say where it can be downloaded."
    return Finding("ask", text, ("versions.csv",))


def models(evidence: Evidence) -> Finding:
    """No where a run has no saved weights; else the author says where they are published."""
    without, n = _without(evidence, "weights"), len(evidence.results)
    if without or not n:
        text = f"{without} of {n} finished runs have no saved weights."
        return Finding("no", text, ("runs.csv",))
    text = (
        f"The weights at the end of all {n} finished runs are kept, with their hashes; say where "
        "they are published."
    )
    return Finding("ask", text, _example(evidence, "result.json"))


def readme(evidence: Evidence) -> Finding:
    """Yes: report.md has the tables, and the command that makes them. No for imported runs."""
    text = "report.md has the tables of results, and at its end the command that made them."
    if evidence.imported:
        names = joined(evidence.imported)
        return Finding(
            "no", f"No command makes the runs of {names}: not made here.", ("report.md",)
        )
    return settled(bool(evidence.results), text, "report.md")


# Results -----------------------------------------------------------------------------------------


def hyperparameters(evidence: Evidence) -> Finding:
    """Every hyper-parameter of every arm is listed; the author says which ranges were considered,
    and how the values were chosen. No where the settings of a run are incomplete or unknown.
    """
    if evidence.imported:
        return Finding("no", _unknown(evidence, "their settings are"), ("hyperparameters.csv",))
    known: dict[str, set[str]] = {}
    for run in evidence.sweep.made:
        known.setdefault(run.agent, set()).update(run.hparams)
    partial = [str(run) for run in evidence.sweep.made if set(run.hparams) != known[run.agent]]
    if partial:
        text = f"The settings of {len(partial)} runs are incomplete: {_lists(partial, 2)}."
        return Finding("no", text, ("hyperparameters.csv",))
    return Finding(
        "ask",
        "Every hyper-parameter of every arm is listed, defaults included; say which ranges were "
        "considered, and how the values were chosen.",
        ("hyperparameters.csv", *_example(evidence, "spec.json")),
    )


@once_ended
def runs(evidence: Evidence) -> Finding:
    """Yes where every planned run has finished; failed ones are counted too."""
    states = Counter(status.state for status in evidence.unique)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    if evidence.imported:
        known = Counter(map(imported.state, evidence.unique))
        counts = ", ".join(f"{n} {state}" for state, n in sorted(known.items()))
        missing = _unknown(evidence, "how many runs there were, and their evaluations, are")
        return Finding("no", f"{len(evidence.unique)} training runs: {counts}. {missing}")
    first = evidence.sweep.made[0].evaluation
    return settled(
        set(states) == {"finished"},
        f"{len(evidence.unique)} training runs planned: {counts}. Each is evaluated every "
        f"{first.every:,} steps on {first.episodes} episodes and at its end on "
        f"{first.final_episodes}.",
        "runs.csv", "scores.csv",
    )  # fmt: skip


def measure(evidence: Evidence) -> Finding:
    """Yes: the report defines its statistics. Of imported runs the author says what a score is."""
    unknown = _unknown(evidence, "whether their returns are raw, and of which episodes, are")
    text = (
        f"Interquartile means of {'' if unknown else 'raw '}returns over seeds, intervals by the "
        "bootstrap over whole runs; normalisation by fixed anchors: see 'How it was made'."
    )
    words = _also(text, *caption.metrics(evidence), unknown)
    return Finding("ask" if unknown else "yes", words, ("report.md",))


def without_interval(evidence: Evidence) -> list[str]:
    """The estimates that are printed without an interval."""
    found = []
    for arm, env in evidence.pairs:
        have, planned = evidence.planned.count(arm, [env])
        if have < planned:
            found.append(f"{arm} on {env} ({have} of {planned} runs)")
        elif not stats.has_interval(stats.gate("IQM", planned, 1)):
            found.append(f"{arm} on {env} ({planned} seeds)")
        for name in evidence.measured:
            measured, _ = evidence.raw[name].count(arm, [env])
            if measured < have:
                found.append(f"{name} of {arm} on {env} ({measured} of {planned} runs)")
    return found


@once_ended
def variation(evidence: Evidence) -> Finding:
    """Yes where every estimate has an interval; no where seeds are too few, or runs are missing."""
    bare = without_interval(evidence)
    scores = evidence.sweep.report.scores
    tables = (caption.table_name(evidence, score) for score in (*scores, *evidence.measured))
    files = tuple(f"{name}.csv" for name in tables)
    if bare:
        text = f"{len(bare)} estimates have no interval: {_lists(bare)}."
        return Finding("no", text, files)
    text = f"Every IQM stands with its {100 * stats.LEVEL:g} % bootstrap interval over seeds."
    return Finding("yes", text, files)


def runtime(evidence: Evidence) -> Finding:
    """Yes where every run recorded its wall time and its CPU time."""
    fields, n = ("wall_seconds", "cpu_seconds"), len(evidence.results)
    without = sum(not set(fields) <= set(result) for result in evidence.results)
    if without or not n:
        text = f"{without} of {n} finished runs tell no time."
        return Finding("no", text, ("runs.csv",))
    wall, cpu = (fixed(1)(sum(r[field] for r in evidence.results) / n) for field in fields)
    text = f"A run took {wall} s by the clock and {cpu} s of CPU on average."
    return Finding("yes", text, ("runs.csv",))


def infrastructure(evidence: Evidence) -> Finding:
    """Yes where every run recorded its machine."""
    machines = [result.get("machine") or {} for result in evidence.results]
    without = sum(not machine.get("cpu") for machine in machines)
    if without or not machines:
        text = f"The machine of {without} of {len(machines)} finished runs is not known."
        return Finding("no", text, ("versions.csv",))
    cores = (f"{m['cpu']}, {m.get('cores', 'unknown')} cores, {m.get('os', '')}" for m in machines)
    return Finding("yes", f"{_lists(cores)}.", ("versions.csv", *_example(evidence, "result.json")))


# What NeurIPS asks beyond ------------------------------------------------------------------------


@once_ended
def claims(evidence: Evidence) -> Finding:
    """Claims are counted by verdict, and how many were declared before their runs; whether the
    text says the same is the author's to answer.
    """
    found = Counter(verdict.outcome for verdict in evidence.verdicts())
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(found.items()))
    if not found:
        return Finding("ask", "The sweep declares no claim.", ("report.md",))
    return Finding("ask", f"Claims: {counts}. {declared(evidence)}", ("report.md",))


def declared(evidence: Evidence) -> str:
    """Of how many claims the records prove that they came first."""
    proven = sum(each.before_training for each in evidence.standings)
    return (
        f"By the records of this results folder, {proven} of {len(evidence.standings)} were "
        "declared before the first of their runs began."
    )


def reproducibility(evidence: Evidence) -> Finding:
    """Yes where the code is known by its commit, and no run that was repeated differed."""
    repeated = Counter(c["outcome"] for c in evidence.certificates.values())
    if repeated["differs"] or repeated["failed"]:
        bad = repeated["differs"] + repeated["failed"]
        text = f"{bad} of {sum(repeated.values())} repeated runs did not give the same numbers."
        return Finding("no", text, ("report.md",))
    found = code(evidence)
    if found.says == "no":
        return found
    text = "Command, settings, seeds, versions and machine are recorded with every run"
    checked = f"; {repeated['equal']} runs were repeated bit for bit." if repeated else "."
    return Finding("yes", text + checked, ("report.md", "hyperparameters.csv", "versions.csv"))


@once_ended
def significance(evidence: Evidence) -> Finding:
    """Yes where every estimate has an interval: the answer says what it shows and how it is
    computed.
    """
    found = variation(evidence)
    if found.says == "no":
        return found
    by = stats.correction(claim.margin for claim in evidence.sweep.claims)
    equivalent = " and, where they have a margin, by bets," if by == "Bonferroni" else ""
    text = (
        f"{found.text} They show how numbers vary with the seed, by resampling whole runs within "
        "each environment, and never leave the range of the seeds; claims are decided by exact "
        f"permutation tests{equivalent} under {by}'s correction."
    )
    return Finding("yes", text, (*found.pointers, "report.md"))


@once_ended
def compute(evidence: Evidence) -> Finding:
    """Yes where the time of every attempt is known, of failed and interrupted ones too."""
    time = runtime(evidence)
    if time.says == "no":
        return time
    found = account(evidence)
    text = f"{found.sentence} {time.text} What was tried outside this sweep is not counted."
    return settled(not found.unknown, text, "table_compute.csv", "runs.csv", "versions.csv")


def licences(evidence: Evidence) -> Finding:
    """Packages and versions are listed; the author names their licences."""
    first = evidence.results[0] if evidence.results else {}
    packages = sorted((first.get("packages") or {}).items())
    used = ", ".join(f"{name} {each}" for name, each in packages if each != "not installed")
    text = f"The runs used {used}; their licences" if used else "Licences"
    return Finding("ask", f"{text} are for the author to name.", ("versions.csv",))
