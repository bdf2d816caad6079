"""What arms reach in the same CPU time: whose times, from which zero, and what is not known."""

from __future__ import annotations

import csv
import re
import time

import fake_store
import numpy as np
import pytest
from fake_report import report
from tiny import tiny

from harness import stats
from harness.report.evidence import Evidence
from harness.report.plot import Line
from harness.report.render import seaborn, style
from harness.report.results import cpu_time
from harness.report.results.figures import FIGURES
from harness.spec import Evaluation
from harness.store.reader import Store
from harness.train.evaluate import Evaluator
from harness.train.run import Job, run

ENV = "DeepSea-20"  # 60,000 steps, evaluated every 5,000
STEPS = fake_store.ENVS[ENV][2]
EVERY = STEPS // fake_store.EVALUATIONS
# CPU seconds of a run: those of slow run at the same speed along the way, and those of fast too.
TOOK = {"fast": 12.0, "slow": 120.0}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def climb(run, fraction, rng, n):
    """The return is the part of the budget that is spent: it tells which evaluation it is."""
    return [fraction] * n


def timed(store, seeds=6, untold=0, arms=("fast", "slow"), took=TOOK, evaluation=0.0):
    """The run of seed s takes s percent longer; `untold` runs of slow tell nothing."""
    sweep = fake_store.sweep(arms, (ENV,), seeds)
    fake_store.write_sweep(store, sweep, finish=False)
    for each in sweep.runs:
        fake_store.write_run(store, each, climb)
        speed = took[each.arm] * (1 + each.seed / 100) / STEPS
        silent = each.arm == "slow" and each.seed < untold
        told = None if silent else (lambda step, speed=speed: step * speed)
        fake_store.write_clock(store, each, told, evaluation)
    return sweep


def written(store, sweep):
    return report(store, sweep).partition(f"## {cpu_time.SECTION}\n")[2].partition("\n## ")[0]


# Where the times come from -----------------------------------------------------------------------


def burn(seconds):
    """CPU time, whatever else the machine does."""
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def test_no_evaluation_is_charged_to_the_arm(tmp_path, monkeypatch):
    """An evaluation that takes 50 ms, 11 times: to learn takes what it takes without them."""
    play, took = Evaluator.play, []

    def slow(self, agent, seeds, deterministic):
        burn(0.05)
        took.append(None)
        return play(self, agent, seeds, deterministic)

    monkeypatch.setattr(Evaluator, "play", slow)
    protocol = {"evaluation": Evaluation(every=100, episodes=1, final_episodes=1)}
    spec = tiny("tabular_q", 0, 1_000).model_copy(update=protocol)
    run(spec, Job(tmp_path))
    result = Store(tmp_path).result(spec)
    clock = {int(step): seconds for step, seconds in result["learning_seconds"].items()}
    assert list(clock) == [*range(0, 1_000, 100), 1_000]
    assert sorted(clock.values()) == list(clock.values())
    assert len(took) == 11 and result["evaluation_seconds"] >= 11 * 0.05
    assert clock[1_000] <= result["cpu_seconds"] - result["evaluation_seconds"] + 0.002
    evidence = stats.curves(Store(tmp_path).frame([spec]))
    assert evidence[spec.arm, spec.env, spec.seed].steps.tolist() == list(clock)


def test_runs_of_one_process_each_begin_at_zero(tmp_path):
    protocol = {"evaluation": Evaluation(every=2_000, episodes=1, final_episodes=1)}
    specs = [tiny("tabular_q", seed, 2_000).model_copy(update=protocol) for seed in (0, 1)]
    store = Store(tmp_path)
    for spec in specs:
        burn(0.3)
        run(spec, Job(tmp_path))
    said = [store.result(spec) for spec in specs]
    assert said[1]["cpu_seconds_before"] >= said[0]["cpu_seconds_before"] + 0.3
    for result in said:
        assert 0 < result["learning_seconds"]["2000"] <= result["cpu_seconds"]


def test_arms_are_told_apart_by_learning_and_not_by_what_judged_them(store):
    """Evaluation takes 100 times as long as learning: it hides no difference."""
    sweep = timed(store, took={"fast": 1.0, "slow": 3.0}, evaluation=100.0)
    assert "| fast | 1.00 to 1.05 |" in written(store, sweep)


def test_a_learner_that_takes_no_time_has_the_least_that_is_written_down(store):
    sweep = timed(store, took={"fast": 0.0, "slow": 3.0})
    assert "| fast | 0.00100 |" in written(store, sweep)


# What is compared --------------------------------------------------------------------------------


