"""What decides a run's bits is recorded as it was when the run was made."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from tiny import ENTRIES, files, store_at, tiny

import harness.report.contents
from baselines.api import Task
from harness import agents, envs, provenance
from harness.train.run import Job, run

ROOT = Path(__file__).parents[1]
# Third-party packages that a learner, an environment or a run imports and that compute nothing.
SETTINGS = {"pydantic", "ruamel.yaml", "pillow"}


# The machine --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "engine", "told"),
    [
        ("tabular_q", "sb3", set()),
        ("ppo", "sb3", {"torch_arithmetic"}),
        ("dreamer", "sb3", {"torch_arithmetic"}),
        ("ppo", "lockstep", {"torch_arithmetic", "lockstep_arithmetic"}),
    ],
)
def test_a_run_tells_by_what_it_computed_and_not_what_its_process_had_imported(agent, engine, told):
    for name in ("torch", provenance.KERNEL):
        importlib.import_module(name)
    card = envs.card("CartPole-v1")
    task = Task(lambda: envs.make(card), steps=256, seed=0, env_seed=1)
    made = agents.make(agent, task, tiny(agent).hparams, engine)

    machine = provenance.facts(made, {agents.entry(agent, engine).module})["machine"]

    assert {name for name in machine if name in ("torch_arithmetic", "lockstep_arithmetic")} == told
    assert "numpy_arithmetic" in machine


# Sources ------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's package, imported: `mine.agent` imports one module and has a function import one."""
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "agent.py").write_text(
        "import json, numpy\nfrom .part import size\ndef late():\n    import mine.late\n"
    )
    (package / "part.py").write_text("size = 1\n")
    (package / "late.py").write_text("")
    (package / "other.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mine.agent", "mine.late", "mine.other"):
        importlib.import_module(name)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def test_all_that_a_module_imports_is_a_source_unless_it_is_installed_or_pythons(own):
    found = provenance.sources(["mine.agent"])

    assert set(found) == {"mine", "mine.agent", "mine.part", "mine.late"}


def test_an_edited_source_is_another_one_but_not_for_the_process_that_had_imported_it(own):
    before = provenance.sources(["mine.agent"])

    (own / "part.py").write_text("size = 2\n")
    same = provenance.sources(["mine.agent"])
    provenance._source.cache_clear()  # as a process has it that imports what is there now
    after = provenance.sources(["mine.agent"])

    assert same == before
    assert {name for name in after if after[name] != before[name]} == {"mine.part"}


def test_what_is_imported_is_hashed_for_all_workers_before_the_first_one_begins(own):
    provenance.snapshot()

    (own / "other.py").write_text("edited = True\n")

    edited = provenance.sources(["mine.other"])["mine.other"]
    assert edited == provenance._source(str(own / "other.py"), "mine").digest
    provenance._source.cache_clear()
    assert edited != provenance.sources(["mine.other"])["mine.other"]


