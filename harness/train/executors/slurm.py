"""Jobs of a SLURM cluster, through submitit: an array of few jobs, each of which makes many runs.

The nodes and the machine that submits share the results folder, so there is nothing to bring home.
A job that runs out of time, or is preempted, is queued again and goes on with what is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.config.model import Strict
from harness.spec import RunSpec
from harness.sweep.shard import Shard, deal
from harness.train.executors.processes import TICK, processes
from harness.train.run import Job

ROOM = "slurm"  # of a results folder: submitit's files, and what jobs print
LOOK = 30.0  # seconds between two looks at the queue
GONE = 2  # looks that a job must be missing in: a queue may not show it yet


class Slurm(Strict):
    """An array of SLURM jobs: options of `--executor "{slurm: {partition: cpu, hours: 8}}"`."""

    cluster: Literal["slurm", "local"] = Field(
        "slurm", description="local: processes of this machine, all at once, to try it."
    )
    partition: str | None = Field(None, description="The partition; default: the site's.")
    account: str | None = Field(None, description="The account that pays; default: yours.")
    qos: str | None = Field(None, description="The quality of service; default: the site's.")
    constraint: str | None = Field(None, description="Features of nodes, as sbatch has them.")
    hours: float = Field(24.0, gt=0, le=1_000, description="Wall-clock hours of each job.")
    cpus: int = Field(1, ge=1, le=1_024, description="Cores of a job: so many runs side by side.")
    gpus: int = Field(0, ge=0, le=64, description="GPUs of a job.")
    memory_gb: float | None = Field(None, gt=0, description="Memory of a job; default: the site's.")
    jobs: int = Field(
        100,
        ge=1,
        le=1_000,
        description="Jobs in the array, at most. A site's limit is often 1,000.",
    )
    at_once: int = Field(100, ge=1, le=1_000, description="Of these, at most so many run at once.")
    restarts: int = Field(
        3, ge=0, le=100, description="How often a job that ran out of time is queued again."
    )
    setup: list[str] = Field(
        default_factory=list, description="Lines of shell before it, such as: module load cuda."
    )

    def missing(self) -> str:
        """What this machine lacks for it; empty: nothing."""
        if find_spec("submitit") is None:
            return "slurm needs submitit: pip install 'rl-ablation-harness[slurm]'"
        if self.cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            return "there is no sbatch and srun here: start it where jobs are submitted"
        return ""

    def __call__(
        self,
        specs: Sequence[RunSpec],
        job: Job,
        workers: int,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """`workers` is of this machine and says nothing of the nodes, which have `cpus`."""
        root = job.root.resolve()
        submitter, n = self._submitter(root / ROOM), min(len(specs), self.jobs)
        shares = [[spec.model_dump_json() for spec in deal(specs, Shard(i, n))] for i in range(n)]
        submitted = submitter.map_array(
            Share(), shares, [job._replace(root=root)] * n, [self.cpus] * n
        )
        queue = _Queue(submitted) if self.cluster == "slurm" else None
        try:
            while not all(_ended(each, queue) for each in submitted):
                tick()
                time.sleep(TICK)
        except BaseException:
            for each in submitted:
                each.cancel()
            raise
        tick()
        for each in submitted:
            if not each.paths.result_pickle.exists() or each.exception() is not None:
                print(f"job {each.job_id} did not come to its end: {each.paths.stderr}",
                      file=sys.stderr)  # fmt: skip

    def _submitter(self, folder: Path) -> Any:
        import submitit

        minutes = max(1, round(self.hours * 60))
        if self.cluster == "local":
            local = submitit.LocalExecutor(folder / "%j", max_num_timeout=self.restarts)
            local.update_parameters(timeout_min=minutes, setup=self.setup)
            return local
        made = submitit.SlurmExecutor(folder / "%j", max_num_timeout=self.restarts)
        asked = {
            "partition": self.partition, "account": self.account, "qos": self.qos,
            "constraint": self.constraint, "gpus_per_node": self.gpus or None,
            "mem": None if self.memory_gb is None else f"{round(self.memory_gb * 1024)}M",
        }  # fmt: skip
        made.update_parameters(
            job_name="harness",
            time=minutes,
            cpus_per_task=self.cpus,
            array_parallelism=self.at_once,
            setup=self.setup,
            additional_parameters={"requeue": True},
            **{name: value for name, value in asked.items() if value is not None},
        )
        return made


class Share:
    """What a job does. It holds nothing: what is finished stands in the store."""

    def __call__(self, specs: Sequence[str], job: Job, cpus: int) -> None:
        processes([RunSpec.model_validate_json(each) for each in specs], job, cpus)

    def checkpoint(self, *of: Any) -> Any:
        """Asked for shortly before a job is ended: the same once more goes on."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *of)


class _Queue:
    """Which jobs SLURM still has. Without its accounting, submitit never learns of a killed one."""

    def __init__(self, submitted: Sequence[Any]) -> None:
        self._array = submitted[0].job_id.partition("_")[0]
        self._looked = time.monotonic()
        self._missed = {each.job_id: 0 for each in submitted}

    def lacks(self, job_id: str) -> bool:
        if time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            words = ["squeue", "--noheader", "--array", "--jobs", self._array, "--format", "%i"]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode == 0 or "Invalid job id" in done.stderr:
                here = set(done.stdout.split())
                self._missed = {i: 0 if i in here else n + 1 for i, n in self._missed.items()}
        return self._missed[job_id] >= GONE


def _ended(submitted: Any, queue: _Queue | None) -> bool:
    if submitted.paths.result_pickle.exists():
        return True
    return bool(submitted.done()) if queue is None else queue.lacks(submitted.job_id)
