"""Figures of my own: a function of what the report knows, to a plot of the report's own kinds."""

from __future__ import annotations

from harness.report.own import Data
from harness.report.plot import Axis, Line, Panel, Plot, Rule


def gap(data: Data) -> Plot:
    """Return less that of ppo with the same seed.

    Along training. Every line is a run; ppo is the line at 0. Equal seeds are evaluated on equal
    episodes.
    """
    returns = data.evaluations.pivot(index="step", columns=["arm", "seed"], values="mean")
    lines = [
        Line(data.looks[arm], returns.index, returns[arm, seed] - returns["ppo", seed], thin=True)
        for arm, seed in returns
        if arm != "ppo" and ("ppo", seed) in returns
    ]
    marks = (Rule(data.looks["ppo"], y=0.0), *lines)
    panel = Panel(Axis("environment steps"), Axis("return less that of ppo"), marks)
    return Plot((panel,), data.n)
