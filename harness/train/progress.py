"""How far a sweep is: a table that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.config.tree import grouped
from harness.store.course import Cell, Course
from harness.store.estimate import duration

LINE_EVERY = 30.0  # seconds between two plain lines
NARROW = 80  # columns that are always enough
_NUMBERS = 56  # columns of a table that are not names
_BESIDE = 4  # lines of a screen that are no rows of the table


class Display:
    """Shows the course of runs from now on; call `tick` about twice a second.

    :param first: what is done until the first of them begins.
    """

    def __init__(self, course: Course, console: Console, first: str = "") -> None:
        self.course, self.console, self.first = course, console, first
        self._said, self._line = 0.0, ""
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self._live.start()
        self.tick()  # before the first run begins, libraries are imported and may be compiled
        return self

    def __exit__(self, *error: object) -> None:
        self.tick(last=True)
        self._live.stop()

    def tick(self, last: bool = False) -> None:
        """Look at the files and show what has changed."""
        ended = self.course.look()
        if ended or self.course.count("running"):
            self.first = ""
        for run in ended:
            if run.state == "failed":
                failure = self.course.store.status(run.spec).failure
                reason = escape(failure["error"]) if failure else "its reason cannot be read"
                self.console.print(f"[red]failed[/red]: {run.spec}: {reason}")
        if self._live.is_started:
            size = self.console.size
            shown = screen(self.course, size.width, size.height, self.first)
            self._live.update(shown, refresh=True)
        elif last or time.monotonic() - self._said > LINE_EVERY:
            self._said, before = time.monotonic(), self._line
            self._line = line(self.course, self.first)
            if self._line != before:
                self.console.print(self._line, soft_wrap=True)


def line(course: Course, first: str = "") -> str:
    """All of it in one line.

    :param first: what is done before any run begins.
    """
    running, failed = course.count("running"), course.count("failed")
    text = f"{course.count('finished') + failed}/{len(course.runs)} runs"
    if running:
        text += f", {running} running"
    if failed:
        text += f", {failed} failed"
    if rate := course.rate():
        text += f", {rate:,.0f} steps/s"
    left = course.left()
    if course.unknown:
        text += f", no estimate yet for {', '.join(course.unknown)}"
    elif left is not None and not course.over:
        text += f", {duration(left)} left"
    text += f", {duration(course.elapsed())} so far"
    return f"{text}; {first}" if first else text


def screen(course: Course, width: int, height: int, first: str = "") -> RenderableType:
    """The table and, below it, the line."""
    shown = table(course.cells(), width, height - _BESIDE)
    return Group(shown, Text(), Text(line(course, first), overflow="fold"))


def table(cells: Sequence[Cell], width: int = NARROW, most: int | None = None) -> Table:
    """A row for each arm, under its environment.

    :param most: rows; where there are more, an environment in which nothing runs has a row alone.
    """
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    result.add_column("", no_wrap=True, overflow="ellipsis", max_width=max(width - _NUMBERS, 12))
    for name in ("done", "run", "fail", "last score", "steps/s", "CPU left"):
        result.add_column(name, justify="right", no_wrap=True)
    envs = grouped((cell.env, cell) for cell in cells)
    short = most is not None and len(cells) + len(envs) > most
    for env, arms in envs.items():
        quiet = not any(cell.states["running"] for cell in arms)
        if short and quiet:
            result.add_row(Text(env, style="bold"), *_numbers(arms)[:3])
            continue
        result.add_row(Text(env, style="bold"))
        for cell in arms:
            result.add_row(Text(f"  {cell.arm}"), *_numbers([cell]))
    return result


def _numbers(cells: Sequence[Cell]) -> list[Text]:
    finished, running, failed = (
        sum(cell.states[state] for cell in cells) for state in ("finished", "running", "failed")
    )
    (cell, *_) = cells
    planned, left = sum(each.planned for each in cells), cell.seconds
    waits = finished + failed < planned
    return [
        Text(f"{finished}/{planned}", style="green" if finished == planned else ""),
        Text(str(running or "")),
        Text(str(failed or ""), style="red"),
        Text("" if cell.score is None else f"{cell.score:.4g}"),
        Text(f"{cell.rate:,.0f}" if cell.rate else ""),
        Text((duration(left) if left is not None else "?") if waits else ""),
    ]
