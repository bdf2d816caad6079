"""Launch files of every target and of plans that differ in all that a template asks for."""

from __future__ import annotations

import json

import pytest
from ruamel.yaml import YAML

from harness.launch import TARGETS, Plan, write

GIVEN = {
    "project": "my-project", "bucket": "my-bucket", "image": "ghcr.io/me/harness:0.1.0",
    "vm_image": "projects/my-project/global/images/family/with-docker",
}  # fmt: skip
PLANS = {
    "plain": {},
    "all given": GIVEN,
    "gpu": {"gpu": "l4", "cores": 4},
    "attached gpu on spot": {"gpu": "t4", "cores": 4, "spot": True},
    "own study": {"study": True, "file": "my sweep.yaml", "options": ("--set", "ent_coef=0.1 # x")},
    "volume and pool": {"volume": "outputs", "pool": "cpu-pool"},
    "registry with a login": {"image": "europe-west4-docker.pkg.dev/me/harness/harness:0.1.0"},
}
WHOLE = ("gcp", "ray")  # targets that know no shards

every_plan = pytest.mark.parametrize("facts", PLANS.values(), ids=PLANS)
every_target = pytest.mark.parametrize("target", TARGETS)


def made(target, tmp_path, **facts):
    plan = {"name": "my_Sweep", "file": "rnd", "study": False, "runs": 280, "shards": 40}
    plan |= {"parallel": 1 if target == "gcp" else 10} | facts
    if target in WHOLE:
        plan |= {"shards": 1}
    own = None
    if plan["study"]:
        own = tmp_path / "study"
        own.mkdir()
        (own / plan["file"]).write_text("name: s")
    return write(target, Plan(**plan), own, tmp_path / "out"), Plan(**plan)


def text(written):
    return written.files[0].read_text()


def documents(written):
    content = text(written)
    if written.files[0].suffix == ".json":
        return [json.loads(content)]
    return list(YAML(typ="safe").load_all(content))


def job(written):
    (found,) = [each for each in documents(written) if each["kind"] == "Job"]
    return found


def scripts(target, written):
    """What runs on the machine that trains, or hands out the runs."""
    if target == "slurm":
        return text(written)
    if target == "gcp":
        return documents(written)[0]["run"]
    if target == "ray":
        return written.files[1].read_text()
    if target == "k8s":
        return job(written)["spec"]["template"]["spec"]["containers"][0]["args"][0]
    return documents(written)[0]["taskGroups"][0]["taskSpec"]["runnables"][0]["container"][
        "commands"
    ][1]
