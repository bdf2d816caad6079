"""Gives runs to a Ray cluster and takes home what comes of them, whatever is lost on the way."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.config.strict import UserError
from harness.spec import RunSpec
from harness.store import writer
from harness.store.away import Arrival, Held, Part
from harness.store.reader import Store
from harness.train import shipment
from harness.train.executors import cluster, node
from harness.train.executors.cluster import CPU, GPU, Demand, first_line
from harness.train.executors.processes import TICK, Server
from harness.train.run import Job

LOOK = 10.0  # seconds between two looks at how many nodes there are
SPARE = 8  # tasks that wait at Ray, beside one for each that runs: no worker waits for the next
AHEAD = 8  # parcels of a run that may wait to be fetched


class _Flight(NamedTuple):
    """A run that was given to Ray."""

    spec: RunSpec
    arrival: Arrival
    held: list[Held]  # once somebody is at it


class Dispatch:
    """Gives the runs to Ray, few more at a time than it can make, and takes home what comes."""

    def __init__(
        self,
        retries: int,
        specs: Sequence[RunSpec],
        demands: Mapping[str, Demand],
        job: Job,
        digests: dict[str, str],
        folder: Path,
    ) -> None:
        self._retries, self._demands, self._digests = retries, demands, digests
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
            self._looked, nodes = time.monotonic(), cluster.nodes()
            smallest = min(self._demands.values(), key=lambda demand: (len(demand), demand[CPU]))
            self._window = 2 * sum(cluster.fit(smallest, each) for each in nodes) + SPARE
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
            message = f"the sources cannot be brought to a node: {first_line(error)}"
            raise UserError.of("--executor", message) from None
        except ray.exceptions.RayError as error:
            if isinstance(error, ray.exceptions.RayTaskError) and not self._landed:
                why = f"no run can be made on a node: {first_line(error)}"
                raise UserError.of("--executor", why) from None
            self._lose(generator, first_line(error))
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
        if self._lost[flight.spec.key] <= self._retries:
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
