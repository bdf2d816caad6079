"""What people see of a sweep that trains: at 80 columns, in a pipe, from a second terminal."""

from __future__ import annotations

import io
import json
import os

import fake_store
import pytest
from command import typed
from rich.console import Console

from harness.store import files
from harness.store.course import Course
from harness.store.estimate import Experience
from harness.store.reader import Store
from harness.sweep.record import keep
from harness.train import progress
from harness.train.progress import Display

ARMS, ENVS = ("ppo", "rnd"), ("DeepSea-20", "MiniGrid-DoorKey-6x6-v0")


@pytest.fixture
def sweep():
    return fake_store.sweep(ARMS, ENVS, seeds=3)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def run_of(sweep, arm, env, seed):
    return next(run for run in sweep.runs if (run.arm, run.env, run.seed) == (arm, env, seed))


def begin(store, run, step, seconds, returns):
    """A run that has come as far as this."""
    folder = store.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"step": step, "steps": run.steps, "wall_seconds": seconds, "symptoms": []}
    (folder / "progress.json").write_text(json.dumps(facts))
    row = {"step": step, "final": False, "returns": returns, "lengths": [1] * len(returns)}
    (folder / "evals.jsonl").write_text(json.dumps(row) + "\n")
    return files.locked(folder / "lock")


def fail(store, run, why="RuntimeError: no"):
    folder = store.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"error": why, "traceback": "", "at": "2026-01-01T00:00:00+00:00", "symptoms": []}
    (folder / "failure.json").write_text(json.dumps(facts))


def course_of(sweep, store, **more):
    return Course(sweep.runs, store, Experience(store, probe=None), **more)


def rendered(what, width=progress.NARROW):
    console = Console(file=io.StringIO(), width=width)
    console.print(what)
    return console.file.getvalue().splitlines()


def test_a_table_of_80_columns_has_done_running_failed_score_rate_and_time_left(sweep, store):
    done = run_of(sweep, "ppo", "DeepSea-20", 0)
    fake_store.write_run(store, done)
    fail(store, run_of(sweep, "ppo", "DeepSea-20", 1))
    runs = [run_of(sweep, "rnd", ENVS[1], seed) for seed in (0, 1)]
    with begin(store, runs[0], 50_000, 100.0, [1.0]):
        os.utime(store.folder(runs[0]) / "evals.jsonl", (1, 1))  # long before the other's
        with begin(store, runs[1], 25_000, 100.0, [0.25, 0.5]):
            lines = rendered(progress.screen(course_of(sweep, store), 80, 40))

    score = store.result(done)["final"]["mean"]
    head, sea, ppo, rnd, door, _, moving = (line.rstrip() for line in lines[:7])
    assert max(map(len, lines)) <= 80
    assert head.split() == ["done", "run", "fail", "last", "score", "steps/s", "CPU", "left"]
    assert (sea, door) == ENVS
    assert ppo.split()[:4] == ["ppo", "1/3", "1", f"{score:.4g}"]
    assert rnd.split()[:2] == ["rnd", "0/3"]
    assert moving.split()[:5] == ["rnd", "0/3", "2", "0.375", "750"]
    assert lines[8].startswith("2/12 runs, 2 running, 1 failed")


def test_names_that_are_too_long_are_cut_and_numbers_are_not(store):
    arms = ("a" * 60, "b")
    sweep = fake_store.sweep(arms, ENVS, seeds=100, claims=(), report={})

    lines = rendered(progress.table(course_of(sweep, store).cells(), 80))

    assert max(map(len, lines)) <= 80
    assert "…" in lines[2] and "0/100" in lines[2]


def test_where_a_screen_is_too_low_environments_in_which_nothing_runs_have_one_row(sweep, store):
    with begin(store, run_of(sweep, "rnd", ENVS[1], 0), 1000, 1.0, [0.0]):
        cells = course_of(sweep, store).cells()

    lines = [line.split()[0] for line in rendered(progress.table(cells, 80, most=4))[1:]]

    assert lines == [ENVS[0], ENVS[1], "ppo", "rnd"]


def test_a_run_that_two_arms_share_is_counted_in_both_and_once_in_all(sweep, store):
    shared = [run.model_copy(update={"arm": "same"}) for run in sweep.runs if run.arm == "ppo"]
    both = sweep.model_copy(update={"runs": (*sweep.runs, *shared)})
    fake_store.write_run(store, run_of(sweep, "ppo", ENVS[0], 0))

    course = course_of(both, store)

    counts = {(cell.arm, cell.env): cell.states["finished"] for cell in course.cells()}
    assert counts["ppo", ENVS[0]] == counts["same", ENVS[0]] == 1
    assert progress.line(course).startswith("1/12 runs")


