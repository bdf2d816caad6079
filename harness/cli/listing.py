"""What the verbs `ls`, `status` and `check` print: tables, and nothing that trains."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.console import Group, JustifyMethod, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from baselines import AGENTS, target
from harness import agents, envs, stats
from harness.config.shipped import shipped
from harness.config.tree import get
from harness.report import equal_tuning
from harness.report.evidence import UNUSED
from harness.spec import ResolvedSweep
from harness.store import cost, run_files
from harness.store.estimate import (
    ELSEWHERE,
    OF_PAIRS,
    WITHIN,
    Experience,
    behind,
    duration,
    not_counted,
    progress,
    to_come,
)
from harness.store.files import Damage, Damaged
from harness.store.health import told
from harness.store.reader import Store
from harness.sweep.resolve import Origins, Sweep


def table(*columns: str, title: str | None = None) -> Table:
    """Columns whose names end in ">" are numbers, set flush right."""
    result = Table(
        title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for i, column in enumerate(columns):
        justify: JustifyMethod = "right" if column.endswith(">") else "left"
        result.add_column(column.rstrip(">"), justify=justify, no_wrap=i == 0, overflow="fold")
    return result


def agents_table(store: Store, long: bool) -> RenderableType:
    rows = table("agent", "actions", "only in", "what it is")
    for name, entry in AGENTS.items():
        rows.add_row(name, ", ".join(entry.actions), ", ".join(entry.envs), entry.summary)
    return rows


def envs_table(store: Store, long: bool) -> RenderableType:
    """:param long: with what each task is, and where the numbers come from."""
    more = ("the task", "random from", "reference from") if long else ()
    rows = table("environment", "actions", "limit>", "random>", "±>", "reference>", *more)
    for name in envs.card_names():
        card = envs.card(name)
        anchors = card.scale()
        error = anchors.random.standard_error
        cells = [name, card.actions, str(card.max_episode_steps or "")]
        cells += [f"{anchors.random.score:.4g}", "" if error is None else f"{error:.2g}"]
        cells.append(f"{anchors.reference.score:.4g}")
        sources = [card.summary, anchors.random.source, anchors.reference.source]
        rows.add_row(*cells, *(sources if long else ()))
    return rows


def ablations_table(store: Store, long: bool) -> RenderableType:
    rows = table("ablation", "runs>", "question")
    for path in sorted(shipped("ablations").glob("*.yaml")):
        if path.name.endswith(".checklist.yaml"):
            continue
        loaded = Sweep.load(path)
        rows.add_row(f"ablations/{path.name}", str(len(loaded.expand().runs)), loaded.file.question)
    return rows


def runs_table(store: Store, long: bool) -> RenderableType:
    rows = table("agent", "environment", "seed>", "steps>", "state", "return>", "key")
    damages: list[Damage] = []
    for folder in sorted(store.root.glob("runs/*/*/*")):
        try:
            status = store.status(run_files.spec(folder))
        except Damaged as error:  # whose run it is nobody knows: another version's, or no run
            damages.append(error.damage)
            continue
        spec = status.spec
        shown = "" if status.result is None else f"{status.result['final']['mean']:.4g}"
        where = [spec.agent, spec.env, str(spec.seed), f"{spec.steps:,}"]
        rows.add_row(*where, status.state, shown, folder.name)
        damages += [*status.broken, *status.aside]
    return Group(rows, *named(damages))


def named(damages: Iterable[Damage]) -> Iterator[RenderableType]:
    """What is damaged, a line each."""
    for damage in damages:
        yield Text(f"damaged: {damage}", overflow="fold")


def costs_table(store: Store, long: bool) -> RenderableType:
    times = ("CPU s per 1,000 steps>", "per evaluation episode>")
    rows = table("agent", "environment", *times, "memory MB>", "disk MB>")
    for agent, found in cost.measured(store.root).items():
        for env, one in found.items():
            times = (f"{one.training:.3g}", f"{one.episode:.3g}")
            rows.add_row(agent, env, *times, f"{one.memory_mb:.0f}", f"{one.disk_mb:.2f}")
    return rows


def searches_table(store: Store, long: bool) -> RenderableType:
    """Every arm of every search that was started in this store."""
    from harness.store import searches  # Optuna, for those who have searched

    rows = table("search", "arm", "stage", "done>", "running>", "failed>", "best>", "spent")
    found = list(searches.standings(store))
    if not found:
        return f"no search was started in {store.root}"
    for one in found:
        stage = one.stage
        if stage != searches.DONE and not one.running:
            stage = f"stopped while {stage}"
        counts = [str(n or "") for n in (one.done, one.running and one.open, one.failed)]
        best = "" if one.best is None else f"{one.best:.3f}"
        rows.add_row(one.search, one.arm, stage, *counts, best, escape(one.problem or one.spent))
    return rows


LISTS: dict[str, Callable[[Store, bool], RenderableType]] = {
    "agents": agents_table,
    "envs": envs_table,
    "ablations": ablations_table,
    "runs": runs_table,
    "searches": searches_table,
    "costs": costs_table,
}


def started(store: Store) -> RenderableType:
    """All sweeps and searches that were started in this store."""
    parts = [sweeps(store)]
    if any(store.root.glob("searches/*/*/")):
        parts += ["", searches_table(store, long=False)]
    return Group(*parts)


def sweeps(store: Store) -> RenderableType:
    rows = table("sweep", "finished>", "runs>", "question")
    damages = []
    if not store.sweeps():
        return f"no sweep was started in {store.root}"
    for name in store.sweeps():
        try:
            resolved = store.sweep(name)
        except Damaged as error:
            damages.append(error.damage)
            continue
        finished = sum(store.finished(spec) for spec in resolved.runs)
        rows.add_row(name, str(finished), str(len(resolved.runs)), resolved.question)
    return Group(rows, *named(damages))


def sweep(resolved: ResolvedSweep, store: Store) -> RenderableType:
    """The state of every cell of one sweep, why runs failed, and what is to come."""
    states: dict[tuple[str, str], Counter[str]] = {}
    errors: Counter[str] = Counter()
    statuses = [store.status(spec) for spec in resolved.runs]
    for found in statuses:
        spec = found.spec
        states.setdefault((spec.arm, spec.env), Counter())[found.state] += 1
        if found.error:
            errors[found.error] += 1
    kinds = ("finished", "running", "failed", "interrupted", "damaged", "missing")
    rows = table("arm", "environment", *(f"{kind}>" for kind in kinds), title=resolved.question)
    for (arm, env), counts in states.items():
        rows.add_row(arm, env, *(str(counts[kind] or "") for kind in kinds))
    reasons = table("failed or damaged runs>", "because")
    for error, n in errors.most_common():
        reasons.add_row(str(n), escape(error))
    unique = {found.spec.key: found for found in statuses}.values()
    parts: list[RenderableType] = [rows, *([reasons] if errors else []), ""]
    ill = [escape(text) for text in told((s.spec.arm, str(s.spec), s.symptoms) for s in statuses)]
    parts += ["symptoms of a broken learner:", *ill, ""] if ill else []
    known = Experience(store)
    seconds = {s.spec.key: known.seconds(s.spec) for s in unique if to_come(s)}
    parts += [f"{progress(statuses, seconds)}.", cost.spent(unique).sentence]
    if resolved.claims:
        answers = table("claim", "", title="\nclaims")
        for claim in resolved.claims:
            state = progress(behind(claim, statuses), seconds)
            ended = f"its runs have ended: see `harness report {resolved.name}`"
            answers.add_row(escape(claim.text), f"pending: {state}" if state.missing else ended)
        parts.append(answers)
    lost = store.history(resolved.name).damage
    damages = [*(each for found in unique for each in found.aside), *([lost] if lost else [])]
    return Group(*parts, *named(damages))


def matrix(resolved: ResolvedSweep) -> RenderableType:
    """Arms by environments: how many seeds, over how many steps."""
    rows = table("arm", *(f"{env}>" for env in resolved.envs), title=resolved.question)
    for arm in resolved.arms:
        cells = []
        for env in resolved.envs:
            runs = [spec for spec in resolved.runs if (spec.arm, spec.env) == (arm, env)]
            cells.append(f"{len(runs)} x {runs[0].steps:,}" if runs else "")
        rows.add_row(arm, *cells)
    return rows


def hyperparameters(explained: Sequence[Origins]) -> RenderableType:
    """Every hyper-parameter with its origin; arms that agree stand in one line."""
    grouped: dict[tuple[str, str], dict[tuple[str, str], list[str]]] = {}
    for arm, env, settings, tuned_on in explained:
        for key, origin in settings.origins.items():
            value = json.dumps(get(settings.hparams, key))
            grouped.setdefault((env, key), {}).setdefault((value, origin), []).append(arm)
        if tuned_on is not None:
            tuned = (", ".join(tuned_on) or equal_tuning.NOWHERE, "")
            grouped.setdefault((env, "(tuned on)"), {}).setdefault(tuned, []).append(arm)
    arms = {each.arm for each in explained}
    parts: list[RenderableType] = []
    for env in dict.fromkeys(env for env, _ in grouped):
        rows = table("hyper-parameter", "value", "arms", "from", title=f"\n{env}")
        for (where, key), values in grouped.items():
            for (value, origin), who in values.items() if where == env else ():
                rows.add_row(key, value, "all" if set(who) == arms else ", ".join(who), origin)
        parts.append(rows)
    return Group(*parts)


def acting(loaded: Sweep) -> RenderableType:
    """How agents act when they are scored, and who says so."""
    rows = table("environment", "actions", "from", title="\nevaluation")
    for env in loaded.file.envs:
        found = loaded.acting(envs.card(env))
        rows.add_row(env, "greedy" if found.deterministic else "sampled", found.origin)
    return rows


def unequal_tuning(resolved: ResolvedSweep) -> RenderableType:
    """Arms that are compared and were tuned on different environments."""
    found = equal_tuning.warnings(resolved)
    return Group(*("", *(escape(f"Warning: {text}") for text in found)) if found else ())


def unused_steps(resolved: ResolvedSweep) -> RenderableType:
    """Arms whose rollouts leave more than a hundredth of their budget, the same for every seed."""
    found = []
    for run in {(run.arm, run.env): run for run in resolved.runs}.values():
        used = agents.trained_steps(run.agent, run.hparams, run.steps)
        if used < (1 - UNUSED) * run.steps:
            where = f"{run.arm} on {run.env}"
            found.append(f"{where} will learn from {used:,} of {run.steps:,} steps: the rest holds "
                         "no whole rollout")  # fmt: skip
    return Group(*("", *(escape(f"Warning: {text}.") for text in found)) if found else ())


def imports() -> RenderableType:
    """What names have imported: importing executes."""
    rows = table("", "", title="\nimported by name")
    rows.add_row("modules", ", ".join(target.IMPORTED))
    return rows


def power(resolved: ResolvedSweep) -> RenderableType:
    """What the design can show of each claim, before anything is known."""
    found = stats.abilities(resolved)
    rows = table(
        "claim", "seeds>", "environments>", "smallest p>", "after Holm>", "detectable effect>",
        title="\nwhat the claims can show",
    )  # fmt: skip
    for one in found:
        effect = stats.detectable(one.seeds, one.tasks, len(found)) if one.seeds else math.inf
        rows.add_row(
            one.claim.text, str(one.seeds), str(one.tasks), f"{one.smallest_p:.2g}",
            f"{one.adjusted:.2g}", "none" if math.isinf(effect) else f"{effect:.1f} SD",
        )  # fmt: skip
    note = (
        f"Smallest p: every run of one arm beats all of the other's. After Holm: when all "
        f"{len(found)} claims come out so well; at most {stats.ALPHA:g} is needed.\nDetectable "
        f"effect: the shift, in standard deviations over seeds, that is decided with "
        f"probability {stats.POWER:g}, if scores are normal with one spread and no other claim "
        "holds (simulated)."
    )
    return Group(rows, note, *(f"Allowed by --anyway: {text}" for text in resolved.anyway))


def coverage_table(found: Sequence[stats.Coverage]) -> RenderableType:
    head, body = stats.summary(found)
    rows = table(*head[:2], *(f"{name}>" for name in head[2:]))
    for row in body:
        rows.add_row(*row)
    note = (
        f"How often a printed {100 * stats.LEVEL:g} % interval holds the truth, in the worst of "
        f"the simulated kinds of scores: shares of {found[0].trials:,} experiments. From "
        f"{stats.LEAST:.2f} on a report prints it, from {stats.LEAST_STAMPED:.2f} on with a stamp, "
        f"below that not. Of a claim: how often two arms of one IQM are left undecided."
    )
    return Group(rows, note)


def costs(resolved: ResolvedSweep, store: Store, workers: int) -> RenderableType:
    """The number of runs, and an estimate of time, memory and disk for what is missing."""
    unique = len({spec.key for spec in resolved.runs})
    missing = store.missing(resolved.runs)
    found = Experience(store).estimate(missing)
    rows = table("", "", title="\ncost")
    rows.add_row("runs", f"{unique}, of which {unique - len(missing)} are finished")
    if found.sources:
        wall = duration(found.wall_seconds(workers))
        rows.add_row("time", f"about {wall} with {workers} runs side by side")
        rows.add_row(
            "CPU time",
            f"about {duration(found.cpu_seconds)}: training and evaluation, not the report",
        )
        rows.add_row("memory", f"about {found.memory_mb * workers:,.0f} MB")
        rows.add_row("disk", f"about {found.disk_mb:,.0f} MB")
    if found.unknown:
        rows.add_row("not counted", not_counted(found.unknown))
    for source, n in found.sources.most_common():
        rows.add_row("judged by", f"{source}: {n} run{'s' * (n > 1)}")
    if ELSEWHERE in found.sources:
        rows.add_row(
            "",
            f"so judged, {OF_PAIRS:.0%} of measured pairs come within a factor of {WITHIN}",
        )
    return rows
