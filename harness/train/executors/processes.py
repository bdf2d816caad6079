"""A fresh process for every run, a few at a time.

The processes are forked from a server that has imported the libraries once and has never trained,
so nothing leaks from run to run and importing torch is paid once.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import psutil

from harness import agents
from harness.config.strict import UserError
from harness.provenance import THREADS
from harness.spec import RunSpec
from harness.store.reader import Store
from harness.store.scratch import scratch
from harness.store.writer import Busy, end_attempt, open_output, write_failure
from harness.train import limit
from harness.train.run import Job, attempt

BUSY = 75  # exit code: another process is at this run (EX_TEMPFAIL)
UNKNOWN = 255  # exit code that multiprocessing gives to all workers of a server that is gone
TICK = 0.5  # seconds between two looks at the workers
TRIES = 3  # of a server that dies while it starts
PATIENCE = 10.0  # seconds that a worker has to put its files in order before it is killed


def processes(
    specs: Sequence[RunSpec], job: Job, workers: int, tick: Callable[[], None] = lambda: None
) -> None:
    """A process for every run, `workers` side by side.

    A worker that dies without a word fails its own run only. Runs that another sweep is at are
    waited for, and taken over if that sweep dies. So are those of workers whose server died: they
    live on, and nobody is told how they end.
    """
    prepare(Server.of(specs))
    for _ in attempts(specs, job, workers):
        tick()


class Server(NamedTuple):
    """What the server of workers must be, which is started with the first of them."""

    modules: list[str]  # that it imports: the runs will need them
    threads: int

    @classmethod
    def of(cls, specs: Sequence[RunSpec]) -> Server:
        return cls(_preload(specs), max((spec.engine.threads for spec in specs), default=1))


def prepare(server: Server) -> None:
    """Say it, before any numerical library starts: left alone, each of them takes every core."""
    _own_temporary_folder()
    multiprocessing.get_context("forkserver").set_forkserver_preload(server.modules)
    os.environ.update(dict.fromkeys(THREADS, str(server.threads)))


def attempts(specs: Sequence[RunSpec], job: Job, workers: int) -> Iterator[None]:
    """What `processes` does, from one look at the workers to the next."""
    store = Store(job.root)
    context = multiprocessing.get_context("forkserver")
    waiting = list(specs)
    crew: dict[BaseProcess, RunSpec] = {}  # the workers, and what each is at
    began: dict[BaseProcess, float] = {}  # as if in one go from the first attempt on
    try:
        while waiting or crew:
            waiting = [spec for spec in waiting if job.fits(spec)]
            ready = [spec for spec in waiting if not _busy(spec, store)]
            while ready and len(crew) < workers:
                spec = ready.pop(0)
                waiting.remove(spec)
                worker = _started(context, spec, job)
                crew[worker] = spec
                began[worker] = time.monotonic() - store.barrier(spec).wall_seconds
            if crew:
                wait([worker.sentinel for worker in crew], timeout=TICK)
            else:
                time.sleep(TICK)
            for ended in [worker for worker in crew if not worker.is_alive()]:
                spec = crew.pop(ended)
                lost = ended.exitcode == UNKNOWN and psutil.pid_exists(ended.pid or 0)
                if ended.exitcode == BUSY or lost:
                    waiting.append(spec)
                else:
                    why = limit.too_long(job.limits, time.monotonic() - began[ended])
                    _record_failure(spec, ended.exitcode, store, why)
            yield
    finally:
        _dismiss(crew)


@cache
def _own_temporary_folder() -> None:
    """Where the server listens. multiprocessing would leave it behind when it is killed."""
    held = ExitStack()
    multiprocessing.util.Finalize(None, held.close, exitpriority=-200)  # after its own, -100
    before, tempfile.tempdir = tempfile.tempdir, str(held.enter_context(scratch()))
    try:
        multiprocessing.util.get_temp_dir()  # for as long as this process lives
    finally:
        tempfile.tempdir = before


def _preload(specs: Sequence[RunSpec]) -> list[str]:
    """The modules that the runs will need: the server imports them once."""
    chosen = {(spec.agent, spec.engine.name) for spec in specs}
    targets = sorted({agents.entry(*each).module for each in chosen})
    libraries = ["harness.train.run", "sacred", "sacred.observers", *targets]
    if any(spec.checkpoint for spec in specs):
        libraries.append("harness.train.barrier")  # imports torch, which not every learner does
    return [*libraries, "harness.train.executors.warm"]


def _started(context: ForkServerContext, spec: RunSpec, job: Job) -> BaseProcess:
    """A worker. A server that has died meanwhile is started again.

    :raises UserError: if it dies each time.
    """
    for _ in range(TRIES):
        worker = context.Process(target=_work, args=(spec.model_dump_json(), job))
        with suppress(EOFError, ConnectionError), _nameless():
            worker.start()
            return worker
        time.sleep(TICK)  # one that has just been killed may still be taken for alive
    why = "the process that workers are forked from was killed, or cannot import what runs need"
    raise UserError.of("--executor", f"{why}: `--executor serial` shows the second")


@contextmanager
def _nameless() -> Iterator[None]:
    """A worker is told what to do by name, and needs nothing of the program that asks for it, such
    as a user's script: multiprocessing would run that once more in each worker.
    """
    main = vars(sys.modules["__main__"])
    hidden = {"__spec__": None, "__file__": None}
    kept = {name: main[name] for name in hidden if name in main}
    main.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del main[name]
        main.update(kept)


def _busy(spec: RunSpec, store: Store) -> bool:
    return not store.finished(spec) and store.running(spec)


def _work(spec_json: str, job: Job) -> None:
    """What a worker does: one run, its output into a file of its own."""
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent's, who then sends SIGTERM
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    spec = RunSpec.model_validate_json(spec_json)
    output = open_output(Store(job.root).folder(spec))
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        attempt(spec, job)
    except Busy:
        sys.exit(BUSY)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)
    except BaseException:  # failure.json has the traceback
        sys.exit(limit.FAILED)


def _die_with_parent() -> None:
    """No machine is left running: a worker ends when the sweep that started it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(128 + signal.SIGKILL)


def _record_failure(spec: RunSpec, code: int | None, store: Store, why: str = "") -> None:
    """Record the failure of a worker that died without one.

    :param why: it did, if that is known.
    """
    if code == 0:
        return
    if code and code < 0:
        why = f"killed by signal {-code} ({signal.Signals(-code).name})"
    why = why or f"the worker ended with exit code {code}"
    recorded = code == limit.FAILED and store.status(spec).failure is not None
    if not recorded and not store.finished(spec) and not store.running(spec):
        write_failure(store.folder(spec), why)
        end_attempt(store.folder(spec), "failed")


def _dismiss(crew: Iterable[BaseProcess]) -> None:
    """End the workers: politely, then for good."""
    for worker in crew:
        worker.terminate()
    deadline = time.monotonic() + PATIENCE
    for worker in crew:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()
