"""Workers that are forked from a server; what becomes of them when it is killed: test_resume.py."""

from __future__ import annotations

import time

import pytest
from tiny import tiny

from harness.config.strict import UserError
from harness.train.executors.processes import TICK, _started
from harness.train.run import Job


class Dying:
    """A server of workers that takes so many seconds to die: until then it refuses, and no other
    takes its place."""

    def __init__(self, seconds):
        self.until = time.monotonic() + seconds

    def Process(self, target, args):  # noqa: N802 - multiprocessing's name
        return self

    def start(self):
        if time.monotonic() < self.until:
            raise ConnectionRefusedError


def test_a_server_that_is_not_dead_yet_is_waited_for(tmp_path):
    server = Dying(TICK * 1.5)

    assert _started(server, tiny("random"), Job(tmp_path)) is server


def test_a_server_that_never_lives_is_told_in_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot import what runs need: `--executor serial`"):
        _started(Dying(60), tiny("random"), Job(tmp_path))
