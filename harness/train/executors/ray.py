"""Runs as tasks of a Ray cluster, or of a Ray that is started on this machine.

The nodes share no disk with it and need no harness: its sources travel, and the files of a run come
back. Ray places the tasks. Whether a run is finished, whether one is made again that was lost, and
which files are taken is decided here.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, field_validator

from harness.config.failure import in_a_line
from harness.config.model import Strict
from harness.config.strict import UserError
from harness.spec import RunSpec
from harness.store import writer
from harness.store.away import Arrival, Held, Part
from harness.store.reader import Store
from harness.store.scratch import scratch
from harness.train import shipment
from harness.train.executors import node
from harness.train.executors.processes import TICK, Server, processes
from harness.train.run import Job

CPU, GPU = "CPU", "GPU"
HERE = "local"  # the address of a Ray of our own
THIS = "auto"  # that of the cluster that this machine is in
REACHED_IN = 5.0  # seconds for an answer from an address
LOOK = 10.0  # seconds between two looks at how many nodes there are
SPARE = 8  # tasks that wait at Ray, beside one for each that runs: no worker waits for the next
OBJECTS = 256 * 2**20  # bytes of shared memory of a Ray of our own
AHEAD = 8  # parcels of a run that may wait to be fetched
# What Ray reads when it starts: a machine that vanished is told from one that is silent in 30
# seconds instead of 400, and nothing is reported to anybody.
SETTINGS = {
    "RAY_grpc_client_keepalive_time_ms": "15000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
}


class Ray(Strict):
    """Tasks of a Ray cluster: options of `--executor "{ray: {address: 10.0.0.1:6379}}"`."""

    address: str = Field(
        HERE,
        description="host:port of the cluster's head; auto: the cluster that this machine is in; "
        "local: a Ray that is started on this machine and ends with the command.",
    )
    retries: int = Field(
        3, ge=0, le=100, description="How often a run is made again whose worker or node was lost."
    )
    gpus: float = Field(
        1.0,
        gt=0,
        le=64,
        description="GPUs of a run whose engine has `device: cuda`; 0.25: four runs share one.",
    )
    grows: bool = Field(
        False,
        description="The cluster starts nodes when they are asked for: wait for one that fits.",
    )

    @field_validator("address")
    @classmethod
    def _form(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value not in (HERE, THIS) and not (host and "/" not in host and port.isdigit()):
            raise ValueError("write host:port of the cluster's head, auto or local")
        return value

    def missing(self) -> str:
        """What this machine lacks for it; empty: nothing."""
        if find_spec("ray") is None:
            return "ray needs its package: pip install 'rl-ablation-harness[ray]'"
        return ""

    def __call__(
        self,
        specs: Sequence[RunSpec],
        job: Job,
        workers: int,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """`workers` is of this machine and says nothing of the nodes of a cluster.

        What is asked of finished runs, a film or a metric, is made on this machine.
        """
        store = Store(job.root)
        finished = [spec for spec in specs if store.finished(spec)]
        left = [spec for spec in specs if spec not in finished]
        if finished:
            processes(finished, job, workers, tick)
        if not left:
            return
        demands = {spec.key: self.demand(spec) for spec in left}
        with scratch() as folder:
            digests = _joined(self.address, workers, left, job.study, folder / "sources")
            try:
                if not self.grows:
                    _check(left, demands, _nodes())
                _Dispatch(self, left, demands, job, digests, folder).run(tick)
            except BaseException:
                leave()
                raise

    def demand(self, spec: RunSpec) -> dict[str, float]:
        """What a run takes of a node.

        :raises UserError: if Ray cannot give it.
        """
        needs = {CPU: float(spec.engine.threads)}
        if spec.engine.device.startswith("cuda:"):
            message = f"{spec}: Ray chooses the GPU of a run: write `device: cuda`"
            raise UserError.of("--executor", message)
        return needs | ({GPU: self.gpus} if spec.engine.device == "cuda" else {})


# The cluster --------------------------------------------------------------------------------------

_connection: tuple[Any, ...] = ()  # what this process has joined, and with which sources


def _joined(
    address: str, workers: int, specs: Sequence[RunSpec], study: Path | None, folder: Path
) -> dict[str, str]:
    """Send the sources and join the cluster, or start one; return a digest of each module.

    :raises UserError: if there is none at this address, or it is not fit.
    """
    global _connection
    folder.mkdir()
    digests = shipment.pack(folder, study)
    cores = workers * max(spec.engine.threads for spec in specs) if address == HERE else 0
    wanted = (address, cores, tuple(sorted(digests.items())))
    _set_up(address)
    import ray

    if ray.is_initialized():
        if _connection == wanted:
            return digests
        if not _connection:
            message = "this program has joined a cluster by itself: call ray.shutdown() before"
            raise UserError.of("--executor", message)
        leave()
    own: dict[str, Any] = {"address": address}
    if address == HERE:
        own |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": OBJECTS}
        own |= {"_node_ip_address": "127.0.0.1"}
    elif address != THIS:
        _reach(address)
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            **own,
            runtime_env={"working_dir": str(folder)},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # of many kinds
        raise UserError.of("--executor", f"ray at {address}: {_first(error)}") from None
    finally:
        signal.signal(signal.SIGTERM, before)  # Ray has its own, which leaves runs as they are
    _connection = wanted
    return digests


def _set_up(address: str) -> None:
    """Before Ray is first imported, which reads it: see SETTINGS."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if address != HERE and (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # as `ray start` does on the nodes


