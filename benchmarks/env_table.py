"""The table of docs/envs.md: random, scripted and reference scores, and steps per second.

python -m benchmarks.env_table [NAME ...]

Scripted agents play the 100 final evaluation episodes of seed 0. Steps per second are environment
steps by CPU time of one process, random actions and resets included, the median of three rounds.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from baselines import AGENTS
from baselines.api import Task
from harness import agents, envs, setting
from harness.seeding import episode_seeds
from harness.train.evaluate import Evaluator

ROUNDS, SECONDS, EPISODES = 3, 0.7, 100


def main() -> None:
    try:
        cards = [envs.card(name) for name in sys.argv[1:] or envs.card_names()]
    except KeyError as error:
        sys.exit(f"env_table: {error.args[0]}")
    print("| environment | actions | random | scripted | reference | steps/s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for card in cards:
        known = card.scale() or card.anchors
        error, reference = known.random.standard_error, known.reference
        random = f"{known.random.score:.4g}" + (f" ± {error:.2g}" if error else "")
        cells = [card.name, card.actions, random, scripted(card)]
        cells += [f"{reference.score:.4g}" if reference else ""]
        print("| " + " | ".join([*cells, f"{speed(card):,.0f}"]) + " |", flush=True)


def scripted(card: envs.Card) -> str:
    """The mean return of each agent that is made for this environment and does not learn."""
    fit = [
        name
        for name, entry in AGENTS.items()
        if not entry.learns and entry.envs and agents.unfit(name, card.name, card.actions) is None
    ]
    found = []
    for name in fit:
        task = Task(make_env=lambda: envs.make(card), steps=0)
        agent = agents.make(name, task, setting.resolve(name, card.name, []).hparams)
        evaluator = Evaluator(lambda: envs.make(card, training=False))
        episodes = evaluator.play(agent, episode_seeds("final", card.name, 0, EPISODES))
        evaluator.close()
        found.append(f"{np.mean(episodes.returns):.4g} ({name})")
    return ", ".join(found)


def speed(card: envs.Card) -> float:
    """Environment steps per CPU second."""
    env = envs.make(card)
    env.action_space.seed(0)
    env.reset(seed=0)
    found = []
    for _ in range(ROUNDS):
        steps, start = 0, time.process_time()
        while time.process_time() - start < SECONDS:
            *_, terminated, truncated, _ = env.step(env.action_space.sample())
            steps += 1
            if terminated or truncated:
                env.reset()
        found.append(steps / (time.process_time() - start))
    env.close()
    return statistics.median(found)


if __name__ == "__main__":
    main()