@pytest.mark.slow
def test_a_sweep_that_is_edited_while_it_runs_records_what_its_runs_were_made_from(tmp_path):
    for name in ("harness", "baselines", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "sweep.yaml").write_text(
        "{name: edited, question: Is it told?, envs: [CartPole-v1], seeds: 3, steps: 2048,\n"
        " evaluation: {every: 2048, episodes: 1, final_episodes: 1}, arms: {ppo: {agent: ppo}}}\n"
    )
    before = hashlib.sha256((tmp_path / "baselines" / "sb3.py").read_bytes()).hexdigest()[:16]
    command = [sys.executable, "-m", "harness", "sweep", "sweep.yaml", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    sweep = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    while sweep.poll() is None and not list(tmp_path.glob("results/runs/*/*/*/result.json")):
        time.sleep(0.1)
    with (tmp_path / "baselines" / "sb3.py").open("a") as file:
        file.write("# edited\n")

    assert sweep.wait() == 0
    found = [json.loads(p.read_text()) for p in tmp_path.glob("results/runs/*/*/*/result.json")]
    assert [result["sources"]["baselines.sb3"] for result in found] == [before] * 3


def test_a_source_that_is_gone_or_broken_by_now_ends_no_run(own):
    (own / "part.py").unlink()
    (own / "agent.py").write_text("def (")

    found = provenance.sources(["mine.agent", "mine.part"])

    assert found["mine.part"] == "not readable"
    assert len(found["mine.agent"]) == 16


def test_neither_what_reads_results_nor_the_table_of_all_learners_is_a_source_of_a_run():
    assert harness.load  # a script's doors are open
    found = set(provenance.sources(["harness.train.run", "baselines.sb3"]))

    assert {
        "harness.train.run",
        "harness.train.evaluate",
        "harness.envs.build",
        "baselines.api",
    } <= found
    assert harness.report.contents.__name__ not in found
    assert provenance.REGISTRY not in found


@pytest.mark.parametrize(
    ("agent", "with_", "without"),
    [
        ("dqn", "baselines.sb3", "baselines.curiosity.rnd"),
        ("dqn_rnd", "baselines.curiosity.rnd", "baselines.curiosity.icm"),
        ("ppo_icm", "baselines.curiosity.icm", "baselines.curiosity.rnd"),
        ("world_model", "baselines.world_models.controller", "baselines.curiosity.rnd"),
    ],
)
def test_a_learner_has_its_own_sources_whatever_else_the_process_has_imported(
    agent, with_, without
):
    for name in (with_, without):
        importlib.import_module(name)
    spec = tiny(agent)
    task = Task(lambda: envs.make(envs.card(spec.env), spec.wrappers), spec.steps)
    learner = agents.make(agent, task, spec.hparams)

    found = provenance.facts(learner, {ENTRIES[agent].module})["sources"]

    assert with_ in found
    assert without not in found


def test_a_run_records_the_sources_of_its_learner_and_of_its_environment(tmp_path):
    store = store_at(tmp_path)
    spec = tiny("random").model_copy(
        update={"env": "DeepSea-4", "card": envs.card("DeepSea-4").identity()}
    )

    run(spec, Job(store.root))

    result = json.loads(files(store, spec, "result.json"))
    (info,) = [json.loads(path.read_text()) for path in store.root.glob("sacred/*/info.json")]
    wanted = {"baselines.classic.random", "harness.envs.deep_sea", "harness.train.run"}
    assert wanted <= set(result["sources"])
    assert info["sources"] == result["sources"]
    assert result["device"] == "cpu"
    assert result["packages"]["cma"]


@pytest.fixture
def intruders(tmp_path, monkeypatch):
    """Modules that leave a trace when they are imported: a package, one in it, and one alone."""
    trace = tmp_path / "trace"
    (tmp_path / "evil").mkdir()
    for name in ("evil/__init__.py", "evil/part.py", "alone.py"):
        (tmp_path / name).write_text(f"open({str(trace)!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert not trace.exists(), "imported"


NAMES = ["os", "subprocess", "evil", "evil.part", "evil.nothing", "alone", "alone.evil", "..evil",
         "", "a b", "../alone", "os:system", "x" * 5_000, "builtins", "__main__"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_a_record_calls_a_source_is_compared_and_not_imported(name, intruders):
    (found,) = provenance.changed({name: "0" * 16}, set())

    assert (found.module, found.was) == (name, "0" * 16)


def test_a_source_that_is_not_imported_yet_is_compared_by_what_its_file_holds(intruders, tmp_path):
    digests = {
        name: hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()[:16]
        for name, file in (("evil", "evil/__init__.py"), ("evil.part", "evil/part.py"))
    }

    assert provenance.changed(digests, digests) == []


def test_what_reads_results_is_no_source_of_what_was_learned():
    now = provenance.sources(["harness.train.run", "baselines.sb3"])

    # Nor what estimates: two arms would differ in code when the price of a step was measured anew.
    rooms = {".".join(name.split(".")[:2]) for name in now}
    assert "harness.train" in rooms and "harness.report" not in rooms
    assert {"harness.store.cost", "harness.store.estimate"}.isdisjoint(now)
    assert provenance.changed(now, ["baselines.sb3", "harness.envs.build"]) == []
    assert provenance.changed(now | {"harness.config.strict": "0" * 16}, []) == []
    for name in ("baselines.sb3", "baselines.api", "harness.envs.build"):
        assert provenance.changed(now | {name: "0" * 16}, []) == [(name, "0" * 16, now[name])]


# Packages -----------------------------------------------------------------------------------------


def test_every_package_that_a_learner_or_an_environment_imports_is_recorded():
    room = [*ROOT.glob("baselines/**/*.py"), *ROOT.glob("harness/envs/**/*.py")]
    names = ("train/run", "train/evaluate", "seeding", "agents")
    room += [ROOT / f"harness/{name}.py" for name in names]
    imported = set()
    for path in room:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module)
    tops = {name.partition(".")[0] for name in imported} | set(envs.extra.MODULES.values())
    owners = packages_distributions()
    needed = {name.lower().replace("_", "-") for top in tops for name in owners.get(top, ())}

    compilers = {name for each in agents.COMPILERS.values() for name in each}  # where they are used
    assert needed - {"rl-ablation-harness"} - SETTINGS - compilers <= set(provenance.PACKAGES)


def test_a_package_that_brings_an_environment_of_its_own_is_recorded():
    assert "rich" not in provenance.packages({"gymnasium.envs.classic_control.cartpole"})

    assert provenance.packages({"rich.console"})["rich"] != "not installed"


# Git ----------------------------------------------------------------------------------------------


def git(folder, *words):
    facts = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *facts, *words], check=True, capture_output=True)


