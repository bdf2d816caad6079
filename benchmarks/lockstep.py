"""What the engine lockstep saves: CPU time per environment step beside SB3's, in one process.

    python -m benchmarks.lockstep ppo CartPole-v1

Both learn with the shipped settings, seed by seed one after the other, so that a busy machine slows
both. Printed: medians over the seeds, where lockstep's time goes, how fast its products are beside
a large one of the same minutes, what is compiled when, and the ratio. Nothing is evaluated.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from itertools import pairwise
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from baselines.api import NoProgress, Task
from harness import agents, envs, setting
from harness.train.stopwatch import REST, Stopwatch

SIDE = 512


class Learner:
    """One agent in one environment under both engines."""

    def __init__(self, agent: str, env: str, steps: int, settings: dict[str, Any]) -> None:
        self.agent, self.card, self.steps, self.hparams = agent, envs.card(env), steps, settings

    def made(self, engine: str, seed: int, steps: int = 0) -> Any:
        task = Task(lambda: envs.make(self.card), steps or self.steps, seed=seed, env_seed=seed)
        return agents.make(self.agent, task, self.hparams, engine)

    def seconds(self, engine: str, seed: int, steps: int = 0) -> float:
        """CPU seconds of one step of learning, without the making of the agent."""
        agent = self.made(engine, seed, steps)
        start = time.process_time()
        done = agent.learn(NoProgress())
        return (time.process_time() - start) / done


def layers(net: Any) -> list[int]:
    """Numbers of each matrix of a network."""
    return [int(a) * int(b) for a, b in pairwise(net.widths)]


def operations(agent: Any) -> float | None:
    """Floating-point operations of the products of all updates, if none of them were spared.

    A matrix has one product forwards and two back, to weights and to inputs; but inputs of a first
    layer ask for none. Counted, too, are numbers that are 0, transitions drawn again and equal
    observations. None: a bonus learns beside, whose products are not counted.
    """
    model = agent.model
    if hasattr(model, "stream"):
        return None
    if hasattr(model, "critics"):  # SAC: of critics, targets too, and again for the actor
        actor, critic = layers(model.nets.actor), layers(model.nets.critic)
        seen = int(model.nets.critic.widths[0]) - model.replay.actions.shape[-1]
        each = 5 * sum(critic) - critic[0]
        judged = sum(critic) - seen * int(model.nets.critic.widths[1])
        per_row = 4 * sum(actor) - actor[0] + model.nets.critics * each + judged
        rows = model.flat.steps * model.batch_size
    elif hasattr(model, "target"):  # DQN: and the target network forwards
        per_row = 4 * sum(layers(model.net)) - layers(model.net)[0]
        rows = model.flat.steps * model.batch_size
    else:
        nets = layers(model.nets.policy), layers(model.nets.value)
        per_row = sum(3 * sum(each) - each[0] for each in nets)
        rollout = model.n_envs * model.n_steps
        rows = model.n_epochs * (model.num_timesteps // rollout) * rollout
    return 2.0 * per_row * rows


def ceiling() -> float:
    """Operations per second of a product of large matrices."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, SIDE, SIDE)).astype(np.float32)
    times = []
    for _ in range(20):
        start = time.process_time()
        a @ b
        times.append(time.process_time() - start)
    return 2 * SIDE**3 / median(times)


def shares(learner: Learner, seed: int) -> None:
    """Where the time of one more seed goes."""
    from baselines.lockstep.steps import Steps

    agent, watch = learner.made("lockstep", seed), Stopwatch()
    watch.time(Steps, "step", "environments")
    watch.time(agent.model, "train", "update")
    watch.total()
    watch.seconds.clear()  # what was before
    agent.learn(NoProgress())
    whole, parts = watch.total(), dict(watch.seconds)
    parts["acting and the rest"] = parts.pop(REST)
    print(", ".join(f"{name} {part / whole:.0%}" for name, part in parts.items()))
    if count := operations(agent):
        print(
            "products of the update, spared ones counted: "
            f"{count / parts['update'] / 1e9:.0f} GFLOP/s; of {SIDE} x {SIDE}: "
            f"{ceiling() / 1e9:.0f} GFLOP/s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("agent")
    parser.add_argument("env")
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6_400)
    parser.add_argument("--set", action="append", default=[], help="key=value, as for a sweep")
    options = parser.parse_args()
    from harness.config.option import assignments

    changed = setting.Layer("--set", assignments(options.set))
    settings = setting.resolve(options.agent, options.env, [changed]).hparams
    torch.set_num_threads(1)
    learner = Learner(options.agent, options.env, options.steps, settings)
    start = time.process_time()
    learner.seconds("lockstep", seed=0)
    first = time.process_time() - start
    start = time.process_time()
    learner.seconds("lockstep", seed=0)
    compiling = first - (time.process_time() - start)
    least = agents.config(options.agent, settings).least_steps()
    learner.seconds("sb3", seed=0, steps=least)  # torch's first calls are slow
    taken: dict[str, list[float]] = {"sb3": [], "lockstep": []}
    for seed in range(options.seeds):
        for engine, each in taken.items():
            each.append(learner.seconds(engine, seed))
    print(f"{options.agent} on {options.env}, {options.seeds} seeds of {options.steps:,} steps")
    print(f"importing and compiling, once a process: {compiling:.1f} s (less when kept on disk)")
    shares(learner, seed=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / (2**20 if sys.platform == 'darwin' else 2**10):,.0f} MB")
    for engine, each in taken.items():
        print(f"{engine}: {median(each) * 1e6:.1f} us CPU/step, {1 / median(each):,.0f} steps/s")
    ratio = median(taken["sb3"]) / median(taken["lockstep"])
    print(f"lockstep takes {ratio:.1f} times less CPU time per environment step than sb3")


if __name__ == "__main__":
    main()
