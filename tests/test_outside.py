"""What a machine may do to a sweep: a full disk, processes that are stopped, two at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from killing import STUDIES, Home, finish, undisturbed, wait_for, workers

STUDY = STUDIES["tabular_q"]
SUPPORT = Path(__file__).parent / "support"


@pytest.fixture(scope="module")
def truth(place):
    return undisturbed(place, STUDY, "training", None)


@pytest.fixture
def home(place):
    return Home(place, STUDY, "training")


def made(home):
    """Every attempt at the runs of a home, and the results."""
    folders = sorted(home.store.root.glob("runs/*/*/*"))
    lines = [(folder / "attempts.jsonl").read_text().splitlines() for folder in folders]
    results = [json.loads((folder / "result.json").read_text()) for folder in folders]
    return [[json.loads(line) for line in log] for log in lines], results


# The disk -----------------------------------------------------------------------------------------


@pytest.fixture
def disk(home):
    """Sets the size of the disk on which the results lie: tmpfs's own words."""
    if os.geteuid():
        pytest.skip("a disk of its own takes root")
    home.store.root.mkdir()

    def mount(*options):
        subprocess.run(["mount", *options, home.store.root], check=True)

    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs")
    yield lambda words: mount("-o", f"remount,{words}")
    subprocess.run(["umount", "--lazy", home.store.root], check=True)


FULL = [pytest.param(60, marks=pytest.mark.slow)]
FULL += [pytest.param(size, marks=pytest.mark.soak) for size in range(16, 400, 16)]


@pytest.mark.parametrize("kilobytes", FULL)
def test_a_disk_that_is_full_is_told_in_one_line_and_no_finished_run_is_lost(
    kilobytes, home, disk, truth
):
    disk(f"size={kilobytes}k")

    said = finish(home.start(), 1)

    assert "Traceback" not in said and "the disk is full; what was finished is kept" in said
    home.ends()
    disk("size=64m")
    with home.untouched():
        finish(home.start(), 0)
    assert home.outcome() == truth.outcome
    home.is_tidy()


@pytest.mark.soak
def test_results_that_may_only_be_read_are_one_line_and_as_they_were(home, disk, truth):
    finish(home.start(), 0)
    disk("ro")
    try:
        for deed in ("training", "report", "tune", "verify", "board"):
            said = finish(home.start(deed), 2)
            assert "Traceback" not in said and "read-only file system" in said, said
        finish(home.start("status"), 0)
    finally:
        disk("rw")
    assert home.outcome() == truth.outcome
    home.is_tidy()


# Processes that are stopped -----------------------------------------------------------------------

WHOM = {
    "worker": lambda process: workers(process)[0].pid,
    "parent": lambda process: process.pid,
    "group": lambda process: -process.pid,
}


@pytest.mark.parametrize(
    ("whom", "seconds"),
    [
        pytest.param("group", 20.0, marks=pytest.mark.slow),
        *(pytest.param(whom, 60.0, marks=pytest.mark.soak) for whom in WHOM),
    ],
)
def test_what_is_stopped_for_a_while_goes_on_and_nobody_takes_its_runs(whom, seconds, home, truth):
    limits = {"hours": seconds / 3_600, "memory_gb": 8}  # shorter than it is stopped and runs
    with (home.folder / "sweep.yaml").open("a") as file:
        file.write(f"limits: {json.dumps(limits)}\n")
    process = home.start()
    wait_for(lambda: workers(process))
    victim = WHOM[whom](process)
    (os.killpg if victim < 0 else os.kill)(abs(victim), signal.SIGSTOP)
    other = home.start()  # the same sweep in the same folder
    time.sleep(seconds)
    (os.killpg if victim < 0 else os.kill)(abs(victim), signal.SIGCONT)

    said = finish(process, 0), finish(other, 0)

    assert not any("Traceback" in each for each in said), said
    assert home.outcome() == truth.outcome
    logs, _ = made(home)
    assert all(["started" in log[0], log[1]["outcome"]] == [True, "finished"] for log in logs)
    assert {len(log) for log in logs} == {2}
    home.is_tidy()


# The clock ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clock(place):
    """Variables for a command whose time of day is set by writing seconds into a file."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("a clock that is set takes a C compiler")
    offset, library = place / "offset", place / "clock.so"
    words = [compiler, "-shared", "-fPIC", "-o", library, SUPPORT / "clock.c"]
    subprocess.run(words, check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}


@pytest.mark.slow
@pytest.mark.parametrize("days", [3, -3])
def test_a_clock_that_is_set_while_runs_train_changes_nothing(days, clock, home, truth):
    with (home.folder / "sweep.yaml").open("a") as file:
        file.write("limits: {hours: 1}\n")
    offset = Path(clock["CLOCK_OFFSET"])
    offset.write_text("0")
    process = home.start(more=["--budget", "2h"], env=clock)
    assert wait_for(lambda: workers(process))
    offset.write_text(str(days * 86_400))

    said = finish(process, 0)

    assert "Traceback" not in said
    assert home.outcome() == truth.outcome
    logs, results = made(home)
    ended = [datetime.fromisoformat(log[-1]["ended"]) for log in logs]
    far = [round((each - datetime.now(UTC)).total_seconds() / 86_400) for each in ended]
    assert set(far) == {days}  # it was set indeed
    assert all(0 <= result["wall_seconds"] < 3_600 for result in results)
    home.is_tidy()


# Two commands at once -----------------------------------------------------------------------------


@pytest.mark.slow
def test_of_two_sweeps_at_once_the_one_that_is_left_takes_over_what_the_other_was_at(place):
    study = STUDY._replace(steps=100_000)  # or the first has ended before the second has begun
    home, truth = Home(place, study, "training"), undisturbed(place, study, "training", None)
    first = home.start()
    assert wait_for(lambda: workers(first), 60)
    second = home.start()
    assert wait_for(lambda: workers(second), 60)
    psutil.Process(first.pid).kill()

    finish(first, -signal.SIGKILL)
    said = finish(second, 0)

    assert "Traceback" not in said
    assert home.outcome() == truth.outcome
    logs, _ = made(home)
    outcomes = [[line["outcome"] for line in log if "ended" in line] for log in logs]
    assert all(ends.count("finished") == 1 for ends in outcomes)
    finish(home.start(), 0)  # the next command removes what the killed one left
    home.is_tidy()
