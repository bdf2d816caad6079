"""What a long command is doing: one line that changes on a terminal, now and then a line elsewhere.

It goes to stderr, so that what a command prints can be piped.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

T = TypeVar("T")
Tell = Callable[[str, int, int], None]  # what is done; of how many parts how many are, or 0 of 0

SPINNER = 2  # columns before the line on a terminal
SILENT = EVERY = 10.0  # seconds before the first plain line, and between two


@contextmanager
def shown(
    command: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Tell]:
    """Show what is told until the end."""
    console, left = console or Console(stderr=True, highlight=False), _Left(clock)

    def line(what: str, done: int, of: int, width: float = math.inf) -> str:
        numbers = f", {done:,} of {of:,}{left.told(done, of)}" if of else ""
        room = width - len(f"{command}: {numbers}")
        shown = what if len(what) <= room else f"{what[: max(int(room) - 1, 0)]}…"
        return f"{command}: {shown}{numbers}"

    if console.is_terminal:
        spinner = Spinner("dots", escape(command))
        # What is printed meanwhile stands above the line, unless it goes into a file.
        above = sys.stdout.isatty()
        with Live(spinner, console=console, transient=True, redirect_stdout=above):
            room = console.width - SPINNER
            yield lambda what, done, of: spinner.update(text=escape(line(what, done, of, room)))
        return
    due, last = clock() + SILENT, ""

    def tell(what: str, done: int, of: int) -> None:
        nonlocal due, last
        text = line(what, done, of)
        if clock() >= due and text != last:
            due, last = clock() + EVERY, text
            console.print(text, markup=False, soft_wrap=True)

    yield tell


class _Left:
    """How long it still takes, if all parts take as long as those that are done."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._of, self._first, self._began = clock, 0, 0, 0.0

    def told(self, done: int, of: int) -> str:
        from harness.store.estimate import duration

        if of != self._of or done < self._first:
            self._of, self._first, self._began = of, done, self._clock()
        if done in (self._first, of):
            return ""
        took = self._clock() - self._began
        return f", about {duration(took * (of - done) / (done - self._first))} left"


def each(command: str, items: Sequence[T], what: Callable[[T], str]) -> Iterator[T]:
    """The items, showing which of them is at work."""
    with shown(command) as tell:
        for done, item in enumerate(items):
            tell(what(item), done, len(items))
            yield item
