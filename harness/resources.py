"""How many cores and how much memory this process may use.

A container sees the whole machine; what it may take of it stands in its control group.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path("/")
UNLIMITED = 2**60  # bytes: control groups of version 1 spell "no limit" as a number near 2^63


def cores(root: Path = ROOT) -> int:
    """That may be busy at once, rounded up.

    :param root: where proc and sys are, for tests.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    here = len(allowed) or os.cpu_count() or 1
    return min([here, *map(math.ceil, _core_limits(root))])


def memory(root: Path = ROOT) -> int:
    """Bytes of memory that may be held."""
    here = int(psutil.virtual_memory().total)
    return min([here, *_memory_limits(root)])


def _core_limits(root: Path) -> Iterator[float]:
    for folder in _groups(root, "cpu"):
        old = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        words = _words(folder / "cpu.max") or old
        if len(words) == 2 and words[0] not in ("max", "-1"):
            yield int(words[0]) / int(words[1])


def _memory_limits(root: Path) -> Iterator[int]:
    for folder in _groups(root, "memory"):
        words = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        if words and words[0] != "max" and int(words[0]) < UNLIMITED:
            yield int(words[0])


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of those around it, the outermost too.

    In a container the group's own name may not be there: then the outermost is the container's.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        inner = top / name.strip("/")
        yield from (place for place in (inner, *inner.parents) if place.is_relative_to(top))


def _words(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text().split())
    except OSError:
        return ()
