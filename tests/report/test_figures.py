"""Figures are laid out whatever they show, and their captions say what is drawn."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

import fake_store
import numpy as np
import pytest
from fake_report import TWO_ARMS, TWO_ENVS, with_gap
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from harness.report import plot
from harness.report.evidence import Evidence
from harness.report.render import seaborn, style
from harness.report.results import caption
from harness.report.results.figures import FIGURES
from harness.spec import Claim, Decide, RunSpec
from harness.stats import calibration
from harness.store.reader import Store


def test_a_figure_leaves_out_an_arm_with_a_gap_and_says_so(store):
    sweep = with_gap(store)
    evidence = Evidence(sweep, store)
    with style.applied():
        bars, profiles, curves = (
            seaborn.draw(FIGURES[name].plot(evidence, "final"))
            for name in ("aggregates", "profiles", "curves")
        )
    assert "15 of 16 runs" in texts(bars)
    assert "not drawn: rnd (15 of 16 runs)" in texts(profiles)
    assert len(profiles.axes[0].collections) == 1  # one shaded band: that of ppo
    assert "run by run: rnd (7 of 8 runs) on DeepSea-20" in texts(curves)
    thin = [line for line in curves.axes[0].lines if line.get_linewidth() == 0.5]
    assert len(thin) == 7  # the runs that there are, each on its own


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_missing_runs_are_laid_out(name, store):
    evidence = Evidence(fake_store.sweep(), store)
    shown = FIGURES[name].plot(evidence, subject(name))
    if not isinstance(shown, str):
        with style.applied():
            style.lay_out(seaborn.draw(shown))


def subject(name: str) -> str:
    """What a figure is drawn for."""
    return "DeepSea-20" if FIGURES[name].per == "env" else "final"


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


LOGGED = {  # over decades, below 0, and all the same
    "train/value_loss": [3e4, 20.0, 0.001],
    "train/policy_gradient_loss": [-0.05, -0.01, 0.002],
    "train/loss": [1.0, 1.0, 1.0],
}


def evaluated_once(run: RunSpec) -> RunSpec:
    protocol = run.evaluation.model_copy(update={"every": run.steps})
    return run.model_copy(update={"evaluation": protocol})


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Eight arms, five of them with long names, on four environments; by the number of seeds.

    Of figures about claims: with claims, and with looks at them.
    """

    @cache
    def with_seeds(seeds, claims=(), decide=None):
        arms = (*TWO_ARMS, "no_obs_norm", "no_reward_norm", "episodic", "int_coef=0.1",
                "int_coef=1", "without_everything_at_once")  # fmt: skip
        store = Store(tmp_path_factory.mktemp("crowded"))
        long_names = ("MountainCarContinuous-v0", "MiniGrid-MultiRoom-N4-S5-v1")
        sweep = fake_store.sweep(arms, (*TWO_ENVS, *long_names), seeds)
        pair = sweep.anchors["DeepSea-20"]
        made_of = {"ppo": (), "no_obs_norm": ("reward_normalisation",),
                   "no_reward_norm": ("observation_normalisation",),
                   "rnd": ("observation_normalisation", "reward_normalisation")}  # fmt: skip
        facts = {"anchors": dict.fromkeys(sweep.envs, pair), "components": made_of}
        facts |= {"claims": claims, "decide": decide}
        sweep = sweep.model_copy(update=facts)
        if seeds > 6:  # for their last scores alone
            sweep = sweep.model_copy(update={"runs": tuple(map(evaluated_once, sweep.runs))})
        fake_store.write_sweep(store, sweep, finish=False)
        for run in sweep.runs:
            fake_store.write_run(store, run, metrics=LOGGED if seeds == 6 else None)
        sea = np.tri(20, dtype=int)
        for run in sweep.runs:
            if run.env == "DeepSea-20" and run.arm != "without_everything_at_once":
                cells = np.stack([sea] * 4), sea > 0
                fake_store.write_visits(store, run, *cells, first_steps=100 * np.arange(20) * sea)
            if run.env == "DeepSea-20":
                fake_store.write_model(store, run, 0.1 + run.seed)
                fake_store.write_film(store, run)
            if run.env in ("DeepSea-20", long_names[1]) and run.arm in TWO_ARMS and seeds == 6:
                speed = 1e-4 if run.arm == "ppo" else 3e-3  # CPU seconds of a step
                fake_store.write_clock(store, run, lambda step, speed=speed: step * speed)
        return Evidence(sweep, store)

    return with_seeds


def claimed(worse: str, margin: float | None = None) -> Claim:
    text = f"without_everything_at_once {'~' if margin else '>'} {worse} by final"
    text += f" within {margin}" if margin else ""
    return Claim(text=text, better="without_everything_at_once", worse=worse, margin=margin)


