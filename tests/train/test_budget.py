"""The time of a command: what does not fit is not begun, and what runs at its end is ended."""

from __future__ import annotations

import json
import pickle
import time

import pytest
from command import typed
from rich.console import Console
from tiny import store_at, tiny

from baselines.classic.random import Random
from harness.config.option import seconds
from harness.config.strict import UserError
from harness.spec import Checkpoint
from harness.store.estimate import Experience
from harness.train import budget as budgets
from harness.train.budget import Budget
from harness.train.missing import train_missing
from harness.train.outlook import Outlook, Unfinished
from harness.train.run import attempt

SWEEP = """\
name: budget
question: Does it end in time?
envs: [CartPole-v1]
seeds: 2
steps: 200
evaluation: {every: 100, episodes: 1, final_episodes: 2}
arms: {random: {agent: random}, pid: {agent: pid}}
"""
EXPECTED = {"random": 1_000.0, "pid": 0.1}  # seconds of a run


def one_by_one(specs, job, workers, tick):
    """An executor of the user's own, who has never heard of a budget."""
    for spec in specs:
        attempt(spec, job)
        tick()


def trained(store, specs, executor, budget):
    train_missing(specs, store, 2, Console(quiet=True), executor, budget=budget)


@pytest.mark.parametrize("executor", ["serial", "processes", f"{__name__}:one_by_one"])
def test_no_run_begins_that_is_expected_to_end_too_late(executor, tmp_path, monkeypatch):
    monkeypatch.setattr(Experience, "seconds", lambda _, spec: EXPECTED[spec.agent])
    store, specs = store_at(tmp_path), [tiny(name, seed) for name in EXPECTED for seed in (0, 1)]

    with pytest.raises(Unfinished) as ended:
        trained(store, specs, executor, Budget(100.0))

    states = {spec.agent: store.status(spec).state for spec in specs}
    assert states == {"random": "missing", "pid": "finished"}
    what, long, _ = ended.value.lines
    assert what.startswith("No more runs fit into 2 min: 2 left, about")
    assert "2 of them take longer than that, first random on CartPole-v1, seed 0 (17 min)" in long