def leave() -> None:
    """Leave the cluster, which ends the tasks that it was given; one of our own ends."""
    global _connection
    import ray

    before = signal.getsignal(signal.SIGTERM)
    ray.shutdown()
    signal.signal(signal.SIGTERM, before)
    _connection = ()


def _reach(address: str) -> None:
    """:raises UserError: if nobody answers there: Ray itself would try for a minute."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED_IN).close()
    except (OSError, OverflowError) as error:
        message = f"no Ray answers at {address}: {in_a_line(error)}"
        raise UserError.of("--executor", message) from None


def _nodes() -> list[dict[str, float]]:
    """What each living node has."""
    import ray

    return [each["Resources"] for each in ray.nodes() if each["Alive"]]


def _check(
    specs: Sequence[RunSpec],
    demands: dict[str, dict[str, float]],
    nodes: Sequence[dict[str, float]],
) -> None:
    """:raises UserError: if no node could ever make one of the runs: Ray would wait for ever."""
    for spec in specs:
        if not any(_fit(demands[spec.key], each) for each in nodes):
            asked = " and ".join(f"{n:g} {name}s" for name, n in demands[spec.key].items())
            best = ", ".join(
                f"{max((each.get(name, 0) for each in nodes), default=0):g} {name}s"
                for name in demands[spec.key]
            )
            message = f"no node has {asked} for {spec}: they have up to {best}"
            way_out = "lower engine.threads, or say {ray: {grows: true}} if nodes will come"
            raise UserError.of("--executor", f"{message}; {way_out}")


def _fit(demand: dict[str, float], has: dict[str, float]) -> int:
    """How many of such runs a node can make at once."""
    return min(math.floor(has.get(name, 0.0) / n) for name, n in demand.items())


# The runs -----------------------------------------------------------------------------------------


class _Flight(NamedTuple):
    """A run that was given to Ray."""

    spec: RunSpec
    arrival: Arrival
    held: list[Held]  # once somebody is at it


class _Dispatch:
    """Gives the runs to Ray, few more at a time than it can make, and takes home what comes."""

    def __init__(
        self,
        options: Ray,
        specs: Sequence[RunSpec],
        demands: dict[str, dict[str, float]],
        job: Job,
        digests: dict[str, str],
        folder: Path,
    ) -> None:
        self._options, self._demands, self._digests = options, demands, digests
        self._job, self._store, self._folder = job, Store(job.root), folder
        self._server = Server.of(specs)
        self._waiting = deque(specs)
        self._flying: dict[Any, _Flight] = {}
        self._lost: Counter[str] = Counter()  # attempts, by key
        self._flights = 0
        self._landed = False  # whether any task could be done
        self._looked, self._window = -LOOK, 0
        # Ray ends the process of a task with a GPU with it, so that its successor has another.
        import ray

        self._task = ray.remote(node.make)
        self._gpu_task = ray.remote(max_calls=1)(node.make)

    def run(self, tick: Callable[[], None]) -> None:
        pause = told = 0.0
        while self._waiting or self._flying:
            self._launch()
            for generator in self._ready():
                self._hear(generator)
            if time.monotonic() - told >= pause:
                began = time.monotonic()
                tick()
                told = time.monotonic()
                pause = max(TICK, 4 * (told - began))  # of many runs, a look takes long
        tick()
        if again := sum(self._lost.values()):
            print(f"{again} attempts were lost with their workers or nodes", file=sys.stderr)

    def _launch(self) -> None:
        """Give Ray as many runs as it can make, and a few that wait there."""
        if time.monotonic() - self._looked > LOOK:
            self._looked, nodes = time.monotonic(), _nodes()
            smallest = min(self._demands.values(), key=lambda demand: (len(demand), demand[CPU]))
            self._window = 2 * sum(_fit(smallest, each) for each in nodes) + SPARE
        for _ in range(min(len(self._waiting), self._window - len(self._flying))):
            spec = self._waiting.popleft()
            if not self._job.fits(spec) or self._store.finished(spec):
                continue
            if self._store.running(spec):
                self._waiting.append(spec)
            else:
                self._fly(spec)

    def _fly(self, spec: RunSpec) -> None:
        demand = self._demands[spec.key]
        task = self._gpu_task if GPU in demand else self._task
        generator = task.options(
            num_cpus=demand[CPU],
            num_gpus=demand.get(GPU),
            max_retries=0,
            num_returns="streaming",
            _generator_backpressure_num_objects=AHEAD,
        ).remote(
            spec.model_dump_json(), self._job._replace(budget=None), self._server, self._every()
        )
        self._flights += 1
        folder = self._folder / str(self._flights)
        self._flying[generator] = _Flight(spec, Arrival(folder, spec), [])

    def _every(self) -> float:
        """Seconds between two signs of life of a run: all of them are read here."""
        return max(1.0, self._window / 100)

    def _ready(self) -> list[Any]:
        """The tasks of which something has come."""
        import ray

        if not self._flying:
            time.sleep(TICK)
            return []
        for n, timeout in ((1, TICK), (len(self._flying), 0)):
            ready, _ = ray.wait(list(self._flying), num_returns=n, timeout=timeout)
            if not ready:
                break
        return list(ready)

    def _hear(self, generator: Any) -> None:
        import ray

        flight = self._flying[generator]
        try:
            message = ray.get(next(generator))
        except StopIteration:
            self._land(generator)
        except ray.exceptions.RuntimeEnvSetupError as error:
            message = f"the sources cannot be brought to a node: {_first(error)}"
            raise UserError.of("--executor", message) from None
        except ray.exceptions.RayError as error:
            if isinstance(error, ray.exceptions.RayTaskError) and not self._landed:
                raise UserError.of("--executor", f"no run can be made on a node: {_first(error)}"
                                   ) from None  # fmt: skip
            self._lose(generator, _first(error))
        else:
            self._landed = True
            if isinstance(message, list):
                flight.arrival.take([Part(*each) for each in message])
            else:
                self._show(generator, message)

    def _show(self, generator: Any, signs: dict[str, bytes]) -> None:
        """Show that a run is under way, unless another sweep is at it: then it is theirs."""
        flight = self._flying[generator]
        try:
            if not flight.held:
                flight.held.append(Held(flight.spec, self._store))
            flight.held[0].hear(signs)
        except writer.Busy:
            import ray

            del self._flying[generator]
            ray.cancel(generator, force=True)
            self._waiting.append(flight.spec)

    def _land(self, generator: Any) -> None:
        """A task has ended: take home what came of its run."""
        flight = self._flying[generator]
        if not flight.arrival.outcome:
            self._lose(generator, "nothing came of it")
            return
        result = flight.arrival.result()
        if result and (names := shipment.others(result, self._digests)):
            self._fail(self._over(generator), f"made from other sources than were sent: "
                       f"{', '.join(names)}")  # fmt: skip
            return
        for held in flight.held:
            held.release()
        flight.held.clear()
        merged = flight.arrival.bring_home(self._store)
        for line in merged.apart:
            print(line, file=sys.stderr)
        if merged.busy:
            self._waiting.append(self._over(generator).spec)
        elif merged.lost:
            self._lose(generator, "; ".join(merged.damaged or merged.lost))
        else:
            self._over(generator)

    def _lose(self, generator: Any, why: str) -> None:
        """The worker or the node of a run is gone: it is made again, unless that was tried."""
        flight = self._flying[generator]
        for held in flight.held:
            held.lost()
        self._over(generator)
        self._lost[flight.spec.key] += 1
        if self._lost[flight.spec.key] <= self._options.retries:
            self._waiting.appendleft(flight.spec)
        else:
            self._fail(flight, f"lost {self._lost[flight.spec.key]} times, the last time: {why}")

    def _over(self, generator: Any) -> _Flight:
        flight = self._flying.pop(generator)
        for held in flight.held:
            held.release()
        flight.arrival.remove()
        return flight

    def _fail(self, flight: _Flight, why: str) -> None:
        writer.write_failure(self._store.folder(flight.spec), why)


def _first(error: Exception) -> str:
    """The first line of what Ray says, of which there may be a hundred."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0]}" if lines else type(cause).__name__
