"""Files that start a sweep elsewhere: what no engine would refuse before it costs money is checked.

Their keys are checked against the engines' own schemas in test_schema.py.
"""

from __future__ import annotations

import base64
import io
import re
import shlex
import tarfile

import pytest
import typer
from command import typed
from launched import (
    GIVEN,
    PLANS,
    documents,
    every_plan,
    every_target,
    job,
    made,
    scripts,
    text,
)
from ruamel.yaml import YAML

from harness.cli.main import app
from harness.config.strict import UserError
from harness.launch import GPUS, Plan, study
from harness.launch.plan import LONGEST, MARK
from harness.train.executors import EXECUTORS

# What is true of all ------------------------------------------------------------------------------


@every_target
@every_plan
def test_a_machine_is_tried_before_it_trains_and_each_command_exists(target, facts, tmp_path):
    written, plan = made(target, tmp_path, **facts)
    lines = [line.strip() for line in scripts(target, written).splitlines()]
    commands = [line[line.index("harness ") :] for line in lines
                if re.match(r"(exec |srun |timeout .* )?harness ", line)]  # fmt: skip
    cli = typer.main.get_command(app)

    assert [shlex.split(command)[1] for command in commands] == ["doctor", "sweep"]
    for command in commands:
        _, verb, *words = shlex.split(re.sub(r"\$\w+/(\$\w+|\d+)", "0/1", command))
        context = cli.commands[verb].make_context(verb, words)
        if verb == "doctor":  # the head of a Ray cluster has no GPU, its machines have
            assert context.params["gpu"] == (plan.gpu is not None and target != "ray")
        else:
            assert context.params["file"] == plan.file
            assert context.params["workers"] == (0 if target == "ray" else plan.cores)
            assert list(context.params["set_"] or ()) == list(plan.options[1:])
    assert "set -eu" in lines


@every_target
def test_what_is_not_given_is_marked_and_listed_and_nothing_else_is(target, tmp_path):
    written, _ = made(target, tmp_path)
    marks = set(re.findall(rf"{MARK}[\w-]+", text(written) + str(written.commands)))

    assert marks == set(written.placeholders)
    assert (target == "slurm") == (not marks)


@every_target
def test_with_all_given_nothing_is_left_to_be_filled_in(target, tmp_path):
    assert made(target, tmp_path, **GIVEN)[0].placeholders == {}


@pytest.mark.parametrize("target", ["gcp", "k8s", "batch", "ray"])
def test_the_image_of_the_plan_is_the_one_that_is_started(target, tmp_path):
    (document,) = documents(made(target, tmp_path, **GIVEN)[0])
    places = {
        "gcp": lambda: document["resources"]["image_id"].removeprefix("docker:"),
        "k8s": lambda: document["spec"]["template"]["spec"]["containers"][0]["image"],
        "batch": lambda: document["taskGroups"][0]["taskSpec"]["runnables"][0]["container"][
            "imageUri"
        ],
        "ray": lambda: document["docker"]["image"],
    }

    assert places[target]() == GIVEN["image"]


@every_target
def test_there_are_commands_to_start_watch_fetch_and_stop(target, tmp_path):
    written, plan = made(target, tmp_path, **GIVEN)

    assert list(written.commands) == ["start", "watch", "fetch", "stop"]
    assert all(written.commands.values())
    assert f"harness report {plan.name}" in written.commands["fetch"][-1]
    assert any(written.files[0].name in command for command in written.commands["start"])


