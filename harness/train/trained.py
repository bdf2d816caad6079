"""A finished run, and what it learned, loaded again."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from baselines.api import Agent, Task
from harness import agents, envs, provenance
from harness.config.name import shortened
from harness.config.strict import Problem, UserError
from harness.spec import RunSpec
from harness.store import run_files
from harness.train.task import learning_task, moved

AGAIN = "the sweep that made the run trains it again"
LEFT_OUT = (
    "the archive that this run came in left out what it learned: `harness bundle --weights` takes "
    "it along"
)
MOST_SHOWN = 3  # sources that a message names


class Trained(NamedTuple):
    """A finished run, and its agent as training left it."""

    spec: RunSpec
    result: Mapping[str, Any]
    card: envs.Card
    task: Task
    agent: Agent


def trained(folder: Path, device: str | None = None, trust: bool = False) -> Trained:
    """Load what a finished run learned.

    :param device: where to; None: where it was trained.
    :param trust: the sources that are here, where they are not those that the run was made from.
    :raises UserError: if the run is not finished or is damaged, its agent or card has changed
        since, its sources are not to be trusted, or there is no such device here.
    """
    spec = run_files.made_here(folder, "load")
    result, broken = run_files.finished(folder, deep=True)
    if broken:
        raise UserError(
            Problem(str(each.path), None, "", f"{each.why}: {AGAIN}") for each in broken
        )
    device = device or spec.engine.device
    why = moved(spec) if result else "this run is not finished"
    if result and not why and run_files.left_out(folder):
        why = LEFT_OUT
    why = why or agents.no_device(device)
    if result and not why and not trust:
        why = _other_sources(spec, result)
    if why or result is None:
        raise UserError.of(folder, why)
    card = envs.card(spec.env)
    task = learning_task(spec, card, device=device)
    agent = agents.make(spec.agent, task, spec.hparams, spec.engine.name)
    model = run_files.model(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of a pickle before it refuses it
            agent.load(model)
    except Exception as error:  # as many kinds as there are formats, none of which may be a pickle
        why = f"cannot be read as weights: {type(error).__name__}: {error}"
        raise UserError.of(model, shortened(why)) from None
    return Trained(spec, result, card, task, agent)


def _other_sources(spec: RunSpec, result: Mapping[str, Any]) -> str:
    """Which sources of the agent and the environment the run was not made from; empty: none."""
    recorded = result.get("sources")
    needed = {agents.entry(spec.agent, spec.engine.name).module}
    needed |= envs.card(spec.env).modules
    changes = provenance.changed(recorded if isinstance(recorded, dict) else {}, needed)
    if not changes:
        return ""
    each = [f"{shortened(c.module)} (was {shortened(c.was)}, is {c.now})" for c in changes]
    more = f" and {len(changes) - MOST_SHOWN} more" if len(changes) > MOST_SHOWN else ""
    return (
        f"made from other sources than are here: {', '.join(each[:MOST_SHOWN])}{more}; what is "
        "shown may not be what was trained: go back to those, or give --trust to go on"
    )
