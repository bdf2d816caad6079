"""The scores of one run as somebody else's file has them, and what may be wrong with them."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.config.name import LONGEST, is_target, shortened
from harness.config.strict import MOST_PROBLEMS, Problem, UserError

Format = Literal["table", "monitor", "tensorboard", "wandb", "mlflow"]
MARKS = re.compile(r"[|<>`*]|\]\(")  # of Markdown, which nobody else may write into a report
DROP = "fill it in, or drop the row"
ONE_RUN = "a run has one score a step, and a second run a seed of its own"

# Tags of TensorBoard under which a value is the return of one training episode: CleanRL's.
EPISODES = ("charts/episodic_return",)


class Score(NamedTuple):
    """A point of a curve."""

    step: int
    mean: float
    returns: tuple[float, ...] = ()  # of the episodes that it is the mean of; empty: not known


class Whose(NamedTuple):
    """What a run is of."""

    arm: str
    env: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm} on {self.env}, seed {self.seed}"


class Series(NamedTuple):
    """A run: where it stands, and its scores in the order of their steps."""

    whose: Whose
    source: Path
    sha256: str
    score: str  # the column, tag or metric
    scores: list[Score]
    hparams: Mapping[str, Any] = {}


class Flaws:
    """What is wrong with what is read, gathered so that all of it is told at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, file: Path | str, line: int | None, column: str, message: str) -> None:
        self.problems.append(Problem(str(file), line, column, message))
        if len(self.problems) >= MOST_PROBLEMS:
            raise UserError(self.problems)

    def check(self) -> None:
        """:raises UserError: if there are any."""
        if self.problems:
            raise UserError(self.problems)


class Cell(NamedTuple):
    """A value of a table, and where it stands."""

    file: Path
    line: int
    column: str
    text: str

    def wrong(self, flaws: Flaws, message: str) -> None:
        flaws.add(self.file, self.line, self.column, message)

    def number(self, flaws: Flaws) -> float | None:
        """None: it is none, and the flaw is noted."""
        if not self.text.strip():
            self.wrong(flaws, f"empty: {DROP}")
            return None
        try:
            value = float(self.text)
        except ValueError:
            self.wrong(flaws, f"'{shortened(self.text)}' is not a number: {DROP}")
            return None
        if not math.isfinite(value):
            self.wrong(flaws, f"{self.text} is not a finite number: {DROP}, and say so where you "
                       "publish")  # fmt: skip
            return None
        return value

    def whole(self, flaws: Flaws) -> int | None:
        value = self.number(flaws)
        if value is not None and value != int(value):
            self.wrong(flaws, f"{self.text} is not a whole number")
            return None
        return None if value is None else int(value)


def label(text: str, wrong: Callable[[str], None]) -> str | None:
    """An arm's label that claims can name; None: it is none, and `wrong` was told."""
    if not text:
        wrong("empty")
    elif len(text.split()) != 1 or not text.isprintable() or len(text) > LONGEST:
        wrong(f"'{shortened(text)}' is no label of an arm: no spaces, at most {LONGEST} letters")
    elif marks := MARKS.search(text):
        wrong(f"'{text}' is no label of an arm: '{marks[0]}' would be read as markup of a page")
    else:
        return text
    return None


def environment(text: str, wrong: Callable[[str], None]) -> str | None:
    """The name of an environment; None: it is none, and `wrong` was told."""
    if is_target(text):
        return text
    wrong(f"'{shortened(text)}' is no name of an environment, such as CartPole-v1")
    return None


def once(series: Iterable[Series], flaws: Flaws) -> list[Series]:
    """Those of which there is one for each arm, environment and seed."""
    known: dict[Whose, Series] = {}
    for each in series:
        first = known.setdefault(each.whose, each)
        if first is not each:
            where = "" if first.source == each.source else f" (the other: {first.source})"
            message = f"two runs are {each.whose}{where}: give each a seed of its own, or drop one"
            flaws.add(each.source, None, "", message)
    return list(known.values())


def digest(*files: Path) -> str:
    """Of the contents of files, in their order."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def _value(text: str) -> Any:
    """A setting as a number where it is one."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text


def settings(cells: Mapping[str, str]) -> dict[str, Any]:
    return {name: _value(text) for name, text in cells.items() if text.strip()}
