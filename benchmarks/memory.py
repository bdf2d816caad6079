"""Does training hold on to memory? What the process holds, minute by minute.

    python -m benchmarks.memory dreamer CartPole-v1 --minutes 60 --set buffer_size=5000

Trains until the time is over. A replay buffer grows until it is full: give one that is full early.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil
import torch
import yaml

from baselines.api import NoProgress, Task
from harness import agents, envs, setting

ENDLESS = 1_000_000_000  # environment steps: time ends the training
MIB = 2**20


class OutOfTime(Exception):
    """Ends a training that has no other end."""


class Watch(NoProgress):
    """Prints what the process holds, every so many seconds, until the time is over."""

    def __init__(self, seconds: float, every: float) -> None:
        self.seconds, self.every = seconds, every
        self.process = psutil.Process()
        self.start, self.told = time.monotonic(), 0.0

    def at(self, step: int) -> None:
        passed = time.monotonic() - self.start
        if passed < self.told + self.every:
            return
        self.told = passed
        held = self.process.memory_info().rss / MIB
        cpu = time.process_time()
        print(
            f"{passed / 60:6.1f} min {cpu:8.0f} CPU s {step:9,} steps {held:8.1f} MiB", flush=True
        )
        if passed >= self.seconds:
            raise OutOfTime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("agent")
    parser.add_argument("env")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0, help="minutes between two lines")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    changed: dict[str, Any] = {
        name: yaml.safe_load(value)
        for name, _, value in (item.partition("=") for item in options.set)
    }
    card = envs.card(options.env)
    found = setting.resolve(options.agent, options.env, [setting.Layer("--set", changed)])
    task = Task(lambda: envs.make(card), steps=ENDLESS)
    agent = agents.make(options.agent, task, found.hparams)
    with contextlib.suppress(OutOfTime):
        agent.learn(Watch(60 * options.minutes, 60 * options.every))


if __name__ == "__main__":
    main()
