"""The limits of a run: whatever it does, it ends, as a failure that says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from command import typed

from harness.store.reader import Store

# Ways not to come to an end, in a process of their own.
HANGS = {
    "in Python": "while True: pass",
    "asleep": "time.sleep(300)",
    "deaf to errors": "while True:\n    with suppress(Exception): time.sleep(300)",
    "in C, where no other thread may run": "ctypes.PyDLL(None).sleep(300)",
    "eating memory": "eaten = []\nwhile len(eaten) < 2_000: eaten.append(bytearray(2**20))",
}
PROCESS = """\
import ctypes, json, sys, time, traceback
from contextlib import suppress
from harness.spec import Limits
from harness.train import limit

limit.PATIENCE, limit.DEAF = 1.0, 4.0
def failed(error):
    print(*traceback.format_exception(error), sep="", flush=True)
def hang():
    {hang}
try:
    began = time.monotonic()
    with limit.enforced(
        Limits(hours=2 / 3600, memory_gb=0.5), failed, lambda: time.monotonic() - began
    ):
        hang()
except limit.LimitExceeded as error:
    failed(error)
    sys.exit(limit.FAILED)
"""


QUICK = ("asleep", "eating memory")


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=[pytest.mark.slow] * (how not in QUICK)) for how in HANGS]
)
def test_whatever_is_beyond_its_limits_ends_and_tells_where_it_was(how):
    code = PROCESS.format(hang=HANGS[how].replace("\n", "\n    "))
    began = time.monotonic()

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)

    assert done.returncode == 1, done.stderr
    assert "in hang" in done.stdout + done.stderr
    if "no other thread" not in how:
        grew = "its memory grew beyond 0.5 GB (limits.memory_gb)"
        why = grew if "memory" in how else "it took more than 0.000555556 hours (limits.hours)"
        assert f"LimitExceeded: {why}" in done.stdout
    assert time.monotonic() - began < 60


STOPPED = """\
import sys, time
from harness.spec import Limits
from harness.train import limit

began = time.monotonic()
with limit.enforced(Limits(hours=4 / 3600), print, lambda: time.monotonic() - began):
    print("began", flush=True)
    sys.stdin.readline()
print("ended")
"""


@pytest.mark.slow
def test_a_run_that_was_stopped_for_longer_than_its_limit_goes_on():
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "began\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        process.send_signal(signal.SIGCONT)
        time.sleep(1)
        said, _ = process.communicate("\n")
    assert (said, process.returncode) == ("ended\n", 0)


MODULE = """\
import time

import gymnasium as gym
from gymnasium.envs.classic_control import CartPoleEnv


class Hangs(CartPoleEnv):
    steps = 0

    def step(self, action):
        self.steps += 1
        if self.steps > 5:  # an environment is tried before anything trains
            self.misbehave()
        return super().step(action)

    def misbehave(self):
        time.sleep(300)


class Eats(Hangs):
    eaten = []

    def misbehave(self):
        if len(self.eaten) < 8:
            self.eaten.append(bytearray(2**28))
            time.sleep(0.5)


gym.register("Hangs-v0", Hangs, max_episode_steps=50)
gym.register("Eats-v0", Eats, max_episode_steps=50)
"""
SWEEP = """\
name: limits
question: Does it end?
envs: ["bad:Hangs-v0", "bad:Eats-v0", CartPole-v1]
seeds: 1
steps: 100_000
evaluation: {every: 100_000, episodes: 1, final_episodes: 2}
arms: {random: {agent: random}}
limits: {hours: 0.004, memory_gb: 0.7}
"""


@pytest.mark.slow
def test_a_run_beyond_its_limits_fails_with_that_reason_and_the_others_finish(tmp_path):
    (tmp_path / "bad.py").write_text(MODULE)
    (tmp_path / "limits.yaml").write_text(SWEEP)

    told = typed("sweep", "limits.yaml", "--no-crosscheck", "--workers", "3", cwd=tmp_path, code=1)

    assert "LimitExceeded: it took more than 0.004 hours (limits.hours)" in told
    store = Store(tmp_path / "results")
    hangs, eats, finished = map(store.status, store.sweep("limits").made)
    assert (hangs.state, eats.state, finished.state) == ("failed", "failed", "finished")
    assert hangs.error == "LimitExceeded: it took more than 0.004 hours (limits.hours)"
    assert eats.error == "LimitExceeded: its memory grew beyond 0.7 GB (limits.memory_gb)"
    assert "bad.py" in hangs.failure["traceback"]
    assert finished.result["limits"] == {"hours": 0.004, "memory_gb": 0.7}


def test_limits_are_no_part_of_a_key_and_what_is_no_limit_is_refused(tmp_path):
    run = "run", "random", "CartPole-v1", "--steps", "100", "--evaluation", "{final_episodes: 1}"
    typed(*run, "--limits", "{hours: 1}", cwd=tmp_path)

    assert "1 run is finished already" in typed(*run, cwd=tmp_path)
    assert json.loads(next(tmp_path.glob("results/runs/*/*/*/result.json")).read_text())["limits"]
    told = typed(*run, "--limits", "{hours: 0}", cwd=tmp_path, code=2)
    assert told.startswith("--limits: limits.hours: ") and len(told.splitlines()) == 1
