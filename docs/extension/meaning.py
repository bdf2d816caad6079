"""The figures of docs/meaning.md.

    python docs/extension/meaning.py

draws them into docs/images/.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from harness import stats
from harness.config.shipped import shipped

IMAGES = Path(__file__).parents[1] / "images"

# Ten runs of three learners on one environment, made up: the figure is about what one number says.
RUNS = {
    "steady": [0.66, 0.68, 0.69, 0.70, 0.70, 0.71, 0.72, 0.72, 0.74, 0.75],
    "one run fails": [0.02, 0.77, 0.79, 0.80, 0.80, 0.81, 0.82, 0.82, 0.84, 0.85],
    "solves it or not": [0.0, 0.0, 0.0, 0.0, 0.98, 0.98, 0.99, 0.99, 1.0, 1.0],
}


def one_number() -> Figure:
    """Runs, with their mean and their interquartile mean."""
    runs = pd.DataFrame(RUNS).melt(var_name="learner", value_name="score")
    figure, axes = plt.subplots(figsize=(6.5, 2.8), layout="constrained")
    sns.swarmplot(runs, x="score", y="learner", color="0.55", size=4, ax=axes)
    for name, statistic, marker in (("mean", stats.mean, "D"), ("IQM", stats.iqm, "o")):
        values = [float(statistic(scores)) for scores in RUNS.values()]
        below = [row + 0.3 for row in range(len(RUNS))]
        axes.scatter(values, below, s=60, marker=marker, label=name, alpha=0.8)
    axes.set(ylabel="", ylim=(len(RUNS) - 0.5, -0.5))
    axes.legend(loc="upper left", bbox_to_anchor=(0.05, 1))
    return figure


def coverage() -> Figure:
    """How often a 95 % interval of one environment holds the true value, at worst."""
    table = pd.read_csv(shipped("configs") / "coverage.csv")
    names = {
        "IQM": "IQM, interval of this harness",
        "rliable's IQM": "IQM, percentile bootstrap",
        "Mean": "mean, interval of this harness",
        "rliable's Mean": "mean, percentile bootstrap",
    }
    mine = table[table.statistic.isin(names) & (table.tasks == 1)]
    # Both kinds were simulated on these: the worst of more would be no fair comparison.
    both = mine.groupby("scores").statistic.nunique() == len(names)
    mine = mine[mine.scores.isin(both[both].index)]
    worst = mine.groupby(["statistic", "seeds"], as_index=False).coverage.min()
    worst["interval"] = worst.statistic.map(names)
    figure, axes = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
    sns.lineplot(
        worst, x="seeds", y="coverage", hue="interval", style="interval", hue_order=names.values(),
        style_order=names.values(), markers=True, dashes=False, ax=axes,
    )  # fmt: skip
    axes.axhline(stats.LEVEL, color="0.4", linestyle="--", linewidth=1)
    axes.annotate("what it says: 95 %", (30, stats.LEVEL), (0, 3), ha="right",
                  textcoords="offset points", color="0.3", fontsize="small")  # fmt: skip
    axes.set(xlabel="seeds", ylabel="covers the true value", ylim=(0.6, 1.02))
    axes.legend(title=None, loc="lower right", fontsize="small")
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {"one_number": one_number, "coverage": coverage}


def draw(folder: Path) -> None:
    """Each figure as a PNG."""
    with sns.axes_style("whitegrid"), sns.color_palette("colorblind"):
        for name, figure in FIGURES.items():
            drawn = figure()
            drawn.savefig(folder / f"{name}.png", dpi=150)
            plt.close(drawn)


if __name__ == "__main__":
    draw(IMAGES)
