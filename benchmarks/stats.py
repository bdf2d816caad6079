"""How long our bootstrap and rliable's take for the same intervals, and how far they agree.

Ours are plain percentile intervals here, as rliable's are; but for P(improvement), whose interval
is the expanded one of the reports, and so wider.

python -m benchmarks.stats [--resamples 2000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rliable import library, metrics

from harness import stats
from harness.stats import aggregate, resample

TAUS = np.linspace(0, 1, 51)
RESAMPLES = 50_000
IMPROVEMENT = "P(improvement)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resamples", type=int, default=2_000, help="of rliable; ours are scaled")
    resamples = parser.parse_args().resamples
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.6, 0.3, (10, 10)), rng.normal(0.5, 0.3, (10, 10))
    print(f"10 runs x 10 tasks, CPU seconds for {RESAMPLES:,} resamples")
    print(f"{'':>16} {'ours':>8} {'rliable':>9} {'ratio':>7}   ours / rliable's interval")
    for name, (ours, theirs) in _pairs(x, y, resamples).items():
        seconds, low, high = _timed(ours)
        np.random.seed(0)  # rliable 1.2 draws from NumPy's global generator
        slow, their_low, their_high = _timed(theirs)
        slow *= RESAMPLES / resamples
        if name == IMPROVEMENT:  # which is always of this many
            seconds *= RESAMPLES / stats.RESAMPLES
        print(
            f"{name:>16} {seconds:8.3f} {slow:9.1f} {slow / seconds:6.0f}x   "
            f"[{low:.4f}, {high:.4f}] / [{their_low:.4f}, {their_high:.4f}]"
        )


Call = Callable[[], Any]


def _pairs(x: Any, y: Any, resamples: int) -> dict[str, tuple[Call, Call]]:
    def ours(statistic: stats.Statistic) -> Call:
        return lambda: stats.percentile(
            resample.bootstrap(x, statistic, stats.generator("x"), RESAMPLES)
        )

    def theirs(of: Any, function: Callable[..., Any]) -> Call:
        scores = {"x": of}
        return lambda: library.get_interval_estimates(scores, function, reps=resamples)[1]["x"]

    def improvement() -> tuple[float, float]:
        found = stats.improvement(x, y, "x", "y")
        return found.low, found.high

    return {
        "IQM": (ours(stats.iqm), theirs(x, lambda s: np.array([metrics.aggregate_iqm(s)]))),
        "mean": (ours(stats.mean), theirs(x, lambda s: np.array([metrics.aggregate_mean(s)]))),
        "median": (
            ours(aggregate.median),
            theirs(x, lambda s: np.array([metrics.aggregate_median(s)])),
        ),
        "optimality gap": (
            ours(aggregate.optimality_gap),
            theirs(x, lambda s: np.array([metrics.aggregate_optimality_gap(s)])),
        ),
        "profile": (
            ours(aggregate.profile(TAUS)),
            theirs(x, lambda s: library.score_distributions(s, TAUS)),
        ),
        IMPROVEMENT: (
            improvement,
            theirs([x, y], lambda a, b: np.array([metrics.probability_of_improvement(a, b)])),
        ),
    }


def _timed(call: Callable[[], Any]) -> tuple[float, float, float]:
    """CPU seconds, and the ends of the interval (of a profile, in its middle)."""
    started = time.process_time()  # one thread: what the machine does beside it does not count
    low, high = call()
    seconds = time.process_time() - started
    low, high = np.atleast_1d(low), np.atleast_1d(high)
    return seconds, float(low[len(low) // 2]), float(high[len(high) // 2])


if __name__ == "__main__":
    main()
