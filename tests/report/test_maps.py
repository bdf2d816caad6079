"""Where training went, as a map."""

from __future__ import annotations

import fake_store
import numpy as np
import pytest
from fake_report import TWO_ENVS, report
from matplotlib import colormaps

from harness.report.evidence import Evidence
from harness.report.plot import Cells, Line, Points
from harness.report.render import seaborn, style
from harness.report.results import maps
from harness.report.results.figures import FIGURES
from harness.spec import ResolvedSweep
from harness.store.reader import Store

SEA = np.tri(10, dtype=bool)


def mapped(store: Store, unmapped: int = 0) -> ResolvedSweep:
    """ppo stays in the first column; rnd is everywhere but there, in the last quarter alone."""
    sweep = fake_store.sweep(("ppo", "rnd", "script"), TWO_ENVS, 3)
    fake_store.write_sweep(store, sweep)
    column = np.zeros((10, 10), int)
    column[:, 0] = 5
    counts = {
        "ppo": np.stack([column] * 4),
        "rnd": np.stack([column, column, column, SEA * 7 - column // 5 * 7]),
        "script": np.zeros((4, 10, 10), int),
    }
    runs = [run for run in sweep.runs if run.env == "DeepSea-10"]
    for run in runs:
        if run.arm != "rnd" or run.seed >= unmapped:
            fake_store.write_visits(store, run, counts[run.arm], SEA)
    return sweep


def rows_of(store: Store, sweep: ResolvedSweep):
    """By title: the cells in each panel of that row; the plot."""
    shown = FIGURES["visits"].plot(Evidence(sweep, store), "DeepSea-10")
    rows = [shown.panels[i : i + 4] for i in range(0, len(shown.panels), 4)]
    return {row[0].title: [next(panel.of(Cells)) for panel in row] for row in rows}, shown


def test_a_map_shows_the_share_of_each_cell_of_all_seeds_together(store):
    found, shown = rows_of(store, mapped(store))
    assert list(found) == ["ppo", "rnd"]  # the script took no steps in training
    early, late = found["ppo"][0].values, found["rnd"][3].values
    assert early[:, 0] == pytest.approx(np.full(10, 0.1))
    assert np.isnan(early[:, 1:]).all()
    assert late[SEA & (np.arange(10) > 0)].sum() == pytest.approx(1)
    assert np.isnan(late[:, 0]).all() and np.isnan(late[~SEA]).all()
    names = [panel.x.label for panel in shown.panels[-4:]]
    assert (names[0], names[-1]) == ("0 to 5k steps", "15k to 20k steps")


def test_cells_never_visited_are_hatched_and_those_out_of_reach_blank(store):
    found, shown = rows_of(store, mapped(store))
    hatched = found["ppo"][0].hatched
    assert hatched[5, 1]
    assert not hatched[5, 0]  # visited
    assert not hatched[1, 5]  # out of reach
    with style.applied():
        outline = seaborn.draw(shown).axes[0].patches[0].get_path()
    assert outline.contains_point((1, 5)) and not outline.contains_point((0, 5))


def test_a_map_marks_where_all_episodes_begin_and_what_they_have_to_reach(store):
    sweep = mapped(store)
    ends = np.zeros((2, 10, 10), int)
    ends[0, 0, 0], ends[1, 9, 9] = 40, 40
    for run in sweep.runs:
        if run.env == "DeepSea-10":
            with np.load(store.folder(run) / "visits.npz") as saved:
                facts = dict(saved)
            np.savez(store.folder(run) / "visits.npz", **facts, starts=ends[0], goals=ends[1])
            fake_store.seal(store.folder(run))
    _, shown = rows_of(store, sweep)
    for panel in shown.panels:
        spots = {spot.look.name: (spot.x.item(), spot.y.item()) for spot in panel.of(Points)}
        assert spots == {"start": (0, 0), "goal": (9, 9)}
    assert [look.name for look in shown.legend] == ["start", "goal"]


def test_a_map_says_which_runs_it_lacks(store):
    found, _ = rows_of(store, mapped(store, unmapped=1))
    assert list(found) == ["ppo", "rnd (2 of 3 runs)"]
    assert np.nansum(found["rnd (2 of 3 runs)"][3].values) == pytest.approx(1)


def test_an_arm_without_any_map_keeps_its_row_and_says_so(store):
    found, _ = rows_of(store, mapped(store, unmapped=3))
    assert list(found) == ["ppo", "rnd (0 of 3 runs)"]
    assert all(np.isnan(cells.values).all() for cells in found["rnd (0 of 3 runs)"])


def test_only_environments_with_cells_have_a_map(store):
    text = report(store, mapped(store), figures=["visits"])
    assert "### Visits in training, DeepSea-10\n\n![" in text
    assert "(visits_DeepSea-10.png)" in text
    assert "DeepSea-20.png" not in text


def test_the_colours_of_a_map_are_told_apart_in_grey():
    red, green, blue, _ = np.moveaxis(colormaps[maps.COLOURS](np.linspace(0, 1, 64)), -1, 0)
    assert (np.diff(0.299 * red + 0.587 * green + 0.114 * blue) < 0).all()


def test_a_line_of_coverage_is_the_median_share_of_cells_that_had_been_visited(store):
    sweep = mapped(store)
    first = np.where(SEA, 0, -1)
    first[9, 1:] = -1, -1, -1, 5_000, 5_000, 5_000, 10_000, 10_000, 20_000  # three never
    for run in sweep.runs:
        if run.env == "DeepSea-10" and run.arm == "rnd":
            later = np.where(first > 0, first + 100 * run.seed, first)
            fake_store.write_visits(store, run, np.stack([SEA * 1] * 4), SEA, first_steps=later)
    shown = FIGURES["coverage"].plot(Evidence(sweep, store), "DeepSea-10")

    (panel,) = shown.panels
    (line,) = panel.of(Line)  # of ppo nobody counted when
    assert line.look.name == "rnd"
    assert line.y[0] == pytest.approx(46 / 55)
    assert line.y[-1] == pytest.approx(51 / 55)  # the last cell in one run of three
    assert line.high[-1] == pytest.approx(52 / 55)
    assert (np.diff(line.y) >= 0).all()


def test_the_axis_of_a_small_coverage_ends_where_the_best_run_does(store):
    sweep = mapped(store)
    first = np.full(SEA.shape, -1)
    first[0, 0], first[9, :4] = 0, 100
    for run in sweep.runs:
        if run.env == "DeepSea-10" and run.arm == "rnd":
            seen = np.where(np.arange(10) <= run.seed, first, -1)
            fake_store.write_visits(store, run, np.stack([SEA * 1] * 4), SEA, first_steps=seen)

    (panel,) = FIGURES["coverage"].plot(Evidence(sweep, store), "DeepSea-10").panels

    best = max(run.seed for run in sweep.runs) + 2  # cells of 55
    assert panel.y.limits == pytest.approx((-0.03 * best / 55, 1.03 * best / 55))


def test_no_coverage_is_drawn_where_nobody_counted_when_cells_were_visited(store):
    assert FIGURES["coverage"].plot(Evidence(mapped(store), store), "DeepSea-10") == ""


def test_cells_in_a_strip_have_no_map_and_the_report_says_why(store):
    sweep, strip = mapped(store), np.ones((2, 50), bool)
    for run in sweep.runs:
        if run.env == "DeepSea-10":
            fake_store.write_visits(store, run, np.ones((4, 2, 50), int), strip)

    text = report(store, sweep, figures=["visits"])

    assert "because the cells of DeepSea-10 lie in a strip" in text
    assert "visits_DeepSea-10" not in text