def test_the_table_says_who_has_nothing_yet_and_who_has_ended(store):
    text = written(store, timed(store, took=TOOK | {"slow": 240.0}))
    fast, slow = (line for line in text.splitlines() if line.startswith(("| fast", "| slow")))
    head = "| arm | CPU s of learning | after 12.0 s (fast) | after 240 s (slow) | at its end |"
    assert head in text
    # After 12 s the first run of fast has ended, and all others are one evaluation from it; slow
    # takes 20 s to its first.
    nearly, all_ = r"0\.92 \[0\.92, 0\.9\d\]†", r"1\.00 \(ties\)"
    assert re.fullmatch(
        rf"\| fast \| 12\.0 to 12\.6 \| {nearly} \| {all_} \(ended\) \| {all_} \|", fast
    )
    assert re.fullmatch(rf"\| slow \| 240 to 252 \| - \| {nearly} \| {all_} \|", slow)
    assert "no claim is tested" in text


def test_the_file_for_machines_has_the_numbers_of_the_table(store):
    sweep = timed(store)
    written(store, sweep)
    with (store.sweep_folder("fake") / "report" / f"table_equal_cpu_{ENV}.csv").open() as file:
        rows = {(row["arm"], row["time_of"]): row for row in csv.DictReader(file)}
    assert [row["state"] for row in rows.values()] == [
        "training", "ended", "final", "training", "training", "final",
    ]  # fmt: skip
    assert rows["fast", "slow"]["cpu_seconds"] == "120"
    assert [rows["slow", "fast"][name] for name in ("iqm", "shows")] == ["0.08", "tied"]


def test_arms_that_take_about_as_long_are_not_compared_by_time(store):
    sweep = timed(store, took={"fast": 10.0, "slow": 19.9})
    assert written(store, sweep) == ""


def test_an_arm_with_a_run_whose_times_are_not_known_is_left_out_and_counted(store):
    sweep = timed(store, 6, untold=2, arms=("fast", "slow", "other"), took=TOOK | {"other": 1.0})
    text = written(store, sweep)
    gap = "- (times of 4 of 6 runs)"
    assert f"| slow | {gap} | {gap} | {gap} | {gap} |" in text
    assert "2 of 18 finished runs have no such times." in text


def test_one_arm_with_times_has_nothing_to_be_compared_with(store):
    assert written(store, timed(store, untold=1)) == ""


def test_a_missing_run_is_never_averaged_over(store):
    sweep = timed(store, arms=("fast", "slow", "other"), took=TOOK | {"other": 1.0})
    fake_store.remove_result(store, sweep.runs[-1])
    assert "| other | - (5 of 6 runs) |" in written(store, sweep)


# As figures --------------------------------------------------------------------------------------


def lines_of(evidence):
    """By arm, and the panel's axis of time."""
    (panel,) = FIGURES["equal_cpu"].plot(evidence, "final").panels
    return {line.look.name: line for line in panel.of(Line)}, panel.x


def test_a_line_goes_from_the_last_first_evaluation_to_the_first_end(store):
    lines, axis = lines_of(Evidence(timed(store), store))
    assert axis.log
    for arm, line in lines.items():
        slowest = TOOK[arm] * 1.05
        assert line.step
        assert line.x[0] == pytest.approx(slowest * EVERY / STEPS)
        assert (line.x[-1], line.y[0]) == pytest.approx((TOOK[arm], EVERY / STEPS))
        assert (line.end.x, line.end.y) == pytest.approx((slowest, 1.0))


def test_a_run_without_evaluations_on_the_way_has_an_end_and_no_line(store):
    evidence = Evidence(timed(store), store)
    for key, clock in evidence.clocks.items():
        if key[0] == "slow":  # all steps in no time, and then the learning
            evidence.clocks[key] = np.array([(0, 0), (STEPS, 1e-3 * key[2]), clock[-1]])
            evidence.curves[key] = evidence.curves[key]._replace(
                steps=np.array([0.0, STEPS]), returns=np.array([0.0, 1.0])
            )
    found = cpu_time.along(evidence, "slow", ENV)
    assert found.band is None and found.final.point == 1.0
    lines, _ = lines_of(evidence)
    assert (len(lines["slow"].x), lines["slow"].low) == (0, None)
    assert lines["slow"].end.y == 1.0 and lines["fast"].low is not None


def test_an_end_is_a_hollow_mark_after_its_line(store):
    evidence = Evidence(timed(store), store)
    with style.applied():
        (axes,) = seaborn.draw(FIGURES["equal_cpu"].plot(evidence, "final")).axes
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    ends = [line.end for line in lines_of(evidence)[0].values()]
    assert [tuple(line.get_xydata()[0]) for line in hollow] == [(end.x, end.y) for end in ends]
