"""The gradient noise scale of the selected configuration, measured in runs on fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness import agents
from harness.spec import RunSpec
from harness.store.files import Damaged, read_json, set_aside, write_json
from harness.train import run

FILE = "noise_scale.json"
QUARTERS = 4
Samples = list[tuple[int, float, float]]  # step, |G|^2, tr(Sigma): see baselines/noise_scale.py


def measure(specs: Sequence[RunSpec], folder: Path) -> list[float]:
    """Train these runs, unless that was done before; empty for an agent that is no PPO.

    :return: how many samples a minibatch would have to have, in each quarter of training; NaN
        where the gradient cannot be told from its noise.
    """
    path = folder / FILE
    try:
        known = read_json(path, {}) or {}
    except Damaged:
        set_aside(path)
        known = {}
    for spec in specs:
        if spec.key not in known:
            try:
                known[spec.key] = [list(row) for row in run.rehearse(spec, agents.watch_noise)]
            except TypeError:
                return []
            write_json(path, known)
    return scale([known[spec.key] for spec in specs], specs[0].steps)


def scale(runs: Sequence[Samples], steps: int) -> list[float]:
    """McCandlish et al. 2018, B_simple = tr(Sigma) / |G|^2, the two averaged before their ratio."""
    rows = np.array([row for samples in runs for row in samples], dtype=float)
    quarter = np.minimum((rows[:, 0] - 1) * QUARTERS // steps, QUARTERS - 1)
    ratios = []
    for i in range(QUARTERS):
        part = rows[quarter == i]
        signal, noise = part[:, 1:].mean(axis=0) if len(part) else (0.0, 0.0)
        ratios.append(float(noise / signal) if signal > 0 else math.nan)
    return ratios
