"""The folder of one run's model: its page, figures, tables, and the measures that reports read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from baselines import names
from baselines.api import ModelBased
from baselines.world_models import truth
from baselines.world_models.dreaming import fan
from harness import agents
from harness.config.strict import UserError
from harness.envs.wrappers import moved, wrapper
from harness.report.contents import comma_separated
from harness.report.plot import Plot
from harness.report.render import markdown, seaborn
from harness.report.results import one_model as page
from harness.report.results import one_model_figures as figures
from harness.spec import RunSpec
from harness.store import run_files, writer
from harness.train.held_out import held_out
from harness.train.model_measure import Episodes, dynamics_of, learning, measures, plain
from harness.train.trained import Trained, trained

DREAMS = 100  # of one stretch of an episode


def has_model(spec: RunSpec) -> bool:
    """Whether such a run leaves a model that can be judged; no agent that is not here does."""
    if spec.agent not in names():
        return False
    return issubclass(agents.entry(spec.agent).load(), ModelBased) and not _moving(spec)


def report(folder: Path, with_learning: bool = False, trust: bool = False) -> Path:
    """Measure a finished run's model, unless that is done already; return the page.

    :param folder: the run's.
    :param with_learning: also train anew with parts of the budget, to see the model learn.
    :param trust: see `trained`.
    :raises UserError: if the run is not finished or has changed since, if its agent has no model,
        or if the environment changed while it trained.
    """
    page_path = run_files.model_report(folder) / "report.md"
    kept = run_files.look(folder).measures
    if kept and (kept["learning"] or not with_learning):
        return page_path
    run = trained(folder, device="cpu", trust=trust)
    if problem := _unfit(run):
        raise UserError.of(folder, problem)
    episodes = held_out(run)
    facts = measures(run, episodes)
    facts["learning"] = learning(run, episodes, facts) if with_learning else None
    facts = plain(facts)
    with writer.model_report(folder, run.result["weights"], facts) as new:
        plots = dict(_figures(run, facts, episodes))
        for name, plot in plots.items():
            seaborn.save(plot, new / name)
        of = page.document(run.spec, facts, list(plots), _training_only(run.spec))
        (new / "report.md").write_text(markdown.document(of), encoding="utf-8")
        for name, table in page.tables(facts).items():
            (new / f"{name}.csv").write_text(comma_separated(table), encoding="utf-8")
    return page_path


def _unfit(run: Trained) -> str:
    """Why there is nothing to hold its model against, if so."""
    if not isinstance(run.agent, ModelBased):
        return f"{run.spec.agent} has no model of its environment"
    if moving := _moving(run.spec):
        return (
            f"the environment changed while the run trained ({', '.join(moving)}): there is no "
            "single one to hold its model against; train one without"
        )
    return ""


def _moving(spec: RunSpec) -> list[str]:
    """Wrappers that change the environment while a run trains, of those that are here."""
    here = [str(each["name"]) for each in spec.wrappers if not moved(each)]
    return [name for name in here if wrapper(name).moves]


def _training_only(spec: RunSpec) -> list[str]:
    names = [str(each["name"]) for each in spec.wrappers]
    return [name for name in names if wrapper(name).kind != "both"]


def _figures(run: Trained, facts: dict[str, Any], episodes: Episodes) -> Iterator[tuple[str, Plot]]:
    """By names of `page.CAPTIONS`."""
    yield "errors", figures.errors(facts)
    yield "likelihoods", figures.likelihoods(facts)
    yield "returns", figures.returns(facts)
    if facts["learning"]:
        yield "learning", figures.learning(facts)
    images = truth.are_images(episodes["random"])
    fans = {name: _fan(run, each) for name, each in episodes.items()}
    if not images:
        yield "traces", figures.traces(fans, facts["observation_names"])
        return
    for name, each in fans.items():
        yield f"strip_{name}", figures.strip(each)


def _fan(run: Trained, episodes: list[Any]) -> Any:
    """Of the first episode that is long enough for all that is measured.

    Of images, one row of which must tell all, from its middle: games often begin with a show.
    """
    far, images = truth.reach(episodes), truth.are_images(episodes)
    chosen = next(each for each in episodes if len(each) >= far.context + far.horizon)
    middle = (len(chosen) - far.horizon) // 2
    return fan(
        dynamics_of(run.agent),
        chosen,
        start=max(far.context, middle) if images else far.context,
        horizon=far.horizon,
        samples=1 if images else DREAMS,
        seed=run.spec.seed,
    )
