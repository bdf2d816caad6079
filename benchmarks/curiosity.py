"""What the bonus costs: CPU time per step of ppo_rnd against ppo, side by side in one process.

    python benchmarks/curiosity.py

Both learn with the same PPO settings and 64-64 networks; each repeat runs one after the other, so
that a busy machine slows both. Printed: the medians, and the median of the repeats' ratios.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import torch

from baselines import AGENTS
from baselines.api import NoProgress, Task
from harness.envs.deep_sea import DeepSea

PPO = {"n_envs": 16, "n_steps": 100, "batch_size": 200, "n_epochs": 4, "ent_coef": 0.01}
ENVS: dict[str, Callable[[], gym.Env]] = {
    "CartPole-v1": lambda: gym.make("CartPole-v1"),
    "DeepSea-20": lambda: DeepSea(20),
}


def seconds(agent: str, env: str, steps: int, seed: int) -> float:
    """CPU seconds of learning, without the making of the agent."""
    learner = AGENTS[agent].load()
    made = learner(Task(ENVS[env], steps, seed=seed, env_seed=seed), learner.Config(**PPO))
    start = time.process_time()
    made.learn(NoProgress())
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=16_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for env in ENVS:
        for agent in ("ppo", "ppo_rnd"):
            seconds(agent, env, 3_200, seed=0)  # torch's first calls are slow
        pairs = [
            (seconds("ppo", env, options.steps, seed), seconds("ppo_rnd", env, options.steps, seed))
            for seed in range(options.repeats)
        ]
        ppo, rnd = (median(column) / options.steps * 1e6 for column in zip(*pairs, strict=True))
        ratio = median(rnd / ppo for ppo, rnd in pairs)
        print(f"{env}: ppo {ppo:.0f} us/step, ppo_rnd {rnd:.0f} us/step, {ratio:.2f} times")


if __name__ == "__main__":
    main()
