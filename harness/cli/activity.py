"""What a long command is doing: one line that changes on a terminal, now and then a line elsewhere.

It goes to stderr, so that what a command prints can be piped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

T = TypeVar("T")
Tell = Callable[[str, int, int], None]  # what is done; of how many parts how many are, or 0 of 0

SILENT = EVERY = 10.0  # seconds before the first plain line, and between two


@contextmanager
def shown(
    command: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Tell]:
    """Show what is told until the end."""
    console = console or Console(stderr=True, highlight=False)

    def line(what: str, done: int, of: int) -> str:
        return f"{command}: {what}" + (f", {done:,} of {of:,}" if of else "")

    if console.is_terminal:
        with console.status(escape(command)) as status:
            yield lambda *told: status.update(escape(line(*told)))
        return
    due, last = clock() + SILENT, ""

    def tell(what: str, done: int, of: int) -> None:
        nonlocal due, last
        text = line(what, done, of)
        if clock() >= due and text != last:
            due, last = clock() + EVERY, text
            console.print(text, markup=False, soft_wrap=True)

    yield tell


def each(command: str, items: Sequence[T], what: Callable[[T], str]) -> Iterator[T]:
    """The items, showing which of them is at work."""
    with shown(command) as tell:
        for done, item in enumerate(items):
            tell(what(item), done, len(items))
            yield item
