"""Where time goes: sections that may lie in one another, each with the time of its own."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym

REST = "the rest"


class Stopwatch:
    """Seconds by section. What is in none counts as the rest.

    :param clock: default: the CPU time of this process, of all its threads.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.entered = 0  # sections so far
        self.left: Callable[[str], None] = lambda section: None  # called at the end of each
        self._clock, self._within = clock, [REST]
        self._since = clock()

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        self._turn()
        self._within.append(name)
        self.entered += 1
        try:
            yield
        finally:
            self._turn()
            self._within.pop()
            self.left(name)

    def time(self, owner: Any, method: str, name: str) -> bool:
        """Count a method as a section from now on; false: there is none."""
        before = getattr(owner, method, None)
        if before is None:
            return False

        def timed(*given: Any, **named: Any) -> Any:
            with self.section(name):
                return before(*given, **named)

        setattr(owner, method, timed)
        return True

    def total(self) -> float:
        self._turn()
        return sum(self.seconds.values())

    def _turn(self) -> None:
        now = self._clock()
        self.seconds[self._within[-1]] += now - self._since
        self._since = now


class TimedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Counts what an environment takes as a section, and calls `stepped` after each step."""

    def __init__(
        self, env: gym.Env[Any, Any], watch: Stopwatch, stepped: Callable[[], None]
    ) -> None:
        super().__init__(env)
        self._watch, self._stepped = watch, stepped

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        with self._watch.section("environment"):
            return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        with self._watch.section("environment"):
            outcome = self.env.step(action)
        self._stepped()
        return outcome
