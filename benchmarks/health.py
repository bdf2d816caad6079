"""How often healthy and broken learners show symptoms: harness/store/health.py, docs/health.md.

python -m benchmarks.health [--only ppo] [--seeds 2]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from harness.setting import Layer
from harness.spec import Evaluation
from harness.store.reader import RunStatus, Store
from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.train.run import Job, run

# Agent, environment, steps: enough for several updates, and to learn something where that is quick.
HEALTHY: list[tuple[str, str, int, dict[str, Any]]] = [
    ("ppo", "CartPole-v1", 10_240, {}),
    ("ppo", "Pendulum-v1", 10_240, {}),
    ("ppo", "DeepSea-10", 10_240, {}),
    ("a2c", "CartPole-v1", 5_000, {}),
    ("trpo", "CartPole-v1", 4_096, {}),
    ("recurrent_ppo", "CartPole-v1", 2_048, {}),
    ("ppo_rnd", "DeepSea-10", 20_480, {}),
    ("dqn", "CartPole-v1", 4_000, {"learning_starts": 500}),
    ("qrdqn", "CartPole-v1", 2_000, {"learning_starts": 500}),
    ("sac", "Pendulum-v1", 400, {}),
    ("td3", "Pendulum-v1", 1_000, {"learning_starts": 200}),
    ("crossq", "Pendulum-v1", 300, {}),
    ("ars", "CartPole-v1", 5_000, {}),
    ("tabular_q", "CartPole-v1", 10_000, {}),
    ("tabular_q", "DeepSea-10", 20_000, {}),
    ("world_model", "CartPole-v1", 2_000, {"controller": {"generations": 5}}),
    ("dreamer", "CartPole-v1", 400, {"learning_starts": 200}),
    ("random", "CartPole-v1", 1_000, {}),
    ("pid", "CartPole-v1", 1_000, {}),
    ("ppo", "CartPole-v1", 4_096, {"gamma": 0.0}),
    ("dqn", "CartPole-v1", 2_000, {"gamma": 1.0, "learning_starts": 500}),
]
BROKEN = [
    (agent, env, steps, hparams | {"learning_rate": rate})
    for agent, env, steps, hparams in HEALTHY[:13]
    for rate in (1e3, 1e10)
    if agent != "trpo"  # its steps are as long as its trust region allows
] + [
    ("dqn", "CartPole-v1", 2_000, {"learning_starts": 3_000}),
    ("ppo", "CartPole-v1", 4_096, {"learning_rate": 1e-300}),
    ("dreamer", "CartPole-v1", 400, {"learning_starts": 200, "learning_rate": 1e10}),
    ("world_model", "CartPole-v1", 2_000, {"rnn": {"learning_rate": 1e10}}),
]


class Case(NamedTuple):
    name: str
    status: RunStatus


def cases(
    table: list[tuple[str, str, int, dict[str, Any]]], seeds: int, only: str
) -> Iterator[Case]:
    for agent, env, steps, hparams in table:
        for seed in range(seeds) if agent.startswith(only) else ():
            layers = (Layer("benchmarks/health.py", hparams),)
            every = Evaluation(every=steps // 10, episodes=2, final_episodes=2)
            spec = resolve(Request(agent, env, steps, seed, layers, evaluation=every))
            with tempfile.TemporaryDirectory() as folder:
                store = Store(Path(folder))
                with suppress(Exception):  # it is in the status
                    run(spec, Job(store.root))
                yield Case(f"{agent} {env} {hparams or ''} seed {seed}", store.status(spec))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="Agents whose names begin so.")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    for title, table in (("healthy", HEALTHY), ("broken", BROKEN)):
        ill = total = 0
        for case in cases(table, options.seeds, options.only):
            total += 1
            ill += bool(case.status.symptoms)
            shown = "; ".join(f"{s.kind}: {s}" for s in case.status.symptoms) or "no symptom"
            print(f"{title}: {case.name}: {case.status.state}: {shown}", flush=True)
        print(f"{title}: {ill} of {total} runs show symptoms", flush=True)


if __name__ == "__main__":
    main()
