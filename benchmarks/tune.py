"""Does it pay to spend a search on several seeds for each trial? On an objective that is known.

`python -m benchmarks.tune [--repeats 20]` searches a smooth hill of four dimensions, whose scores
have the noise of reinforcement learning: some seeds are harder for every configuration, each run
has luck of its own, and now and then a run fails. Every arm may make 200 runs in all, those that
confirm the best trials included. What counts is the regret: how far below the top of the hill the
winner truly stands. Nothing is trained; all else is `harness tune` as it is.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import InMemoryStorage

from harness.search import confirm, loop, storage
from harness.search.plan import Plan
from harness.search.read import read
from harness.search.score import Trainer
from harness.spec import RunSpec
from harness.store.reader import Store
from harness.store.writer import Record

RUNS = 200
HARD, LUCK, FAILS = 0.15, 0.2, 0.05  # deviations of the two noises, and how often a run fails
TOP = {"kp": 0.7, "ki": 0.2, "kd": 0.55, "kp_position": 0.4}
STEEP = {"kp": 2.0, "ki": 1.0, "kd": 0.5, "kp_position": 0.1}

# arm -> seeds, pruner, best trials confirmed, on how many seeds
ARMS = {
    "1 seed": (1, "none", 1, 1),
    "1 seed, best 5 confirmed": (1, "none", 5, 6),
    "3 seeds, best 5 confirmed": (3, "none", 5, 6),
    "6 seeds, best 5 confirmed": (6, "none", 5, 6),
    "6 seeds, Wilcoxon": (6, "wilcoxon", 1, 1),
    "6 seeds, Wilcoxon, best 5 confirmed": (6, "wilcoxon", 5, 6),
    "10 seeds, Wilcoxon, best 5 confirmed": (10, "wilcoxon", 5, 6),
}

FILE = """\
name: known
envs: [CartPole-v1]
steps: 1
evaluation: {{every: 1, episodes: 1, final_episodes: 1}}
arms:
  hill:
    agent: pid
    hparams: {start}
    space: {space}
seeds: {seeds}
seed: {seed}
value: {value}
pruner: {{name: {pruner}}}
budget: {{steps: {budget}}}
confirm: {{top: {top}, seeds: {confirm}, test_seeds: 2}}
"""


def truth(spec: RunSpec) -> float:
    """The hill: 1 at the top, and what a configuration is worth on average but for failures."""
    return 1.0 - sum(STEEP[name] * (spec.hparams[name] - TOP[name]) ** 2 for name in TOP)


def score(spec: RunSpec, repeat: int) -> float:
    """One run's normalised score."""
    hard = np.random.default_rng([repeat, spec.seed]).normal(0, HARD)
    rng = np.random.default_rng([repeat, spec.seed, zlib.crc32(spec.key.encode())])
    luck, fails = rng.normal(0, LUCK), rng.random() < FAILS
    return 0.0 if fails else truth(spec) + hard + luck


def attempt_in(store: Store, plan: Plan, repeat: int) -> Callable[[list[RunSpec]], None]:
    anchors = plan.anchors["CartPole-v1"]
    low, high = anchors.random.score, anchors.reference.score

    def attempt(specs: list[RunSpec]) -> None:
        for spec in specs:
            mean = low + (high - low) * score(spec, repeat)
            store.folder(spec).mkdir(parents=True, exist_ok=True)
            record = Record(store.folder(spec), spec)
            record.evaluation(spec.steps, "final", [mean], [1], {})
            record.finish({"key": spec.key, "final": {"mean": mean}, "wall_seconds": 0.0})

    return attempt


def search(arm: str, repeat: int, value: str) -> tuple[float, float, int]:
    """Regret, the optimism of the tuning value, and how many trials there were."""
    seeds, pruner, top, fresh = ARMS[arm]
    space = ", ".join(f"{name}: {{why: Known., low: 0.0, high: 1.0}}" for name in TOP)
    text = FILE.format(
        start="{" + ", ".join(f"{name}: 0.0" for name in TOP) + "}",
        space="{" + space + "}", seeds=seeds, seed=repeat, value=value, pruner=pruner,
        budget=RUNS - (top * fresh if top > 1 else 0), top=top, confirm=fresh,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known.yaml"
        path.write_text(text)
        (plan,) = read(path)
        store = Store(Path(folder))
        study = storage.open_study(plan, InMemoryStorage())
        trainer = Trainer(plan, store, attempt_in(store, plan, repeat))
        loop.run(trainer, study, say=lambda text: None, begin=lambda size: None)
        found = confirm.run(trainer, study)
    assert found is not None
    true = truth(found.selected.specs[0])
    return 1.0 - true, float(found.selected.trial.value or 0.0) - true, len(study.trials)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--value", default="mean", help="iqm, mean, mean - 1.0*se")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    what = f"{RUNS} runs, {options.repeats} repeats, {options.value}"
    print(f"| {what} | regret | optimism | trials |")
    print("|---|---|---|---|")
    for arm in ARMS:
        rows = np.array([search(arm, i, options.value) for i in range(options.repeats)])
        mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
        print(
            f"| {arm} | {mean[0]:.3f} ± {error[0]:.3f} | {mean[1]:+.3f} ± {error[1]:.3f} | "
            f"{mean[2]:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
