"""One run: the same spec gives the same numbers, and looking does not change them."""

from __future__ import annotations

import json
import random
import time
from multiprocessing import forkserver

import numpy as np
import pytest
from tiny import ENTRIES, PROTOCOL, STEPS, each, files, store_at, tiny

from harness.envs.extra import installed
from harness.search.plan import FIRST_TEST, POOL, TEST_POOLS
from harness.spec import Evaluation
from harness.store import writer
from harness.store.files import lock_is_held
from harness.store.run_files import final_returns
from harness.sweep.order import in_order
from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.train.evaluate import Episodes, Evaluator
from harness.train.executors import EXECUTORS
from harness.train.run import Job, fingerprint, run

LEARNERS = [name for name, entry in ENTRIES.items() if entry.learns]


# One of each kind of code in every test run; test_agents.py looks at most others while they train,
# and test_golden.py compares their bits.
KINDS = {"ppo", "sac", "ars", "ppo_rnd", "world_model", "tabular_q", "random"}


def result(store, spec):
    return json.loads(files(store, spec, "result.json"))


@pytest.fixture(scope="module")
def elsewhere(request, tmp_path_factory):
    """A tiny run of each agent that is asked, each in a process of its own."""
    here = [item for item in request.session.items if item.path == request.path]
    tests = [item for item in here if "elsewhere" in item.fixturenames]
    specs = [tiny(test.callspec.params["agent"]) for test in tests]
    store = store_at(tmp_path_factory.mktemp("elsewhere"))
    forkserver._forkserver._stop()  # an earlier test's has not imported what these runs need
    EXECUTORS["processes"](in_order(specs), Job(store.root), 1, lambda: None)
    return store


@pytest.mark.parametrize("agent", each(ENTRIES, slow=set(ENTRIES) - KINDS))
def test_the_same_spec_gives_the_same_bytes_in_this_process_and_in_a_fresh_one(
    agent, elsewhere, tmp_path
):
    spec, here, there = tiny(agent), store_at(tmp_path), elsewhere
    random.seed(1)
    np.random.seed(1)

    run(spec, Job(here.root))

    assert files(here, spec, "evals.jsonl") == files(there, spec, "evals.jsonl")
    assert result(here, spec)["weights"] == result(there, spec)["weights"]


@pytest.mark.parametrize("agent", each(LEARNERS, slow=set(LEARNERS) - KINDS))
def test_evaluating_more_often_does_not_change_what_is_learned(agent, tmp_path):
    store = store_at(tmp_path)
    never = tiny(agent)
    never = never.model_copy(
        update={"evaluation": Evaluation(every=STEPS, episodes=1, final_episodes=1)}
    )
    # At steps that are in no rhythm with any rollout or training.
    often = Evaluation(every=101, episodes=1, final_episodes=1, deterministic=False)
    often = never.model_copy(update={"evaluation": often})

    for spec in (never, often):
        run(spec, Job(store.root))

    assert never.key != often.key
    assert result(store, never)["weights"] == result(store, often)["weights"]


def test_the_curve_has_a_point_at_every_interval_and_ends_with_the_final_evaluation(tmp_path):
    store, spec = store_at(tmp_path), tiny("ppo")

    run(spec, Job(store.root))

    rows = [json.loads(line) for line in files(store, spec, "evals.jsonl").splitlines()]
    assert [(row["step"], row["final"], "other_mode" in row) for row in rows] == [
        (0, False, False), (100, False, False), (200, False, False),
        (STEPS, True, False), (STEPS, True, True),
    ]  # fmt: skip
    assert [len(row["returns"]) for row in rows] == [2, 2, 2, 3, 3]
    assert result(store, spec)["final"]["mean"] == np.mean(rows[-2]["returns"])
    assert result(store, spec)["steps_trained"] <= STEPS


