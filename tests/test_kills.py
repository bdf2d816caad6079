"""Killed at any moment, a command goes on to the same bytes: see tests/support/killing.py."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from killing import (
    OF_FINISHED,
    STUDIES,
    VICTIMS,
    Cell,
    Home,
    chain,
    finish,
    undisturbed,
)

KILLS = ("worker", "server", "parent", "group")  # by SIGKILL
TABULAR = ("tabular_q", "tabular_q+checkpoint")
NETWORKS = ("ppo", "ppo+checkpoint", "lockstep", "lockstep+checkpoint")
CELLS = [
    *(Cell("training", victim, study, 4, 2) for victim in KILLS for study in TABULAR),
    *(Cell("training", victim, "tabular_q", 4) for victim in ("SIGTERM", "SIGHUP")),
    *(Cell("evaluation", victim, study, 4) for victim in KILLS for study in TABULAR),
    *(Cell("starting", victim, TABULAR[1], 4) for victim in ("parent", "group", "SIGTERM")),
    *(Cell("report", victim, "tabular_q", 4) for victim in ("parent", "group", "SIGTERM")),
    *(Cell("board", victim, "tabular_q", 4) for victim in ("parent", "group")),
    *(Cell("verify", victim, "tabular_q", 4) for victim in KILLS),
    *(Cell("tune", victim, study, 3) for victim in KILLS for study in TABULAR),
    *(Cell("training", victim, study, 2) for victim in KILLS for study in NETWORKS),
    *(Cell("evaluation", victim, NETWORKS[3], 2) for victim in KILLS),
    *(Cell("compiling", victim, NETWORKS[3], 1) for victim in ("server", "parent", "group")),
]
# In the tests that CI runs; tests/test_resume.py kills a worker and a command by itself.
SAMPLE = [Cell("training", "server", "tabular_q"), Cell("training", "group", "tabular_q")]


@pytest.fixture(scope="module")
def truth(place):
    """What comes of a command on a study that nobody kills; made when it is first asked for."""

    @cache
    def made(deed, study):
        before = made("training", study).home.store.root if deed in OF_FINISHED else None
        return undisturbed(place, STUDIES[study], deed, before)

    return made


@pytest.fixture(scope="module")
def ledger():
    """Counts kills, and those after which all was as if there had been none."""
    counts = Counter()

    def add(cell, kills, same):
        counts.update({(*cell[:3], "kills"): kills, (*cell[:3], "same"): kills * same})
        if path := os.environ.get("KILLS_TABLE"):
            Path(path).write_text(table(counts))

    return add


def table(counts):
    """For a page: a row for each command and study, a column for each victim."""
    rows = [
        f"| while | learner, engine | {' | '.join(VICTIMS)} |",
        "|---|---" + "|---" * len(VICTIMS) + "|",
    ]
    for deed, study in dict.fromkeys((cell.deed, cell.study) for cell in CELLS):
        row = [deed, str(STUDIES[study])]
        for victim in VICTIMS:
            kills, same = (counts[deed, victim, study, what] for what in ("kills", "same"))
            row.append(f"{same} of {kills}" if kills else "")
        rows.append(f"| {' | '.join(row)} |")
    kills, same = (sum(n for key, n in counts.items() if key[3] == of) for of in ("kills", "same"))
    return "\n".join([*rows, "", f"{same} of {kills} kills"]) + "\n"


def killed(cell, seed, place, truth, ledger):
    undisturbed, met, same = truth(cell.deed, cell.study), [], False
    if cell.deed == "evaluation":
        assert undisturbed.evaluates > 0.5
    try:
        for hit in chain(place, cell, undisturbed, seed):
            met.append(hit)
        same = True
    finally:
        ledger(cell, sum(met), same)


def test_the_soak_kills_two_hundred_times():
    assert sum(cell.n * cell.chains for cell in CELLS if cell.victim in KILLS) >= 200


@pytest.mark.slow
@pytest.mark.parametrize("cell", SAMPLE, ids=lambda cell: "-".join(cell[:3]))
def test_a_command_that_is_killed_goes_on_as_if_nothing_had_been(cell, place, truth, ledger):
    killed(cell, 0, place, truth, ledger)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("cell", "seed"),
    [
        pytest.param(cell, 1 + i, id=f"{'-'.join(cell[:3])}-{i}")
        for cell in CELLS
        for i in range(cell.chains)
    ],
)
def test_a_command_that_is_killed_again_and_again_goes_on_as_if_nothing_had_been(
    cell, seed, place, truth, ledger
):
    killed(cell, seed, place, truth, ledger)


# While the command starts -------------------------------------------------------------------------


def test_ctrl_c_while_modules_are_imported_leaves_no_traceback():
    code = (
        "import os, signal; from harness.__main__ import end_silently; end_silently(); "
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_nothing_is_imported_before_ctrl_c_is_silent():
    code = "import sys; old = {*sys.modules}; import harness.__main__; print(*{*sys.modules} - old)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"harness", "harness.__main__", "_signal"}


def ended_early(number, after, folder):
    process = Home(folder, STUDIES["tabular_q"], "status").start()
    time.sleep(after)
    process.send_signal(number)
    said = finish(process)
    assert "Traceback" not in said and "Exception ignored" not in said, said
    assert process.returncode in (2, 130, -number), said  # 2: there is no such sweep


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", [0.2, 0.5, 0.8])
def test_a_command_that_is_asked_to_end_while_it_starts_ends_without_a_traceback(
    number, after, place
):
    ended_early(number, after, place)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", [random.Random(i).uniform(0, 1.65) for i in range(50)])
def test_a_command_that_is_asked_to_end_at_any_moment_ends_without_a_traceback(
    number, after, place
):
    ended_early(number, after, place)
