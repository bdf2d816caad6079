"""The arms of a sweep: as they are written, multiplied by grids, and made of components."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from harness.config.strict import Document, Problems
from harness.config.tree import Place, canonical, dotted
from harness.setting import Layer
from harness.sweep.file import Departure, Steps, SweepFile

MOST_ARMS = 500  # refused before anything is expanded; ours have 12


class Composed(NamedTuple):
    """An arm after grids and designs: departures in order, each with its place in the file."""

    label: str
    place: Place
    departures: tuple[tuple[Place, Departure], ...]
    grid: Mapping[str, Any] = {}
    envs: list[str] | None = None
    steps: Steps = None
    components: tuple[str, ...] | None = None  # None: it is not said what it is made of
    imported: str | None = None  # what stands in the place of its runs

    def last(self, name: str) -> tuple[Place, Any]:
        """The last departure that sets `name`, and where it stands."""
        for place, departure in reversed(self.departures):
            if name in departure.model_fields_set:
                return (*place, name), getattr(departure, name)
        return self.place, None

    def among(self, envs: Iterable[str]) -> list[str]:
        """Those of the environments that it runs on."""
        return [env for env in envs if self.envs is None or env in self.envs]

    def budget(self, env: str, others: Steps) -> tuple[Place, int | None]:
        """Its steps in an environment, and where they stand; None: there are none.

        :param others: the budget of arms that have none of their own.
        """
        given: list[tuple[Place, Steps]] = [((*self.place, "steps"), self.steps)]
        for place, steps in [*given, (("steps",), others)]:
            if isinstance(steps, int):
                return place, steps
            if isinstance(steps, dict) and env in steps:
                return (*place, env), steps[env]
        return ("steps",), None

    def layers(self, document: Document) -> Iterator[Layer]:
        """Its hyper-parameters."""
        for place, departure in self.departures:
            tuned_on = None if departure.tuned_on is None else tuple(departure.tuned_on)
            origin = f"{document.file}: {dotted(place)}"
            yield Layer(origin, departure.hparams, document, (*place, "hparams"), tuned_on)
        if self.grid:
            where = (*self.place, "grid")
            yield Layer(f"{document.file}: {dotted(where)}", self.grid, document, where)


class Arms(NamedTuple):
    """The arms that can be made of a file, and the labels of those that are lost to a mistake."""

    composed: list[Composed]
    lost: set[str]

    @property
    def labels(self) -> list[str]:
        return [arm.label for arm in self.composed]

    def known(self, names: Iterable[str]) -> set[str]:
        """The arms that there are, and those of `names` that may have been lost."""
        return {*self.labels, *(name for name in names if name.partition("[")[0] in self.lost)}


def compose(file: SweepFile, problems: Problems) -> Arms:
    arms = Arms([], problems.unread("arms"))
    base: tuple[Place, Departure] = (("base",), file.base)
    if not file.arms and not file.design:
        problems.add(("arms",), "a sweep needs `arms`, or a `design` with `components`")
    if file.design and not file.components:
        problems.add(("design",), "a design combines `components`, and there are none")
    if file.components and not file.design:
        problems.add(("components",), "say how to combine them: `design: leave_one_out`, ...")
    for label, arm in file.arms.items():
        place: Place = ("arms", label)
        problems.twice((*place, "components"), arm.components or ())
        parts = None if arm.components is None else tuple(sorted(set(arm.components)))
        points = list(_points((*place, "grid"), arm.grid, problems))
        if not points:
            arms.lost.add(label)
        for point in points:
            suffix = ",".join(f"{key}={value}" for key, value in point.items())
            name = f"{label}[{suffix}]" if suffix else label
            both = (base, (place, arm))
            more = (arm.envs, arm.steps, parts, arm.imported)
            arms.composed.append(Composed(name, place, both, point, *more))
    for label, chosen in _subsets(file, problems):
        departures = (base, *_sides(file, chosen))
        arms.composed.append(
            Composed(label, ("components",), departures, components=tuple(sorted(chosen)))
        )
    return arms


def _points(
    place: Place, grid: Mapping[str, list[Any]], problems: Problems
) -> Iterator[dict[str, Any]]:
    """Every combination of a grid's values."""
    for key, values in grid.items():
        if not values:
            problems.add((*place, key), "no value, so no arm: give some, or drop the key")
        problems.twice((*place, key), map(canonical, values))
    points = math.prod(len(values) for values in grid.values())
    if points > MOST_ARMS:
        problems.add(place, f"more than {MOST_ARMS} arms: give fewer values")
        return
    for point in itertools.product(*grid.values()):
        yield dict(zip(grid, point, strict=True))


def _subsets(file: SweepFile, problems: Problems) -> Iterator[tuple[str, set[str]]]:
    """What a design makes: labels, and the components that are in."""
    names = list(file.components)
    if file.design == "factorial" and 2 ** len(names) > MOST_ARMS:
        problems.add(("design",), f"more than {MOST_ARMS} arms: combine fewer components")
    elif file.design == "one_in":
        yield "base", set()
        yield from ((f"only_{name}", {name}) for name in names)
    elif file.design == "leave_one_out":
        yield "full", set(names)
        yield from ((f"no_{name}", set(names) - {name}) for name in names)
    elif file.design == "factorial":
        for size in range(len(names) + 1):
            for chosen in itertools.combinations(names, size):
                yield "+".join(chosen) or "base", set(chosen)


def _sides(file: SweepFile, chosen: set[str]) -> Iterator[tuple[Place, Departure]]:
    for name, component in file.components.items():
        if name in chosen:
            yield ("components", name, "with"), component.present
        else:
            yield ("components", name, "without"), component.absent