def test_the_final_episodes_are_played_in_the_other_mode_too_and_count_for_nothing(tmp_path):
    store, spec = store_at(tmp_path), tiny("ppo")
    protocol = spec.evaluation.model_copy(update={"deterministic": False, "final_episodes": 10})
    sampled = spec.model_copy(update={"evaluation": protocol})
    protocol = protocol.model_copy(update={"deterministic": True})
    greedy = spec.model_copy(update={"evaluation": protocol})

    for spec in (sampled, greedy):
        run(spec, Job(store.root))

    found, turned = result(store, sampled), result(store, greedy)
    assert found["weights"] == turned["weights"]
    assert found["final"] != turned["final"]
    assert found["other_mode"] == {"deterministic": True, **turned["final"]}
    assert turned["other_mode"] == {"deterministic": False, **found["final"]}
    for spec in (sampled, greedy):
        assert store.frame([spec])["mean"].iloc[-1] == result(store, spec)["final"]["mean"]
        assert len(final_returns(store.folder(spec))) == 10


@pytest.mark.parametrize("name", ["random", "dqn"])
def test_an_agent_with_one_mode_is_evaluated_once(tmp_path, name):
    store, spec = store_at(tmp_path), tiny(name)

    run(spec, Job(store.root))

    assert result(store, spec)["other_mode"] is None
    rows = files(store, spec, "evals.jsonl").splitlines()
    assert [json.loads(row)["final"] for row in rows] == [False] * 3 + [True]


def test_an_evaluation_in_the_other_mode_is_paid_for_as_evaluation(tmp_path, monkeypatch):
    spent, clock = [0.0], time.process_time
    monkeypatch.setattr(time, "process_time", lambda: clock() + spent[0])

    def play(evaluator, agent, seeds, deterministic=True):
        spent[0] += 0 if deterministic else 1_000
        return Episodes([0.0] * len(seeds), [1] * len(seeds), [{}] * len(seeds))

    monkeypatch.setattr(Evaluator, "play", play)
    store, spec = store_at(tmp_path), tiny("ppo")
    run(spec, Job(store.root))

    found = result(store, spec)
    assert 1_000 <= found["evaluation_seconds"] < 1_100 and found["cpu_seconds"] >= 1_000
    assert max(found["learning_seconds"].values()) < 500


def test_a_finished_run_is_not_trained_again(tmp_path):
    store, spec = store_at(tmp_path), tiny("random")
    run(spec, Job(store.root))
    before = {path: path.stat().st_mtime_ns for path in store.folder(spec).rglob("*")}

    run(spec.model_copy(update={"arm": "another"}), Job(store.root))

    assert {path: path.stat().st_mtime_ns for path in store.folder(spec).rglob("*")} == before


def test_a_run_that_fails_leaves_its_traceback_and_is_counted(tmp_path):
    store, spec = store_at(tmp_path), tiny("ppo")
    broken = spec.model_copy(update={"hparams": {**spec.hparams, "n_steps": 10_000}})

    with pytest.raises(ValueError, match="rollout"):
        run(broken, Job(store.root))

    status = store.status(broken)
    assert (status.state, status.attempts) == ("failed", 1)
    (attempt,) = status.tries
    assert attempt.outcome == "failed"
    assert attempt.cpu_seconds > 0 and attempt.peak_memory_mb > 10
    assert "ValueError" in status.error
    assert "Traceback" in json.loads(files(store, broken, "failure.json"))["traceback"]
    assert store.missing([broken]) == [broken]


def test_a_spec_of_another_version_is_refused(tmp_path):
    spec = tiny("random").model_copy(update={"agent_version": 99})

    with pytest.raises(RuntimeError, match="random was version 99 and is version 1"):
        run(spec, Job(tmp_path))


def test_a_run_that_another_process_holds_is_left_alone(tmp_path):
    store, spec = store_at(tmp_path), tiny("random")

    with writer.claimed(store.folder(spec)):
        assert lock_is_held(store.folder(spec) / "lock")
        assert store.status(spec).state == "running"
        with pytest.raises(writer.Busy):
            run(spec, Job(store.root))

    assert not lock_is_held(store.folder(spec) / "lock")


