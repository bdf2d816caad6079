"""The kinds of numbers that hyper-parameters are: how small and how large they may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

# Of numbers above 0: beyond these, products with a float32 are 0 or infinite.
LEAST, MOST = 1e-10, 1e10
# Of repetitions, such as epochs: more are a slip of the pen, and training would not end.
OFTEN = 10_000

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Repeats = Annotated[int, Field(ge=1, le=OFTEN)]
Repeats0 = Annotated[int, Field(ge=0, le=OFTEN)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=MOST)]
Above0 = Annotated[float, Field(ge=LEAST, le=MOST)]
Real = Annotated[float, Field(ge=-MOST, le=MOST)]
# Above 1 an optimiser of unit steps jumps over everything that it could learn.
LearningRate = Annotated[float, Field(ge=LEAST, le=1)]
Widths = Annotated[list[Positive], Field(max_length=100)]
