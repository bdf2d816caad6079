"""Memory of many runs under lockstep at once, each with a replay buffer that is full.

    python -m benchmarks.lockstep_memory dqn CartPole-v1

Runs are processes forked from one that has imported everything, as under `harness sweep`. Each
fills its buffer, learns from it, and waits for the others. Printed: the sum of their
proportional shares (what several processes share counts once), which Linux alone tells.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import re
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from baselines.api import Task
from harness import agents, envs, setting


def proportional(pid: int) -> int:
    """Bytes of a process, those that it shares divided by how many share them."""
    rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(kb) for kb in re.findall(r"^Pss: +(\d+)", rolled, re.MULTILINE))


def fill(name: str, env: str, hparams: dict[str, Any], steps: int, seed: int, barrier: Any) -> None:
    """One run, up to an update from a full buffer."""
    card = envs.card(env)
    task = Task(lambda: envs.make(card), steps, seed=seed, env_seed=seed)
    model = agents.make(name, task, hparams, "lockstep").model
    for array in model.replay:
        array[:] = 1
    model.filled = len(model.replay.rewards)
    model.train(max(model.gradient_steps, 1), model.batch_size)
    barrier.wait()
    barrier.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("agent")
    parser.add_argument("env")
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--transitions", type=int, default=100_000)
    options = parser.parse_args()
    size = setting.Layer("--transitions", {"buffer_size": options.transitions})
    hparams = setting.resolve(options.agent, options.env, [size]).hparams
    torch.set_num_threads(1)
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(options.seeds + 1)
    given = options.agent, options.env, hparams, options.transitions
    agents.entry(options.agent, "lockstep").load()
    importlib.import_module("harness.train.executors.warm")  # what workers are forked from
    runs = [
        fork.Process(target=fill, args=(*given, seed, barrier)) for seed in range(options.seeds)
    ]
    for run in runs:
        run.start()
    barrier.wait()
    total = proportional(os.getpid()) + sum(proportional(run.pid) for run in runs if run.pid)
    barrier.wait()
    for run in runs:
        run.join()
    print(
        f"{options.seeds} runs of {options.agent} on {options.env}, {options.transitions:,} "
        f"transitions each: {total / 2**20:,.0f} MB"
    )


if __name__ == "__main__":
    main()
