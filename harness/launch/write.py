"""From a plan to files, and to the commands that start, watch, fetch and stop it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.launch import study
from harness.launch.plan import ATTEMPTS, MARK, Plan
from harness.store.files import make_folder, write_whole

STUDY = "study.tgz"
HEAD = "head.sh"  # what the head of a Ray cluster runs
# What is not given, by its mark, and the option that gives it.
PLACEHOLDERS = {
    f"{MARK}PROJECT": "--project",
    f"{MARK}BUCKET": "--bucket",
    f"{MARK}IMAGE": "--image",
    f"{MARK}VM-IMAGE": "--vm-image",
}


class Target(NamedTuple):
    """Where a sweep can be started."""

    about: str
    file: str  # that is written, from the template of its name
    results: Callable[[Plan], str]  # where the shards publish
    shard: Callable[[Plan], str]  # number and how many, as the shell on that machine knows them
    commands: Callable[[Plan, str], dict[str, list[str]]]
    scratch: str = "/tmp/results"
    executor: str = ""
    script: str = ""  # of another file, what it runs
    carries: bool = False  # the study goes in a file beside it


def _bucket(plan: Plan) -> str:
    return f"gs://{plan.bucket}/{plan.folder}"


def _fetch(plan: Plan) -> list[str]:
    return [
        f"mkdir -p fetched && gcloud storage rsync -r {_bucket(plan)} fetched",
        "harness merge fetched",
        f"harness report {plan.name}",
    ]


def _upload(plan: Plan) -> list[str]:
    return [f"gcloud storage cp {STUDY} gs://{plan.bucket}/{plan.name}/"] if plan.study else []


def _sky(plan: Plan, file: str) -> dict[str, list[str]]:
    return {
        "start": [f"sky launch -c {plan.label} {file}"],
        "watch": [f"sky logs {plan.label}", "sky status"],
        "fetch": _fetch(plan),
        "stop": [f"sky down {plan.label}"],
    }


def _kubernetes(plan: Plan, file: str) -> dict[str, list[str]]:
    name = plan.label
    of_volume = [
        f"kubectl run {name}-files --image=busybox --restart=Never --overrides="
        + _quoted(_reader(plan)),
        f"kubectl cp {name}-files:/outputs/{plan.folder} fetched",
        f"kubectl delete pod {name}-files",
        "harness merge fetched",
        f"harness report {plan.name}",
    ]
    return {
        "start": [f"kubectl apply -f {file}"],
        "watch": [
            f"kubectl get job {name} --watch",
            f"kubectl logs --selector job-name={name} --prefix --tail=5",
        ],
        "fetch": of_volume if plan.volume else _fetch(plan),
        "stop": [f"kubectl delete -f {file}"],
    }


def _reader(plan: Plan) -> str:
    """A pod that shows the volume, so that it can be copied."""
    container = {
        "name": "files", "image": "busybox", "command": ["sleep", "3600"],
        "volumeMounts": [{"name": "outputs", "mountPath": "/outputs"}],
    }  # fmt: skip
    volume = {"name": "outputs", "persistentVolumeClaim": {"claimName": plan.volume}}
    return json.dumps({"spec": {"containers": [container], "volumes": [volume]}})


def _quoted(text: str) -> str:
    return f"'{text}'"


def _batch(plan: Plan, file: str) -> dict[str, list[str]]:
    where = f"--project {plan.project} --location {plan.region}"
    return {
        "start": [
            *_upload(plan), f"gcloud batch jobs submit {plan.label} {where} --config {file}"
        ],
        "watch": [
            f"gcloud batch jobs describe {plan.label} {where}",
            f"gcloud batch tasks list --job {plan.label} {where}",
        ],
        "fetch": _fetch(plan),
        "stop": [f"gcloud batch jobs delete {plan.label} {where}"],
    }  # fmt: skip


def _slurm(plan: Plan, file: str) -> dict[str, list[str]]:
    return {
        "start": [f"mkdir -p logs && sbatch {file}"],
        "watch": [f"squeue --me --name {plan.label}", "tail -n 3 logs/*"],
        "fetch": [f"harness merge {plan.folder}", f"harness report {plan.name}"],
        "stop": [f"scancel --name {plan.label}"],
    }


def _ray(plan: Plan, file: str) -> dict[str, list[str]]:
    started = f"setsid nohup bash /launch/{HEAD} > /tmp/harness.log 2>&1 &"
    return {
        "start": [f"ray up --yes {file}", f"ray exec {file} {_quoted(started)}"],
        "watch": [f"ray exec {file} 'tail -n 20 -f /tmp/harness.log'", f"ray monitor {file}"],
        "fetch": _fetch(plan),
        "stop": [f"ray down --yes {file}"],
    }


def _published(plan: Plan) -> str:
    """Of Kubernetes: a volume that its pods mount, or the bucket."""
    return f"file:///outputs/{plan.folder}" if plan.volume else _bucket(plan)


TARGETS: Mapping[str, Target] = {
    "gcp": Target(
        "one VM on Google Cloud that stops itself, through SkyPilot", "sky.yaml",
        lambda plan: f"file:///bucket/{plan.folder}", lambda plan: "0/1", _sky,
        carries=True,
    ),
    "k8s": Target(
        "an Indexed Job on Kubernetes 1.31 or newer", "job.yaml", _published,
        lambda plan: "$JOB_COMPLETION_INDEX/$SHARDS", _kubernetes,
    ),
    "batch": Target(
        "a job of Google Cloud Batch", "batch.json",
        lambda plan: f"file:///mnt/disks/bucket/{plan.folder}",
        lambda plan: "$BATCH_TASK_INDEX/$BATCH_TASK_COUNT", _batch,
        carries=True,
    ),
    "ray": Target(
        "a Ray cluster on Google Cloud", "cluster.yaml", _bucket, lambda plan: "0/1", _ray,
        executor="{ray: {address: auto, grows: true}}", script=HEAD, carries=True,
    ),
    "slurm": Target(
        "an array of SLURM jobs on a shared disk", "job.sbatch",
        lambda plan: f"file://$PWD/{plan.folder}",
        lambda plan: f"$SLURM_ARRAY_TASK_ID/{plan.shards}", _slurm,
        scratch="${SLURM_TMPDIR:-/tmp}/harness-$SLURM_JOB_ID",
    ),
}  # fmt: skip


class Written(NamedTuple):
    """What was made."""

    files: list[Path]
    placeholders: dict[str, str]  # marks that still stand in them, and the options that fill them
    commands: dict[str, list[str]]  # to start, watch, fetch and stop


def write(target: str, plan: Plan, own: Path | None, out: Path) -> Written:
    """Write the files of one target into `out`.

    :param own: the folder of the user's study; None: it ships with the harness.
    """
    to = TARGETS[target]
    packed = study.archive(own) if own is not None else b""
    results = to.results(plan)
    environment = Environment(
        loader=PackageLoader("harness.launch", "template"), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    facts = {
        "plan": plan, "results": results, "doctor": plan.doctor(results), "attempts": ATTEMPTS,
        "sweep": plan.sweep(to.shard(plan), results, to.scratch, to.executor),
        "scratch": to.scratch, "study": base64.b64encode(packed).decode(),
    }  # fmt: skip
    contents = {
        name: environment.get_template(f"{name}.j2").render(facts).encode()
        for name in (to.file, to.script) if name
    }  # fmt: skip
    commands = to.commands(plan, to.file)
    said = b"".join(contents.values()).decode() + json.dumps(commands)
    if packed and to.carries:
        contents[STUDY] = packed
    make_folder(out)
    for name, content in contents.items():
        write_whole(out / name, content)
    marks = {mark: option for mark, option in PLACEHOLDERS.items() if mark in said}
    return Written([out / name for name in contents], marks, commands)
