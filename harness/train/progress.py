"""How far a sweep is: one live display, or plain lines when nobody watches a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

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
        self.failed: set[str] = set()
        self._weigh()
        self.started = time.monotonic()
        self.began = time.time()
        self.steps = 0.0  # environment steps finished since the start
        self._said = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
            console=console,
            transient=False,
        )
        self._whole: TaskID | None = None
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self._bar.start()
            self._whole = self._bar.add_task("all runs", total=1.0, numbers="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.tick(last=True)
        if self._whole is not None:
            self._bar.stop()

    def tick(self, last: bool = False) -> None:
        """Look at the files and show what has changed. Called about twice a second."""
        before = len(self.left)
        for key, spec in list(self.left.items()):
            ended = self.store.finished(spec)
            if ended or self.store.failed_since(spec, self.began):
                del self.left[key]
                self.steps += spec.steps
                if ended:
                    self.experience.learn(self.store.folder(spec))
                else:
                    self.failed.add(key)
                    self.console.print(f"[red]failed[/red]: {spec}: {self._reason(spec)}")
        if len(self.left) < before:
            self._weigh()
        running = {
            key: part
            for key, spec in self.left.items()
            if (part := self.store.step(spec, STALE) / spec.steps)
        }
        partial = sum(self.weight[key] * part for key, part in running.items())
        steps = self.steps + sum(self.left[key].steps * part for key, part in running.items())
        done = self.all - sum(self.weight[key] for key in self.left) + partial
        numbers = self._numbers(done, steps)
        if self._whole is not None:
            self._show(running, done, numbers)
        elif last or time.monotonic() - self._said > LINE_EVERY:
            self._said = time.monotonic()
            self.console.print(numbers)

    def _weigh(self) -> None:
        """The share of each run in the whole; one that nobody can estimate is like the longest."""
        known = {key: self.experience.seconds(spec) for key, spec in self.specs.items()}
        longest = max((seconds for seconds in known.values() if seconds), default=1.0)
        self.weight = {
            key: longest if seconds is None else seconds for key, seconds in known.items()
        }
        self.all = sum(self.weight.values())
        self.unknown = {spec.agent for key, spec in self.left.items() if known[key] is None}

    def _numbers(self, done: float, steps: float) -> str:
        elapsed = time.monotonic() - self.started
        text = f"{len(self.specs) - len(self.left)}/{len(self.specs)} runs"
        if self.failed:
            text += f", {len(self.failed)} failed"
        if steps:
            text += f", {steps / max(elapsed, 1e-9):,.0f} steps/s"
        if self.unknown:
            text += f", no estimate yet for {', '.join(sorted(self.unknown))}"
        elif done and self.left:
            text += f", {duration(elapsed * (self.all - done) / done)} left"
        return f"{text}, {duration(elapsed)} so far"

    def _show(self, running: dict[str, float], done: float, numbers: str) -> None:
        assert self._whole is not None
        self._bar.update(
            self._whole, completed=done / self.all if self.all else 1.0, numbers=numbers
        )
        for key in [key for key in self._lines if key not in running]:
            self._bar.remove_task(self._lines.pop(key))
        for key, part in running.items():
            spec = self.left[key]
            if key not in self._lines:
                self._lines[key] = self._bar.add_task(f"  {spec}", total=1.0, numbers="")
            at = f"{part * spec.steps:,.0f} of {spec.steps:,} steps"
            self._bar.update(self._lines[key], completed=part, numbers=at)

    def _reason(self, spec: RunSpec) -> str:
        failure = self.store.failure(spec)
        return escape(failure["error"]) if failure else "its reason cannot be read"
