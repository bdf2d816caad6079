"""A hyper-parameter as a dimension of the space: as numbers, and as the axis of a figure."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from harness.report.plot import Axis
from harness.search import suggest
from harness.search.plan import Plan
from harness.stats import Array

GRID = 25  # points from one end of a range to the other


class Dimension(NamedTuple):
    """Places on its axis are numbers: of a choice, its place among the choices."""

    name: str
    key: str  # what the study calls it: with the scale on which it is searched
    powers_of: int | None  # its values are exponents of this
    kind: CategoricalDistribution | FloatDistribution | IntDistribution

    @property
    def choices(self) -> tuple[Any, ...]:
        """Empty: it is a range."""
        return self.kind.choices if isinstance(self.kind, CategoricalDistribution) else ()

    @property
    def log(self) -> bool:
        return not isinstance(self.kind, CategoricalDistribution) and self.kind.log

    @property
    def reach(self) -> tuple[float, float]:
        """The places of its first and its last value."""
        if isinstance(self.kind, CategoricalDistribution):
            return 0.0, len(self.kind.choices) - 1.0
        return float(self.kind.low), float(self.kind.high)

    @property
    def ends(self) -> tuple[str, str]:
        """Its first and its last value."""
        first, last = (self.text(self.kind.to_external_repr(place)) for place in self.reach)
        return first, last

    @property
    def label(self) -> str:
        """What `text` gives the values of."""
        return self.name if self.powers_of else self.key

    def place(self, value: Any) -> float:
        return float(self.kind.to_internal_repr(value))

    def height(self, value: Any) -> float:
        """0 at one end and 1 at the other, on the scale on which it is searched."""
        low, high = self.scaled(*self.reach)
        return float((self.scaled(self.place(value))[0] - low) / (high - low))

    def scaled(self, *places: float) -> Array:
        return np.log10(places) if self.log else np.array(places)

    def cells(self, params: dict[str, Any]) -> list[float]:
        """Numbers for a forest: one for a range, one for each choice.

        What is no hyper-parameter at a point stands in the middle.
        """
        known = self.key in params
        if self.choices:
            return [float(known and choice == params[self.key]) for choice in self.choices]
        places = [self.place(params[self.key])] if known else self.reach
        return [float(self.scaled(*places).mean())]

    def grid(self) -> list[Any]:
        """Values from one end of a range to the other, or all choices."""
        if self.choices:
            return list(self.choices)
        points = (np.geomspace if self.log else np.linspace)(*self.reach, GRID)
        if isinstance(self.kind, IntDistribution):
            return sorted({round(float(point)) for point in points})
        return [float(point) for point in points]

    def axis(self) -> Axis:
        """All of its range, whatever was tried of it."""
        if self.choices:
            return Axis(self.key, names=tuple(map(short, self.choices)))
        if self.powers_of:
            ticks = tuple((float(n), self.text(n)) for n in self.grid())
            return Axis(self.name, include=self.reach, ticks=ticks)
        whole = isinstance(self.kind, IntDistribution)
        return Axis(self.key, log=self.log, include=self.reach, whole=whole)

    def edges(self, values: list[Any]) -> Array:
        """Halfway between neighbouring values on the axis, and as far again at both ends."""
        places = self.scaled(*map(self.place, values))
        inner = [(a + b) / 2 for a, b in pairwise(places)]
        edges = np.array([2 * places[0] - inner[0], *inner, 2 * places[-1] - inner[-1]])
        return np.asarray(10**edges if self.log else edges)

    def text(self, value: Any) -> str:
        """A value as it stands in a file: of an exponent, the power."""
        return short(self.powers_of**value if self.powers_of else value)


def dimensions(plan: Plan) -> list[Dimension]:
    return [
        Dimension(name, suggest.parameter(name, one), one.powers_of, suggest.distribution(one))
        for name, one in plan.space.items()
    ]


def short(value: Any) -> str:
    if value is None:
        return "own"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value).strip("[]").replace(",", "-")  # the widths of a network