def test_a_failure_of_before_is_still_to_come_for_who_trains_it_again(sweep, store):
    run = run_of(sweep, "ppo", ENVS[0], 0)
    fail(store, run)
    course = course_of(sweep, store, failures={run.key: store.failure(run)})

    assert course_of(sweep, store).count("failed") == 1
    assert course.count("failed") == 0
    fail(store, run)
    assert [each.spec for each in course.look()] == [run]


def test_a_failed_run_is_told_once_with_its_reason(sweep, store):
    console = Console(file=io.StringIO(), width=180)
    display = Display(course_of(sweep, store), console)
    fail(store, run_of(sweep, "ppo", ENVS[0], 0), "ValueError: a [bracket]")
    display.tick()
    display.tick()

    said = [line for line in console.file.getvalue().splitlines() if "failed:" in line]
    assert len(said) == 1
    assert said[0].endswith("ValueError: a [bracket]")


def test_in_a_pipe_there_is_a_line_now_and_then(sweep, store, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("harness.train.progress.time.monotonic", lambda: clock[0])
    console = Console(file=io.StringIO(), width=180)
    with Display(course_of(sweep, store), console) as display:
        for seconds in (0, 1, 2, 31):
            clock[0] = 1000.0 + seconds
            display.tick()

    lines = console.file.getvalue().splitlines()
    assert [line.rpartition(", ")[2] for line in lines] == ["0 s so far", "31 s so far"]


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_done_before_the_first_run_begins_is_told_until_it_does(terminal, sweep, store):
    console = Console(file=io.StringIO(), width=180, force_terminal=terminal)
    with Display(course_of(sweep, store), console, "libraries are imported") as display:
        at_first = console.file.getvalue()
        with begin(store, run_of(sweep, "ppo", ENVS[0], 0), 1_000, 1.0, [0.0]):
            display.tick(last=True)
    later = console.file.getvalue().removeprefix(at_first)

    assert "0 s so far; libraries are imported" in at_first
    assert "1 running" in later and "libraries" not in later


def test_no_pace_is_told_of_the_first_moment(sweep, store, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("harness.store.course.time.monotonic", lambda: clock[0])
    run = run_of(sweep, "ppo", ENVS[0], 0)
    with begin(store, run, 1_000, 1.0, [0.0]):
        course = course_of(sweep, store)
        facts = {"step": 5_000, "steps": run.steps, "wall_seconds": 5.0, "symptoms": []}
        (store.folder(run) / "progress.json").write_text(json.dumps(facts))
        clock[0] += 0.1
        course.look()
        at_first = progress.line(course)
        clock[0] += 9.9
        later = progress.line(course)

    assert at_first == "0/12 runs, 1 running, 0 s so far"
    assert "1 running, 400 steps/s, " in later


@pytest.mark.parametrize("terminal", [True, False])
def test_it_is_shown_before_the_first_run_begins(terminal, sweep, store):
    console = Console(file=io.StringIO(), width=180, force_terminal=terminal)
    with Display(course_of(sweep, store), console):
        shown = console.file.getvalue()

    assert "0/12 runs" in shown


def test_on_a_terminal_the_table_changes_in_its_place(sweep, store):
    console = Console(file=io.StringIO(), width=80, height=30, force_terminal=True)
    with Display(course_of(sweep, store), console) as display:
        fake_store.write_run(store, run_of(sweep, "ppo", ENVS[0], 0))
        display.tick()

    assert "1/3" in console.file.getvalue()
    assert "\x1b[1A" in console.file.getvalue()  # the cursor went up to draw it again


def test_a_second_terminal_follows_a_sweep_until_its_runs_have_ended(sweep, store):
    keep(sweep, store)
    for run in sweep.runs[1:]:
        fake_store.write_run(store, run)
    fail(store, sweep.runs[0])

    said = typed("status", sweep.name, "--follow", "--results", str(store.root), cwd=store.root)

    lines = [line for line in said.splitlines() if line.startswith("12/12 runs, 1 failed")]
    assert len(lines) == 1 and said.endswith(f"{lines[0]}\n")


def test_to_follow_a_sweep_must_be_named(tmp_path):
    assert "--follow: which sweep?" in typed("status", "--follow", cwd=tmp_path, code=2)
