"""What long commands show of what they do."""

from __future__ import annotations

import io

import fake_store
import pytest
from command import typed
from rich.console import Console

from harness.cli import activity
from harness.report import Options, write
from harness.store.reader import Store
from harness.sweep.record import keep


@pytest.fixture
def clock():
    return [0.0]


def pipe():
    return Console(file=io.StringIO(), width=80)


def test_in_a_pipe_there_is_a_line_at_most_every_ten_seconds_and_none_of_a_quick_command(clock):
    console = pipe()
    with activity.shown("report", console, lambda: clock[0]) as tell:
        for now in range(0, 31, 3):
            clock[0] = float(now)
            tell("drawing", now, 30)

    assert console.file.getvalue().splitlines() == [
        "report: drawing, 12 of 30, about 18 s left", "report: drawing, 24 of 30, about 6 s left"
    ]  # fmt: skip


def test_what_has_not_changed_is_not_said_again(clock):
    console = pipe()
    with activity.shown("verify", console, lambda: clock[0]) as tell:
        for now in (11.0, 22.0, 33.0):
            clock[0] = now
            tell("reading", 0, 0)

    assert console.file.getvalue() == "verify: reading\n"


def test_another_part_has_an_estimate_of_its_own(clock):
    console = pipe()
    with activity.shown("report", console, lambda: clock[0]) as tell:
        for now, done, of in (
            (0.0, 0, 4),
            (8.0, 2, 4),
            (20.0, 0, 90),
            (30.0, 1, 90),
            (40.0, 2, 90),
        ):
            clock[0] = now
            tell("drawing", done, of)

    assert console.file.getvalue().splitlines() == [
        "report: drawing, 0 of 90",
        "report: drawing, 1 of 90, about 15 min left",
        "report: drawing, 2 of 90, about 15 min left",
    ]


def test_on_a_terminal_what_is_too_long_is_cut_and_the_numbers_are_not():
    console = Console(file=io.StringIO(), width=60, force_terminal=True)
    with activity.shown("calibrate", console) as tell:
        tell("many seeds, " * 9, 3, 1_000)
        shown = io.StringIO()
        Console(file=shown, width=60).print(console._live_stack[-1].renderable)

    (line,) = shown.getvalue().splitlines()
    assert line.rstrip().endswith("…, 3 of 1,000") and "calibrate: many seeds, " in line


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_printed_meanwhile_goes_where_stdout_goes(terminal, monkeypatch):
    shown, out = Console(file=io.StringIO(), width=80, force_terminal=True), io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdout", out)
    with activity.shown("model-report", shown):
        print("1 of 2: a run")

    assert ("1 of 2: a run" in shown.file.getvalue()) == terminal
    assert ("1 of 2: a run\n" in out.getvalue()) == (not terminal)


def test_on_a_terminal_one_line_changes_and_what_looks_like_markup_is_shown():
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with activity.shown("report", console) as tell:
        tell("drawing [bold]curves", 1, 2)
        shown = io.StringIO()
        Console(file=shown, width=80).print(console._live_stack[-1].renderable)

    assert "report: drawing [bold]curves, 1 of 2" in shown.getvalue()


@pytest.mark.parametrize("words", [("report", "s", "--no-figures"), ("board", "s", "--no-serve")])
def test_commands_on_a_sweep_tell_what_they_do(words, tmp_path, monkeypatch):
    monkeypatch.setattr(activity, "SILENT", 0.0)
    monkeypatch.setattr(activity, "EVERY", 0.0)
    sweep = fake_store.sweep(("ppo",), ("DeepSea-10",), 2, claims=(), report={}, name="s")
    store = Store(tmp_path / "results")
    keep(sweep, store)
    for run in sweep.runs:
        fake_store.write_run(store, run, result={"cpu_seconds_before": 0.0})

    said = typed(*words, cwd=tmp_path)

    assert f"{words[0]}: " in said


def test_a_report_tells_every_part_of_it_in_order(tmp_path):
    sweep = fake_store.sweep(("ppo",), ("DeepSea-10",), 2, claims=(), report={})
    store, told = Store(tmp_path / "results"), []
    for run in sweep.runs:
        fake_store.write_run(store, run)
    options = Options(figures=(), crosscheck=False, tell=lambda *each: told.append(each))

    write(sweep, store, tmp_path / "report", options)

    parts = [done for _, done, of in told if of]
    assert told[0][0] == "reading the runs" and told[-1][0] == "writing the files"
    assert parts == list(range(max(of for *_, of in told)))
