"""What a reader must be warned of: what makes the numbers less comparable than they look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations, pairwise

from harness.config.name import joined
from harness.config.tree import grouped
from harness.provenance import CPU
from harness.report.document import quoted
from harness.report.evidence import Evidence, equal_tuning, origin
from harness.report.number import budget
from harness.spec import RunSpec
from harness.store import health
from harness.store.reader import RunStatus


def warnings(evidence: Evidence) -> list[str]:
    return [
        *_idle_gpus(evidence),
        *_imported(evidence),
        *_damaged(evidence),
        *_ill(evidence),
        *_wasteful(evidence),
        *_unmeasured(evidence),
        *_looked(evidence),
        *_allowed_anyway(evidence),
        *_unequal_budgets(evidence),
        *_begin_apart(evidence),
        *equal_tuning.warnings(evidence.sweep),
        *_unused_budgets(evidence),
        *origin.warnings(evidence.statuses),
        *_shared_runs(evidence),
        *_learned_alike(evidence),
        *_unwitnessed(evidence),
        *_unrepeated(evidence),
    ]


def _idle_gpus(evidence: Evidence) -> Iterable[str]:
    """Machines of which `harness doctor` wrote that they have a GPU, and no run learned on it."""
    made = [(_host(status), status.result) for status in evidence.unique if status.result]
    for machine in evidence.machines:
        found = {each["part"]: each for each in machine["findings"]}
        gpus = found.get("gpu", {}).get("facts", {}).get("gpus")
        devices = [result.get("device") for host, result in made if host == machine["host"]]
        if not gpus or not devices or set(devices) != {CPU}:
            continue
        paid = "paid for" if machine.get("asked_for_gpu") else "there"
        unused = found.get("torch", {"state": "fine"})
        why = f" ({unused['text']})" if unused["state"] != "fine" else ""
        yield (
            f"A GPU was {paid} and not used: {machine['host']} has {', '.join(gpus)}, and all "
            f"{len(devices)} runs that were made there learned on the CPU{why}. With `engine: "
            "{device: cuda}` in the sweep file they learn on it."
        )
    for damage in evidence.damaged_machines:
        yield f"{damage.path.name} is damaged: whether a GPU went unused there is not known."


def _host(status: RunStatus) -> str | None:
    """Where the attempt was made that has the result."""
    starts = [line for line in status.log if "started" in line]
    return starts[-1].get("host") if starts else None


def _imported(evidence: Evidence) -> Iterable[str]:
    """Arms of which the records prove nothing but their scores."""
    if evidence.imported:
        runs = sum(map(len, evidence.imported.values()))
        yield (
            f"Not made here, but imported: {joined(evidence.imported)} ({runs} runs). Nothing "
            "proves how they were evaluated, with which seeds and settings, and that none was left "
            "out: see 'Evaluation'."
        )


def _damaged(evidence: Evidence) -> Iterable[str]:
    """Runs that are no longer as they were when they finished, and what else cannot be read."""
    broken = [status for status in evidence.unique if status.state == "damaged"]
    if broken:
        yield (
            f"{len(broken)} of {len(evidence.unique)} runs are damaged and count as missing, first "
            f"{broken[0].spec} ({broken[0].error}). The same command makes them again."
        )
    beside = Counter(each.path.name for status in evidence.unique for each in status.aside)
    for name, n in sorted(beside.items()):
        runs = f"{n} run{'s' if n > 1 else ''}"
        yield f"{name} of {runs} is damaged: what it told is missing here, and no score."
    if evidence.lost_histories:
        yield (
            f"The history of the sweep {', '.join(evidence.lost_histories)} is damaged: seeds and "
            "claims may have been changed after a look without a word of it here."
        )


def _ill(evidence: Evidence) -> Iterable[str]:
    """Runs whose learner was broken, whatever they score."""
    ill = [status for status in evidence.unique if status.symptoms]
    if ill:
        runs = ((s.spec.arm, str(s.spec), s.symptoms) for s in evidence.statuses)
        yield (
            f"{len(ill)} of {len(evidence.unique)} runs show symptoms of a broken learner. They "
            f"count with the score that they have. {'; '.join(health.told(runs))}."
        )


def _wasteful(evidence: Evidence) -> Iterable[str]:
    """Runs that took more and more memory, or time for a step."""
    wasteful = [status for status in evidence.unique if status.waste]
    if wasteful:
        runs = ((s.spec.arm, str(s.spec), s.waste) for s in evidence.statuses)
        yield (
            f"{len(wasteful)} of {len(evidence.unique)} runs took more and more memory, or more "
            f"and more time for a step. No score depends on it. {'; '.join(health.told(runs))}."
        )


def _unmeasured(evidence: Evidence) -> Iterable[str]:
    """Finished runs of which a metric of the user's own has made no number."""
    finished = [
        status.spec
        for status in evidence.statuses
        if status.state == "finished" and isinstance(status.spec, RunSpec)
    ]
    for name, of in evidence.measured.items():
        made = [of.get((run.arm, run.env, run.seed)) for run in finished]
        without = [i for i, one in enumerate(made) if one is None or one.value is None]
        if without:
            one, run = made[without[0]], finished[without[0]]
            why = quoted(one.error) if one else "it was not measured: `harness sweep` does it"
            yield (
                f"{name} has no number of {len(without)} of {len(finished)} finished runs, first "
                f"{run}: {why}."
            )


