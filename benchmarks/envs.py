"""How many decisions a second PushPose makes, side by side with panda-gym's PandaPush.

    python benchmarks/envs.py

CPU time of one process, resets included. Both tasks take random actions in turns, so that a busy
machine slows both; a second PushPose is pushed all the time, because random actions seldom touch
the object and PushPose spares the physics where nothing can meet. Printed: medians, and the median
of the turns' ratios.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import numpy as np

from harness.envs.push_pose import PushPose

LIMIT = 100  # decisions of an episode of PushPose; PandaPush has its own limit of 50
Policy = Callable[[np.ndarray], np.ndarray]  # from the observation


def rate(env: gym.Env, policy: Policy, decisions: int, seed: int) -> float:
    """Decisions per second of CPU time."""
    observation, _ = env.reset(seed=seed)
    steps = 0
    start = time.process_time()
    for _ in range(decisions):
        observation, _, terminated, truncated, _ = env.step(policy(observation))
        steps += 1
        if terminated or truncated or steps == LIMIT:
            observation, _ = env.reset()
            steps = 0
    return decisions / (time.process_time() - start)


def chase(observation: np.ndarray) -> np.ndarray:
    """Straight at the object, and on."""
    return -observation[:2] / max(np.linalg.norm(observation[:2]), 1e-6)


def panda() -> gym.Env | None:
    if find_spec("panda_gym") is None:
        print("PandaPush is left out: pip install panda-gym==3.0.7 to compare")
        return None
    import panda_gym  # noqa: F401 - registers its environments

    return gym.make("PandaPush-v3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--decisions", type=int, default=3_000, help="of PushPose in each turn")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    push, other = PushPose(), panda()
    tasks: dict[str, tuple[gym.Env, Policy, int]] = {
        "PushPose, random": (push, lambda _: rng.uniform(-1, 1, 2), options.decisions),
        "PushPose, always pushing": (push, chase, options.decisions),
        "PushPose, 64 x 64 pixels": (
            PushPose(observation="pixels"),
            lambda _: rng.uniform(-1, 1, 2),
            options.decisions // 10,
        ),
    }
    if other is not None:
        size = other.action_space.shape
        tasks["PandaPush, random"] = (
            other,
            lambda _: rng.uniform(-1, 1, size).astype(np.float32),
            options.decisions // 10,
        )
    rates = [
        {name: rate(*task, seed) for name, task in tasks.items()} for seed in range(options.repeats)
    ]
    for name in tasks:
        line = f"{name}: {median(turn[name] for turn in rates):,.0f} decisions/s"
        if other is not None and name.startswith("PushPose"):
            ratio = median(turn[name] / turn["PandaPush, random"] for turn in rates)
            line += f", {ratio:.1f} times PandaPush"
        print(line)


if __name__ == "__main__":
    main()