def test_a_run_with_barriers_needs_no_more_time_than_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(Experience, "seconds", lambda *_: 1_000.0)
    whole = tiny("ppo")
    parts = whole.model_copy(update={"checkpoint": Checkpoint(every=whole.steps // 16)})
    budget = Budget(100.0)

    Outlook(budget, [whole, parts], Experience(store_at(tmp_path))).expect()

    assert [budget.fits(spec) for spec in (whole, parts)] == [False, True]


def test_a_run_stops_at_a_barrier_if_the_next_would_come_too_late_and_the_same_command_goes_on(
    tmp_path, monkeypatch
):
    whole = tiny("tabular_q", steps=400)
    spec, parts = whole.model_copy(update={"checkpoint": Checkpoint(every=100)}), []

    def lasts(budget, seconds):
        parts.append(seconds)
        return len(parts) < 4  # to begin with it, and to pass two barriers

    store = store_at(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Budget, "lasts", lasts)
        with pytest.raises(Unfinished) as ended:
            trained(store, [spec], "serial", Budget(100.0))

    assert len(parts) == 4 and all(0 < seconds < 60 for seconds in parts[1:])
    what, kept, _ = ended.value.lines
    assert what.startswith("No more runs fit into 2 min: 1 left, ")
    assert kept.startswith("1 of them go on from a barrier: the furthest is tabular_q on CartPole")
    assert kept.endswith("seed 0, from step 300.")
    assert store.status(spec).state == "interrupted"
    assert [attempt.outcome for attempt in store.status(spec).tries] == ["interrupted"]
    (record,) = store.root.glob("sacred/*/run.json")
    assert json.loads(record.read_text())["status"] == "INTERRUPTED"
    assert Experience(store, None).left(spec, store) == pytest.approx(
        Experience(store, None).seconds(spec) / 4
    )
    trained(store, [spec], "serial", Budget(100.0))
    assert store.result(spec)["resumed"] == 1


def test_a_run_that_nobody_can_estimate_begins_and_those_like_it_are_judged_by_it(
    tmp_path, monkeypatch
):
    store, specs = store_at(tmp_path), [tiny("random", seed) for seed in range(3)]
    monkeypatch.setattr(Experience, "seconds", lambda known, _: 1_000.0 if known.learned else None)

    with pytest.raises(Unfinished):
        trained(store, specs, "serial", Budget(100.0))

    assert [store.status(spec).state for spec in specs] == ["finished", "missing", "missing"]


def test_what_still_runs_when_the_time_is_over_ends_as_by_ctrl_c(tmp_path, monkeypatch):
    store, specs = store_at(tmp_path), [tiny("random", seed) for seed in (0, 1)]
    monkeypatch.setattr(Random, "learn", lambda *_: time.sleep(60))
    began = time.monotonic()

    with pytest.raises(Unfinished):
        trained(store, specs, "serial", Budget(1.0))

    assert time.monotonic() - began < 30
    assert [store.status(spec).state for spec in specs] == ["interrupted", "missing"]
    time.sleep(0.1)  # and no alarm is left that would ring now


def test_a_failed_run_is_not_left_for_later(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError

    store, specs = store_at(tmp_path), [tiny("random")]
    monkeypatch.setattr(Random, "learn", fail)

    trained(store, specs, "serial", Budget(100.0))

    assert store.status(specs[0]).state == "failed"


def test_a_sweep_whose_time_is_over_says_what_is_left_and_the_same_command_goes_on(
    tmp_path, monkeypatch
):
    (tmp_path / "budget.yaml").write_text(SWEEP)
    command = "sweep", "budget.yaml", "--executor", "serial", "--no-crosscheck"
    with monkeypatch.context() as patch:
        patch.setattr(Experience, "seconds", lambda _, spec: EXPECTED[spec.agent])
        told = typed(*command, "--budget", "5m", cwd=tmp_path, code=75)

    assert "No more runs fit into 5 min: 2 left, about" in told
    assert told.splitlines()[-1] == "What was finished is kept; the same command goes on."
    assert "2 runs are finished already" in typed(*command, "--budget", "1d", cwd=tmp_path)


def test_a_search_whose_time_is_over_goes_on_with_the_same_command(tmp_path, monkeypatch):
    monkeypatch.setattr(Experience, "seconds", lambda *_: 1_000.0)
    command = "tune", "--agent", "tabular_q", "--env", "DeepSea-10", "--executor", "serial"

    told = typed(*command, "--budget", "5m", cwd=tmp_path, code=75)

    assert "No more runs fit into 5 min" in told and "the same command goes on" in told
    assert not list(tmp_path.glob("results/runs/*/*/*/result.json"))


@pytest.mark.parametrize(
    ("text", "value"),
    [("2h", 7_200), ("90m", 5_400), ("1h30m", 5_400), ("0.5d", 43_200), ("7s", 7)],
)
def test_a_duration_is_read_as_people_write_it(text, value):
    assert seconds("--budget", text) == value


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "0s", "30m1h", "2 weeks"])
def test_what_is_no_duration_is_refused_in_one_line(text):
    with pytest.raises(UserError, match=r"--budget: .*write it as 2h, 90m or 1h30m"):
        seconds("--budget", text)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_set_takes_no_time_and_gives_none(days, monkeypatch):
    monkeypatch.setattr(budgets, "_machine", lambda: "this")
    budget, now = Budget(100.0), time.time
    sent = pickle.dumps(budget)
    monkeypatch.setattr(time, "time", lambda: now() + 86_400 * days)

    for copy in (budget, pickle.loads(sent)):  # as a worker gets it
        assert 99.0 < copy.left() <= 100.0
        assert copy.fits(tiny("random"))


@pytest.mark.parametrize("machines", [["one", "other"], ["", ""]])
def test_on_another_machine_a_budget_ends_by_the_time_of_day(machines, monkeypatch):
    names = iter(machines)
    monkeypatch.setattr(budgets, "_machine", lambda: next(names))
    budget, passed = Budget(100.0), time.monotonic
    sent = pickle.dumps(budget)
    monkeypatch.setattr(time, "monotonic", lambda: passed() + 5_000)  # it started earlier

    assert 99.0 < pickle.loads(sent).left() <= 100.0
