"""How far a sweep is: one live display, or plain lines when nobody watches a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from harness.spec import RunSpec
from harness.store.estimate import Experience, duration
from harness.store.reader import Store

LINE_EVERY = 30.0  # seconds between two plain lines
STALE = 60.0  # seconds after which a run that says nothing is not shown as running


class Display:
    """Watches the files of a list of runs. Time left is judged by what runs like them took, those
    among them that have ended by now.

    :param experience: what is known of their cost.
    """

    def __init__(
        self, specs: Sequence[RunSpec], store: Store, console: Console, experience: Experience
    ) -> None:
        self.store = store
        self.console = console
        self.experience = experience
        self.specs = {spec.key: spec for spec in specs}
        self.left = dict(self.specs)
        self.part = dict.fromkeys(self.specs, 0.0)  # of each run, what is done of its steps
        self.failed = 0
        self.started, self.began = time.monotonic(), time.time()
        self._said = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._whole = self._bar.add_task("all runs", total=1.0, numbers="")
        self._lines = {
            key: self._bar.add_task(f"  {spec}", total=1.0, visible=False, numbers="")
            for key, spec in self.specs.items()
        }
        self._weigh()

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.tick(last=True)
        self._bar.stop()

    def tick(self, last: bool = False) -> None:
        """Look at the files and show what has changed. Called about twice a second."""
        before = len(self.left)
        for key, spec in list(self.left.items()):
            finished = self.store.finished(spec)
            if finished or self.store.failed_since(spec, self.began):
                del self.left[key]
                self.part[key] = 1.0
            else:
                self.part[key] = self.store.step(spec, STALE) / spec.steps
            if finished:
                self.experience.learn(self.store.folder(spec))
            elif key not in self.left:
                self.failed += 1
                failure = self.store.status(spec).failure
                reason = escape(failure["error"]) if failure else "its reason cannot be read"
                self.console.print(f"[red]failed[/red]: {spec}: {reason}")
        if len(self.left) < before:
            self._weigh()
        self._show(last)

    def _weigh(self) -> None:
        """The share of each run in the whole; one that nobody can estimate is like the longest."""
        known = {key: self.experience.seconds(spec) for key, spec in self.specs.items()}
        longest = max((seconds for seconds in known.values() if seconds), default=1.0)
        self.weight = {
            key: longest if seconds is None else seconds for key, seconds in known.items()
        }
        self.unknown = {spec.agent for key, spec in self.left.items() if known[key] is None}

    def _show(self, last: bool) -> None:
        whole = sum(self.weight.values())
        done = sum(self.weight[key] * part for key, part in self.part.items())
        numbers = self._numbers(done, whole)
        self._bar.update(self._whole, completed=done / whole if whole else 1.0, numbers=numbers)
        for key, spec in self.specs.items():
            part, runs = self.part[key], key in self.left and self.part[key] > 0
            at = f"{part * spec.steps:,.0f} of {spec.steps:,} steps"
            self._bar.update(self._lines[key], completed=part, visible=runs, numbers=at)
        if not self.console.is_terminal and (last or time.monotonic() - self._said > LINE_EVERY):
            self._said = time.monotonic()
            self.console.print(numbers)

    def _numbers(self, done: float, whole: float) -> str:
        elapsed = time.monotonic() - self.started
        steps = sum(self.specs[key].steps * part for key, part in self.part.items())
        text = f"{len(self.specs) - len(self.left)}/{len(self.specs)} runs"
        if self.failed:
            text += f", {self.failed} failed"
        if steps:
            text += f", {steps / max(elapsed, 1e-9):,.0f} steps/s"
        if self.unknown:
            text += f", no estimate yet for {', '.join(sorted(self.unknown))}"
        elif done and self.left:
            text += f", {duration(elapsed * (whole - done) / done)} left"
        return f"{text}, {duration(elapsed)} so far"
