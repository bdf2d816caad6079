"""`harness ls`: what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape

from harness.cli import option, verb

if TYPE_CHECKING:
    from rich.table import Table

    from harness.envs import Card
    from harness.spec import KnownAnchors
    from harness.store.files import Damage
    from harness.store.reader import Store


def ls(
    what: Annotated[
        str,
        typer.Argument(
            help="What to list: agents, bonuses, envs, wrappers, executors, metrics, figures, "
            "ablations, runs, searches or costs."
        ),
    ],
    results: option.Results = option.DEFAULT_RESULTS,
    long: Annotated[bool, typer.Option("--long", help="For envs: with tasks and sources.")] = False,
) -> None:
    """List what there is of one kind, and where each thing is from."""
    with verb.users_errors():
        from harness.config.strict import suggest

        if what not in LISTS:
            raise verb.user_error("ls", f"no list of '{what}'.{suggest(what, LISTS)}")
        verb.console().print(LISTS[what](verb.open_store(results), long))


def agents(store: Store, long: bool) -> RenderableType:
    from baselines import entry, names

    rows = verb.table("agent", "actions", "only in", "what it is", "from")
    for name, target, origin in _all("agents", names()):
        with _usable(rows, name, target, origin):
            agent = entry(target)
            cells = [", ".join(agent.actions), ", ".join(agent.envs), agent.summary]
            rows.add_row(name, *cells, origin)
    _add_own(rows, "agents")
    return rows


def bonuses(store: Store, long: bool) -> RenderableType:
    """Bonuses, and the learners that take them: `ppo_rnd` is `ppo` with `rnd`."""
    from baselines import AGENTS, BONUSES, REACHES, load_bonus, takes

    rows = verb.table("bonus", "computed from", "learners", "what it is", "from")
    for name, target, origin in _all("bonuses", BONUSES):
        with _usable(rows, name, target, origin):
            kind = load_bonus(target)
            learners = [learner for learner in AGENTS if takes(learner, target)]
            cells = [REACHES[kind.reach], ", ".join(learners), kind.summary]
            rows.add_row(name, *cells, origin)
    _add_own(rows, "bonuses")
    return rows


def envs(store: Store, long: bool) -> RenderableType:
    """Nothing that a card of the current folder or of a package names is imported.

    :param long: with what each task is, and where the numbers come from.
    """
    from harness.config import declared, strict, study
    from harness.envs import Card, card, card_names

    more = ("the task", "random from", "reference from") if long else ()
    columns = ("actions", "limit>", "random>", "±>", "reference>", *more, "from")
    rows = verb.table("environment", *columns)
    for name in card_names():
        shipped = card(name)
        rows.add_row(name, *_facts(shipped, shipped.scale() or shipped.anchors, long), "ships")
    for thing in declared.declared("envs"):
        with _usable(rows, thing.name, thing.target, thing.package):
            each = strict.read(declared.card_file(thing), Card)
            rows.add_row(thing.name, *_facts(each, each.anchors, long), thing.package)
    for path in study.cards(Path()):
        with _usable(rows, path.stem, path.stem, str(path)):
            each = strict.read(path, Card)
            rows.add_row(path.stem, *_facts(each, each.anchors, long), str(path))
    return rows


def _facts(card: Card, anchors: KnownAnchors | None, long: bool) -> list[str]:
    limit = str(card.max_episode_steps or "")
    if anchors is None:
        sources = [card.summary, "", ""]
        return [card.actions, limit, "", "", "", *(sources if long else ())]
    random, reference = anchors.random, anchors.reference
    error = random.standard_error
    cells = [card.actions, limit, f"{random.score:.4g}"]
    cells += ["" if error is None else f"{error:.2g}"]
    cells += ["" if reference is None else f"{reference.score:.4g}"]
    sources = [card.summary, random.source, "" if reference is None else reference.source]
    return [*cells, *(sources if long else ())]


def wrappers(store: Store, long: bool) -> RenderableType:
    from harness.envs.wrappers import WRAPPERS, wrapper

    rows = verb.table("wrapper", "in", "what it is", "from")
    for name, target, origin in _all("wrappers", WRAPPERS):
        with _usable(rows, name, target, origin):
            each = wrapper(target)
            where = "training" if each.kind == "training" else "training and evaluation"
            rows.add_row(name, where, each.summary, origin)
    _add_own(rows, "wrappers")
    return rows


def executors(store: Store, long: bool) -> RenderableType:
    from harness.train.executors import EXECUTORS, executor

    rows = verb.table("executor", "what it is", "from")
    for name, target, origin in _all("executors", EXECUTORS):
        with _usable(rows, name, target, origin):
            made = EXECUTORS.get(target) or executor(target)
            rows.add_row(name, (made.__doc__ or "").strip().partition("\n")[0], origin)
    return rows


def metrics(store: Store, long: bool) -> RenderableType:
    """Scores: those of every sweep, of packages, and of the study."""
    from harness import own
    from harness.report.results.claims import SCORE_WORDS

    rows = verb.table("metric", "made of", "what it is", "from")
    for name, target, origin in _all("metrics", SCORE_WORDS):
        with _usable(rows, name, target, origin):
            each = own.metric(name) if name not in SCORE_WORDS else None
            about = each.about if each else SCORE_WORDS[name]
            rows.add_row(name, each.of if each else "run", about, origin)
    _add_own(rows, "metrics")
    return rows


def figures(store: Store, long: bool) -> RenderableType:
    """Those of every report, of packages, and of the study."""
    from harness import own
    from harness.report.results.figures import FIGURES

    rows = verb.table("figure", "what it shows", "from")
    for name, target, origin in _all("figures", FIGURES):
        with _usable(rows, name, target, origin):
            shown = FIGURES[name].title if name in FIGURES else own.figure(name).about
            rows.add_row(name, shown, origin)
    _add_own(rows, "figures")
    return rows


def _add_own(rows: Table, group: str) -> None:
    """What the sweep files of the current folder name. Nothing of it is imported."""
    from harness.config import study

    named = {target: path for target, place, path in study.named_in(Path()) if OWN[group] in place}
    between = [""] * (len(rows.columns) - 3)
    for target, path in named.items():
        rows.add_row(target, *between, escape(study.docstring(Path(), target)), str(path))


def _all(group: str, ships: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """All that ships and all that packages declare: name, what it stands for, where it is from."""
    from harness.config import declared

    yield from ((name, name, "ships") for name in ships)
    yield from ((each.name, each.target, each.package) for each in declared.declared(group))


@contextmanager
def _usable(rows: Table, name: str, target: str, origin: str) -> Iterator[None]:
    """What cannot be used stands in the list with the reason."""
    from harness.config import study
    from harness.config.strict import UserError

    try:
        yield
    except Exception as error:  # whatever a package raises while it is imported
        told = isinstance(error, KeyError | UserError)
        why = str(error.args[0]) if told else study.not_usable(target, error)
        between = [""] * (len(rows.columns) - 3)
        rows.add_row(name, *between, escape(why), origin)


def ablations(store: Store, long: bool) -> RenderableType:
    from harness.config.shipped import shipped
    from harness.sweep.expand import expand

    rows = verb.table("ablation", "runs>", "question")
    for path in sorted(shipped("ablations").glob("*.yaml")):
        if not path.name.endswith(".checklist.yaml"):
            sweep = expand(path).sweep
            rows.add_row(f"ablations/{path.name}", str(len(sweep.runs)), sweep.question)
    return rows


def runs(store: Store, long: bool) -> RenderableType:
    from harness.spec import RunSpec
    from harness.store import run_files
    from harness.store.files import Damaged

    rows = verb.table("agent", "environment", "seed>", "steps>", "state", "return>", "key")
    damages: list[Damage] = []
    for folder in sorted(store.root.glob("runs/*/*/*")):
        try:
            status = store.status(run_files.spec(folder))
        except Damaged as error:  # whose run it is nobody knows: another version's, or no run
            damages.append(error.damage)
            continue
        spec = status.spec
        score = "" if status.result is None else f"{status.result['final']['mean']:.4g}"
        whose = spec.agent if isinstance(spec, RunSpec) else f"{spec.origin.name}/{spec.origin.arm}"
        where = [whose, spec.env, str(spec.seed), f"{spec.steps:,}" if spec.steps else "-"]
        rows.add_row(*where, status.state, score, folder.name)
        damages += [*status.broken, *status.aside]
    return Group(rows, *verb.damage_lines(damages))


def costs(store: Store, long: bool) -> RenderableType:
    from harness.store import cost

    times = ("CPU s per 1,000 steps>", "per evaluation episode>")
    rows = verb.table("agent", "environment", *times, "memory MB>", "disk MB>")
    for agent, by_env in cost.measured(store.root).items():
        for env, each in by_env.items():
            times = (f"{each.training:.3g}", f"{each.episode:.3g}")
            rows.add_row(agent, env, *times, f"{each.memory_mb:.0f}", f"{each.disk_mb:.2f}")
    return rows


def searches(store: Store, long: bool) -> RenderableType:
    """Every arm of every search that was started in this store."""
    from harness.store.searches import DONE, standings  # Optuna, for those who have searched

    rows = verb.table("search", "arm", "stage", "done>", "running>", "failed>", "best>", "spent")
    for each in standings(store):
        stopped = each.stage != DONE and not each.running
        stage = f"stopped while {each.stage}" if stopped else each.stage
        counts = [str(n or "") for n in (each.done, each.running and each.open, each.failed)]
        best = "" if each.best is None else f"{each.best:.3f}"
        spent = escape(each.problem or each.spent)
        rows.add_row(each.search, each.arm, stage, *counts, best, spent)
    return rows if rows.row_count else f"no search was started in {store.root}"


# The key of a sweep file that names one.
OWN = {
    "agents": "agent",
    "bonuses": "bonus",
    "wrappers": "wrappers",
    "metrics": "metrics",
    "figures": "figures",
}
LISTS: dict[str, Callable[[Store, bool], RenderableType]] = {
    "agents": agents,
    "bonuses": bonuses,
    "envs": envs,
    "wrappers": wrappers,
    "executors": executors,
    "metrics": metrics,
    "figures": figures,
    "ablations": ablations,
    "runs": runs,
    "searches": searches,
    "costs": costs,
}
