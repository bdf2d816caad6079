"""What a search may try: ranges of hyper-parameters as data, each with its reason."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from harness.config.model import Strict
from harness.config.tree import Place, canonical

Number = int | float


class Range(Strict):
    """The search range of one hyper-parameter: from `low` to `high`, or one of `choices`."""

    why: str = Field(min_length=1, description="The reason for this range, in one sentence.")
    low: Number | None = Field(
        None,
        description="The smallest value. If `low` and `high` are integers, so are the samples.",
    )
    high: Number | None = Field(None, description="The largest value.")
    log: bool = Field(False, description="Sample on a logarithmic scale.")
    step: Number | None = Field(None, description="Sample low, low + step, low + 2 step, ...")
    powers_of: int | None = Field(
        None, ge=2, description="Sample integer powers of this number from `low` to `high`."
    )
    one_minus: bool = Field(
        False, description="Sample 1 - value. With `log`, 0.9, 0.99 and 0.999 are equally spaced."
    )
    choices: list[Any] | None = Field(
        None, min_length=2, max_length=100, description="Categorical values."
    )
    when: dict[str, Any] = Field(
        default_factory=dict,
        description="Conditional on other hyper-parameters of the space, by a value or a list: "
        "{use_sde: true}.",
    )

    actions: Literal["discrete", "continuous"] | None = Field(
        None, description="Only in environments with this kind of actions."
    )

    @model_validator(mode="after")
    def _meaningful(self) -> Range:
        if self.choices is not None:
            if (self.low, self.high, self.step, self.powers_of) != (None, None, None, None):
                raise ValueError("give `choices`, or `low` and `high`, not both")
            if self.log or self.one_minus:
                raise ValueError("`choices` have no order: `log` and `one_minus` do not apply")
            if len(set(map(canonical, self.choices))) < len(self.choices):
                raise ValueError("a value stands twice among `choices`: drop one")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give `choices`, or `low` and `high`")
        if not self.low < self.high:
            raise ValueError("`low` must be less than `high`")
        self._scale(self.low, self.high)
        return self

    def _scale(self, low: Number, high: Number) -> None:
        if self.powers_of is not None:
            if self.log or self.step is not None or self.one_minus:
                raise ValueError("`powers_of` says it all: leave out `log`, `step`, `one_minus`")
            for end in (low, high):
                if not isinstance(end, int) or end < 1 or self.powers_of ** self.power(end) != end:
                    raise ValueError(f"{end} is no whole power of {self.powers_of}")
        if self.step is not None and (self.log or self.step <= 0):
            raise ValueError("`step` must be above 0, and goes without `log`")
        if self.log and (high >= 1 if self.one_minus else low <= 0):
            what = "`high` must be below 1" if self.one_minus else "`low` must be above 0"
            raise ValueError(f"{what} for its logarithm to be searched")

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int) and not self.one_minus

    def points(self) -> float | None:
        """How many values there are; None: a continuum."""
        if self.choices is not None:
            return len(self.choices)
        assert self.low is not None and self.high is not None
        if self.powers_of is not None:
            return self.power(self.high) - self.power(self.low) + 1
        step = self.step or (1 if self.whole else None)
        return None if step is None else (self.high - self.low) / step + 1

    def __str__(self) -> str:
        """What is tried: `0.001, 0.01`, or `1e-05 to 0.01, log` and what else is said of it."""
        if self.choices is not None:
            text = ", ".join(json.dumps(choice) for choice in self.choices)
        else:
            keys = {"log": self.log, "one_minus": self.one_minus, "step": self.step}
            keys["powers_of"] = self.powers_of
            how = (
                key if value is True else f"{key} {value}" for key, value in keys.items() if value
            )
            text = ", ".join([f"{self.low} to {self.high}", *how])
        return text + (f" (when {canonical(self.when)})" if self.when else "")

    def power(self, value: Number) -> int:
        """The exponent of the nearest power."""
        assert self.powers_of is not None
        return round(math.log(value, self.powers_of))

    def extremes(self) -> dict[Place, Any]:
        """The values to try when asking whether an agent can take them, by where they stand."""
        if self.choices is None:
            return {("low",): self.low, ("high",): self.high}
        return {("choices", i): choice for i, choice in enumerate(self.choices)}

    def active(self, chosen: Mapping[str, Any]) -> bool:
        """Whether what has been chosen so far makes this a hyper-parameter at all."""
        return all(
            key in chosen and chosen[key] in (wanted if isinstance(wanted, list) else [wanted])
            for key, wanted in self.when.items()
        )


Space = dict[str, Range]  # dotted hyper-parameter -> its range


def order_problems(space: Mapping[str, Range]) -> Iterator[tuple[str, str]]:
    """Conditions that nothing can meet: (hyper-parameter, what is wrong)."""
    seen: list[str] = []
    for name, range_ in space.items():
        for key in range_.when:
            if key not in seen:
                where = "stands below it: move it up" if key in space else "is not in this space"
                yield name, f"depends on '{key}', which {where}"
        seen.append(name)
