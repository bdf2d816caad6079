"""Figures fit their venue, and their arms can be told apart: by the colour-blind, and in grey."""

from __future__ import annotations

from itertools import combinations, pairwise

import fake_store
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from harness.report.plot import Look, looks
from harness.report.render import seaborn, style

ARMS = [f"arm {i}" for i in range(8)]
# How dichromats see linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
SIGHT = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
JUST_NOTICEABLE = 2.3  # in CIELAB, Mahy et al. (1994)


def lab(linear: np.ndarray) -> np.ndarray:
    """Linear RGB as CIELAB, in which distances are about what an eye sees."""
    xyz = np.clip(linear, 0, 1) @ TO_XYZ.T / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def colours() -> np.ndarray:
    shown = np.array([to_rgb(look.colour) for look in looks(ARMS).values()])
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colour_blind_tell_all_colours_apart(sight):
    seen = lab(colours() @ np.array(SIGHT[sight]).T)
    apart = [float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)]
    beside = [float(np.linalg.norm(a - b)) for a, b in pairwise(seen)]
    assert min(apart) > 4 * JUST_NOTICEABLE
    assert min(beside) > 12 * JUST_NOTICEABLE


def test_neighbours_differ_in_grey_and_none_vanishes_on_paper():
    lightness = lab(colours())[:, 0]
    assert np.abs(np.diff(lightness)).min() > 5 * JUST_NOTICEABLE
    assert lightness.max() < 75


def grey(look: Look) -> np.ndarray:
    """The line of an arm as a printer without colours shows it."""
    figure = Figure(figsize=(1.5, 0.3), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    line = seaborn.handle(look)
    line.set_data(range(5), [0] * 5)
    axes.add_line(line)
    axes.set(xlim=(-0.2, 4.2), ylim=(-1, 1))
    axes.set_axis_off()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] @ np.array([0.299, 0.587, 0.114])


def test_lines_of_neighbouring_arms_differ_when_printed_in_grey():
    printed = [grey(look) for look in looks(ARMS).values()]
    ink = [(255 - one).sum() for one in printed]
    for a, b, darkness in zip(printed, printed[1:], ink, strict=False):
        assert np.abs(a - b).sum() > 0.2 * darkness


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [("neurips", 5.5, 3.3), ("icml", 6.75, 3.25), ("iclr", 5.5, 3.3), ("jmlr", 6.0, 3.6)],
)
def test_a_venue_has_the_widths_of_its_style_file(name, text, column):
    venue = style.VENUES[name]
    assert (venue.text, venue.column) == pytest.approx((text, column))


@pytest.mark.parametrize("name", style.VENUES)
def test_letters_keep_their_size_when_a_figure_is_put_into_its_column(name):
    """A figure as wide as its place is not scaled; a smaller one would be blown up."""
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20",), 3)
    venue = style.VENUES[name]
    with style.applied(venue):
        figure = Figure(figsize=(venue.column, 1), layout="constrained")
        axes = figure.subplots()
        axes.set_xlabel(sweep.envs[0])
        assert axes.xaxis.label.get_size() == venue.label
        assert axes.get_xticklabels()[0].get_size() == venue.tick
        assert axes.xaxis.label.get_fontname() == venue.font
    assert style.venue() == style.VENUES["plain"]
    assert venue.tick >= 6  # points: less is not read


def test_fonts_are_embedded_as_outlines_and_nothing_tells_the_day(tmp_path):
    for name in ("one", "two"):
        with style.applied(style.VENUES["neurips"]):
            figure = Figure(figsize=(3, 1), layout="constrained")
            figure.subplots().set(xlabel="normalised score τ", ylabel="0.5")
            style.save(figure, tmp_path / name, style.FORMATS)
    for suffix in style.FORMATS:
        first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
        assert first == second
    pdf = (tmp_path / "one.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf and b"/Type3" not in pdf and b"CreationDate" not in pdf
    svg = (tmp_path / "one.svg").read_text()
    assert "<text" not in svg and "<dc:date>" not in svg  # letters are outlines
