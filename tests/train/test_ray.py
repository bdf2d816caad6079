"""Runs as Ray's tasks: what is refused before anything trains, and what comes home."""

from __future__ import annotations

import socket
import time
import types
from importlib.util import find_spec

import psutil
import pytest
from tiny import tiny

from harness import provenance
from harness.config.strict import UserError
from harness.spec import Engine
from harness.store.reader import Store
from harness.train import shipment
from harness.train.executors import cluster, executor, node, ray
from harness.train.executors.ray import Ray
from harness.train.run import Job

NODES = [{"CPU": 4.0, "memory": 1e9}, {"CPU": 2.0, "GPU": 1.0}]


def run(**engine):
    return tiny("random").model_copy(update={"engine": Engine(**engine)})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ray: {adress: auto}}", "address"),
        ("{ray: {address: somewhere}}", "host:port"),
        ("{ray: {address: ray://10.0.0.1:10001}}", "host:port"),
        ("{ray: {retries: -1}}", "retries"),
        ("{ray: {gpus: 0}}", "gpus"),
    ],
)
def test_options_that_there_are_not_are_told(text, words):
    with pytest.raises(ValueError, match=words):
        executor(text)


def test_without_ray_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setattr(ray, "find_spec", lambda name: None)

    with pytest.raises(ValueError, match=r"rl-ablation-harness\[ray\]"):
        executor("ray")


def test_an_address_at_which_nobody_answers_is_told_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(UserError, match="no Ray answers at 127"):
            cluster._reach(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize(
    ("engine", "demand"),
    [
        ({}, {"CPU": 1}),
        ({"threads": 4}, {"CPU": 4}),
        ({"device": "cuda"}, {"CPU": 1, "GPU": 0.25}),
    ],
)
def test_a_run_asks_for_what_its_engine_takes(engine, demand):
    assert Ray(gpus=0.25).demand(run(**engine)) == demand


def test_no_run_chooses_among_the_gpus_of_a_node():
    with pytest.raises(UserError, match="device: cuda"):
        Ray().demand(run(device="cuda:1"))


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"threads": 5}, "no node has 5 CPUs"),
        ({"device": "cuda", "threads": 3}, "no node has 3 CPUs and 1 GPUs"),
    ],
)
def test_a_run_that_no_node_can_make_is_refused(engine, words):
    spec = run(**engine)

    with pytest.raises(UserError, match=words) as error:
        cluster.check([spec], {spec.key: Ray().demand(spec)}, NODES)

    assert len(str(error.value).splitlines()) == 1
    fits = run(threads=4)
    cluster.check([fits], {fits.key: Ray().demand(fits)}, NODES)


# What travels -------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "mine"
    (folder / "pack").mkdir(parents=True)
    (folder / "results").mkdir()
    for name in ("agent.py", "pack/__init__.py", "pack/env.py", "results/x.py", ".hidden.py"):
        (folder / name).write_text(f"# {name}\n")
    return folder


def test_the_sources_that_travel_are_those_whose_digests_records_name(study, tmp_path):
    digests = shipment.pack(tmp_path / "sources", study)

    recorded = provenance.sources(["harness.train.run", "baselines.classic.tabular_q"])
    assert len(recorded) > 20
    assert shipment.others({"sources": recorded}, digests) == []
    assert {"agent", "pack", "pack.env"} <= digests.keys()
    assert not {"x", "results.x", ".hidden"} & digests.keys()
    assert (tmp_path / "sources/configs/agents").is_dir()


def test_a_record_that_names_another_source_is_told(tmp_path):
    digests = shipment.pack(tmp_path / "sources", None)
    recorded = {"harness.train.run": "0" * 16, "baselines.api": digests["baselines.api"], "y": "1"}

    assert shipment.others({"sources": recorded}, digests) == ["harness.train.run", "y"]


def test_a_study_that_is_too_large_to_travel_is_told(study, tmp_path, monkeypatch):
    monkeypatch.setattr(shipment, "MOST", 10)

    with pytest.raises(UserError, match="a folder of its own"):
        shipment.pack(tmp_path / "sources", study)


def test_the_commit_travels_with_the_sources(tmp_path, monkeypatch):
    shipment.pack(tmp_path, None)
    known = provenance.git()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "harness/provenance.py"))
    provenance.git.cache_clear()

    try:
        assert known is not None
        assert provenance.git() == known
    finally:
        provenance.git.cache_clear()


# On a Ray of this machine -------------------------------------------------------------------------


@pytest.fixture
def own_ray():
    if find_spec("ray") is None:  # importing it here would be before its settings are made
        pytest.skip("ray is not installed")
    yield
    cluster.leave()


@pytest.mark.slow
def test_runs_of_a_ray_of_this_machine_are_those_of_one_process(own_ray, tmp_path):
    specs = [tiny(agent, seed) for agent in ("random", "tabular_q") for seed in range(2)]
    executor("serial")(specs, Job(tmp_path / "serial"), 1, lambda: None)
    ticks = []

    executor("ray")(specs, Job(tmp_path / "ray"), 2, lambda: ticks.append(0))

    alone, here = Store(tmp_path / "serial"), Store(tmp_path / "ray")
    assert here.missing(specs) == []
    assert ticks
    for spec in specs:
        assert (here.folder(spec) / "evals.jsonl").read_bytes() == (
            alone.folder(spec) / "evals.jsonl"
        ).read_bytes()
        assert here.result(spec)["sources"] == alone.result(spec)["sources"]


def ready_made(spec_json, job, server, every):
    """Instead of `node.make`: a run that takes no time."""
    import tempfile
    from pathlib import Path

    from harness.spec import RunSpec
    from harness.store import writer
    from harness.store.away import parcels
    from harness.store.reader import Store

    spec = RunSpec.model_validate_json(spec_json)
    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place))
        store.folder(spec).mkdir(parents=True)
        record = writer.Record(store.folder(spec), spec)
        record.evaluation(spec.steps, "final", [0.0], [1], {})
        final = {"mean": 0.0, "sd": 0.0, "episodes": 1}
        record.finish({"key": spec.key, "final": final, "sources": {}, "weights": ""}
                      | record.clock.total())  # fmt: skip
        yield from parcels(spec, store)


@pytest.mark.soak
def test_ten_thousand_tasks_of_milliseconds_take_no_more_memory_than_few(
    own_ray, tmp_path, monkeypatch, capsys
):
    # By value: the nodes have no tests.
    monkeypatch.setattr(node, "make", types.FunctionType(
        ready_made.__code__, {"__builtins__": __builtins__}, "make"))  # fmt: skip
    one, process, seen = tiny("random"), psutil.Process(), []
    specs = [one.model_copy(update={"seed": seed}) for seed in range(10_000)]
    began = time.monotonic()

    executor("ray")(specs, Job(tmp_path), 2, lambda: seen.append(process.memory_info().rss))

    assert Store(tmp_path).missing(specs) == []
    with capsys.disabled():
        print(f"10,000 tasks: {time.monotonic() - began:.0f} s, {max(seen) / 2**20:.0f} MB at most "
              f"in this process, {seen[0] / 2**20:.0f} MB at first")  # fmt: skip
    assert max(seen) < 2**30