@every_target
def test_the_same_plan_writes_the_same_bytes(target, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, _ = made(target, tmp_path / "a", **PLANS["own study"])
    again, _ = made(target, tmp_path / "b", **PLANS["own study"])

    assert [p.read_bytes() for p in first.files] == [p.read_bytes() for p in again.files]


# SkyPilot -----------------------------------------------------------------------------------------


@every_plan
def test_a_virtual_machine_stops_itself_and_has_a_second_lock(facts, tmp_path):
    written, plan = made("gcp", tmp_path, **facts)
    (task,) = documents(written)
    resources = task["resources"]

    assert set(task["config"]) == {"docker"}
    assert ("SKYPILOT_DOCKER_SERVER" in task.get("envs", {})) == ("-docker.pkg.dev/" in plan.image)
    assert resources["autostop"] == {"idle_minutes": 10, "down": True, "wait_for": "jobs"}
    assert resources["use_spot"] is plan.spot and resources["image_id"].startswith("docker:")
    assert resources.get("accelerators") == ({GPUS[plan.gpu].sky: 1} if plan.gpu else None)
    assert task["file_mounts"]["/bucket"] == {"name": plan.bucket, "store": "gcs", "mode": "MOUNT"}
    assert ("/study.tgz" in task["file_mounts"]) == plan.study
    assert f"timeout --signal=TERM --kill-after=120 {12 * 3600} harness sweep" in task["run"]
    assert '--results "file:///bucket/' in task["run"]


# Kubernetes ---------------------------------------------------------------------------------------


@every_plan
def test_an_indexed_job_ends_and_is_not_retried_in_vain(facts, tmp_path):
    written, _ = made("k8s", tmp_path, **facts)
    found = job(written)
    spec, pod = found["spec"], found["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert (found["apiVersion"], spec["completionMode"]) == ("batch/v1", "Indexed")
    assert (spec["completions"], spec["parallelism"]) == (40, 10)
    assert pod["restartPolicy"] == "Never"
    assert pod["activeDeadlineSeconds"] == 12 * 3600
    assert spec["activeDeadlineSeconds"] == 12 * 3600 * 3 * 4 and spec["ttlSecondsAfterFinished"]
    ignored, failed = spec["podFailurePolicy"]["rules"]
    assert ignored["action"] == "Ignore" and failed["action"] == "FailIndex"
    assert failed["onExitCodes"]["containerName"] == container["name"]
    assert failed["onExitCodes"]["values"] == [2]
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", found["metadata"]["name"])
    assert {each["name"]: each["value"] for each in container["env"]}["SHARDS"] == "40"


@every_plan
def test_pods_go_to_the_nodes_that_the_plan_names(facts, tmp_path):
    written, plan = made("k8s", tmp_path, **facts)
    pod = job(written)["spec"]["template"]["spec"]
    selector = pod.get("nodeSelector", {})
    limits = pod["containers"][0]["resources"]["limits"]

    assert selector.get("cloud.google.com/gke-accelerator") == (
        GPUS[plan.gpu].gke if plan.gpu else None
    )
    assert ("nvidia.com/gpu" in limits) == bool(plan.gpu)
    assert selector.get("cloud.google.com/gke-spot") == ("true" if plan.spot else None)
    assert selector.get("cloud.google.com/gke-nodepool") == plan.pool
    assert len(pod.get("tolerations", [])) == bool(plan.gpu) + plan.spot
    names = {each["name"] for each in pod.get("volumes", [])}
    assert names == {each["name"] for each in pod["containers"][0].get("volumeMounts", [])}
    assert ("outputs" in names) == bool(plan.volume) == ("serviceAccountName" not in pod)


def test_a_study_travels_in_the_file_itself(tmp_path):
    written, _ = made("k8s", tmp_path, **PLANS["own study"])
    (config,) = [each for each in documents(written) if each["kind"] == "ConfigMap"]
    packed = base64.b64decode(config["binaryData"]["study.tgz"])

    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["my sweep.yaml"]
    assert len(written.files) == 1


# Batch --------------------------------------------------------------------------------------------


@every_plan
def test_a_batch_job_ends_and_asks_for_a_machine_that_there_is(facts, tmp_path):
    written, plan = made("batch", tmp_path, **facts)
    (found,) = documents(written)
    (group,), (machine,) = found["taskGroups"], found["allocationPolicy"]["instances"]
    task = group["taskSpec"]

    assert (group["taskCount"], group["parallelism"]) == ("40", "10")
    assert 0 <= task["maxRetryCount"] <= 10
    assert re.fullmatch(r"\d+s", task["maxRunDuration"])
    assert task["lifecyclePolicies"][0]["actionCondition"]["exitCodes"] == [2]
    assert task["volumes"][0]["gcs"]["remotePath"] == plan.bucket
    policy = machine["policy"]
    assert re.fullmatch(r"(e2|n1|g2)-standard-\d+|a2-highgpu-1g", policy["machineType"])
    assert policy["provisioningModel"] in ("SPOT", "STANDARD")
    assert machine.get("installGpuDrivers", False) is bool(plan.gpu)
    assert ("accelerators" in policy) == (plan.gpu == "t4")
    assert int(task["computeResource"]["cpuMilli"]) == 1000 * plan.cores


# Ray ----------------------------------------------------------------------------------------------


@every_plan
def test_a_cluster_shrinks_by_itself_and_each_of_its_machines_has_an_end(facts, tmp_path):
    written, plan = made("ray", tmp_path, **facts)
    (cluster,) = documents(written)
    types = cluster["available_node_types"]

    assert cluster["idle_timeout_minutes"] == 10 and types["worker"]["min_workers"] == 0
    assert cluster["max_workers"] == types["worker"]["max_workers"] == 10
    assert set(types) == {"head", "worker"} and cluster["head_node_type"] == "head"
    for each in types.values():
        schedule = each["node_config"]["scheduling"]
        assert schedule["maxRunDuration"] == {"seconds": 12 * 3600}
        assert schedule["instanceTerminationAction"] == "DELETE"
        assert each["node_config"]["disks"][0]["autoDelete"]
    spot = types["worker"]["node_config"]["scheduling"]["provisioningModel"] == "SPOT"
    assert (types["head"]["resources"], spot) == ({"CPU": 0}, plan.spot)


@every_plan
def test_runs_find_in_a_cluster_what_they_ask_for(facts, tmp_path):
    written, plan = made("ray", tmp_path, **facts)
    (cluster,) = documents(written)
    worker = cluster["available_node_types"]["worker"]
    (attempt,) = cluster["worker_setup_commands"]

    assert worker["resources"] == {"CPU": plan.cores} | ({"GPU": 1} if plan.gpu else {})
    assert worker["node_config"]["machineType"] == plan.machine
    assert ("guestAccelerators" in worker["node_config"]) == (plan.gpu == "t4")
    assert shlex.split(attempt)[:2] == ["harness", "doctor"]
    assert ("--gpu" in attempt) == bool(plan.gpu)
    assert ("configure-docker" in str(cluster["initialization_commands"])) == (
        ".pkg.dev/" in plan.image
    )
    assert "keepalive_time_ms=15000" in str(cluster["docker"]["run_options"])
    assert cluster["file_mounts"] == {"/launch": "."}
    assert (tmp_path / "out" / "study.tgz").exists() == plan.study


def test_the_head_hands_its_runs_to_a_cluster_that_grows(tmp_path):
    written, _ = made("ray", tmp_path)
    (text,) = re.findall(r'--executor "(.+)"', scripts("ray", written))
    ((name, options),) = YAML(typ="safe").load(text).items()
    executor = EXECUTORS[name](**options)

    assert (executor.address, executor.grows) == ("auto", True)


# SLURM --------------------------------------------------------------------------------------------


@every_plan
def test_an_array_of_jobs_has_a_limit_and_is_requeued(facts, tmp_path):
    written, plan = made("slurm", tmp_path, **facts)
    lines = text(written).splitlines()
    options = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", text(written), re.M))

    assert lines[0] == "#!/bin/bash"
    assert options["array"] == "0-39%10"
    assert (options["time"], options["cpus-per-task"]) == ("12:00:00", "4")
    assert "requeue" in options and ("gres" in options) == bool(plan.gpu)
    assert '--shard "$SLURM_ARRAY_TASK_ID/40"' in text(written)


# What cannot be started ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"project": "My Project"}, {"bucket": "gs://bucket"}, {"bucket": "Bucket"},
        {"image": "harness"}, {"image": "Ghcr.io/me/harness:1"}, {"image": "me/har ness:1"},
        {"region": "europe"}, {"vm_image": "debian"}, {"volume": "a b"}, {"pool": "A"},
        {"hours": LONGEST + 1}, {"hours": 0}, {"shards": 0},
    ],
)  # fmt: skip
def test_a_name_that_no_target_takes_is_refused(wrong):
    facts = {"name": "s", "file": "rnd", "study": False, "runs": 10}

    with pytest.raises(ValueError, match=next(iter(wrong))):
        Plan(**facts, **wrong)


