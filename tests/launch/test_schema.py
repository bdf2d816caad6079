"""Every launch file is what its engine accepts, by the engine's own schema.

tests/support/launch_schemas.py made the schemas. SLURM has none: `sbatch` reads its options as a
command does. What a schema lets pass stands in test_launch.py.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from launched import documents, every_plan, made

FOLDER = Path(__file__).parent / "schema"


@cache
def validator(name):
    return Draft202012Validator(json.loads((FOLDER / f"{name}.json").read_text()))


def parts(target, document):
    """Of a file, each part that has a schema, and which."""
    if target == "gcp":
        return [("sky-task", document), ("sky-resources", document["resources"]),
                ("sky-storage", document["file_mounts"]["/bucket"])]  # fmt: skip
    if target == "ray":
        types = document["available_node_types"].values()
        machines = [("compute-instance", each["node_config"]) for each in types]
        return [("ray-cluster", document), *machines]
    if target == "k8s":
        return [(f"kubernetes-{document['kind'].lower()}", document)]
    return [("batch-job", document)]


def complaints(target, document):
    return [error.message for name, part in parts(target, document)
            for error in validator(name).iter_errors(part)]  # fmt: skip


@every_plan
@pytest.mark.parametrize("target", ["gcp", "k8s", "batch", "ray"])
def test_an_engine_takes_the_file_that_is_written_for_it(target, facts, tmp_path):
    written, _ = made(target, tmp_path, **facts)

    assert [why for each in documents(written) for why in complaints(target, each)] == []


# A path into the file, and what somebody might write there.
MISTAKES = [
    ("gcp", ["resources", "autostop", "dwn"], True),
    ("gcp", ["resources", "autostop", "wait_for"], "job"),
    ("gcp", ["resources", "spot"], True),
    ("gcp", ["file_mounts", "/bucket", "store"], "gcss"),
    ("gcp", ["config", "docker", "options"], []),
    ("gcp", ["num_node"], 1),
    ("k8s", ["spec", "backofLimitPerIndex"], 2),
    ("k8s", ["spec", "completions"], "many"),
    ("k8s", ["spec", "template", "spec", "nodeSelektor"], {}),
    ("k8s", ["spec", "template", "spec", "containers", 0, "img"], "x"),
    ("batch", ["taskGroups", 0, "taskSpec", "maxRunDuration"], "6h"),
    ("batch", ["taskGroups", 0, "taskSpec", "maxRetryCounts"], 2),
    ("batch", ["taskGroups", 0, "taskCount"], "all"),
    ("batch", ["allocationPolicy", "instances", 0, "policy", "provisioningModel"], "CHEAP"),
    ("ray", ["idle_timeout_minuts"], 5),
    ("ray", ["docker", "img"], "x"),
    ("ray", ["available_node_types", "worker", "min_worker"], 0),
    ("ray", ["available_node_types", "head", "node_config", "scheduling", "maxRunDuratoin"], {}),
    ("ray", ["available_node_types", "head", "node_config", "scheduling",
             "instanceTerminationAction"], "REMOVE"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "path", "value"), MISTAKES, ids=[str(path[-1]) for _, path, _ in MISTAKES]
)
def test_a_key_or_value_that_no_engine_knows_is_seen(target, path, value, tmp_path):
    document = copy.deepcopy(documents(made(target, tmp_path)[0])[0])
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    assert complaints(target, document)
