"""What a long command is doing: one line that changes on a terminal, now and then a line elsewhere.

It goes to stderr, so that what a command prints can be piped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

T = TypeVar("T")
Tell = Callable[[str, int, int], None]  # what is done; of how many parts how many are, or 0 of 0

SILENT, EVERY = 2.0, 10.0  # seconds before the first plain line, and between two


@contextmanager
def shown(
    console: Console | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Tell]:
    """Show what is told until the end."""
    console = console or Console(stderr=True, highlight=False)
    if console.is_terminal:
        with console.status("") as status:
            yield lambda what, done, of: status.update(escape(_line(what, done, of)))
        return
    due, last = clock() + SILENT, ""

    def tell(what: str, done: int, of: int) -> None:
        nonlocal due, last
        line = _line(what, done, of)
        if clock() >= due and line != last:
            due, last = clock() + EVERY, line
            console.print(line, markup=False, soft_wrap=True)

    yield tell


def each(items: Sequence[T], what: str, tell: Tell) -> Iterable[T]:
    """The items, telling how many are done."""
    for done, item in enumerate(items):
        tell(what, done, len(items))
        yield item


def _line(what: str, done: int, of: int) -> str:
    return f"{what}: {done:,} of {of:,}" if of else f"{what} ..."