def _looked(evidence: Evidence) -> Iterable[str]:
    """What was changed when a report had been written already, or runs had finished."""
    for before, after in pairwise(evidence.history):
        ended = sum(after.get("finished", {}).values())
        if not (after.get("reported") or ended):
            continue
        seen = (
            "a report had been written" if after.get("reported") else f"{ended} runs had finished"
        )
        when = f"on {after['at'][:10]}, after {seen}"
        seeds, now = set(before["seeds"]), set(after["seeds"])
        plan = after.get("decide")
        if plan != before.get("decide"):
            yield f"The plan of looks was changed {when}: the error that it keeps is not known."
        if now - seeds and not plan:  # else they are a block, and accounted for
            yield (
                f"Seeds were added {when}: {len(seeds)} before, {len(now)} after. The p-values "
                "and intervals do not account for the look in between."
            )
        if seeds - now:
            yield f"Seeds were dropped {when}: {len(seeds)} before, {len(now)} after."
        if set(before["claims"]) != set(after["claims"]):
            yield f"The claims were changed {when}: the family of the tests is not the first one."
        old, new = before.get("arms", {}), after.get("arms", {})
        changed = [arm for arm in old if arm in new and old[arm] != new[arm]]
        if changed:
            yield (
                f"Redefined under the old name {when}: {', '.join(changed)}. What was there "
                "before is not in this report."
            )
        gone = [arm for arm in old if arm not in new]
        if gone:
            yield f"Arms were dropped {when}: {', '.join(gone)}."


def _allowed_anyway(evidence: Evidence) -> Iterable[str]:
    for objection in evidence.sweep.anyway:
        yield f"Trained although no outcome could decide a claim (--anyway). {objection}."


def _unequal_budgets(evidence: Evidence) -> Iterable[str]:
    for env, do in evidence.unequal.items():
        of_arms = grouped(
            (budget(run.steps for run in evidence.specs(arm, env)), arm)
            for arm in evidence.arms_on(env)
        )
        each = (f"{steps}: {', '.join(arms)}" for steps, arms in of_arms.items())
        steps = f"in steps ({'; '.join(each)})"
        if do == "differ":
            yield f"Unequal budgets on {env}, {steps}: not a fair comparison."
        else:
            yield f"Budgets on {env} {do}, {steps}: perhaps not a fair comparison."


def _begin_apart(evidence: Evidence) -> Iterable[str]:
    for env, first in evidence.begin_apart.items() if "auc" in evidence.raw else ():
        arms = grouped((step, arm) for arm, step in first.items())
        each = "; ".join(f"{step:,}: {', '.join(of)}" for step, of in arms.items())
        yield (
            f"Curves on {env} begin at different steps ({each}): the areas under them are over "
            "different parts of training."
        )


def _unused_budgets(evidence: Evidence) -> Iterable[str]:
    for env in evidence.sweep.envs:
        for arm in evidence.arms_on(env):
            used = evidence.learned_from(arm, env)
            if used:
                steps = sorted({spec.steps for spec in evidence.specs(arm, env)})
                of = " or ".join(f"{n:,}" for n in steps)
                yield f"{arm} on {env} learned from {used} of {of} steps: the rest held no update."


def _shared_runs(evidence: Evidence) -> Iterable[str]:
    runs: dict[str, set[str]] = {arm: set() for arm in evidence.sweep.arms}
    for run in evidence.sweep.runs:
        runs[run.arm].add(run.key)
    for i, arm in enumerate(evidence.sweep.arms):
        for other in evidence.sweep.arms[i + 1 :]:
            if runs[arm] == runs[other]:
                yield f"{arm} and {other} are the same runs under two names."


def _learned_alike(evidence: Evidence) -> Iterable[str]:
    """Arms that are different runs, whose difference never came into effect."""
    learned: dict[str, dict[tuple[str, int], tuple[str, str]]] = {}
    for status in evidence.statuses:
        run, result = status.spec, status.result
        if isinstance(run, RunSpec) and result and result["steps_trained"]:
            learned.setdefault(run.arm, {})[run.env, run.seed] = run.key, result["weights"]
    for (arm, ours), (other, theirs) in combinations(learned.items(), 2):
        both = Counter(env for env, seed in ours if (env, seed) in theirs)
        same = Counter(
            env
            for (env, seed), (key, weights) in ours.items()
            if (env, seed) in theirs
            and theirs[env, seed][0] != key
            and theirs[env, seed][1] == weights
        )
        if same:
            where = joined(f"{n} of {both[env]} seeds on {env}" for env, n in same.items())
            yield (
                f"{arm} and {other} learned the same, bit for bit, with {where}: what sets them "
                "apart did nothing there."
            )


def _unwitnessed(evidence: Evidence) -> Iterable[str]:
    results = [status.result or {} for status in evidence.unique]
    lost = sum(not result.get("sacred", {}).get("complete", True) for result in results)
    if lost:
        yield (
            f"Sacred's record is incomplete for {lost} of {len(results)} runs; the scores here do "
            "not come from it."
        )


def _unrepeated(evidence: Evidence) -> Iterable[str]:
    """Runs whose repetition gave other numbers."""
    named = {status.spec.key: status.spec for status in evidence.unique}
    parted = {key: c for key, c in evidence.certificates.items() if c["outcome"] == "differs"}
    if parted:
        key, certificate = min(parted.items(), key=lambda item: item[1]["first"]["step"])
        first, changed = certificate["first"], certificate["changed"]
        yield (
            f"{len(parted)} of {len(evidence.certificates)} repeated runs did not give the same "
            f"numbers again. {named[key]}: first at step {first['step']:,} ({first['what']}); "
            f"{'changed: ' + ', '.join(changed) if changed else 'nothing recorded had changed'}."
        )
