"""The writer of one run: its files and its lock."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import resource
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from harness.config.secret import without_password
from harness.spec import Metric, RunSpec
from harness.store import checkpoint, digest, files, layout, run_files
from harness.store.files import Damage, Damaged, append_json, write_json
from harness.store.health import Symptom, diverged, of_error
from harness.store.run_files import COSTS, MODEL_MEASURES, OTHER_MODE, Evaluated

HEARTBEAT = 1.0  # seconds between two lines about how far a run is


class Busy(Exception):
    """Another living process holds this run."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the run's folder; :raises Busy: if another process holds it."""
    files.make_folder(folder)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(files.locked(folder / layout.LOCK))
        except BlockingIOError:
            raise Busy(folder.name) from None
        yield


@contextmanager
def declaring(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder, to change what the sweep is; waits for another process."""
    damages = list[Damage]()
    files.unless_damaged(damages, files.size, folder / layout.LOCK)
    for damage in damages:
        files.set_aside(damage.path)
    with files.locked(folder / layout.LOCK, wait=True):
        yield


def mend(folder: Path, root: Path, deep: bool = False) -> list[str]:
    """Set aside what is damaged of a run, unless another process holds it.

    :param folder: the run's, below the results folder `root`.
    :param deep: see `run_files.look`.
    :return: what was set aside, a line each.
    """
    lines = clear_way(folder, root)
    if not folder.exists():
        return lines
    with contextlib.suppress(Busy), claimed(folder):
        lines += set_aside(folder, deep)
    return lines


def clear_way(folder: Path, root: Path) -> list[str]:
    """Set aside what stands in the place of a run's lock and folder, and of those around it."""
    around = (place for place in reversed(folder.parents) if root in place.parents)
    lines, damages = files.make_way(*around, folder, root / "sacred"), list[Damage]()
    files.unless_damaged(damages, files.size, folder / layout.LOCK)
    return lines + [_aside(damage) for damage in damages]


def set_aside(folder: Path, deep: bool = False) -> list[str]:
    """Set aside what is damaged of a run that this process holds: it can be trained again then."""
    seen = run_files.look(folder, deep)
    lines = [_aside(damage) for damage in (*seen.broken, *seen.aside)]
    if seen.broken and os.path.lexists(folder / layout.RESULT):
        files.set_aside(folder / layout.RESULT)  # it tells of files that are gone
    if seen.result:
        checkpoint.discard(folder)  # killed before it could
    return lines


def _aside(damage: Damage) -> str:
    path = damage.path
    if not os.path.lexists(path):
        return str(damage)
    if path.name == layout.ATTEMPTS:
        return files.mend_lines(path, run_files.attempts(path.parent))
    if path.parent.name == layout.MODEL:  # what was learned stays together
        path = path.parent
    if path.name == layout.CHECKPOINT:
        shutil.rmtree(path.parent / layout.KEPT, ignore_errors=True)
    return f"{damage}; set aside as {files.set_aside(path).name}"


class Record:
    """The files of one run, written so that a crash at any moment leaves nothing that misleads.

    `result.json` comes last and whole. What an unfinished attempt left since its last barrier is
    wiped by the next one, except for attempts.jsonl, which counts every start.
    """

    def __init__(self, folder: Path, spec: RunSpec) -> None:
        self.folder = folder
        self.spec = spec
        self._beat = 0.0
        self.step = 0
        self.symptoms: list[Symptom] = []  # see health.py
        self._anew: dict[str, Any] = {}  # why it does not go on from its barrier
        started = run_files.attempts(folder).rows
        if started and "ended" not in started[-1]:  # it was killed without a word
            end_attempt(folder, "lost")
        for scratch in folder.glob(".*"):  # whoever wrote it is gone: the run is ours now
            if scratch.is_file():
                scratch.unlink()
        # Facts of the barrier that this attempt goes on from; None: it begins anew.
        self.barrier: dict[str, Any] | None = None
        if spec.checkpoint:
            self.barrier, damage = _barrier(folder)
            self._anew = {"anew": damage} if damage else {}
        self._wipe()
        facts = spec.model_dump(mode="json", exclude={"arm"})
        write_json(folder / layout.SPEC, facts, sealed=False)
        start = {"started": now(), "pid": os.getpid(), "host": socket.gethostname()}
        if self.barrier:
            start["from_step"] = self._from_step
        append_json(folder / layout.ATTEMPTS, start)

    def begin_anew(self, why: str) -> None:
        """Whatever earlier attempts kept, this one does not go on from it."""
        print(f"{self.spec} begins anew, not from step {self._from_step:,}: {why}", file=sys.stderr)
        self.barrier, self._anew = None, {"anew": why}
        self._wipe()

    def _wipe(self) -> None:
        """What earlier attempts left, as far as this one does not go on from it."""
        if self.barrier:
            checkpoint.go_back(self.folder, self.barrier)
        else:
            checkpoint.discard(self.folder)
        left = checkpoint.LOGS if self.barrier else ()
        for name in set(layout.OF_AN_ATTEMPT).difference(left):
            (self.folder / name).unlink(missing_ok=True)
        for name in (layout.MODEL, layout.EVENTS):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.clock = Clock(self.barrier)
        self._from_step = self.barrier["step"] if self.barrier else 0

    def passed(self, facts: Mapping[str, Any], names: Collection[str]) -> None:
        """The run has come to a barrier, and its arrays are written.

        :param names: of all of them, see `checkpoint.publish`.
        """
        own = {
            "key": self.spec.key,
            "cost": self.clock.total(),
            "process_seconds": self.clock.cpu_seconds_before,
        }
        self.barrier = checkpoint.publish(self.folder, {**facts, **own}, names, self.barrier or {})

    def evaluation(
        self,
        step: int,
        kind: Evaluated,
        returns: list[float],
        lengths: list[int],
        measures: Mapping[str, list[float]],
    ) -> None:
        """One evaluation. The file holds nothing but outcomes: equal specs write equal bytes.

        :param measures: what the card reports beside the score, by name, one for each episode.
        """
        row: dict[str, Any] = {"step": step, "final": kind != "curve", "returns": returns}
        row |= {"lengths": lengths} | ({"measures": dict(measures)} if measures else {})
        row |= {OTHER_MODE: True} if kind == "other_mode" else {}
        append_json(self.folder / (layout.TEST_EVALS if kind == "test" else layout.EVALS), row)

    def metrics(self, step: int, metrics: Mapping[str, float]) -> float:
        """Return `seconds`, the CPU time of the process: see `Clock.process_seconds`.

        A number that is not finite is null: JSON has none.
        """
        seconds = self.clock.process_seconds()
        values = {name: v if math.isfinite(v) else None for name, v in metrics.items()}
        row = {"step": step, "seconds": seconds, **values}
        append_json(self.folder / layout.TRAIN, row, sync=False)
        return seconds

    def visits(self, counted: Mapping[str, NDArray[Any]]) -> None:
        """:param counted: see `run_files.Visits`; empty: nothing is to be written."""
        if counted:
            np.savez_compressed(self.folder / layout.VISITS, **counted)  # type: ignore[arg-type]

    def model(self) -> Path:
        """An empty folder for what is learned."""
        folder = self.folder / layout.MODEL
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def evaluations(self) -> Path:
        """The file of all evaluations, for whoever keeps a copy."""
        return self.folder / layout.EVALS

    def progress(self, step: int) -> None:
        """Tell whoever watches how far the run is; cheap, at most once a second."""
        self.step = step
        if time.monotonic() - self._beat < HEARTBEAT:
            return
        self._beat = time.monotonic()
        beat: dict[str, Any] = {"step": step, "steps": self.spec.steps, **self.clock.cost()}
        beat |= {"from_step": self._from_step, **self._anew}
        beat["symptoms"] = self.symptoms
        write_json(self.folder / layout.PROGRESS, beat, sealed=False, sync=False)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Publish the result, then say so. Killed in between, the run is finished all the same:
        of an attempt without an end that has a result, readers say that it finished.
        """
        publish(self.folder, result)
        before = self.clock.before
        added = ("wall_seconds", "cpu_seconds")  # over the attempts; memory is not
        own = {name: round(result[name] - before[name], 3) for name in added}
        with contextlib.suppress(OSError):  # a disk that is full now loses no result
            end_attempt(self.folder, "finished", {**result, **own, **self._anew})
        with contextlib.suppress(OSError):
            checkpoint.discard(self.folder)

    def interrupted(self) -> None:
        if not self._published():
            end_attempt(self.folder, "interrupted", self.clock.cost() | self._anew)

    def failed(self, error: BaseException) -> None:
        if self._published():
            return
        text = "".join(traceback.format_exception(error))
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        symptom = of_error(reason, text, self.step)
        if symptom and not diverged(self.symptoms):
            self.symptoms.append(symptom)
        write_failure(self.folder, reason, text, self.symptoms)
        end_attempt(self.folder, "failed", self.clock.cost() | self._anew)

    def _published(self) -> bool:
        """Whether the result is out, whatever came afterwards."""
        return (self.folder / layout.RESULT).exists()


def _barrier(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """What a run that this process holds goes on from; or why it is set aside, being damaged."""
    try:
        return checkpoint.read(folder, deep=True), ""
    except Damaged as error:
        print(_aside(error.damage), file=sys.stderr)
        return None, error.damage.why


def publish(folder: Path, result: Mapping[str, Any]) -> None:
    """Write result.json, which says that the run is finished and what its files are.

    :raises Damaged: if one of its evaluations cannot be read, or none is marked final.
    """
    run_files.evaluations(folder)
    write_json(folder / layout.RESULT, {**result, "files": digest.digests(folder)})


def write_failure(
    folder: Path, error: str, text: str = "", symptoms: Sequence[Symptom] = ()
) -> None:
    """Leave the reason why a run ended without a result, even if it never began."""
    files.make_folder(folder)
    reason = {"error": without_password(error), "traceback": without_password(text)}
    facts = {**reason, "at": now(), "symptoms": symptoms}
    write_json(folder / layout.FAILURE, facts, sealed=False)


def certify(folder: Path, certificate: Mapping[str, Any]) -> None:
    """Write what came of making a run once more."""
    write_json(run_files.certificate_path(folder), certificate)


def measured(
    folder: Path, metric: Metric, weights: str, values: Sequence[float], error: str = ""
) -> None:
    """Write what a metric of the user's own made of a run.

    :param weights: the fingerprint of what the run learned.
    :param values: one for each episode, or one.
    :param error: why there are none.
    """
    path = run_files.metric_path(folder, metric)
    files.make_way(path.parent)
    path.parent.mkdir(exist_ok=True)
    facts = {"metric": metric.target, "version": metric.version, "weights": weights}
    write_json(path, {**facts, "values": list(values), "error": error})


def film(folder: Path, weights: str, film: run_files.Film) -> None:
    """Keep a film of a run, in the place of an earlier one.

    :param weights: the fingerprint of what the run learned.
    """
    files.write_whole(folder / layout.FRAMES, film.frames)
    facts = film._asdict() | {"return": film.total, "weights": weights}
    facts["frames"] = hashlib.sha256(film.frames).hexdigest()
    del facts["total"]
    write_json(folder / layout.FILM, facts)


@contextmanager
def model_report(folder: Path, weights: str, measures: Mapping[str, Any]) -> Iterator[Path]:
    """A new folder for a run's model report, its measures already in it; see `files.replacing`.

    :param weights: the fingerprint of the weights that were measured.
    """
    with files.replacing(run_files.model_report(folder)) as new:
        facts = {"version": MODEL_MEASURES, "weights": weights, **measures}
        write_json(new / Path(layout.MEASURES).name, facts)
        yield new


def open_output(folder: Path) -> int:
    """A descriptor for what a run prints."""
    files.make_folder(folder)
    return os.open(folder / layout.OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def end_attempt(folder: Path, outcome: str, cost: Mapping[str, Any] | None = None) -> None:
    """:param cost: COSTS, among other facts; default: those of its last sign of life."""
    facts = run_files.look(folder).progress or {} if cost is None else cost
    spent = {name: facts[name] for name in (*COSTS, "anew") if name in facts}
    append_json(folder / layout.ATTEMPTS, {"ended": now(), "outcome": outcome, **spent})


class Clock:
    """What an attempt costs from here on, and with it the run, up to the barrier it goes on from.

    :param barrier: facts of that barrier; None: it begins anew.
    """

    def __init__(self, barrier: Mapping[str, Any] | None = None) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()
        # What the run had cost at the barrier.
        self.before: dict[str, float] = dict.fromkeys(COSTS, 0.0) | (barrier or {}).get("cost", {})
        # What the process that began the run had spent by then: runs before, if it made several.
        self.cpu_seconds_before: float = (barrier or {}).get("process_seconds", round(self._cpu, 3))

    def cpu(self) -> float:
        """CPU seconds of the run so far, of all threads."""
        return self.before["cpu_seconds"] + time.process_time() - self._cpu

    def process_seconds(self) -> float:
        """CPU seconds of the process; if it goes on with a run, as if it had begun that."""
        return round(self.cpu_seconds_before + self.cpu(), 3)

    def wall(self) -> float:
        """Seconds that the run has taken so far."""
        return self.before["wall_seconds"] + time.monotonic() - self._wall

    def held(self) -> float:
        """MB of memory that the process holds now."""
        return float(psutil.Process().memory_info().rss) / 2**20

    def cost(self) -> dict[str, float]:
        """Of this attempt."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        values = (
            round(time.monotonic() - self._wall, 3),
            round(time.process_time() - self._cpu, 3),
            round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
        )
        return dict(zip(COSTS, values, strict=True))

    def total(self) -> dict[str, float]:
        """Of the run: what was lost after a barrier is no part of it."""
        wall, cpu, peak = ((self.before[name], value) for name, value in self.cost().items())
        values = (round(sum(wall), 3), round(sum(cpu), 3), max(peak))
        return dict(zip(COSTS, values, strict=True))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
