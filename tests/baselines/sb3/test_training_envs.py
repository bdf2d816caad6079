"""The environments that SB3's learners train in."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from probe_envs_agents import discrete

from baselines import entry
from baselines.api import Task
from baselines.sb3 import training_envs


@pytest.mark.slow
def test_episodes_leave_nothing_behind_however_many_there_are():
    config = entry("ppo").load().Config(n_envs=1)
    env = training_envs(Task(discrete, steps=1), config)
    env.reset()

    def episodes(count):
        done = 0
        while done < count:
            done += int(env.step(np.array([0]))[2].sum())

    episodes(200)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    episodes(500)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert after - before < 500 * 8
