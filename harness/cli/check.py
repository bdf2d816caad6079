"""`harness check`: what a sweep or a search would run, and its cost; what claims can show."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Group, RenderableType
from rich.markup import escape

from harness.cli import option, verb

if TYPE_CHECKING:
    from harness.spec import Decide, ResolvedSweep, RunSpec
    from harness.store.reader import Store
    from harness.sweep.expand import Expansion


def check(
    file: Annotated[str, typer.Argument(help="A sweep file or a search file.")],
    results: option.Results = option.DEFAULT_RESULTS,
    workers: option.Workers = 0,
    set_: option.Settings = None,
    engine: option.Engine = None,
    anyway: option.Anyway = False,
    watts: Annotated[
        float,
        typer.Option(
            min=0,
            callback=option.finite,
            help="Power of one busy core, its share of the machine.",
        ),
    ] = 10.0,
    per_hour: Annotated[
        float | None,
        typer.Option(
            min=0, callback=option.finite, help="Price of an hour of the machine, such as 0.35."
        ),
    ] = None,
) -> None:
    """Show what a sweep or a search would run, its settings and its cost. Trains nothing."""
    with verb.users_errors():
        path, store, shown = verb.find_file(file), verb.open_store(results), verb.console()
        price = Price(watts, per_hour, verb.cores(workers))
        parts = of_sweep(path, store, set_, engine, anyway, price)
        if verb.kind_of(path) == "search":
            options = {"--set": set_, "--engine": engine, "--anyway": anyway}
            for name in (name for name, given in options.items() if given):
                raise verb.user_error(name, f"{file} is a search, and this is for sweeps only")
            parts = of_search(path, store, price)
        for part in parts:
            shown.print(part)


class Price(NamedTuple):
    """What time costs: assumptions, which are told beside what comes of them."""

    watts: float  # of a busy core
    per_hour: float | None  # of the machine
    workers: int  # runs side by side

    def rows(self, cpu_seconds: float, wall_seconds: float) -> Iterator[tuple[str, str]]:
        hours = self.watts * cpu_seconds / 3_600
        energy = f"about {hours:.1f} Wh" if hours < 100 else f"about {hours / 1_000:,.1f} kWh"
        yield "energy", f"{energy}, if a busy core takes {self.watts:g} W (--watts); without GPUs"
        if self.per_hour is not None:
            money = self.per_hour * wall_seconds / 3_600
            about = f"about {money:.2g}" if money < 1 else f"about {money:,.2f}"
            yield "money", f"{about} at {self.per_hour:g} an hour (--per-hour)"


def of_sweep(
    path: Path,
    store: Store,
    set_: option.Settings,
    engine: option.Engine,
    anyway: bool,
    price: Price,
) -> Iterator[RenderableType]:
    from harness.report.evidence import equal_tuning
    from harness.sweep import uncounted
    from harness.sweep.expand import expand

    chosen, layers = verb.engine(engine), verb.overrides(set_)
    expansion = expand(path, layers, anyway, rehearse=True, engine=chosen, store=store)
    sweep = expansion.sweep
    yield matrix(sweep)
    yield acting(expansion)
    yield hyperparameters(expansion)
    yield warnings(equal_tuning.warnings(sweep))
    yield warnings(unused_steps(sweep))
    yield warnings(barriers(expansion))
    yield warnings([*uncounted.warnings(sweep)])
    if sweep.claims:
        yield power(sweep)
    if sweep.decide:
        yield from expected(sweep, sweep.decide)
    yield from margins(sweep)
    yield imports()
    yield costs(sweep, store, price)


def of_search(path: Path, store: Store, price: Price) -> Iterator[RenderableType]:
    """What each arm of a search tries, and what that costs at most."""
    from harness.config.tree import get
    from harness.search.read import read
    from harness.store.estimate import Experience, duration

    plans, experience = read(path, rehearse=True), Experience(store)
    yield plans[0].file.question
    for plan in plans:
        title = f"\n{plan.label}: {plan.agent} on {', '.join(plan.steps)}"
        rows = verb.table("hyper-parameter", "default", "tried", "why", title=title)
        for name, tried in plan.space.items():
            default = json.dumps(get(plan.base[0].hparams, name))
            rows.add_row(name, default, escape(str(tried)), escape(tried.why))
        yield rows
    yield imports()
    rows = verb.table(
        "arm", "budget>", "runs of a trial>", "their steps>", "steps of the search>",
        "steps of re-runs>", "CPU time>", title="\ncost, at most",
    )  # fmt: skip
    total = 0.0
    for plan in plans:
        budget, trial = plan.file.budget, plan.specs({}, plan.instances())
        steps = budget.steps or (budget.trials or 0) * plan.cost()
        estimate = experience.estimate(trial)
        seconds = estimate.cpu_seconds * (steps + plan.cost_after()) / sum(s.steps for s in trial)
        known = estimate.sources and not estimate.unknown and steps
        total += seconds if known else math.nan
        rows.add_row(
            plan.label, str(budget), str(len(trial)), f"{plan.cost():,}",
            f"{steps:,}" if steps else "-", f"{plan.cost_after():,}",
            f"about {duration(seconds)}" if known else "-",
        )  # fmt: skip
    yield rows
    if total == total:
        yield Group(*(": ".join(row) for row in price.rows(total, total / price.workers)))


def matrix(sweep: ResolvedSweep) -> RenderableType:
    """Arms by environments: how many seeds, over how many steps."""
    from harness.report.number import budget

    rows = verb.table("arm", *(f"{env}>" for env in sweep.envs), title=sweep.question)
    for arm in sweep.arms:
        cells = []
        for env in sweep.envs:
            runs = [spec for spec in sweep.runs if (spec.arm, spec.env) == (arm, env)]
            cells.append(f"{len(runs)} x {budget(run.steps for run in runs)}" if runs else "")
        rows.add_row(arm, *cells)
    return rows


def acting(expansion: Expansion) -> RenderableType:
    """Whether evaluation is greedy or sampled, and which file decides it."""
    from harness.envs import card
    from harness.sweep.resolve import acting_in

    rows = verb.table("environment", "actions", "from", title="\nevaluation")
    for env in expansion.sweep.envs:
        mode = acting_in(card(env), expansion.file.evaluation, expansion.sweep.source)
        rows.add_row(env, "greedy" if mode.deterministic else "sampled", mode.origin)
    return rows


def hyperparameters(expansion: Expansion) -> RenderableType:
    """Every hyper-parameter with its origin; arms that agree stand in one line."""
    from harness.config.tree import get
    from harness.report.evidence import equal_tuning

    grouped: dict[tuple[str, str], dict[tuple[str, str], list[str]]] = {}
    for arm, env, settings, tuned_on in expansion.origins():
        for key, origin in settings.origins.items():
            value = json.dumps(get(settings.hparams, key))
            grouped.setdefault((env, key), {}).setdefault((value, origin), []).append(arm)
        if tuned_on is not None:
            tuned = (", ".join(tuned_on) or equal_tuning.NOWHERE, "")
            grouped.setdefault((env, "(tuned on)"), {}).setdefault(tuned, []).append(arm)
    arms = set(expansion.sweep.arms)
    parts: list[RenderableType] = []
    for env in dict.fromkeys(env for env, _ in grouped):
        rows = verb.table("hyper-parameter", "value", "arms", "from", title=f"\n{env}")
        for (where, key), values in grouped.items():
            for (value, origin), who in values.items() if where == env else ():
                rows.add_row(key, value, "all" if set(who) == arms else ", ".join(who), origin)
        parts.append(rows)
    return Group(*parts)


def unused_steps(sweep: ResolvedSweep) -> list[str]:
    """Arms whose rollouts leave more than a hundredth of their budget, the same for every seed."""
    from harness.agents import config
    from harness.report.evidence import UNUSED

    texts = []
    for run in {(run.arm, run.env): run for run in sweep.made}.values():
        used = config(run.agent, run.hparams).trained_steps(run.steps)
        if used < (1 - UNUSED) * run.steps:
            where = f"{run.arm} on {run.env}"
            texts.append(f"{where} will train on {used:,} of {run.steps:,} steps: the rest is less "
                         "than a whole rollout.")  # fmt: skip
    return texts


def barriers(expansion: Expansion) -> list[str]:
    """Arms that pass none, where the others do."""
    from harness.agents import entry

    checkpoint = expansion.file.checkpoint
    if checkpoint is None:
        return []
    short = {(run.arm, run.env): run for run in expansion.sweep.made if not run.checkpoint}
    return [
        f"{arm} on {env} passes no barrier: it has {run.steps:,} steps, and checkpoint.every is "
        f"{checkpoint.every:,}."
        for (arm, env), run in short.items()
        if entry(run.agent).learns
    ]


def warnings(texts: Sequence[str]) -> RenderableType:
    return Group(*("", *(escape(f"Warning: {text}") for text in texts)) if texts else ())


def power(sweep: ResolvedSweep) -> RenderableType:
    """What the design can show of each claim, before any run."""
    from harness import stats

    abilities, plan = stats.abilities(sweep), sweep.decide
    by = stats.correction(claim.margin for claim in sweep.claims)
    effect = [] if plan else ["detectable effect>"]  # of looks, there is a table of its own
    rows = verb.table(
        "claim", "seeds>", "environments>", "smallest p>", f"after {by}>", *effect,
        title="\nwhat the claims can show",
    )  # fmt: skip
    for each in abilities:
        row = [
            each.claim.text, str(each.seeds), str(each.tasks), f"{each.smallest_p:.2g}",
            f"{each.adjusted:.2g}",
        ]  # fmt: skip
        if not plan:
            n = len(abilities)
            can = each.seeds and not each.claim.margin
            found = stats.detectable(each.seeds, each.tasks, n) if can else math.inf
            none = f"within {each.claim.margin}" if each.claim.margin else "none"
            size = none if math.isinf(found) else f"{found:.1f} SD"
            row.append("" if each.claim.of_worst else size)  # which is one of ranks
        rows.add_row(*row)
    ties = ", or, of a claim with a margin, all tie" if by == "Bonferroni" else ""
    note = (
        f"Smallest p: if every run of one arm beats all of the other's{ties}. After {by}: if all "
        f"{len(abilities)} claims reach it; at most {plan.alpha if plan else stats.ALPHA:g} is "
        "needed."
    )
    if not plan:
        note += (
            "\nDetectable effect: the shift, in standard deviations over seeds, that is detected "
            f"with probability {stats.POWER:g}, if scores are normal with equal spread and no "
            "other claim holds (simulated)."
        )
    return Group(rows, note, *(f"Allowed by --anyway: {text}" for text in sweep.anyway))


def expected(sweep: ResolvedSweep, plan: Decide) -> Iterator[RenderableType]:
    """The seeds that looks along the way can be expected to take, beside a fixed number of them."""
    from harness import stats

    family = len(sweep.claims)
    apart = [claim for claim in sweep.claims if not claim.margin]
    for tasks in sorted({1 if claim.env else len(sweep.envs) for claim in apart}):
        where = "one environment" if tasks == 1 else f"{tasks} environments"
        rows = verb.table(
            "true difference", "decided>", "seeds>", "as many, fixed>", f"{plan.last}, fixed>",
            title=f"\nseeds until a decision, {where}",
        )  # fmt: skip
        for each in stats.prospects(plan, tasks, family):
            rows.add_row(
                f"{each.effect:g} SD", f"{each.decided:.0%}", f"{each.seeds:.1f}",
                f"{each.same:.0%}", f"{each.cap:.0%}",
            )  # fmt: skip
        n = stats.certain(plan, tasks, family)
        least = next((k for k in plan.looks if k >= n), plan.last)
        fixed = "100%" if math.isfinite(n) else "0%"
        rows.add_row(f"0 of {least} against {least} of {least}", fixed, f"{n:g}", fixed, fixed)
        yield rows
    if apart:
        yield (
            "Decided: the probability that it is, by the cap. Seeds: of each arm, on average, "
            "after which it ends. Fixed: the probability with that many seeds that are looked at "
            "once. Simulated: scores are normal with equal spread, and no other claim holds. A "
            "fixed number of the cap finds small differences more often; looks end early where "
            "one is large."
        )


def margins(sweep: ResolvedSweep) -> Iterator[RenderableType]:
    """How soon equal arms can be expected to be found equivalent."""
    from harness import stats

    plan, family = sweep.decide, len(sweep.claims)
    if not family:
        return
    error = (plan.alpha if plan else stats.ALPHA) / family
    designs = {
        (each.claim.margin, tuple(plan.looks) if plan else (each.seeds,))
        for each in stats.abilities(sweep)
        if each.claim.margin and each.seeds
    }
    for margin, looks in sorted(designs):
        title = f"\nequal arms, with a margin of {margin}"
        head = ["scores of both", f"equivalent, {looks[-1]} seeds>", *(["seeds>"] if plan else [])]
        rows = verb.table(*head, title=title)
        for each in stats.alike(margin, error, looks):
            rows.add_row(*[each.scores, f"{each.found:.0%}", f"{each.seeds:.1f}"][: len(head)])
        yield rows
    if designs:
        yield (
            "Equivalent: the probability that they are found to be. Simulated: normalised scores "
            "around 0.5 on one environment, or 1 for a run that succeeds and 0 for another."
        )


def imports() -> RenderableType:
    """Modules imported because a file names them: importing executes code."""
    from baselines import target

    rows = verb.table("", "", title="\nimported by name")
    rows.add_row("modules", ", ".join(target.IMPORTED))
    return rows


def under(engine: str, specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The runs, those that the engine can train under it."""
    from harness import agents

    def moved(spec: RunSpec) -> RunSpec:
        chosen = spec.engine.model_copy(update={"name": engine})
        able = agents.known(spec.agent) and not agents.untrained(spec.agent, engine)
        if able and not any(agents.refused(spec.agent, chosen, spec.hparams)):
            return spec.model_copy(update={"engine": chosen})
        return spec

    return [moved(spec) for spec in specs]


