"""Runs as tasks of a Ray cluster, or of a Ray that is started on this machine.

The nodes share no disk with it and need no harness: its sources travel, and the files of a run come
back. Ray places the tasks. Whether a run is finished, whether one is made again that was lost, and
which files are taken is decided here: see dispatch.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from pydantic import Field, field_validator

from harness.config.model import Strict
from harness.config.strict import UserError
from harness.spec import RunSpec
from harness.store.reader import Store
from harness.store.scratch import scratch
from harness.train.executors import cluster
from harness.train.executors.cluster import CPU, GPU, HERE, THIS
from harness.train.executors.dispatch import Dispatch
from harness.train.executors.processes import processes
from harness.train.run import Job


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
        left = store.missing(specs)
        if finished:
            processes(finished, job, workers, tick)
        if not left:
            return
        demands = {spec.key: self.demand(spec) for spec in left}
        with scratch() as folder:
            digests = cluster.joined(self.address, workers, left, job.study, folder / "sources")
            try:
                if not self.grows:
                    cluster.check(left, demands, cluster.nodes())
                Dispatch(self.retries, left, demands, job, digests, folder).run(tick)
            except BaseException:
                cluster.leave()
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
