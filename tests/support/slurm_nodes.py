"""A SLURM cluster of two nodes on this machine, in a network namespace and in a folder of its own.

Debian: apt-get install slurm-wlm munge. Without its accounting, as some sites have it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from ray_nodes import wait_for

NEEDED = ("ip", "unshare", "munged", "slurmctld", "slurmd", "sbatch", "squeue")
HOST, ADDRESS = "head", "10.78.0.1"
CONFIG = """\
ClusterName=test
SlurmctldHost={host}({address})
SlurmUser=root
AuthInfo=socket={folder}/munge
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
ReturnToService=2
SchedulerParameters=sched_min_interval=500000,bf_interval=5
NodeName=n0 NodeHostname={host} NodeAddr={address} Port=17001 CPUs=2
NodeName=n1 NodeHostname={host} NodeAddr={address} Port=17002 CPUs=2
PartitionName=cpu Nodes=n0,n1 Default=YES State=UP
"""


def possible() -> bool:
    """Whether a cluster can be started here."""
    return os.geteuid() == 0 and all(map(shutil.which, NEEDED))


class Cluster:
    """Its daemons, and the machine where jobs are submitted, which is each of the two nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # of a short name, for the name of munge's socket
        self._place = f"s{uuid4().hex[:6]}"
        self._daemons: list[subprocess.Popen[bytes]] = []
        (folder / "key").write_bytes(secrets.token_bytes(1024))
        (folder / "key").chmod(0o400)
        text = CONFIG.format(host=HOST, address=ADDRESS, folder=folder)
        (folder / "slurm.conf").write_text(text)
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        subprocess.run(["ip", "netns", "add", self._place], check=True)
        for words in (
            "link set lo up", "link add bridge type bridge",
            f"addr add {ADDRESS}/24 dev bridge", "link set bridge up",
        ):  # fmt: skip
            subprocess.run(["ip", "-n", self._place, *words.split()], check=True)
        at = self.folder
        self._daemon(
            "munged", "--foreground", "--force", f"--socket={at}/munge", f"--key-file={at}/key",
            f"--pid-file={at}/munged.pid", f"--log-file={at}/munged.log", f"--seed-file={at}/seed",
        )  # fmt: skip
        wait_for((at / "munge").exists)
        self._daemon("slurmctld", "-D")
        for node in ("n0", "n1"):
            self._daemon("slurmd", "-D", "-N", node)
        wait_for(lambda: self.says("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2")

    def _daemon(self, *words: str) -> None:
        named = ["unshare", "--uts", "sh", "-c", f'hostname {HOST}; exec "$@"', "sh", *words]
        self._daemons.append(self.give(named, f"{words[0]}.log"))

    def give(self, words: Sequence[str], log: str, **env: str) -> subprocess.Popen[bytes]:
        """A command where jobs are submitted."""
        with (self.folder / log).open("ab") as out:
            return subprocess.Popen(
                self._here(*words), cwd=self.folder, env=self._env | env, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def says(self, *words: str) -> str:
        """What a short command says."""
        done = subprocess.run(self._here(*words), env=self._env, capture_output=True, text=True)
        return done.stdout

    def running(self) -> list[str]:
        """The jobs that are at work."""
        return self.says("squeue", "-h", "-r", "-t", "R", "-o", "%i").split()

    def _here(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self._place, *words]

    @property
    def _env(self) -> dict[str, str]:
        return os.environ | {"SLURM_CONF": f"{self.folder}/slurm.conf"}

    def close(self) -> None:
        for job in self.running():
            self.says("scancel", job)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait()
        subprocess.run(["ip", "netns", "del", self._place], capture_output=True)
