"""Cores, threads, memory, disk and clock."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import psutil

from harness import provenance, resources
from harness.doctor.finding import Finding
from harness.store import cost, files

GB, MB = 2**30, 2**20
WRITTEN_MB = 64  # to see how fast the disk is
TIMES = 9  # that a small file is written and waited for
SLOW_FSYNC = 0.05  # seconds: a run waits for it at each evaluation
LEAST_FREE, LITTLE_FREE = 0.5 * GB, 5 * GB
LATE = 2.0  # seconds that the clock of a disk may be away from ours


def cores() -> Finding:
    """How many there are for runs, and how fast one is."""
    seen, usable = os.cpu_count() or 1, resources.cores()
    shipped, here = cost.shipped_costs(), cost.probe()
    speed = shipped.probe / here
    cpu = provenance.machine()["cpu"]
    of = f"{usable} cores" if usable == seen else f"{usable} of {seen} cores may be used"
    text = f"{of} ({cpu}), each {speed:.1f} times as fast as the one that `harness check` knows"
    facts = {"cores": usable, "seen": seen, "cpu": cpu, "probe_seconds": here, "speed": speed}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > usable:
        text += f"; other work keeps {load:.1f} busy"
        return Finding("cores", text, "warning", "wait, or use fewer --workers", facts)
    return Finding("cores", text, facts=facts)


def threads() -> Finding:
    """Of each run: one is quickest for small networks side by side."""
    asked = {name: os.environ[name] for name in provenance.THREADS if name in os.environ}
    many = {name: n for name, n in asked.items() if n != "1"}
    if many:
        text = ", ".join(f"{name}={n}" for name, n in many.items())
        change = f"unset {' '.join(many)}: runs side by side slow one another down"
        return Finding("threads", text, "warning", change, {"threads": asked})
    return Finding("threads", "one for each run", facts={"threads": asked})


def memory() -> Finding:
    """Whether a run fits for each core."""
    limit, free = resources.memory(), int(psutil.virtual_memory().available)
    free = min(free, limit)
    measured = [of.memory_mb for envs in cost.shipped_costs().agents.values()
                for of in envs.values()]  # fmt: skip
    run = quantiles(measured, n=10)[-1] * MB
    fits, usable = int(free // run), resources.cores()
    text = f"{limit / GB:.1f} GB, {free / GB:.1f} GB free; 9 of 10 shipped agents take less than "
    text += f"{run / GB:.1f} GB a run"
    facts = {"bytes": limit, "free_bytes": free, "run_bytes": run}
    if fits == 0:
        return Finding("memory", text, "broken", "take a machine with more memory", facts)
    if fits < usable:
        change = f"use --workers {fits}: there may be no room for {usable} runs at once"
        return Finding("memory", text, "warning", change, facts)
    return Finding("memory", text, facts=facts)


def disk(folder: Path) -> Iterator[Finding]:
    """Whether results can be kept in a folder, or in the nearest one that is there."""
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.is_dir())
    try:
        free = shutil.disk_usage(place).free
        path = place / f".doctor.{os.getpid()}"
        try:
            yield _speed(place, free, path)
            yield _lock(path)
            yield _clock(path)
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        text = f"{place} cannot be written: {error.strerror}"
        yield Finding("disk", text, "broken", "name a folder of yours: --results FOLDER")


def _speed(place: Path, free: int, path: Path) -> Finding:
    block = os.urandom(MB)
    size = min(WRITTEN_MB, free // MB // 2)
    begun = time.monotonic()
    with path.open("wb") as file:
        for _ in range(size):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    speed = size / (time.monotonic() - begun)
    waits = []
    for _ in range(TIMES):
        begun = time.monotonic()
        files.write_whole(path, b"small")
        waits.append(time.monotonic() - begun)
    wait = median(waits)
    text = f"{place}: {free / GB:.1f} GB free, written at {speed:.0f} MB/s, waited for "
    text += f"{1000 * wait:.1f} ms"
    facts = {
        "folder": str(place),
        "free_bytes": free,
        "mb_per_second": speed,
        "fsync_seconds": wait,
    }
    if free < LEAST_FREE:
        return Finding("disk", text, "broken", f"make room on the disk of {place}", facts)
    if free < LITTLE_FREE:
        change = (
            f"make room on the disk of {place}: `harness check FILE` says how much a sweep takes"
        )
        return Finding("disk", text, "warning", change, facts)
    if wait > SLOW_FSYNC:
        change = "train on a local disk, and copy: each evaluation waits for this one"
        return Finding("disk", text, "warning", change, facts)
    return Finding("disk", text, facts=facts)


def _lock(path: Path) -> Finding:
    """Bucket mounts and some network disks have no locks: two processes would train one run."""
    try:
        with files.locked(path):
            held = files.lock_is_held(path)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL):
            raise
        held = False
    if held:
        return Finding("locks", "held")
    text = f"{path.parent} knows no locks: two processes would train the same run"
    change = "train on a local disk, and publish: harness sweep FILE --shard 0/1 --results URL"
    return Finding("locks", text, "broken", change)


def _clock(path: Path) -> Finding:
    """Against the disk's, which may be another machine's, and against our own sources."""
    files.write_whole(path, b"now")
    now, there = time.time(), path.stat().st_mtime
    text = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    facts = {"seconds_ahead_of_disk": now - there}
    if now < Path(__file__).stat().st_mtime - 86_400:
        change = "set the clock: records tell when runs were made"
        return Finding(
            "clock", f"{text}, which is before this was installed", "warning", change, facts
        )
    if abs(now - there) > LATE:
        order = "after" if now > there else "before"
        text += f", {abs(now - there):.0f} seconds {order} that of the disk"
        change = "let both machines ask a time server (chrony, ntp)"
        return Finding("clock", text, "warning", change, facts)
    return Finding("clock", text, facts=facts)
