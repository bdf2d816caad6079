"""Whether lockstep learns what SB3 learns: the same seeds under both engines, and two tests.

    python -m benchmarks.lockstep_outcomes ppo CartPole-v1 --steps 25_000

Runs are trained as `harness sweep` would, and kept: the same command resumes. At a third, at two
thirds and at the end of the curve the interquartile means are compared by two one-sided Yuen tests
(trimmed means, unequal variances; Yuen 1974, Schuirmann 1987): equivalent at a level of 5 % if the
difference is less than MARGIN of the range from the random to the reference policy either way.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from scipy import stats

from harness import envs
from harness.spec import RunSpec
from harness.store.reader import Store
from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.train.missing import train_missing

MARGIN = 0.15  # declared before any outcome was seen
TRIMMED = 0.25  # of either end: what is left has the interquartile mean
LEVEL = 0.05


class Trimmed(NamedTuple):
    mean: float
    variance: float  # of that mean
    kept: int


def trimmed(scores: np.ndarray) -> Trimmed:  # (n,)
    n, cut = len(scores), int(TRIMMED * len(scores))
    kept = n - 2 * cut
    pulled = stats.mstats.winsorize(scores, (TRIMMED, TRIMMED))
    variance = (n - 1) * np.var(np.asarray(pulled), ddof=1) / (kept * (kept - 1))
    return Trimmed(float(stats.trim_mean(scores, TRIMMED)), float(variance), kept)


def equivalence(ours: np.ndarray, theirs: np.ndarray, margin: float) -> float:
    """The larger p of the two one-sided tests."""
    a, b = trimmed(ours), trimmed(theirs)
    difference, spread = a.mean - b.mean, a.variance + b.variance
    if spread == 0:
        return float(abs(difference) >= margin)
    parts = a.variance**2 / (a.kept - 1) + b.variance**2 / (b.kept - 1)
    below = stats.t.cdf((abs(difference) - margin) / np.sqrt(spread), spread**2 / parts)
    return float(below)


def specs(options: argparse.Namespace, engine: str) -> list[RunSpec]:
    protocol = {"every": max(options.steps // 6, 1), "episodes": 20, "final_episodes": 50}
    asked = Request(
        options.agent, options.env, options.steps, evaluation=protocol, engine={"name": engine}
    )
    first = resolve(asked, rehearse=True).model_copy(update={"arm": engine})
    return [first.model_copy(update={"seed": seed}) for seed in range(options.seeds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("agent")
    parser.add_argument("env")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("results"))
    options = parser.parse_args()
    arms = {engine: specs(options, engine) for engine in ("sb3", "lockstep")}
    store, scale = Store(options.results), envs.card(options.env).scale()
    if scale is None:
        parser.error(f"the card of {options.env} has no anchors to measure a margin by")
    train_missing([*arms["sb3"], *arms["lockstep"]], store, options.workers, Console())
    margin = MARGIN * (scale.reference.score - scale.random.score)
    frame = store.frame([*arms["sb3"], *arms["lockstep"]])
    curve = sorted(frame[~frame["final"]]["step"].unique())
    points = [(curve[len(curve) // 3], False), (curve[2 * len(curve) // 3], False)]
    print("| steps | sb3 | lockstep | difference | margin | p | equivalent |")
    print("|---|---|---|---|---|---|---|")
    for step, final in [*points, (options.steps, True)]:
        rows = frame[(frame["step"] == step) & (frame["final"] == final)]
        theirs, ours = (rows[rows["arm"] == arm]["mean"].to_numpy() for arm in arms)
        p = equivalence(ours, theirs, margin)
        a, b = trimmed(theirs).mean, trimmed(ours).mean
        verdict = "yes" if p <= LEVEL else "not shown"
        print(
            f"| {step:,} | {a:.1f} | {b:.1f} | {b - a:+.1f} | {margin:.1f} | {p:.2g} | {verdict} |"
        )


if __name__ == "__main__":
    main()
