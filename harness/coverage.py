"""Metrics of a run, for `metrics:` of a sweep: how much of an environment training has seen.

They ask what training counted, exploration and all, cell by cell of the environment's plane
(`cells` of its card): states, or in Chain-N transitions. An environment without cells has none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.own import Run


def coverage(run: Run) -> float:
    """Share of the cells that training visited, of those that can be reached."""
    return float((_first(run, "first_steps") >= 0).mean())


def mean_coverage(run: Run) -> float:
    """The same, averaged over all steps of the budget: the area under the curve of coverage."""
    steps = _first(run, "first_steps")
    return float(np.where(steps >= 0, 1 - steps / run.steps, 0.0).mean())


def episodes_to_cover(run: Run) -> float:
    """Episodes that had begun when training had visited every cell that can be reached.

    Of a run that never did, one more than began in it: all such runs share the largest number.
    """
    episodes = _first(run, "first_episodes")
    if (episodes < 0).any():
        return 1.0 + float(run.visits.episodes)
    return float(episodes.max())


def _first(run: Run, name: str) -> Any:
    """Of each cell that can be reached: (cells,).

    :raises ValueError: if nobody counted, or nothing was to be counted.
    """
    if run.visits is None or getattr(run.visits, name) is None:
        raise ValueError(f"{run.env} has no cells, or the run is older than this count of them")
    if not run.visits.counts.any():
        raise ValueError(f"{run.agent} takes no steps in training, so it visits nothing")
    return getattr(run.visits, name)[run.visits.reachable]