def costs(sweep: ResolvedSweep, store: Store, price: Price) -> RenderableType:
    """The number of runs, and an estimate of time, memory and disk for what is missing."""
    from baselines import ENGINES
    from harness.config.name import counted
    from harness.store.estimate import (
        ELSEWHERE,
        OF_PAIRS,
        WITHIN,
        Experience,
        duration,
        not_counted,
    )

    workers, unique = price.workers, len({spec.key for spec in sweep.made})
    missing = store.missing(sweep.made)
    experience = Experience(store)
    estimate = experience.estimate(missing)
    rows = verb.table("", "", title="\ncost")
    rows.add_row("runs", f"{unique}, of which {unique - len(missing)} are finished")
    if estimate.sources:
        wall_seconds = estimate.wall_seconds(workers)
        wall, cpu = duration(wall_seconds), duration(estimate.cpu_seconds)
        rows.add_row("time", f"about {wall} with {workers} runs in parallel")
        rows.add_row("CPU time", f"about {cpu}: training and evaluation, without the report")
        rows.add_row("memory", f"about {estimate.memory_mb * workers:,.0f} MB")
        rows.add_row("disk", f"about {estimate.disk_mb:,.0f} MB")
        for row in price.rows(estimate.cpu_seconds, wall_seconds):
            rows.add_row(*row)
    for engine in ENGINES:
        other = under(engine, missing)
        if other != missing and (seconds := experience.estimate(other).cpu_seconds):
            rows.add_row(f"CPU time, {engine}", f"about {duration(seconds)} with --engine {engine}")
    if estimate.unknown:
        rows.add_row("not counted", not_counted(estimate.unknown))
    for source, n in estimate.sources.most_common():
        rows.add_row("estimated from", f"{source}: {counted(n)}")
    if ELSEWHERE in estimate.sources:
        share = f"{OF_PAIRS:.0%} of measured pairs are within a factor of {WITHIN}"
        rows.add_row("", f"with such estimates {share}")
    return rows
