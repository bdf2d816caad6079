"""A Ray cluster as this process joins it: with the sources that its tasks are made from."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.failure import in_a_line
from harness.config.strict import UserError
from harness.spec import RunSpec
from harness.train import shipment

CPU, GPU = "CPU", "GPU"
HERE = "local"  # the address of a Ray of our own
THIS = "auto"  # that of the cluster that this machine is in
REACHED_IN = 5.0  # seconds for an answer from an address
OBJECTS = 256 * 2**20  # bytes of shared memory of a Ray of our own
Demand = Mapping[str, float]  # CPU, and GPU if it takes one
# What Ray reads when it starts: a machine that vanished is told from one that is silent in 30
# seconds instead of 400, and nothing is reported to anybody.
SETTINGS = {
    "RAY_grpc_client_keepalive_time_ms": "15000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
}

_connection: tuple[Any, ...] = ()  # what this process has joined, and with which sources


def joined(
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
    # Of a node that is lost Ray prints 30 lines; what it means for a run is told here.
    ray._private.worker._worker_logs_enabled = False
    try:
        ray.init(
            **own,
            runtime_env={"working_dir": str(folder)},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # of many kinds
        raise UserError.of("--executor", f"ray at {address}: {first_line(error)}") from None
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


def nodes() -> list[Demand]:
    """What each living node has."""
    import ray

    return [each["Resources"] for each in ray.nodes() if each["Alive"]]


def check(specs: Sequence[RunSpec], demands: Mapping[str, Demand], nodes: Sequence[Demand]) -> None:
    """:raises UserError: if no node could ever make one of the runs: Ray would wait for ever."""
    for spec in specs:
        if not any(fit(demands[spec.key], each) for each in nodes):
            asked = " and ".join(f"{n:g} {name}s" for name, n in demands[spec.key].items())
            best = ", ".join(
                f"{max((each.get(name, 0) for each in nodes), default=0):g} {name}s"
                for name in demands[spec.key]
            )
            message = f"no node has {asked} for {spec}: they have up to {best}"
            way_out = "lower engine.threads, or say {ray: {grows: true}} if nodes will come"
            raise UserError.of("--executor", f"{message}; {way_out}")


def fit(demand: Demand, has: Demand) -> int:
    """How many of such runs a node can make at once."""
    return min(math.floor(has.get(name, 0.0) / n) for name, n in demand.items())


def first_line(error: Exception) -> str:
    """The first line of what Ray says, of which there may be a hundred."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0]}" if lines else type(cause).__name__