def test_sacred_witnesses_every_run(tmp_path):
    store, spec = store_at(tmp_path), tiny("ppo")

    run(spec, Job(store.root))

    logged = result(store, spec)["sacred"]
    folder = store.root / "sacred" / logged["id"]
    entry = json.loads((folder / "run.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    info = json.loads((folder / "info.json").read_text())
    assert logged["complete"]
    assert entry["status"] == "COMPLETED"
    assert entry["result"] == result(store, spec)["final"]["mean"]
    assert config["key"] == spec.key
    assert config["hparams"]["gamma"] == spec.hparams["gamma"]
    assert metrics["eval/mean_reward"]["steps"] == [0, 100, 200, STEPS]
    assert metrics["eval/mean_reward"]["values"][-1] == result(store, spec)["final"]["mean"]
    assert info["packages"]["torch"].startswith("2.")
    assert any(name.startswith("evals_") or name == "evals.jsonl" for name in entry["artifacts"])


@pytest.mark.parametrize("agent", ["ppo", "tabular_q"])
def test_a_run_takes_every_seed_that_a_search_may_test_on(agent, tmp_path):
    seed = FIRST_TEST + TEST_POOLS * POOL
    store, spec = store_at(tmp_path), tiny(agent).model_copy(update={"seed": seed})

    run(spec, Job(store.root))

    record = store.root / "sacred" / result(store, spec)["sacred"]["id"] / "config.json"
    assert seed > 2**32
    assert json.loads(record.read_text())["seed"] == seed


def test_sacred_records_a_failure_with_its_traceback(tmp_path):
    store, spec = store_at(tmp_path), tiny("ppo")
    broken = spec.model_copy(update={"hparams": {**spec.hparams, "n_steps": 10_000}})

    with pytest.raises(ValueError, match="rollout"):
        run(broken, Job(store.root))

    (entry,) = [json.loads(path.read_text()) for path in store.root.glob("sacred/*/run.json")]
    assert entry["status"] == "FAILED"
    assert any("ValueError" in line for line in entry["fail_trace"])


def test_a_fingerprint_knows_every_bit():
    weights = {"a": np.zeros(3), "b": np.ones((2, 2), np.float32)}
    moved = {**weights, "a": np.array([0.0, 0.0, 5e-324])}
    flat = {**weights, "b": np.ones(4, np.float32)}

    assert fingerprint(weights) == fingerprint(dict(reversed(weights.items())))
    assert len({fingerprint(weights), fingerprint(moved), fingerprint(flat)}) == 3


def test_variants_that_training_never_sees_are_scored_beside_the_final_score(tmp_path):
    store = store_at(tmp_path)
    spec = tiny("ppo", env="CartPoleLengths-v1")

    run(spec, Job(store.root))

    found = result(store, spec)
    (row,) = [json.loads(line) for line in files(store, spec, "test_evals.jsonl").splitlines()]
    assert found["test"]["mean"] == np.mean(row["returns"]) != found["final"]["mean"]
    assert len(row["returns"]) == PROTOCOL.final_episodes
    assert store.frame([spec])["mean"].iloc[-1] == found["final"]["mean"]


@pytest.mark.skipif(not installed("robots"), reason="needs the extra 'robots'")
def test_what_a_card_measures_is_kept_as_the_last_step_of_each_episode_left_it(tmp_path):
    store = store_at(tmp_path)
    spec = resolve(Request("pusher", "PushPose-v0", 100, evaluation=PROTOCOL))

    run(spec, Job(store.root))

    last = json.loads(files(store, spec, "evals.jsonl").splitlines()[-1])
    measured = result(store, spec)["final"]["measures"]
    assert list(measured) == list(last["measures"]) == ["distance, cm", "yaw error, °"]
    assert any(last["returns"]), "it solves some"
    for name, limit in [("distance, cm", 3), ("yaw error, °", 15)]:
        assert measured[name] == np.mean(last["measures"][name])
        ends = zip(last["returns"], last["measures"][name], strict=True)
        assert all(0 <= each <= limit for solved, each in ends if solved)
