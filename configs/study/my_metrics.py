"""Scores of my own: a number of each episode after training, f(episode), or of a run, f(run)."""

from __future__ import annotations

import numpy as np

from harness.own import Episode


def reached(episode: Episode) -> float:
    """How much of the corridor the agent has walked at its furthest."""
    return float(np.max(episode.observations))