def test_a_study_that_is_too_large_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "MOST", 100)
    (tmp_path / "big.json").write_bytes(bytes(range(256)))

    with pytest.raises(UserError, match="a folder of their own"):
        study.archive(tmp_path)


def test_what_is_hidden_or_was_made_does_not_travel(tmp_path):
    for name in (
        "sweep.yaml", "envs/Mine-v0.yaml", "mine.py", ".git/config.yaml", "results/a.json",
        "__pycache__/mine.py", "film.webp",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    found = [path.relative_to(tmp_path).as_posix() for path in study.files(tmp_path)]

    assert found == ["envs/Mine-v0.yaml", "mine.py", "sweep.yaml"]


def test_the_command_writes_a_file_and_starts_nothing(tmp_path):
    said = typed("launch", "batch", "smoke", "--bucket", "my-bucket", "--shards", "2", cwd=tmp_path)

    assert (tmp_path / "launch" / "smoke" / "batch.json").is_file()
    assert "nothing was started" in said and "still to be filled in: YOUR-IMAGE (--image)" in said
    assert "YOUR-BUCKET" not in said


def test_a_sweep_on_gpus_is_launched_from_a_machine_without_one(tmp_path):
    words = ("k8s", "smoke", "--gpu", "l4", "--engine", "{device: cuda:99}")
    typed("launch", *words, cwd=tmp_path)

    text = (tmp_path / "launch" / "smoke" / "job.yaml").read_text()
    assert "harness doctor --gpu" in text
    assert "--engine '{device: cuda:99}'" in text


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("azure", "smoke"), "there is no target 'azure'. Known: batch, gcp, k8s, ray, slurm."),
        (("gcp", "smoke", "--gpu", "l44"), "Did you mean 'l4'?"),
        (("gcp", "smoke", "--gpu", "l4"), "no run of smoke learns on a GPU"),
        (("gcp", "smoke", "--shards", "3"), "gcp starts one machine"),
        (("ray", "smoke", "--shards", "3"), "--parallel says to how many machines"),
        (("k8s", "smoke", "--shards", "9999"), "are more than the"),
        (("gcp", "smoke", "--volume", "v"), "--volume: it is for k8s only, not for gcp"),
        (("k8s", "smoke", "--vm-image", "v"), "--vm-image: it is for ray only"),
        (("k8s", "smoke", "--image", "harness"), "an image with its tag"),
        (("k8s", "smoke", "--cores", "5"), "2, 4, 8, 16, 32"),
    ],
)
def test_what_would_cost_money_in_vain_is_one_line_with_the_way_out(words, way_out, tmp_path):
    said = typed("launch", *words, cwd=tmp_path, code=2)

    assert way_out in said
    assert not (tmp_path / "launch").exists()