CLAIMS = (claimed("ppo"), claimed("no_reward_norm"))
MARGINS = (claimed("rnd", 0.2), claimed("no_obs_norm", 0.2), claimed("episodic", 0.3))
OF_CLAIMS = {
    "stability": (CLAIMS, None),
    "equivalence": (MARGINS, None),
    "looks": ((*CLAIMS, *MARGINS), Decide()),
}


SLOW = {True: [pytest.mark.slow], False: []}
# One of each kind of drawing in every test run: lines, bars, cells.
OFTEN = {"profiles", "aggregates", "coverage", "seeds", "visits"}
DRAWN = [
    pytest.param(name, venue, marks=SLOW[venue != "plain" or name not in OFTEN])
    for name in FIGURES
    for venue in style.VENUES
]


@pytest.mark.parametrize(("name", "venue"), DRAWN)
def test_no_label_is_clipped_and_nothing_meets_the_legend(crowded, name, venue):
    with style.applied(style.VENUES[venue]):
        evidence = crowded(20 if name == "fewer_seeds" else 6, *OF_CLAIMS.get(name, ()))
        figure = seaborn.draw(FIGURES[name].plot(evidence, subject(name)))
        style.lay_out(figure)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        frame, hidden = figure.bbox.padded(1), unseen(figure)
        for text in figure.findobj(Text):
            if text.get_text() and text not in hidden:
                box = text.get_window_extent(renderer)
                assert frame.containsx(box.x0) and frame.containsx(box.x1), text
                assert frame.containsy(box.y0) and frame.containsy(box.y1), text
        for legend in figure.legends:
            box = legend.get_window_extent(renderer)
            others = [axes.get_tightbbox(renderer) for axes in figure.axes]
            others += [text.get_window_extent(renderer) for text in figure.texts]
            assert not any(box.overlaps(other) for other in others)
        for axes in figure.axes:
            names = [text for text in axes.get_xticklabels() if text not in hidden]
            ends = sorted(text.get_window_extent(renderer).intervalx.tolist() for text in names)
            assert all(a[1] <= b[0] for a, b in pairwise(ends)), axes.get_title()


def unseen(figure: Figure) -> set[Text]:
    """Labels of ticks beyond the ends of their axis, which matplotlib keeps and does not draw."""
    found = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    found.update((tick.label1, tick.label2))
    return found


def test_arms_differ_in_more_than_colour():
    looks = list(plot.looks([str(i) for i in range(8)]).values())
    assert len({look.marker for look in looks}) == 8
    assert len({look.colour for look in looks}) == 8
    assert all(a.dashes != b.dashes for a, b in pairwise(looks))


@pytest.mark.parametrize(
    ("figure", "seeds", "envs", "says"),
    [
        ("aggregates", 2, 1, "There is no bar: with 2 seeds no interval covers often enough."),
        ("aggregates", 4, 1, "A dotted line is the range of the single seeds"),
        ("aggregates", 8, 1, "A bar of IQM is a 95 % interval"),
        ("aggregates", 8, 1, "A dotted line of Median, Mean and Optimality gap is the range"),
        ("aggregates", 6, 1, "Stamped: with 6 seeds a 95 % interval of the IQM holds the truth in"),
        ("path", 4, 5, "Stamped: with 3 seeds a 95 % interval of the IQM"),
        ("components", 4, 1, "There is no bar"),
        ("components", 6, 1, "A bar is a 95 % interval of the stratified bootstrap"),
        ("improvement", 6, 1, "A bar is a 95 % score interval"),
        ("profiles", 6, 1, "The band is a 95 % interval of Clopper and Pearson"),
        ("curves", 6, 1, "pointwise."),
        ("curves", 10, 1, "between the thin lines lies the whole line at 95 %"),
        ("curves", 4, 1, "The band is the range of the single seeds"),
    ],
)
def test_a_caption_says_what_its_bars_are(figure, seeds, envs, says, store):
    names = tuple(f"E{i}" for i in range(envs))
    sweep = fake_store.sweep(TWO_ARMS, names, seeds)
    evidence = Evidence(sweep, store)
    kind = FIGURES[figure]
    words = caption.fill(kind.caption, evidence, "final", True, kind.statistics)
    assert says in words.marks


BARS = {"{bar}", "{comparison}", "{band}"}


@pytest.mark.parametrize(
    "name", [n for n, kind in FIGURES.items() if BARS & set(re.findall(r"\{\w+\}", kind.caption))]
)
def test_a_caption_that_tells_of_bars_knows_whose_they_are(name):
    statistics = FIGURES[name].statistics

    assert statistics and all(calibration.expected(statistic, 10, 5) for statistic in statistics)
