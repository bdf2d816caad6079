"""best.yaml: what a search found, where it comes from, and how a sweep takes it over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.config.model import Strict
from harness.config.name import below
from harness.config.strict import Document, UserError, load, parse
from harness.config.tree import Place, canonical
from harness.setting import Layer

FROM = "from"  # no hyper-parameter of any agent: the path of a best.yaml


class Interval(Strict):
    """An estimate with its 95 % interval, where there is one."""

    point: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.point:.3f}"
        return f"{self.point:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Provenance(Strict):
    """How the best trial was found, and what it scored on seeds that chose nothing."""

    search: str = Field(description="The search's name, and the arm.")
    question: str
    trial: int = Field(description="Its number in the study.")
    envs: list[str]
    steps: dict[str, int] = Field(description="Environment steps of each run, by environment.")
    sampler: str
    trials: dict[str, int] = Field(description="How many were made, and what became of them.")
    budget_steps: int = Field(description="Environment steps that the search took.")
    confirmation_steps: int = Field(description="Those of the re-runs on fresh seeds.")
    tuning_seeds: list[int] = Field(description="Those that the search was given.")
    confirmation_seeds: list[int] = Field(description="Those that chose among the best trials.")
    test_seeds: list[int] = Field(
        description="Those that chose nothing: of a pool that no other search draws from."
    )
    value: str = Field(description="How scores become one value: iqm, mean, mean - 1.0*se.")
    tuning_value: float = Field(description="Its value in the search, normalised.")
    test_value: Interval = Field(description="Its value on the test seeds, normalised.")
    optimism_gap: float = Field(
        description="The value in the search, minus that on the test seeds: both by `value`, and "
        "of equally many seeds."
    )
    default_test_value: Interval = Field(description="The default's, on the test seeds.")
    difference: Interval = Field(description="test_value - default_test_value.")
    diverged_seeds: int = Field(description="Of the best, over all its seeds.")
    sha256: str = Field(description="Of `agent` and `hparams`, which all of this is about.")
    made_with: dict[str, str] = Field(description="Versions.")


class Best(Strict):
    """The best hyper-parameters of a search, complete."""

    # First in the file: of one that is cut short, what is left does not match its hash.
    provenance: Provenance | None = Field(None, description="Left out of a file made by hand.")
    agent: str
    hparams: dict[str, Any] = Field(description="All of them, those that were not searched too.")


def digest(agent: str, hparams: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical([agent, hparams]).encode()).hexdigest()


@cache
def read_best(path: Path) -> tuple[Document, Best]:
    """:raises UserError: if it is missing or no best.yaml, or its hyper-parameters were edited."""
    document = load(path)
    best = parse(document, Best)
    if best.provenance and best.provenance.sha256 != digest(best.agent, best.hparams):
        message = (
            "they are not those that the search found: let `harness tune` write the file again, or "
            "leave out `provenance`, which does not tell of these"
        )
        raise UserError([document.problem(("hparams",), message)])
    return document, best


def taken_over(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Layers of files, and below one that has `from: best.yaml` what that file holds.

    :raises UserError: if there is no such file, or it is no best.yaml.
    """
    for layer in layers:
        if layer.document is None or FROM not in layer.hparams:
            yield layer
            continue
        own = dict(layer.hparams)
        document, best = _best(own.pop(FROM), layer.document, (*layer.path, FROM))
        tuned_on = tuple(best.provenance.envs) if best.provenance else None
        yield Layer(document.file, best.hparams, document, ("hparams",), tuned_on)
        yield layer._replace(hparams=own)


def _best(path: Any, document: Document, place: Place) -> tuple[Document, Best]:
    """:param path: relative to the document's file."""
    if not isinstance(path, str):
        raise UserError([document.problem(place, "the path of a best.yaml")])
    try:
        file = below(Path(document.file).parent, path)
    except ValueError as error:
        raise UserError([document.problem(place, f"{path}: {error}")]) from None
    if not file.is_file():
        message = f"there is no {file}: paths are relative to the sweep file"
        raise UserError([document.problem(place, message)])
    return read_best(file)
