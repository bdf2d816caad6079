"""What a step without an update costs, in updates, of learners that may choose how many they make.

    python -m benchmarks.update_price

Prints `prices` of configs/costs.yaml. Each learner is trained with its environment's settings but
four steps between two trainings, once with FEW and once with MANY updates in each. A line goes
through the two CPU times of a step, a + b * updates, and the price is a / b.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

os.environ.setdefault("OMP_NUM_THREADS", "1")

from baselines import SB3
from baselines.api import NoProgress, Task
from harness import agents, envs, setting
from harness.store.cost import Learner, learning_steps, updates

LEARNERS = {
    Learner("dqn"): "CartPole-v1",
    Learner("qrdqn"): "CartPole-v1",
    Learner("sac"): "Pendulum-v1",
    Learner("td3"): "Pendulum-v1",
    Learner("tqc"): "Pendulum-v1",
    Learner("crossq"): "Pendulum-v1",
    Learner("dqn", "lockstep"): "CartPole-v1",
    Learner("sac", "lockstep"): "Pendulum-v1",
}
FEW, MANY = 1, 8
STEPS, STARTS = 500, 100


def rate(learner: Learner, env: str, gradient_steps: int) -> tuple[float, float]:
    """Updates of a step, and its CPU seconds; the second time, when all is compiled."""
    hparams = setting.resolve(learner.agent, env, ()).hparams
    hparams |= {"learning_starts": STARTS, "train_freq": 4, "gradient_steps": gradient_steps}
    seconds = [training(learner, env, hparams) for _ in range(1 + (learner.engine != SB3))]
    return updates(hparams) or 0.0, seconds[-1] / learning_steps(STEPS, hparams)


def training(learner: Learner, env: str, hparams: Mapping[str, object]) -> float:
    card = envs.card(env)
    task = Task(lambda: envs.make(card, (), training=True), STEPS)
    agent = agents.make(learner.agent, task, hparams, learner.engine)
    started = time.process_time()
    agent.learn(NoProgress())
    return time.process_time() - started


def price(learner: Learner, env: str) -> float:
    (few, low), (many, high) = (rate(learner, env, steps) for steps in (FEW, MANY))
    update = (high - low) / (many - few)
    return max(0.0, low / update - few)


def main() -> None:
    for learner, env in LEARNERS.items():
        print(json.dumps({str(learner): round(price(learner, env), 2)}), flush=True)


if __name__ == "__main__":
    main()
