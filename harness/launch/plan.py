"""What is to be started, where, and for how long at most: the same for every target."""

from __future__ import annotations

import math
import re
import shlex
from typing import NamedTuple

from pydantic import Field, field_validator

from harness.config.model import Strict

MARK = "YOUR-"  # begins what the user has not given; no project, bucket or image can be called so
GB_A_CORE = 2  # of memory
ATTEMPTS = 3  # at a shard: the first, and two more after a machine was lost
LONGEST = 14 * 24  # hours: Google Cloud Batch allows no more


class Gpu(NamedTuple):
    """What one GPU is called by each target, and the machine on Google Cloud that has it."""

    sky: str
    gke: str
    machine: str
    cores: int
    attached: bool  # the machine type does not say which GPU it has


GPUS = {
    "l4": Gpu("L4", "nvidia-l4", "g2-standard-4", 4, False),
    "t4": Gpu("T4", "nvidia-tesla-t4", "n1-standard-4", 4, True),
    "a100": Gpu("A100", "nvidia-tesla-a100", "a2-highgpu-1g", 12, False),
}
CORES = (2, 4, 8, 16, 32)  # of machines without a GPU

# What a name must look like, and the words that say so.
_FORMS = {
    "project": (r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of a Google Cloud project"),
    "region": (r"[a-z]+-[a-z]+\d+", "a region such as europe-west4"),
    "bucket": (r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", "the name of a bucket, without gs://"),
    "image": (
        r"[a-z0-9][a-z0-9._-]*(:\d+)?(/[a-z0-9][a-z0-9._-]*)*(:[\w][\w.-]*|@sha256:[0-9a-f]{64})",
        "an image with its tag, such as europe-west4-docker.pkg.dev/project/harness/harness:1.0",
    ),
    "vm_image": (
        r"projects/[a-z0-9.:-]+/global/images/(family/)?[a-z0-9-]+",
        "an image of machines, such as projects/PROJECT/global/images/family/NAME",
    ),
    "volume": (r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "the name of a volume claim"),
    "pool": (r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "the name of a node pool"),
}  # fmt: skip


class Plan(Strict):
    """A sweep in so many shards, and the machines that train them."""

    name: str  # of the sweep
    file: str  # as the machine finds it: in the study, or by the name of one that ships
    study: bool  # the user's own files travel with it
    options: tuple[str, ...] = ()  # of `harness sweep`
    runs: int
    shards: int = Field(1, ge=1)
    parallel: int = Field(1, ge=1)  # shards at once; of Ray, machines
    cores: int = Field(4, ge=1)
    gpu: str | None = None
    spot: bool = False
    hours: int = Field(12, ge=1, le=LONGEST)  # after which a shard is stopped
    idle_minutes: int = Field(10, ge=1)
    project: str = f"{MARK}PROJECT"
    region: str = "europe-west4"
    bucket: str = f"{MARK}BUCKET"
    image: str = f"{MARK}IMAGE"
    vm_image: str = f"{MARK}VM-IMAGE"  # of Ray: what its machines start from
    volume: str | None = None  # of Kubernetes, instead of the bucket
    pool: str | None = None  # of nodes, by name

    @field_validator(*_FORMS)
    @classmethod
    def _form(cls, value: str | None, info: object) -> str | None:
        form, words = _FORMS[info.field_name]  # type: ignore[attr-defined]
        if value is not None and not value.startswith(MARK) and not re.fullmatch(form, value):
            raise ValueError(f"it must be {words}")
        return value

    @property
    def label(self) -> str:
        """A name that every target takes."""
        return f"harness-{re.sub('[^a-z0-9]+', '-', self.name.lower()).strip('-')}"[:50].strip("-")

    @property
    def registry(self) -> str:
        """Google's, at which a machine must log in to pull the image; empty: it is in another."""
        host = self.image.partition("/")[0]
        return host if host.endswith("-docker.pkg.dev") else ""

    @property
    def folder(self) -> str:
        """Of the bucket or volume, in which the results are."""
        return f"{self.name}/results"

    @property
    def memory_gb(self) -> int:
        return GB_A_CORE * self.cores

    @property
    def machine(self) -> str:
        """A machine type of Google Cloud."""
        return GPUS[self.gpu].machine if self.gpu else f"e2-standard-{self.cores}"

    @property
    def gpu_is(self) -> Gpu | None:
        return GPUS[self.gpu] if self.gpu else None

    @property
    def seconds(self) -> int:
        """After which a shard is stopped."""
        return 3600 * self.hours

    @property
    def seconds_in_all(self) -> int:
        """After which all of it has ended, with every attempt at every shard."""
        return self.seconds * ATTEMPTS * math.ceil(self.shards / self.parallel)

    def doctor(self, results: str, trains: bool = True) -> str:
        """The first command on a machine."""
        gpu = " --gpu" if self.gpu and trains else ""
        return f'harness doctor{gpu} --results "{results}"'

    def sweep(self, shard: str, results: str, scratch: str, executor: str) -> str:
        """The command that trains a shard. In what it is given the shell fills in variables.

        :param shard: its number and how many there are.
        :param scratch: where it trains, before it publishes.
        :param executor: empty: as many runs side by side as the machine has cores.
        """
        words = shlex.join(["harness", "sweep", self.file, *self.options])
        where = f'--results "{results}" --scratch "{scratch}"'
        how = f'--executor "{executor}"' if executor else f"--workers {self.cores}"
        return f'{words} --shard "{shard}" {where} {how}'
