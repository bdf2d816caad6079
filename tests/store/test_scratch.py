"""Temporary folders: gone when a command ends, and the next removes those of a killed one."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile

import pytest

from harness.store.scratch import scratch

HOLD = """\
import time
from harness.store.scratch import scratch
with scratch() as folder:
    print(folder.name, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def names(place):
    return {path.name for path in place.iterdir()}


def test_what_a_killed_command_left_is_removed_and_what_a_living_one_holds_is_not(place):
    (place / "harness-mine").mkdir()  # without a lock: of somebody else
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], env={"TMPDIR": str(place)}, stdout=subprocess.PIPE, text=True
    ) as other:
        held = other.stdout.readline().strip()
        with scratch() as folder:
            (folder / "file").write_text("")
            assert names(place) == {held, "harness-mine", folder.name}
        other.kill()
    assert names(place) == {held, "harness-mine"}

    with scratch() as folder:
        assert names(place) == {"harness-mine", folder.name}


def test_a_forked_process_that_lets_go_of_it_leaves_it_to_the_one_that_made_it(place):
    held = scratch()
    folder = held.__enter__()

    child = multiprocessing.get_context("fork").Process(
        target=held.__exit__, args=(None, None, None)
    )
    child.start()
    child.join(60)

    assert (child.exitcode, folder.is_dir()) == (0, True)
    held.__exit__(None, None, None)
    assert not folder.exists()
