"""A Ray cluster of several machines on this one: each is a network namespace with its own Ray."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from harness.train.executors.cluster import SETTINGS

PATIENCE = 600.0  # seconds: this machine may be busy
PORT = 6379
STARTED = "Ray runtime started"  # what `ray start` says then
TRIES = 3  # at starting a node: Ray gives up after 30 seconds, which a busy machine may take
MARK = "RAY_OF_TEST"  # in the environment of all that is started here


def possible() -> bool:
    """Whether namespaces can be made here."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


class Nodes:
    """A head and others, on one bridge: 0 is the head, on which commands are given."""

    def __init__(self, folder: Path, cpus: Sequence[int]) -> None:
        self.mark = uuid4().hex[:6]
        self.folder = folder  # of a short name, for the names of Ray's sockets
        self._names = [f"h{self.mark}{i}" for i in range(len(cpus))]
        self.started: list[subprocess.Popen[bytes]] = []
        (folder / "ray").mkdir()
        try:
            for i, name in enumerate(self._names):
                self._wire(i, name)
            for i, n in enumerate(cpus):
                self.start(i, n)
        except BaseException:
            self.close()
            raise

    @property
    def study(self) -> Path:
        """Where commands are given."""
        return self.folder / "study"

    @property
    def address(self) -> str:
        return f"{self._ip(0)}:{PORT}"

    def _ip(self, i: int) -> str:
        return f"10.77.0.{i + 1}"

    def _wire(self, i: int, name: str) -> None:
        _ip("netns", "add", name)
        _ip("link", "set", "lo", "up", within=name)
        if i == 0:
            _ip("link", "add", "bridge", "type", "bridge", within=name)
            _ip("addr", "add", f"{self._ip(0)}/24", "dev", "bridge", within=name)
            _ip("link", "set", "bridge", "up", within=name)
            return
        head = self._names[0]
        _ip("link", "add", f"to{i}", "type", "veth", "peer", "name", "out", "netns", name,
            within=head)  # fmt: skip
        _ip("link", "set", f"to{i}", "master", "bridge", "up", within=head)
        _ip("addr", "add", f"{self._ip(i)}/24", "dev", "out", within=name)
        _ip("link", "set", "out", "up", within=name)

    def start(self, i: int, cpus: int) -> None:
        """A node's Ray; returns when it is there."""
        role = ["--head", f"--port={PORT}", "--include-dashboard=false"]
        words = role if i == 0 else [f"--address={self.address}"]
        words += [f"--node-ip-address={self._ip(i)}", f"--num-cpus={cpus}", "--block"]
        words += [f"--temp-dir={self.folder}/ray"] if i == 0 else []
        words += ["--object-store-memory=100000000", "--disable-usage-stats"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words]
        for attempt in range(TRIES):
            log = f"node-{i}-{attempt}.log"
            process = self.give(i, command, log)
            self.started.append(process)
            said = self.folder / log
            wait_for(lambda p=process, s=said: STARTED in s.read_text() or p.poll() is not None)
            if process.poll() is None:
                return
            self.kill(i)
        raise AssertionError(said.read_text())

    def give(
        self, i: int, command: Sequence[str], log: str, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A command on a node, in a folder that holds nothing of the nodes."""
        own = {"HOME": str(self.folder), "TMPDIR": str(self.folder / f"t{i}"), MARK: self.mark}
        (self.folder / f"t{i}").mkdir(exist_ok=True)
        (self.folder / f"d{i}").mkdir(exist_ok=True)
        self.study.mkdir(exist_ok=True)
        own_disk = f'mount --bind {self.folder}/d{i} {self.folder}/ray && exec "$@"'
        bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        with (self.folder / log).open("ab") as out:
            return subprocess.Popen(
                ["ip", "netns", "exec", self._names[i], "sh", "-c", own_disk, "sh", *command],
                cwd=self.study, env=bare | SETTINGS | own | (env or {}),
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def processes(self, i: int | None = None) -> list[psutil.Process]:
        """Those of a node; None: of all."""
        place = self._place(i)
        found = []
        for process in psutil.process_iter():
            try:
                here = process.environ().get(MARK) == self.mark
                if here and place in (None, os.readlink(f"/proc/{process.pid}/ns/net")):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def _place(self, i: int | None) -> str | None:
        if i is None:
            return None
        inode = os.stat(f"/var/run/netns/{self._names[i]}").st_ino
        return f"net:[{inode}]"

    def workers(self, i: int) -> list[psutil.Process]:
        """The processes of a node that are at a task."""
        return [p for p in self.processes(i) if _title(p).startswith("ray::make")]

    def kill(self, i: int) -> None:
        """All of a node at once, as if it had been switched off; its sockets close."""
        for process in self.processes(i):
            process.kill()

    def cut_off(self, i: int) -> None:
        """Nothing comes from a node any more, and nobody is told."""
        _ip("link", "set", f"to{i}", "down", within=self._names[0])

    def close(self) -> None:
        for process in self.processes():
            process.kill()
        for process in self.started:
            process.wait()
        for name in self._names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _ip(*words: str, within: str = "") -> None:
    inside = ["-n", within] if within else []
    subprocess.run(["ip", *inside, *words], check=True, capture_output=True)


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE, every: float = 0.2) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(every)
    raise AssertionError(f"not within {seconds:g} s")


def attempts(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log of attempts."""
    path = folder / "attempts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def interrupt(process: subprocess.Popen[bytes]) -> int:
    """As Ctrl-C does; SIGINT itself is ignored by what was started in the background."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE)
