"""What a report says, before it is written in any format: sections of text, tables and figures.

Words are plain text in which `code`, **bold**, [a link](beside.csv) and [@works,cited] are marked;
`spans` reads the marks, for every format alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from harness.config.tree import grouped
from harness.report.plot import Plot
from harness.stats.sequential import Decided

Runs = tuple[str, ...]  # by their keys
Outcome = Literal[Decided, "undecided", "pending"]
B = TypeVar("B", bound="Block")


class Cell(str):
    """The text of a cell, which knows the runs behind it."""

    runs: Runs

    def __new__(cls, text: str, runs: Iterable[str] = ()) -> Cell:
        made = super().__new__(cls, text)
        made.runs = tuple(runs)
        return made


def behind(cells: Iterable[str], runs: Iterable[str]) -> Iterator[Cell]:
    """Cells that all come of the same runs, but for those that know their own."""
    known = tuple(runs)
    return (cell if isinstance(cell, Cell) else Cell(cell, known) for cell in cells)


class Answer(str):
    """The answer to one claim, which knows the runs of the two arms that it compares."""

    outcome: Outcome
    arms: dict[str, Runs]

    def __new__(cls, words: str, outcome: Outcome, arms: dict[str, Runs]) -> Answer:
        made = super().__new__(cls, words)
        made.outcome, made.arms = outcome, arms
        return made


# Blocks ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar = "text"
    words: str


@dataclass(frozen=True)
class Caution:
    """What a reader must know before believing what follows."""

    kind: ClassVar = "caution"
    words: str
    sign: str = "Warning"


@dataclass(frozen=True)
class Items:
    """A list: of words, or of answers."""

    kind: ClassVar = "items"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Lines as they are typed."""

    kind: ClassVar = "code"
    lines: str


@dataclass(frozen=True)
class Table:
    """Rows of text under a head."""

    kind: ClassVar = "table"
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    name: str = ""  # of its files; empty: it has none
    about: str = ""
    listed: Table | None = None  # the same numbers, one to a cell: for the CSV
    foot: int = 0  # the last rows, which are not of the kind of the others

    @property
    def right(self) -> list[bool]:
        """Columns of numbers are set to the right."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.head)
        return [any(map(_numeric, c)) and all(_numeric(x) or not x for x in c) for c in columns]


def _numeric(cell: str) -> bool:
    return cell[:1] in "-0123456789" and cell != ""


@dataclass(frozen=True)
class Figure:
    """What is drawn in `file`, and what is said of it."""

    kind: ClassVar = "figure"
    file: str  # without its suffix
    title: str
    caption: str
    formats: tuple[str, ...]  # those in which it lies in the report
    marks: str = ""  # what its bars and bands are: said once for all figures that share it
    width: float = 0.0  # inches, on paper
    plot: Plot | None = None  # what it shows
    score: str = ""  # the score or the environment that it is of, if it is of one
    env: str = ""

    @property
    def picture(self) -> str:
        """The file that a browser can show; empty: none."""
        shown = next((name for name in ("png", "svg") if name in self.formats), "")
        return f"{self.file}.{shown}" if shown else ""

    @property
    def interactive(self) -> bool:
        """Whether the page draws it, and does not show its picture."""
        return self.plot is not None and self.plot.drawn_by_script

    @property
    def others(self) -> tuple[str, ...]:
        """Files in the other formats."""
        files = (f"{self.file}.{name}" for name in self.formats)
        return tuple(file for file in files if file != self.picture)


@dataclass(frozen=True)
class Step:
    """How many runs came as far as this, and which left."""

    count: int
    words: str
    runs: Runs
    reasons: tuple[tuple[str, int], ...] = ()
    aside: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Flow:
    """What became of the runs, from the plan to the estimates: for the page."""

    kind: ClassVar = "flow"
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Listing:
    """Every run, or every trial: the page lists them here, other formats name the file."""

    kind: ClassVar = "listing"
    words: str
    rows: Any = None  # what the page lists, if it is not every run


@dataclass(frozen=True)
class Section:
    kind: ClassVar = "section"
    title: str
    blocks: tuple[Block, ...]
    anchor: str = ""  # its address in the page; empty: made from its title

    @property
    def address(self) -> str:
        return self.anchor or re.sub(r"\W+", "-", self.title.lower()).strip("-")


Block = Text | Caution | Items | Code | Table | Figure | Flow | Listing | Section


@dataclass(frozen=True)
class Document:
    title: str
    question: str
    sections: tuple[Block, ...]
    beside: tuple[Table, ...] = ()  # too long to be read: in files of their own

    def every(self, kind: type[B]) -> Iterator[B]:
        """The blocks of a kind, wherever they stand."""
        blocks: list[Block] = [*self.sections, *self.beside]
        while blocks:
            block = blocks.pop(0)
            if isinstance(block, kind):
                yield block
            if isinstance(block, Section):
                blocks[:0] = block.blocks


# Words -------------------------------------------------------------------------------------------


class Span(NamedTuple):
    """A part of some words."""

    kind: str  # text, code, bold, link or cite
    text: str
    target: str = ""  # of a link: a file beside the report


# A link leads to a file beside the report and nowhere else, whoever wrote the words.
_SPAN = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\[@(?P<cite>[^\]]+)\]"
    r"|\[(?P<link>[^\[\]]+)\]\((?P<target>[\w./-]+)\)"
)


def spans(words: str) -> Iterator[Span]:
    at = 0
    for match in _SPAN.finditer(words):
        if match.start() > at:
            yield Span("text", words[at : match.start()])
        at, kind = match.end(), str(match.lastgroup).replace("target", "link")
        yield Span(kind, match[kind], match["target"] or "")
    if at < len(words):
        yield Span("text", words[at:])


def written(words: str, writers: dict[str, Callable[[Span], str]]) -> str:
    """In a format, which writes each kind of span in its way."""
    return "".join(writers[span.kind](span) for span in spans(words))


def quoted(text: str) -> str:
    """What somebody else wrote, as code: nothing in it is a mark."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def captioned(blocks: Iterable[Block]) -> Iterator[Text]:
    """What bars and bands are, once for all figures that share it."""
    figures = (block for block in blocks if isinstance(block, Figure) and block.marks)
    for marks, titles in grouped((figure.marks, figure.title) for figure in figures).items():
        yield Text(f"**{'; '.join(titles)}.** {marks}")
