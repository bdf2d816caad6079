"""What `harness ls` lists, as tables of a page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from extension.reference.markdown import prose, table
from harness.cli import ls
from harness.store.reader import Store

SHIPS = "ships"  # of the column `from`: what packages and the current folder have is no part of it


class Listing(NamedTuple):
    """Rows of cells below their headings, the first the name of a thing."""

    head: list[str]
    rows: list[list[str]]

    @property
    def names(self) -> list[str]:
        return [row[0] for row in self.rows]

    def table(self, links: dict[str, str]) -> str:
        """With each name as a link, where there is one."""
        named = ([_linked(row[0], links), *map(prose, row[1:])] for row in self.rows)
        return table(self.head, named)


def _linked(name: str, links: dict[str, str]) -> str:
    return f"[`{name}`]({links[name]})" if name in links else f"`{name}`"


@cache
def listing(kind: str) -> Listing:
    """What ships of one kind, as `harness ls KIND` has it."""
    listed: Any = ls.LISTS[kind](Store(Path("results")), False)
    columns = [[str(cell) for cell in column.cells] for column in listed.columns]
    head = [str(column.header) + ">" * (column.justify == "right") for column in listed.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    if head[-1] == "from":
        head, rows = head[:-1], [row[:-1] for row in rows if row[-1] == SHIPS]
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    return Listing([head[i] for i in kept], [[row[i] for i in kept] for row in rows])
