"""What a figure shows is said once: on paper and on the page it is the same."""

from __future__ import annotations

from dataclasses import replace

import fake_store
import numpy as np
import pytest
from fake_report import report
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from harness.report import plot
from harness.report.evidence import Evidence
from harness.report.plot import Axis, Line, Panel, Plot, Points, Rule
from harness.report.render import seaborn, style
from harness.report.render.script import Script
from harness.report.results.figures import FIGURES
from harness.spec import ReportOptions
from harness.store.reader import Store

ENVS = ("DeepSea-20", "DeepSea-10")
ARMS = tuple(fake_store.ARMS)
WITHOUT = {"fewer_seeds", "looks", "equivalence"}
MADE_OF = {"ppo": (), "rnd": ("bonus", "scale"), "no_obs_norm": ("bonus",), "episodic": ("scale",)}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Five arms, of which two stand in claims, with all that a figure may show on one of them."""
    store = Store(tmp_path_factory.mktemp("plot"))
    sweep = fake_store.sweep(ARMS, ENVS, 10, claims=fake_store.CLAIMS[:2], components=MADE_OF)
    fake_store.write_sweep(store, sweep, finish=False)
    sea = np.tri(20, dtype=int)
    for run in sweep.runs:
        fake_store.write_run(store, run, metrics={"train/loss": [3.0, 1.0 + run.seed]})
        if run.env == ENVS[0]:
            first = np.where(sea > 0, 100 * np.arange(20) * (1 + run.seed), -1)
            fake_store.write_visits(store, run, np.stack([sea] * 4), sea > 0, first_steps=first)
            fake_store.write_model(store, run, 0.1 + run.seed)
            fake_store.write_film(store, run)
            speed = 1e-4 * (1 + ARMS.index(run.arm))  # CPU seconds of a step
            fake_store.write_clock(store, run, lambda step, speed=speed: step * speed)
    return Evidence(sweep, store)


def shown(evidence, score="final"):
    """Every figure, by name, but for those of sweeps with more seeds, and with looks."""
    subjects = {name: ENVS[0] if kind.per == "env" else score for name, kind in FIGURES.items()}
    found = {name: FIGURES[name].plot(evidence, subject) for name, subject in subjects.items()}
    assert {name for name, each in found.items() if isinstance(each, str)} == WITHOUT
    return {name: each for name, each in found.items() if isinstance(each, Plot)}


def texts(figure):
    return {text.get_text() for text in figure.findobj(Text)}


def test_paper_and_page_show_the_same_numbers(evidence):
    drawn = {n: each for n, each in shown(evidence).items() if each.drawn_by_script}
    assert FIGURES.keys() - drawn.keys() == WITHOUT | {"visits", "films"}  # pictures
    for name, each in drawn.items():
        script = Script()
        script.add(name, each)
        panels = script.plots[name]["panels"]
        with style.applied():
            axes = seaborn.draw(each).axes
        for panel, on_page, on_paper in zip(each.panels, panels, axes, strict=False):
            assert on_page["x"]["ends"] == pytest.approx(on_paper.get_xlim())
            assert on_page["y"]["ends"] == pytest.approx(on_paper.get_ylim())
            printed = [line.get_xydata() for line in on_paper.lines]
            for mark, data in zip(panel.marks, on_page["marks"], strict=True):
                if isinstance(mark, Line | Points) and len(mark.x):
                    xy = np.stack([mark.x, mark.y], axis=1)
                    assert any(np.array_equal(xy, other) for other in printed), name
                    there = np.stack([data["x"], data["y"]], axis=1)
                    for values, axis in zip((xy - there).T, (panel.x, panel.y), strict=True):
                        rounded = 0.0 if axis.decimals is None else 10.0**-axis.decimals / 2
                        assert np.abs(values).max() <= rounded + 1e-7 * np.abs(xy).max()


def test_a_figure_is_filled_once(evidence, monkeypatch):
    first = FIGURES["curves"].plot(evidence, "final")
    monkeypatch.setitem(evidence.__dict__, "curves", None)  # nothing could be computed again
    assert FIGURES["curves"].plot(evidence, "final") is first


def test_a_panel_has_at_most_four_bands_and_every_arm_is_beside_the_baseline(evidence):
    panels = shown(evidence)["curves"].panels
    for env in ENVS:
        arms = [{line.look.name for line in panel.of(Line)} for panel in panels if panel.env == env]
        assert all(len(each) <= plot.MOST_BANDS and evidence.baseline in each for each in arms)
        assert set().union(*arms) == set(ARMS)


@pytest.mark.parametrize("arms", range(1, 20))
def test_arms_are_divided_evenly_and_none_is_lost(arms):
    names = [str(i) for i in range(arms)]
    groups = plot.groups(names, "0")
    sizes = {len(group) for group in groups}
    assert max(sizes) <= plot.MOST_BANDS and max(sizes) - min(sizes) <= 1
    assert sorted(set().union(*groups)) == sorted(names)


def test_arms_of_the_claims_stand_out(evidence):
    looks = [line.look for panel in shown(evidence)["curves"].panels for line in panel.of(Line)]
    assert {look.name for look in looks if not look.recedes} == {"ppo", "rnd"}
    prominent, receding = (
        seaborn.handle(next(look for look in looks if look.recedes is recedes))
        for recedes in (False, True)
    )
    assert prominent.get_linewidth() > receding.get_linewidth()
    assert prominent.get_alpha() > receding.get_alpha()


def test_two_arms_at_the_same_values_are_both_seen():
    looks = list(plot.looks([str(i) for i in range(6)]).values())
    x = np.arange(30.0)
    for first, second in ((looks[0], looks[5]), (looks[0], looks[1]), (looks[2], looks[3])):
        plain = [replace(look, marker="") for look in (first, second)]
        lines = plot.apart([Line(look, x, np.sin(x / 9)) for look in plain])
        with style.applied():
            figure = seaborn.draw(Plot((Panel(Axis("x"), Axis("y"), tuple(lines)),), "1 run"))
            figure.legends[0].remove()
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3] / 255
        for look in (first, second):
            # As strong as the line itself, or as the edge that it leaves beneath the other.
            tints = [1 - strength * (1 - np.array(to_rgb(look.colour))) for strength in (1, 0.4)]
            near = [np.abs(pixels - tint).max(axis=-1) < 0.03 for tint in tints]
            assert np.logical_or(*near).sum() > 100, (first.name, second.name)


def test_a_legend_has_what_is_drawn_and_nothing_else(evidence):
    each = shown(evidence)["curves"]
    panel = replace(each.panels[0], marks=(*each.panels[0].of(Rule), each.panels[0].marks[-1]))
    with style.applied():
        (legend,) = seaborn.draw(replace(each, panels=(panel,), across=0)).legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["reference policy", "random policy", panel.marks[-1].look.name]


def test_every_figure_says_how_many_runs_it_shows(evidence):
    script = Script()
    for name, each in shown(evidence).items():
        with style.applied():
            assert f"n = {each.n}" in texts(seaborn.draw(each)), name
        assert any("10 seeds" in words for words in (each.n, *(p.title for p in each.panels))), name
        if each.drawn_by_script:
            script.add(name, each)
            assert script.plots[name]["n"] == each.n


def test_figures_of_two_scores_can_be_told_apart_when_they_are_saved_alone(evidence):
    final, auc = (shown(evidence, score) for score in ("final", "auc"))
    for name in (name for name, kind in FIGURES.items() if kind.per == "score" and name in final):
        with style.applied():
            assert texts(seaborn.draw(final[name])) != texts(seaborn.draw(auc[name])), name
    gap = final["aggregates"].panels[-1]
    assert gap.title == "Optimality gap" and "less is better" in gap.x.label


def test_an_axis_does_not_magnify_scores_that_hardly_vary():
    look = plot.looks(["a"])["a"]
    points = Points(look, np.array([0.981, 0.984]), np.array([0.0, 1.0]))
    panel = Panel(Axis(least=plot.LEAST), Axis(names=("a", "b")), (points,))
    low, high = panel.limits("x")
    assert high - low == pytest.approx(plot.LEAST)
    assert low < 0.981 and high > 0.984
    unknown = replace(panel, x=Axis())
    low, high = unknown.limits("x")
    assert high - low > 0.04  # what is 0 and 1 is not known: a part of the values themselves


def test_a_picture_is_shown_whole_and_upright():
    pixels = np.zeros((12, 16, 3), np.uint8)
    picture = Panel(Axis(), Axis(), (plot.Picture(pixels),), bare=True)
    with style.applied():
        (axes,) = seaborn.draw(Plot((picture,), "1 episode", wide=True)).axes
    assert axes.get_xlim() == (-0.5, 15.5)
    assert axes.get_ylim() == (11.5, -0.5)


def test_what_has_nothing_to_show_is_a_sentence_and_no_frame(tmp_path):
    store = Store(tmp_path)
    options = ReportOptions(scores=("final",))
    sweep = fake_store.sweep(("ppo", "rnd"), ENVS[:1], 1, report=options)
    fake_store.write_sweep(store, sweep, finish=False)
    text = report(store, sweep, ["curves", "seeds"])
    assert "Learning curves: not drawn, because the runs that it needs have not finished." in text
    assert not list((store.sweep_folder("fake") / "report").glob("*.png"))
    fake_store.write_run(store, sweep.runs[0])
    text = report(store, sweep, ["curves", "seeds"])
    assert "Every run, final score: not drawn, because there is a single point to show." in text
