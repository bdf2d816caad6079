"""`harness doctor`: what breaks runs is found before they start, with the way out."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import socket
import time

import pytest
from command import typed
from packaging.requirements import Requirement

from harness import doctor, resources
from harness.doctor import finding, gpu, machine, rendering, sanity, software
from harness.doctor.finding import Failed, Finding
from harness.store import files, machines

L4 = "NVIDIA L4, 23034 MiB, 550.90.07"
CPU_BUILD = {"version": "2.13.0+cpu", "built_for": None, "why": "", "device": None}
CUDA_BUILD = {"version": "2.13.0+cu126", "built_for": "12.6", "why": "driver too old"}
USED = {"device": "NVIDIA L4", "equal": True, "product": {"cpu": 0.05, "gpu": 0.001}}
USED |= {"small": {"cpu": 0.001, "gpu": 0.002}}


# Parts of a machine -------------------------------------------------------------------------------


def test_a_library_that_crashes_takes_nothing_with_it(tmp_path, monkeypatch):
    (tmp_path / "dies.py").write_text("import os; os.kill(os.getpid(), 11)")
    (tmp_path / "raises.py").write_text("raise RuntimeError('no EGL')")
    (tmp_path / "tells.py").write_text("print('noise'); print('{\"n\": 3}')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert finding.tried("tells") == {"n": 3}
    with pytest.raises(Failed, match="signal 11"):
        finding.tried("dies")
    with pytest.raises(Failed, match="RuntimeError: no EGL"):
        finding.tried("raises")


def test_what_hangs_is_ended(tmp_path, monkeypatch):
    (tmp_path / "hangs.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(finding, "PATIENCE", 0.5)

    with pytest.raises(Failed, match=r"within 0.5 seconds"):
        finding.tried("hangs")


@pytest.mark.parametrize(
    ("free", "limit", "state"), [(20, 20, "fine"), (0.5, 20, "warning"), (0.01, 20, "broken"),
                                 (20, 0.5, "warning")],
)  # fmt: skip
def test_memory_is_judged_by_what_runs_take(free, limit, state, monkeypatch):
    class Free:
        available = free * machine.GB

    monkeypatch.setattr(resources, "memory", lambda: int(limit * machine.GB))
    monkeypatch.setattr(resources, "cores", lambda: 4)
    monkeypatch.setattr(machine.psutil, "virtual_memory", Free)

    assert machine.memory().state == state


def test_more_threads_than_one_for_a_run_are_a_warning(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")

    found = machine.threads()

    assert (found.state, "OMP_NUM_THREADS=8" in found.text) == ("warning", True)


def test_a_disk_of_ones_own_has_space_locks_and_the_same_clock(tmp_path):
    found = {each.part: each for each in machine.disk(tmp_path / "results" / "not" / "yet")}

    assert {"disk", "locks", "clock"} == set(found)
    assert {found["locks"].state, found["clock"].state} == {"fine"}
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_breaks_runs():
    (found,) = machine.disk(machine.Path("/proc/results"))

    assert (found.part, found.state) == ("disk", "broken")


def test_a_disk_without_locks_breaks_runs(tmp_path, monkeypatch):
    @contextlib.contextmanager
    def locked(path):
        raise OSError(errno.ENOTSUP, "Operation not supported")
        yield

    monkeypatch.setattr(files, "locked", locked)

    assert [each.state for each in machine.disk(tmp_path) if each.part == "locks"] == ["broken"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(100, "100 seconds after that of the disk"),
                           (-10 * 365 * 86_400, "before this was installed")],
)  # fmt: skip
def test_a_clock_that_is_wrong_is_told(seconds, words, tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr(machine.time, "time", lambda: now + seconds)

    (found,) = [each for each in machine.disk(tmp_path) if each.part == "clock"]

    assert (found.state, words in found.text) == ("warning", True)


# Software -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("need", "why"),
    [
        ("numpy>=1", ""),
        ("numpy>=999", "numpy is .*, and must be >=999"),
        ("no-such-package>=1", "no-such-package is not installed"),
        ("no-such-package>=1; extra == 'board'", ""),
        ("numpy>=999; extra == 'board'", "numpy is .*, and must be >=999"),
    ],
)
def test_a_requirement_that_does_not_hold_is_named(need, why):
    text = software.unmet(Requirement(need))

    assert re.fullmatch(why, text)


def test_versions_are_compared_with_the_tested_ones(tmp_path, monkeypatch):
    here = {"torch": "2.13.0+cu126", "numpy": "2.0.0", "rich": "1.0"}

    def version(name):
        if name not in here:
            raise software.PackageNotFoundError(name)
        return here[name]

    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# tested\ntorch==2.13.0\nnumpy==2.1.0\nrich==1.0\nelsewhere==1.0\n")
    monkeypatch.setattr(software, "version", version)

    assert software.differing(constraints) == {"numpy": ("2.0.0", "2.1.0")}


@pytest.mark.parametrize(("cache", "state"), [("/home/me/.cache", "fine"), (None, "warning")])
def test_a_compiler_that_cannot_keep_what_it_compiles_is_told(cache, state, monkeypatch):
    monkeypatch.setattr(software, "tried", lambda name: {"cache": cache})

    assert software.compiled().state == state


# GPUs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "told", "asked", "state", "change"),
    [
        ([], CPU_BUILD, False, "fine", ""),
        ([L4], CPU_BUILD, False, "warning", "--index-url"),
        ([L4], CPU_BUILD, True, "broken", "--index-url"),
        ([L4], CUDA_BUILD | {"device": None}, True, "broken", "install a driver"),
        ([L4], CUDA_BUILD | USED, True, "fine", ""),
        ([L4], CUDA_BUILD | USED | {"equal": False}, False, "broken", "take another"),
        ([L4], CUDA_BUILD | USED | {"product": {"cpu": 1, "gpu": 2}}, False, "warning", "nvidia"),
    ],
)
def test_a_gpu_counts_only_if_torch_computes_on_it(gpus, told, asked, state, change, monkeypatch):
    monkeypatch.setattr(gpu, "tried", lambda *words, environment: told)

    found = gpu.library("torch", gpus, asked)

    assert found.state == state
    assert change in found.change


def test_a_gpu_that_was_paid_for_and_is_not_there_breaks_runs(monkeypatch):
    monkeypatch.setattr(gpu, "seen", list)
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)

    assert [each.state for each in gpu.findings(asked=False)] == ["fine"]
    assert [each.state for each in gpu.findings(asked=True)] == ["broken"]


def test_the_driver_is_asked_for_gpus(tmp_path, monkeypatch):
    script = tmp_path / "nvidia-smi"
    script.write_text(f"#!/bin/sh\necho '{L4}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert gpu.seen() == [L4]


def test_a_device_is_measured_beside_the_cpu(monkeypatch):
    monkeypatch.setattr(gpu, "SIDE", 32)

    told = gpu.torch_measured("cpu")

    assert told["equal"]
    assert min(*told["product"].values(), *told["small"].values()) > 0


# Drawing, and a run -------------------------------------------------------------------------------


def test_an_environment_is_drawn_without_a_screen():
    assert rendering.draw("CartPole-v1")["drawn"].startswith("CartPole-v1, ")


def test_a_missing_package_is_no_fault_of_the_machine(monkeypatch):
    monkeypatch.setattr(rendering, "tried", lambda *words, environment: {
        "missing": "not installed: Pong-v5 needs ale_py", "drawn": ""})  # fmt: skip

    assert rendering.drawn("Atari").state == "fine"


def test_mujoco_draws_in_software_where_it_cannot_otherwise(monkeypatch):
    def tried(*words, environment):
        if environment.get("MUJOCO_GL") != "osmesa":
            raise Failed("no EGL")
        return {"missing": "", "drawn": "Hopper-v5"}

    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering, "tried", tried)

    found = rendering.drawn("MuJoCo")

    assert (found.state, found.change) == ("warning", "export MUJOCO_GL=osmesa")


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({}, "fine"),
        ({"final": {"mean": 23.0}}, "broken"),
        ({"cpu_seconds": 5.0}, "warning"),
        ({"cpu_seconds": 5.0, "device": "cuda:0"}, "fine"),
    ],
)
def test_the_run_says_whether_it_learned_and_had_its_core_for_itself(told, state):
    result = {"wall_seconds": 20.0, "cpu_seconds": 19.0, "device": "cpu", "final": {"mean": 400.0}}

    assert sanity.judged(result | told, 30_000).state == state


# The command --------------------------------------------------------------------------------------


@pytest.fixture
def found(monkeypatch):
    """What the examination finds, to be filled."""
    parts = [Finding("cores", "8 cores " * 20), Finding("gpu", L4, facts={"gpus": [L4]})]

    def examined(folder, with_gpu, tell):
        tell("all of it")
        yield from parts

    monkeypatch.setattr(doctor, "examined", examined)
    return parts


def test_the_answer_fits_80_columns_and_says_that_all_is_well(found, tmp_path):
    said = typed("doctor", cwd=tmp_path)

    assert max(map(len, said.splitlines())) <= 80
    assert "Nothing needs to be changed." in said
    assert not list(tmp_path.iterdir())


def test_what_breaks_runs_ends_with_1_and_its_way_out_comes_first(found, tmp_path):
    found += [Finding("disk", "full", "warning", "make room"),
              Finding("torch", "no CUDA", "broken", "install it")]  # fmt: skip

    said = typed("doctor", cwd=tmp_path, code=1)

    assert said.index("torch: install it") < said.index("disk: make room")


def test_a_warning_ends_with_0(found, tmp_path):
    found.append(Finding("disk", "slow", "warning", "take another"))

    assert "disk: take another" in typed("doctor", cwd=tmp_path)


def test_the_answer_is_json_and_kept_with_the_results(found, tmp_path):
    said = typed("doctor", "--json", "--gpu", "--results", "r", cwd=tmp_path)
    (kept,), damaged = machines.kept(tmp_path / "r")

    assert json.loads(said[said.index("{") : said.rindex("}") + 1]) == kept
    assert (kept["host"], kept["asked_for_gpu"], damaged) == (socket.gethostname(), True, [])
    assert [each["part"] for each in kept["findings"]] == ["cores", "gpu"]


@pytest.mark.slow
def test_the_answer_comes_home_from_a_bucket(found, tmp_path):
    bucket = (tmp_path / "bucket").as_uri()
    typed("doctor", "--results", bucket, cwd=tmp_path)
    typed("sweep", "smoke", "--shard", "0/9999", "--results", bucket, cwd=tmp_path)

    typed("merge", bucket, "--results", "home", cwd=tmp_path)

    assert [each["host"] for each in machines.kept(tmp_path / "home")[0]] == [socket.gethostname()]


@pytest.mark.slow
def test_this_machine_can_train(tmp_path):
    said = typed("doctor", "--json", "--results", "r", cwd=tmp_path)
    found = {
        each["part"]: each
        for each in json.loads(said[said.index("{") : said.rindex("}") + 1])["findings"]
    }

    assert {f"draw {family}" for family in rendering.FAMILIES} < set(found)
    assert found["run"]["facts"]["return"] > 2 * sanity.RANDOM
    assert not [each for each in found.values() if each["state"] == "broken"]
