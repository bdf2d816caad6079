"""Figures of the user's own: drawn as every other, and whatever is wrong costs one alone."""

from __future__ import annotations

import re
import sys

import fake_store
import numpy as np
import pytest
from fake_report import ONE_ENV, TWO_ARMS, with_gap, write_report

from harness.config import study
from harness.own import figures as own_functions
from harness.report import own
from harness.report.evidence import Evidence
from harness.report.plot import Line, Points
from harness.spec import ReportOptions

FIGURES = '''\
from dataclasses import replace

from harness.report.plot import Axis, Line, Panel, Plot, Points


def costs(data):
    """What it costs.

    Every point is a run, its  number **final**.
    """
    marks = tuple(
        Points(data.looks[arm], list(runs["cpu_seconds"]), runs["final"])
        for arm, runs in data.runs.groupby("arm")
    )
    return Plot((Panel(Axis("CPU s"), Axis("return"), marks),), data.n)


def missing_column(data):
    """A."""
    return data.runs["finall"]


def no_plot(data):
    """A."""
    return 7


def unlike(data):
    """A."""
    line = Line(data.looks["ppo"], [1, 2], [1, 2, 3])
    return Plot((Panel(Axis(), Axis(), (line,)),), data.n)


def words(data):
    """A."""
    line = Line(data.looks["ppo"], ["a", "b"], [1, 2])
    return Plot((Panel(Axis(), Axis(), (line,)),), data.n)


def colour(data):
    """A."""
    line = Line(replace(data.looks["ppo"], colour="bleu"), [1, 2], [1, 2])
    return Plot((Panel(Axis(), Axis(), (line,)),), data.n)


def empty(data):
    """A."""
    return Plot((), data.n)


def why(data):
    """A."""
    return "no run has a bonus"
'''


@pytest.fixture
def figures(no_study, tmp_path):
    """A study with these figures."""
    (tmp_path / "mine.py").write_text(FIGURES)
    study.enter(tmp_path)
    study.name(*(f"mine:{name}" for name in re.findall(r"^def (\w+)", FIGURES, re.M)))


def drawn(store, *names):
    """The report of a sweep with these of the figures."""
    targets = [f"mine:{name}" for name in names]
    made = sweep(store, targets)
    return write_report(store, made, ("curves",), functions=own_functions(targets))


def sweep(store, targets):
    options = ReportOptions(baseline="ppo", figures=tuple(targets))
    made = fake_store.sweep(TWO_ARMS, ONE_ENV, 8, report=options)
    fake_store.write_sweep(store, made)
    return made


def test_a_figure_of_ones_own_is_drawn_like_every_other_in_every_format(store, figures):
    page = drawn(store, "costs")

    text = (page / "report.md").read_text()
    assert "### What it costs\n\n![What it costs](own_costs.png)" in text
    assert "Every point is a run, its number **final**. Drawn by `mine:costs`, of source `" in text
    assert {f.suffix for f in page.glob("own_costs.*")} == {".png", ".pdf"}
    assert (page / "paper/figures/own_costs.pdf").exists()
    assert "own_costs" in (page / "paper/main.tex").read_text()
    html = (page / "report.html").read_text()
    assert 'data-plot="own_costs"' in html
    assert '"own_costs":{"n":"8 seeds"' in html


WRONG = {
    "missing_column": "KeyError: 'finall' (mine.py:",
    "no_plot": "TypeError: it returned int, not a harness.report.plot.Plot (mine.py:",
    "unlike": "ValueError: a Line has values of unlike number: 2 x, 3 y (mine.py:",
    "words": "ValueError: could not convert string to float: 'a' (mine.py:",
    "colour": "ValueError: 'bleu' is not a valid value for color",
    "empty": "ValueError: there is nothing to show (mine.py:",
    "why": "no run has a bonus`",
}


def test_a_figure_that_fails_costs_itself_alone_and_says_where(store, figures):
    page = drawn(store, *WRONG, "costs")

    text = (page / "report.md").read_text()
    for name, why in WRONG.items():
        assert f"> **Warning.** `mine:{name}` is not drawn: `{why}" in text
    assert "![What it costs](own_costs.png)" in text
    assert "![Learning curves](curves.png)" in text
    assert [file.stem for file in page.glob("own_*.png")] == ["own_costs"]


def test_what_only_a_record_names_is_not_drawn_and_says_so(store, figures):
    study._named.clear()

    page = drawn(store, "costs")

    assert "--study FOLDER" in (page / "report.md").read_text()
    assert "mine" not in sys.modules


def test_a_figure_is_given_every_planned_run_and_every_evaluation(store):
    data = own.data(Evidence(with_gap(store), store))

    assert len(data.runs) == 32
    gone = data.runs[data.runs["state"] == "failed"]
    assert gone[["arm", "env", "seed"]].values.tolist() == [["rnd", "DeepSea-20", 7]]
    assert gone[["final", "auc", "cpu_seconds"]].isna().all(axis=None)
    assert data.runs["hparams.learning_rate"].eq(3e-4).all()
    final = data.evaluations[data.evaluations["final"]].set_index("key")["mean"]
    scores = data.runs.set_index("key")["final"].dropna()
    assert scores.to_dict() == pytest.approx(final.to_dict())
    assert data.looks["ppo"].name == "ppo"


def test_points_have_a_line_in_the_legend_only_beside_a_line(store):
    look = own.data(Evidence(with_gap(store), store)).looks["ppo"]
    x = np.arange(2.0)

    alone = own._arrays(Points(look, x, x), lines=set())
    beside = own._arrays(Points(look, x, x), lines={Line(look, x, x).look})

    assert (alone.look.line, beside.look.line) == (False, True)
