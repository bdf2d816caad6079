"""How far a list of runs is while they train, as their files tell: run by run, and by arm."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.config.tree import grouped
from harness.spec import Run, RunSpec
from harness.store.estimate import Experience
from harness.store.reader import Store

State = Literal["waiting", "running", "finished", "failed"]
SOON = 5.0  # seconds until the pace of what runs is known: runs do not tell every moment
STATES: tuple[State, ...] = ("finished", "running", "failed", "waiting")


@dataclass
class Standing:
    """One run."""

    spec: Run
    state: State = "waiting"
    part: float = 0.0  # of its steps
    rate: float = 0.0  # steps a second, while it runs
    score: float | None = None  # the mean return of its latest evaluation
    seen: float = 0.0  # when that was, in seconds since 1970

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "failed")


class Cell(NamedTuple):
    """The runs of an arm in an environment."""

    env: str
    arm: str
    states: dict[State, int]
    score: float | None  # of the latest evaluation of any of its runs
    rate: float  # steps a second, all that run together
    seconds: float | None  # of CPU time to come; None: nobody knows

    @property
    def planned(self) -> int:
        return sum(self.states.values())


class Course:
    """Looks at the files again and again. What has finished is not looked at twice.

    :param specs: two arms may share a run.
    :param failures: of these runs before, which do not count: see `Store.failure`.
    """

    def __init__(
        self,
        specs: Iterable[Run],
        store: Store,
        experience: Experience,
        failures: Mapping[str, tuple[int, int] | None] | None = None,
    ) -> None:
        self.specs = list(specs)
        self.store, self.experience, self.failures = store, experience, failures or {}
        self.runs = {spec.key: Standing(spec) for spec in self.specs}
        self.seconds: dict[str, float | None] = {}  # of CPU time by key; None: nobody knows
        self.started = time.monotonic()
        for run in self.runs.values():
            self._look_at(run)
        self._estimate()
        self._before = self._steps()
        self._done_before = self.done()

    def look(self) -> list[Standing]:
        """:return: the runs that have ended since the last look."""
        news = []
        for run in self.runs.values():
            before = run.state
            if before != "finished":
                self._look_at(run)
            if run.ended and run.state != before:
                news.append(run)
                if run.state == "finished":
                    self.experience.learn(self.store.folder(run.spec))
        if news:
            self._estimate()
        return news

    def _look_at(self, run: Standing) -> None:
        run.state, run.rate = self._state(run.spec), 0.0
        if run.ended:
            run.part = 1.0
        elif run.state == "waiting":
            run.part = self.store.barrier(run.spec).step / max(run.spec.steps, 1)
        if run.state in ("running", "finished"):
            self._read(run)

    def _estimate(self) -> None:
        for key, run in self.runs.items():
            made = run.spec if isinstance(run.spec, RunSpec) else None
            self.seconds[key] = self.experience.seconds(made) if made else None

    def _state(self, spec: Run) -> State:
        if self.store.finished(spec):
            return "finished"
        if self.store.running(spec):
            return "running"
        failure = self.store.failure(spec)
        return "waiting" if failure in (None, self.failures.get(spec.key)) else "failed"

    def _read(self, run: Standing) -> None:
        if latest := self.store.latest_score(run.spec):
            run.seen, run.score = latest
        if run.state == "running" and (pace := self.store.pace(run.spec)):
            step, run.rate = pace
            run.part = min(step / run.spec.steps, 1.0)

    # All of them together -------------------------------------------------------------------------

    def count(self, state: State) -> int:
        return sum(run.state == state for run in self.runs.values())

    @property
    def over(self) -> bool:
        return all(run.ended for run in self.runs.values())

    @property
    def unknown(self) -> list[str]:
        """The agents of runs to come of which nobody knows what they take."""
        runs = (run for key, run in self.runs.items() if self.seconds[key] is None)
        specs = (run.spec for run in runs if not run.ended)
        return sorted({spec.agent for spec in specs if isinstance(spec, RunSpec)})

    def weights(self) -> dict[str, float]:
        """The share of each run in the whole; one that nobody can estimate is like the longest."""
        longest = max((seconds for seconds in self.seconds.values() if seconds), default=1.0)
        return {key: longest if s is None else s for key, s in self.seconds.items()}

    def done(self) -> float:
        """The part of all the work that is done."""
        weights = self.weights()
        whole = sum(weights.values())
        done = sum(weights[key] * run.part for key, run in self.runs.items())
        return done / whole if whole else 1.0

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def early(self) -> bool:
        """Whether it is too early to tell a pace."""
        return self.elapsed() < SOON and not self.over

    def rate(self) -> float | None:
        """Steps a second since the first look; None: nobody knows yet."""
        if self.early:
            return None
        return (self._steps() - self._before) / max(self.elapsed(), 1e-9)

    def _steps(self) -> float:
        return sum(run.spec.steps * run.part for run in self.runs.values())

    def left(self) -> float | None:
        """Seconds that all of it will still take, at the pace since the first look; None: nobody
        knows yet.
        """
        done = self.done()
        if self.early or self.unknown or done <= self._done_before:
            return None
        return self.elapsed() * (1 - done) / (done - self._done_before)

    # By arm ---------------------------------------------------------------------------------------

    def cells(self) -> list[Cell]:
        """Environment by environment, in the order of the list."""
        envs = list(dict.fromkeys(spec.env for spec in self.specs))
        parts = grouped(((spec.env, spec.arm), self.runs[spec.key]) for spec in self.specs)
        cells = [self._cell(*at, runs) for at, runs in parts.items()]
        return sorted(cells, key=lambda cell: envs.index(cell.env))

    def _cell(self, env: str, arm: str, runs: list[Standing]) -> Cell:
        states = {state: sum(run.state == state for run in runs) for state in STATES}
        scored = [(run.seen, run.score) for run in runs if run.score is not None]
        to_come = [(self.seconds[run.spec.key], 1 - run.part) for run in runs if not run.ended]
        known = [seconds * part for seconds, part in to_come if seconds is not None]
        return Cell(
            env,
            arm,
            states,
            max(scored)[1] if scored else None,
            sum(run.rate for run in runs),
            sum(known) if len(known) == len(to_come) else None,
        )
