"""Every trial of a study with the runs behind it, as the page of its report lists them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness.config.tree import get
from harness.report.number import fixed
from harness.search import confirm, loop
from harness.search.evidence import Evidence
from harness.search.figures import DIGITS, row_id, state
from harness.search.surrogate import worth
from harness.spec import RunSpec
from harness.store.reader import Store

_VALUE = fixed(DIGITS)
_FRESH, _FURTHER = "fresh seeds", "further seeds"


class Run(NamedTuple):
    """One run of a trial."""

    seeds: str  # what its seed was for
    seed: int
    env: str  # empty: there is but one
    score: str
    folder: str  # from the page
    key: str


class Row(NamedTuple):
    """One trial."""

    anchor: str
    number: int
    roles: list[str]
    state: str
    numbers: list[str]
    settings: list[str]
    runs: list[Run]


class Trials(NamedTuple):
    about: str
    stages: list[str]  # for which of the re-runs there are values
    names: list[str]  # of the hyper-parameters
    rows: list[Row]


def table(found: Evidence, store: Store, folder: Path) -> Trials:
    """:param folder: of the page."""
    again = _reruns(found)
    stages = [name for name in (_FRESH, _FURTHER) if any(name in of for of in again.values())]
    about = "Values are normalised"
    about += f"; the columns {' and '.join(stages)} hold those of the re-runs" if stages else ""
    rows = [
        _row(found, number, again.get(number, {}), stages, store, folder)
        for number in range(len(found.trials))
    ]
    about += ". Runs open to a list of seeds, scores and folders."
    return Trials(about, stages, list(found.plan.space), rows)


def _reruns(found: Evidence) -> dict[int, dict[str, confirm.Rerun]]:
    """By trial and by what its seeds were for."""
    again: dict[int, dict[str, confirm.Rerun]] = {}
    after = found.confirmation
    for one in after.candidates if after else []:
        again.setdefault(one.trial.number, {})[_FRESH] = one
    for one in (after.selected, after.default) if after else ():
        again.setdefault(one.trial.number, {})[_FURTHER] = one
    return again


def _row(
    found: Evidence, number: int, again: dict[str, confirm.Rerun], stages: list[str], store: Store,
    folder: Path,
) -> Row:  # fmt: skip
    """:param again: the re-runs of the trial."""
    trial, base = found.trials[number], found.plan.base[0].hparams
    chosen, scores = trial.user_attrs[loop.HPARAMS], trial.user_attrs[loop.SCORES]
    values = [worth(trial), *(again[s].value if s in again else float("nan") for s in stages)]
    value, *others = ("-" if v != v else _VALUE(v) for v in values)
    settings = [
        _setting(chosen.get(key, get(base, key))) if key in chosen or number == 0 else "-"
        for key in found.plan.space
    ]
    lists = {"tuning seeds": (runs(found, number), scores)}
    lists |= {name: (one.specs, one.outcome.scores) for name, one in again.items()}
    several = len({spec.env for specs, _ in lists.values() for spec in specs}) > 1
    listed = [
        run
        for name, (specs, of) in lists.items()
        for run in _listed(name, specs, of, several, store, folder)
    ]
    roles = ["default"] * (number == 0) + ["selected"] * (number == found.best_number > 0)
    numbers = [value, str(len(scores)), *others]
    row = row_id(found, number)
    return Row(row, number, roles, state(trial), numbers, settings, listed)


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def runs(found: Evidence, number: int) -> list[RunSpec]:
    """A trial's runs, those of the last stage that it came to at the end.

    How far it came is told by the steps that it took: the stages up to there add up to them.
    """
    plan, trial = found.plan, found.trials[number]
    specs: list[RunSpec] = []
    for stage in plan.stages(number):
        if sum(spec.steps for spec in specs) < trial.user_attrs[loop.STEPS]:
            specs += plan.specs(confirm.hparams(trial), stage.instances, stage.steps)
    return specs


def _listed(
    seeds: str, specs: list[RunSpec], scores: list[float], several: bool, store: Store, folder: Path
) -> Iterator[Run]:
    """:param several: they are of more than one environment."""
    first = len(specs) - len(scores)  # shorter runs before these have no part in the value
    for i, spec in enumerate(specs):
        where = Path(os.path.relpath(store.folder(spec), folder)).as_posix()
        score = _VALUE(scores[i - first]) if i >= first else f"{spec.steps:,} steps"
        yield Run(seeds, spec.seed, spec.env if several else "", score, where, spec.key)
