"""A hyper-parameter as it is searched: in a study, as numbers, and as the axis of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial, create_trial

from harness.config.space import Range, Space
from harness.config.tree import canonical
from harness.report.plot import Axis
from harness.stats import Array

DIGITS = 4  # of a real number: more than any noise can tell apart, and short to read
GRID = 25  # points from one end of a range to the other


@dataclass(frozen=True)
class Dimension:
    """Its value in a file may be drawn on another scale: of a power the exponent, 1 - value."""

    name: str
    range: Range

    # In a study -----------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """What the study calls it: the scale on which it is searched."""
        if self.range.powers_of is not None:
            return f"log{self.range.powers_of} {self.name}"
        return f"1 - {self.name}" if self.range.one_minus else self.name

    @cached_property
    def kind(self) -> CategoricalDistribution | FloatDistribution | IntDistribution:
        of = self.range
        if of.choices is not None:
            return CategoricalDistribution([_label(choice) for choice in of.choices])
        assert of.low is not None and of.high is not None
        if of.powers_of is not None:
            return IntDistribution(of.power(of.low), of.power(of.high))
        if of.whole:
            return IntDistribution(int(of.low), int(of.high), log=of.log, step=int(of.step or 1))
        low, high = float(of.low), float(of.high)
        if of.one_minus:
            low, high = round(1 - high, 12), round(1 - low, 12)
        return FloatDistribution(low, high, log=of.log, step=of.step)

    def ask(self, trial: Trial) -> Any:
        """Draw it for a trial; its value."""
        key, kind = self.key, self.kind
        if isinstance(kind, CategoricalDistribution):
            drawn: Any = trial.suggest_categorical(key, kind.choices)
        elif isinstance(kind, IntDistribution):
            drawn = trial.suggest_int(key, kind.low, kind.high, step=kind.step, log=kind.log)
        else:
            drawn = trial.suggest_float(key, kind.low, kind.high, step=kind.step, log=kind.log)
        return self.decode(drawn)

    def decode(self, drawn: Any) -> Any:
        """The hyper-parameter's value, from what the sampler drew."""
        of = self.range
        if of.choices is not None:
            return next(choice for choice in of.choices if _label(choice) == drawn)
        if of.powers_of is not None:
            return int(of.powers_of**drawn)
        if of.whole:
            return int(drawn)
        short = float(f"{drawn:.{DIGITS}g}")
        return round(1 - short, 12) if of.one_minus else short

    def encode(self, value: Any) -> Any:
        """What the sampler would have to draw to get the value.

        :raises ValueError: if it lies outside the range.
        """
        of, drawn = self.range, value
        if of.choices is not None:
            if value not in of.choices:
                raise ValueError(value)
            return _label(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(value)
        if of.powers_of is not None:
            drawn = of.power(value) if value >= 1 else -1
        elif not of.whole:
            drawn = round(1 - value, 12) if of.one_minus else float(value)
        # Made to ask whether the value is one of the distribution's: it raises ValueError if not.
        create_trial(value=0.0, params={"x": drawn}, distributions={"x": self.kind})
        if self.decode(drawn) != value:
            raise ValueError(value)
        return drawn

    def points(self) -> list[Any]:
        """All that can be drawn of it: it is no continuum."""
        if isinstance(self.kind, CategoricalDistribution):
            return list(self.kind.choices)
        assert self.kind.step is not None
        count = round((self.kind.high - self.kind.low) / self.kind.step) + 1
        return [self.kind.low + i * self.kind.step for i in range(count)]

    # As numbers -----------------------------------------------------------------------------------

    @property
    def log(self) -> bool:
        return not isinstance(self.kind, CategoricalDistribution) and self.kind.log

    @property
    def reach(self) -> tuple[float, float]:
        """The places of its first and its last value; of a choice, its place among the choices."""
        if isinstance(self.kind, CategoricalDistribution):
            return 0.0, len(self.kind.choices) - 1.0
        return float(self.kind.low), float(self.kind.high)

    def place(self, drawn: Any) -> float:
        return float(self.kind.to_internal_repr(drawn))

    def height(self, drawn: Any) -> float:
        """0 at one end and 1 at the other, on the scale on which it is searched."""
        low, high = self._scaled(*self.reach)
        return float((self._scaled(self.place(drawn))[0] - low) / (high - low))

    def _scaled(self, *places: float) -> Array:
        return np.log10(places) if self.log else np.array(places)

    def cells(self, params: dict[str, Any]) -> list[float]:
        """Numbers for a forest: one for a range, one for each choice.

        What is no hyper-parameter at a point stands in the middle.
        """
        known = self.key in params
        if isinstance(self.kind, CategoricalDistribution):
            return [float(known and choice == params[self.key]) for choice in self.kind.choices]
        places = [self.place(params[self.key])] if known else self.reach
        return [float(self._scaled(*places).mean())]

    def grid(self) -> list[Any]:
        """Drawn values from one end of a range to the other, or all choices."""
        if isinstance(self.kind, CategoricalDistribution):
            return list(self.kind.choices)
        points = (np.geomspace if self.log else np.linspace)(*self.reach, GRID)
        if isinstance(self.kind, IntDistribution):
            return sorted({round(float(point)) for point in points})
        return [float(point) for point in points]

    # In a figure ----------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """What `text` gives the values of."""
        return self.name if self.range.powers_of else self.key

    def text(self, drawn: Any) -> str:
        """Of an exponent, the power: as it stands in a file."""
        return _short(self.decode(drawn) if self.range.powers_of else drawn)

    @property
    def ends(self) -> tuple[str, str]:
        """Its first and its last value."""
        first, last = (self.text(self.kind.to_external_repr(place)) for place in self.reach)
        return first, last

    def axis(self) -> Axis:
        """All of its range, whatever was tried of it."""
        if isinstance(self.kind, CategoricalDistribution):
            return Axis(self.key, names=tuple(map(_short, self.kind.choices)))
        if self.range.powers_of:
            ticks = tuple((float(n), self.text(n)) for n in self.points())
            return Axis(self.name, include=self.reach, ticks=ticks)
        whole = isinstance(self.kind, IntDistribution)
        return Axis(self.key, log=self.log, include=self.reach, whole=whole)

    def edges(self, drawn: Sequence[Any]) -> Array:
        """Halfway between neighbouring values on the axis, and as far again at both ends."""
        places = self._scaled(*map(self.place, drawn))
        inner = [(a + b) / 2 for a, b in pairwise(places)]
        edges = np.array([2 * places[0] - inner[0], *inner, 2 * places[-1] - inner[-1]])
        return np.asarray(10**edges if self.log else edges)


def dimensions(space: Space) -> list[Dimension]:
    return [Dimension(name, one) for name, one in space.items()]


def _label(choice: Any) -> Any:
    """Optuna's choices are plain: lists are written as text."""
    plain = choice is None or isinstance(choice, bool | int | float | str)
    return choice if plain else canonical(choice)


def _short(drawn: Any) -> str:
    if drawn is None:
        return "own"
    if isinstance(drawn, bool):
        return "yes" if drawn else "no"
    if isinstance(drawn, float):
        return f"{drawn:.3g}"
    return str(drawn).strip("[]").replace(",", "-")  # the widths of a network
