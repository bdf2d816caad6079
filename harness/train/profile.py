"""Where the time of a learner's steps goes, and which settings of this machine are quickest."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from baselines.api import NoProgress
from harness import agents, envs
from harness.config import study
from harness.config.name import counted
from harness.provenance import THREADS
from harness.seeding import episode_seeds
from harness.spec import RunSpec
from harness.store.health import Health
from harness.store.scratch import scratch
from harness.store.writer import Record
from harness.train.evaluate import Evaluator
from harness.train.stopwatch import Stopwatch, TimedEnv
from harness.train.task import current, learning_task, vouch

SOON = 1_000  # steps: learning starts no later here, for what comes before it is not measured
FIRST = 120.0  # CPU seconds until the first update, which may compile what others use
MOST = 10.0  # times the seconds that were asked for: then it ends, wherever it is
# What learners have, in an attribute of the agent or itself, and the section that it is.
PLACES = (
    ("model", "collect_rollouts", "acting"),  # Stable-Baselines3, and the engine lockstep
    ("model", "train", "update"),
    ("trainer", "update", "update"),  # dreamer
    ("", "_act", "acting"),
    ("", "fit_vae", "update"),  # world_model
    ("", "fit_rnn", "update"),
    ("", "fit_controller", "update"),
)


class Setting(NamedTuple):
    """A way to make the same run, or, with other environments, another one."""

    spec: RunSpec
    changed: str  # in words; empty: as it was asked for
    paste: str  # the line of a sweep file
    alike: bool = True  # the algorithm stays the same


class Profile(NamedTuple):
    """What was measured of one setting. Times are of 1,000 environment steps."""

    steps: int  # that were measured
    wall_seconds: float
    cpu_seconds: float
    sections: dict[str, float]  # seconds of CPU time; on another device, of wall-clock time
    measuring: float  # the share of them that measuring took, about
    device_memory_mb: float | None = None

    @property
    def per_second(self) -> float:
        """Steps of a run alone."""
        return 1_000 / self.wall_seconds

    @property
    def per_cpu_second(self) -> float:
        """Steps of many runs side by side, on each core."""
        return 1_000 / self.cpu_seconds


# What is tried ------------------------------------------------------------------------------------


def settings(spec: RunSpec, cores: int) -> Iterator[Setting]:
    """The setting that was asked for, then others: threads, engines, numbers of environments."""
    yield Setting(spec, "", "")
    engine, n_envs = spec.engine, spec.hparams.get("n_envs")
    for name in ("sb3", "lockstep"):
        other = engine.model_copy(update={"name": name})
        able = name != engine.name and not agents.untrained(spec.agent, name)
        if able and not any(agents.refused(spec.agent, other, spec.hparams)):
            version = agents.entry(spec.agent, name).version
            moved = spec.model_copy(update={"engine": other, "agent_version": version})
            yield Setting(moved, f"engine {name}", f"engine: {name}")
    for threads in (2**i for i in range(cores.bit_length())):
        if threads != engine.threads and engine.name == "sb3":
            other = engine.model_copy(update={"threads": threads})
            moved = spec.model_copy(update={"engine": other})
            yield Setting(moved, counted(threads, "thread"), f"engine: {{threads: {threads}}}")
    for n in (n_envs // 2, n_envs * 2, n_envs * 4) if isinstance(n_envs, int) else ():
        with suppress(ValueError):  # where they do not go with other hyper-parameters
            hparams = spec.hparams | {"n_envs": max(n, 1)}
            agents.config(spec.agent, hparams)
            if hparams["n_envs"] != n_envs:
                moved = spec.model_copy(update={"hparams": hparams})
                paste = f"hparams: {{n_envs: {max(n, 1)}}}"
                yield Setting(moved, counted(max(n, 1), "environment"), paste, alike=False)


def recommended(measured: Sequence[tuple[Setting, Profile]]) -> list[str]:
    """What to write for runs side by side, and for one alone, where it gains more than noise.

    How much it gains stands behind it: x2.0 is twice as many steps.
    """
    gains: dict[tuple[str, bool], list[str]] = {}
    _, first = measured[0]
    for title, rate in (("in a sweep", "per_cpu_second"), ("alone", "per_second")):
        for alike in (True, False):
            among = [each for each in measured[1:] if each[0].alike == alike]
            if not among:
                continue
            setting, best = max(among, key=lambda each: getattr(each[1], rate))
            gain = getattr(best, rate) / getattr(first, rate)
            if gain >= GAIN:
                gains.setdefault((setting.paste, alike), []).append(f"x{gain:.1f} {title}")
    return [
        f"{paste}  # {', '.join(found)}" + ("" if alike else f"; {ANOTHER}")
        for (paste, alike), found in gains.items()
    ]


GAIN = 1.1  # less is noise
ANOTHER = "another algorithm"


# What is measured ---------------------------------------------------------------------------------


class _Enough(Exception):
    """Ends a training that was measured."""


def measure(spec: RunSpec, seconds: float) -> Profile:
    """In a process of its own, which has as many threads as the run would have."""
    os.environ.update(dict.fromkeys(THREADS, str(spec.engine.threads)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return Profile(*pool.apply(_measure, (spec.model_dump_json(), seconds, study.folder())))


def _measure(spec_json: str, seconds: float, folder: Path | None) -> tuple[Any, ...]:
    warnings.simplefilter("ignore")  # of libraries, about settings that are only tried
    if folder is not None:
        study.enter(folder)
    spec = RunSpec.model_validate_json(spec_json)
    vouch(spec)
    starts = spec.hparams.get("learning_starts")
    if isinstance(starts, int) and starts > SOON:
        spec = spec.model_copy(update={"hparams": spec.hparams | {"learning_starts": SOON}})
    on_cpu = spec.engine.device == "cpu"
    watch = Stopwatch(time.process_time if on_cpu else _synchronised)
    with scratch() as place:
        run = _Run(spec, watch, seconds, Record(place, spec))
        return tuple(run.profile())


def _synchronised() -> float:
    """Wall-clock time, when the device has done what it was given."""
    import torch

    torch.accelerator.synchronize()
    return time.perf_counter()


class _Mark(NamedTuple):
    """Where a run was when it had made an update."""

    steps: int
    wall: float
    cpu: float
    seconds: Mapping[str, float]
    entered: int


class _Run(NoProgress):
    """A training that is measured from one update to another, and then ended."""

    def __init__(self, spec: RunSpec, watch: Stopwatch, seconds: float, record: Record) -> None:
        self.spec, self.watch, self.record = spec, watch, record
        self.card, self.steps = current(spec), 0
        self.agent = agents.make(
            spec.agent, learning_task(spec, self.card, self._timed), spec.hparams, spec.engine.name
        )
        self.sees_updates = False
        for attribute, method, section in PLACES:
            owner = getattr(self.agent, attribute, None) if attribute else self.agent
            if watch.time(owner, method, section) and section == "update":
                self.sees_updates = True
        watch.left = self._left
        learns = agents.entry(spec.agent).learns
        discrete = self.card.actions == "discrete"
        self.health = Health(spec.steps, discrete, learns, lambda symptom: None)
        self.marks: list[_Mark] = []  # the first and the last
        self.limit, self.began = seconds, time.process_time()

    def _timed(self, env: envs.Env) -> envs.Env:
        return TimedEnv(env, self.watch, self._stepped)

    def _stepped(self) -> None:
        self.steps += 1

    def _left(self, section: str) -> None:
        if section == "update":
            self._mark()

    def _mark(self) -> None:
        self.watch.total()
        now = _Mark(self.steps, time.perf_counter(), time.process_time(),
                    dict(self.watch.seconds), self.watch.entered)  # fmt: skip
        if not self.marks:
            self.began = now.cpu
        self.marks[1:] = [now]
        if len(self.marks) == 2 and now.cpu - self.marks[0].cpu >= self.limit:
            raise _Enough

    def at(self, step: int) -> None:
        with self.watch.section("logging"):
            self.record.progress(step)
        most = self.limit
        if self.sees_updates:
            most = MOST * self.limit if self.marks else FIRST
        if len(self.marks) < 2 and time.process_time() - self.began > most:
            raise _Enough

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        with self.watch.section("logging"):
            values = {name: float(value) for name, value in metrics.items()}
            self.health.metrics(step, values)
            self.record.metrics(step, values)

    def profile(self) -> Profile:
        self.watch.total()
        begun = _Mark(0, time.perf_counter(), time.process_time(), dict(self.watch.seconds), 0)
        with suppress(_Enough):
            self.agent.learn(self)
        if len(self.marks) < 2 or self.marks[0].steps == self.marks[1].steps:
            self.marks = [begun]  # of updates that nobody sees: all of it
            with suppress(_Enough):
                self._mark()
        first, last = self.marks
        steps = last.steps - first.steps
        if not steps:
            raise ValueError(f"{self.spec.agent} takes no steps to learn from: nothing to measure")
        scale = 1_000 / steps
        spent = {
            name: scale * (value - first.seconds.get(name, 0.0))
            for name, value in last.seconds.items()
        }
        evaluation = min(self._evaluation(), self._evaluation())  # the first may compile
        evaluation *= 1_000 / self.spec.evaluation.every
        pairs = last.entered - first.entered
        measuring = pairs * _tax(self.watch) / max(sum(spent.values()) / scale, 1e-9)
        return Profile(
            steps,
            scale * (last.wall - first.wall) + evaluation,
            scale * (last.cpu - first.cpu) + evaluation,
            {**spent, "evaluation": evaluation},
            measuring,
            _device_memory() if self.spec.engine.device != "cpu" else None,
        )

    def _evaluation(self) -> float:
        """CPU seconds of one evaluation by the protocol, of what was learned by now."""
        spec, start = self.spec, time.process_time()
        seeds = episode_seeds("curve", spec.env, spec.seed, spec.evaluation.episodes)
        make_env = lambda: envs.make(self.card, spec.wrappers, training=False)  # noqa: E731
        with closing(Evaluator(make_env)) as evaluator:
            evaluator.play(self.agent, seeds, spec.evaluation.deterministic)
        return time.process_time() - start


def _tax(watch: Stopwatch) -> float:
    """Seconds that one section takes to be counted."""
    tries, start = 1_000, time.process_time()
    watch.left = lambda section: None
    for _ in range(tries):
        with watch.section("measuring"):
            pass
    return (time.process_time() - start) / tries


def _device_memory() -> float | None:
    torch = sys.modules["torch"]
    return float(torch.cuda.max_memory_allocated() / 2**20) if torch.cuda.is_available() else None
