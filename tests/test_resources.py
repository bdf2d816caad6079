"""A container's limits count: what it may use, and not what the machine has."""

from __future__ import annotations

import os

import psutil
import pytest

from harness import resources
from harness.cli import verb

HERE = len(os.sched_getaffinity(0))
OLD = "4:cpu,cpuacct:/docker/a\n3:memory:/docker/a\n"


def tree(root, groups, files):
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, HERE),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),  # a fifth of one
        # The limit of a group around it, and that of a container whose own name is not seen in it.
        ("0::/a/b\n", {"sys/fs/cgroup/a/cpu.max": "90000 100000\n"}, 1),
        ("0::/gone\n", {"sys/fs/cgroup/cpu.max": "90000 100000\n"}, 1),
        (OLD, {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
               "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, HERE),
        (OLD, {"sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us": "50000\n",
               "sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us": "100000\n"}, 1),
        ("", {}, HERE),
    ],
)  # fmt: skip
def test_cores_are_those_that_a_control_group_allows(groups, files, cores, tmp_path):
    assert resources.cores(tree(tmp_path, groups, files)) == cores


@pytest.mark.parametrize(
    ("groups", "files", "memory"),
    [
        ("0::/\n", {"sys/fs/cgroup/memory.max": "max\n"}, None),
        ("0::/a\n", {"sys/fs/cgroup/a/memory.max": "1048576\n"}, 2**20),
        (OLD, {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        (OLD, {"sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes": "1048576\n"}, 2**20),
    ],
)
def test_memory_is_what_a_control_group_allows(groups, files, memory, tmp_path):
    allowed = resources.memory(tree(tmp_path, groups, files))

    assert allowed == (memory or psutil.virtual_memory().total)


def test_no_more_runs_are_trained_at_once_than_there_are_cores_for(monkeypatch):
    monkeypatch.setattr(resources, "cores", lambda: 3)

    assert (verb.cores(0), verb.cores(7)) == (3, 7)
