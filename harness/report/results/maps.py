"""Maps of where training went, for environments whose states are cells of a plane; and how soon
it had been everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.report import plot
from harness.report.evidence import Evidence
from harness.report.number import short
from harness.report.plot import Axis, Cells, Line, Look, Panel, Plot, Points, Shades
from harness.report.results import caption
from harness.stats import Array
from harness.store.run_files import Visits

_THIN = 4  # times as long as wide: panels side by side would leave nothing of such a map
COLOURS = "viridis_r"  # lightness falls all along it: safe for the colour-blind, and in grey
# Where every episode began, and what it had to reach.
_START = Look("start", "#d55e00", "o", line=False, size=4.5, hollow=True)
_GOAL = Look("goal", "#d55e00", "*", line=False, size=7.0)


def visits(evidence: Evidence, env: str) -> Plot | str:
    """A row per arm, a column per quarter of the budget, in each of them shares that sum to 1."""
    known = [found for (_, at, _), found in evidence.visits.items() if at == env]
    if known and max(known[0].reachable.shape) > _THIN * min(known[0].reachable.shape):
        return f"the cells of {env} lie in a strip, of which a map would show nothing"
    rows = _rows(evidence, env) if known else {}
    if not rows:
        return ""
    reachable, quarters = known[0].reachable, len(known[0].counts)
    seen = np.concatenate([shares[shares > 0] for shares in rows.values()])
    # A decade at the least.
    shades = Shades(
        "share of visits", seen.min(), max(seen.max(), 10 * seen.min()), log=True, colours=COLOURS
    )
    height, width = reachable.shape
    edges = np.arange(width + 1) - 0.5, np.arange(height + 1) - 0.5
    spots, panels = tuple(_spots(known)), []
    names = _quarters(evidence, env, quarters)
    for i, (title, row) in enumerate(rows.items()):
        for quarter, shares in enumerate(row):
            cells = Cells(
                *edges, np.where(shares > 0, shares, np.nan), hatched=reachable & (shares == 0)
            )
            x = Axis(names[quarter] if i == len(rows) - 1 else "", limits=(-0.5, width - 0.5))
            y = Axis(limits=(height - 0.5, -0.5))
            name = title if quarter == 0 else ""
            panels.append(Panel(x, y, (cells, *spots), title=name, env=env, bare=True))
    seeds = caption.seeds(evidence)
    return Plot(tuple(panels), seeds, across=quarters, wide=True, shades=shades)


def _spots(known: list[Visits]) -> Iterator[Points]:
    """Where all episodes began, and their goal: one cell each, or none that could be marked."""
    for look, name in ((_START, "starts"), (_GOAL, "goals")):
        each = [counts for visits in known if (counts := getattr(visits, name)) is not None]
        cells = np.argwhere(np.sum(each, axis=0) > 0).tolist() if each else []
        if len(cells) == 1:
            ((row, column),) = cells
            yield Points(look, np.array([column]), np.array([row]))


def _rows(evidence: Evidence, env: str) -> dict[str, Array]:
    """By title: shares (quarters, height, width) of the visits of all seeds; NaN without runs.

    An arm that takes no steps in training has no row.
    """
    found = {}
    shape = next(each.counts.shape for (_, at, _), each in evidence.visits.items() if at == env)
    for arm in evidence.arms_on(env):
        counts = [each.counts for each in evidence.of(evidence.visits, arm, env)]
        have, planned = len(counts), len(evidence.specs(arm, env))
        total = np.sum(counts, axis=0) if counts else np.full(shape, np.nan)
        if have < planned or total.any():
            title = arm if have == planned else f"{arm} ({have} of {planned} runs)"
            found[title] = total / np.maximum(total.sum(axis=(1, 2), keepdims=True), 1)
    return found


def _quarters(evidence: Evidence, env: str, quarters: int) -> list[str]:
    """In steps, if all arms have the same budget."""
    budgets = list(evidence.budgets(env))
    if len(budgets) > 1:
        return [f"quarter {i + 1}" for i in range(quarters)]
    ends = [short(budgets[0] * i // quarters) for i in range(quarters + 1)]
    return [f"{ends[i]} to {ends[i + 1]} steps" for i in range(quarters)]


_POINTS = 100  # along a line of coverage


def coverage(evidence: Evidence, env: str) -> Plot | str:
    """The share of all cells that training had visited by each step, arm by arm."""
    runs = {arm: evidence.of(evidence.visits, arm, env) for arm in evidence.arms_on(env)}
    dated = {
        arm: each
        for arm, each in runs.items()
        if len(each) == len(evidence.specs(arm, env))
        and all(run.first_steps is not None and run.counts.any() for run in each)
    }
    looks, panels = plot.looks(evidence.sweep.arms), []
    seen = [_seen(run) for each in dated.values() for run in each]
    top = 1.0 if not seen or max(seen) > 0.5 else max(seen)
    x, y = Axis("environment steps"), Axis("share of the cells", limits=(-0.03 * top, 1.03 * top))
    for part in plot.groups(list(dated), evidence.baseline):
        lines = [
            _covered(evidence.specs(arm, env)[0].steps, dated[arm], looks[arm]) for arm in part
        ]
        panels.append(Panel(x, y, tuple(plot.apart(lines)), title=env, env=env))
    return Plot(tuple(panels), caption.seeds(evidence)) if dated else ""


def _seen(run: Visits) -> float:
    assert run.first_steps is not None
    return float((run.first_steps[run.reachable] >= 0).mean())


def _covered(budget: int, runs: Sequence[Visits], look: Look) -> Line:
    """The median of the runs and their range."""
    steps = np.linspace(0, budget, _POINTS)
    first = [run.first_steps[run.reachable] for run in runs if run.first_steps is not None]
    shares = np.stack(
        [((each >= 0) & (each <= steps[:, None])).mean(axis=1) for each in first]
    )  # (runs, points)
    low, high = (shares.min(axis=0), shares.max(axis=0)) if len(shares) > 1 else (None, None)
    return Line(look, steps, np.median(shares, axis=0), low=low, high=high)