def commit_known(at, **environment):
    """What a process that imports the harness from `at` says of its commit."""
    code = "import json; from harness.provenance import git; print(json.dumps(git()))"
    environment = {
        **os.environ,
        "PYTHONPATH": str(at),
        "PYTHONDONTWRITEBYTECODE": "1",
    } | environment
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.check_output(command, cwd=at, env=environment))


@pytest.fixture
def installed(tmp_path):
    """Puts the code into a folder of a Git repository that has a commit."""
    (tmp_path / "README").write_text("A study of mine.\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "begin")

    def install(folder):
        package = tmp_path / folder / "harness"
        package.mkdir(parents=True)
        for name in ("__init__.py", "provenance.py"):
            shutil.copy(ROOT / "harness" / name, package)
        return tmp_path / folder

    return install


def test_the_commit_of_the_repository_that_tracks_the_code_is_recorded(installed, tmp_path):
    at = installed(".")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "the harness")

    assert commit_known(at)["dirty"] is False
    (at / "harness" / "new.py").write_text("")
    assert commit_known(at)["dirty"] is True


def test_a_repository_that_merely_surrounds_the_code_has_no_say(installed, tmp_path):
    assert commit_known(installed("vendor")) is None


def test_a_virtual_environment_is_nobodys_commit_even_where_it_was_committed(installed, tmp_path):
    at = installed("venv/lib/python3.11/site-packages")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "all of it")

    assert commit_known(at) is None


def test_another_repository_that_git_itself_names_has_no_say(installed, tmp_path):
    at = installed(".")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "the harness")
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init")

    assert commit_known(at, GIT_DIR=str(other / ".git")) == commit_known(at)


# Devices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps", "meta", "auto", "cpu:0", "nonsense"])
def test_a_device_that_is_not_here_trains_nothing(name, monkeypatch):
    accelerators(monkeypatch, 0)
    task = Task(lambda: envs.make(envs.card("CartPole-v1")), 256, device=name)

    with pytest.raises(RuntimeError, match=f"no device '{name}' here: this machine has cpu$"):
        agents.make("ppo", task, tiny("ppo").hparams)


def accelerators(monkeypatch, n):
    import torch

    kind = torch.device("cuda") if n else None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: kind)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: n)


@pytest.mark.parametrize(
    ("name", "here"), [("cpu", True), ("cuda", True), ("cuda:1", True), ("cuda:2", False)]
)
def test_of_two_devices_the_first_and_the_second_are_here(name, here, monkeypatch):
    accelerators(monkeypatch, 2)

    assert (agents.no_device(name) == "") is here


def test_a_learner_that_quietly_went_to_another_device_is_refused(monkeypatch):
    monkeypatch.setattr(agents, "no_device", lambda name: "")  # then Stable-Baselines3 decides
    task = Task(lambda: envs.make(envs.card("CartPole-v1")), 256, device="cuda:3")

    with pytest.raises(
        RuntimeError, match="ppo was to learn on cuda:3, and its parameters are on cpu"
    ):
        agents.make("ppo", task, tiny("ppo").hparams)


def test_the_device_is_that_of_the_parameters_and_not_that_of_the_spec():
    from torch import nn

    class Learner:
        def __init__(self):
            self.parts = [{"net": nn.Linear(2, 2, device="meta")}, (nn.Linear(2, 2),)]

    assert provenance.devices(Learner()) == {"meta", "cpu"}
