"""How figures look: sizes, fonts, one look per arm, and files that are equal byte for byte."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import matplotlib
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from tueplots import figsizes, fontsizes

from harness.report.number import short

GREY = "0.45"
FORMATS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class Venue:
    """The sizes that a publication asks for: inches and points."""

    column: float  # a narrow figure: one column of two, or 0.6 of a single one
    text: float  # a wide one
    label: float = 8.0  # names of axes and panels
    tick: float = 7.0  # numbers along them, and legends
    font: str = "DejaVu Sans"  # comes with matplotlib, as STIX does: the same on every machine
    columns: int = 1  # of the text
    abreast: int = 3  # panels in a row, at most

    @property
    def small(self) -> float:
        """Notes inside a panel."""
        return self.tick - 1

    @property
    def scale(self) -> float:
        """How much higher a row of text is than in the plain style."""
        return self.label / 8


def _venue(
    wide: dict[str, Any], sizes: dict[str, Any], font: str = "STIXGeneral", abreast: int = 3
) -> Venue:
    """With tueplots' width of a text in one column, and its sizes of letters."""
    text = float(wide["figure.figsize"][0])
    label, tick = float(sizes["axes.labelsize"]), float(sizes["legend.fontsize"])
    return Venue(0.6 * text, text, label, tick, font, abreast=abreast)


def _two_columns(narrow: dict[str, Any], wide: dict[str, Any], sizes: dict[str, Any]) -> Venue:
    column = float(narrow["figure.figsize"][0])
    return replace(_venue(wide, sizes), column=column, columns=2)


# Widths and sizes of letters are tueplots' (0.2.5), which measured the venues' LaTeX styles. STIX
# goes with the Times of their text.
VENUES: dict[str, Venue] = {
    "plain": Venue(column=3.25, text=5.5),
    "neurips": _venue(figsizes.neurips2024(), fontsizes.neurips2024()),
    "icml": _two_columns(figsizes.icml2024_half(), figsizes.icml2024_full(), fontsizes.icml2024()),
    "iclr": _venue(figsizes.iclr2024(), fontsizes.iclr2024()),
    "jmlr": _venue(figsizes.jmlr2001(), fontsizes.jmlr2001()),
    "slides": _venue(figsizes.beamer_169(), fontsizes.beamer(), font="DejaVu Sans", abreast=4),
}
_CURRENT: ContextVar[Venue] = ContextVar("venue", default=VENUES["plain"])


def venue() -> Venue:
    """The one that is drawn for, as `applied` has set it."""
    return _CURRENT.get()


RC: dict[str, Any] = {
    "text.parse_math": False,  # an arm may be called $x$
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "axes.linewidth": 0.7,
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
    "ps.fonttype": 42,
    "svg.hashsalt": "harness",  # ids inside an SVG are random without it
    "savefig.dpi": 200,
}

# Dark and light take turns, so that neighbours differ in grey too. The colours are seaborn's and
# Paul Tol's, and stay apart for the colour-blind (tests/test_style.py).
_COLOURS = [
    (int(code[:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:], 16) / 255)
    for code in (
        "0173b2", "de8f05", "117733", "cc78bc", "882255", "56b4e9", "332288", "949494",
    )
]  # fmt: skip
_MARKERS = "os^DvPX<>"
# Between two powers of ten, by how many of them there are.
_LOG_TICKS = ((0.7, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), (1.5, (1.0, 2.0, 5.0)), (4.0, (1.0, 3.0)))
_DASHES = ((), (4, 1.5), (1, 1), (4, 1.5, 1, 1.5), (6, 1.5, 1, 1.5, 1, 1.5))


@dataclass(frozen=True)
class Look:
    """An arm keeps its look in every figure; each of the three alone tells it apart."""

    colour: tuple[float, float, float]
    marker: str
    dashes: tuple[float, ...]

    @property
    def linestyle(self) -> Any:
        return (0, self.dashes) if self.dashes else "-"

    @property
    def line(self) -> dict[str, Any]:
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.linestyle,
            "markeredgecolor": "white",
            "markeredgewidth": 0.4,
        }


def looks(arms: Sequence[str]) -> dict[str, Look]:
    return {
        arm: Look(
            _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)], _DASHES[i % len(_DASHES)]
        )
        for i, arm in enumerate(arms)
    }


@contextmanager
def applied(of: Venue = VENUES["plain"]) -> Iterator[None]:
    """The style, for the time of the block."""
    sizes: dict[str, Any] = {"font.family": of.font, "font.size": of.label}
    sizes |= {"axes.labelsize": of.label, "axes.titlesize": of.label}
    sizes |= {f"{name}.labelsize": of.tick for name in ("xtick", "ytick")}
    token = _CURRENT.set(of)
    try:
        with matplotlib.rc_context(
            sns.axes_style("ticks") | RC | sizes | {"legend.fontsize": of.tick}
        ):
            yield
    finally:
        _CURRENT.reset(token)


def steps_axis(axes: Any, most: int = 4) -> None:
    """:param most: steps between the numbers."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.locator_params(axis="x", nbins=most)


def log_axis(axes: Any, along: Literal["x", "y"] = "y", most: int = 9) -> None:
    """Powers of ten along an axis, in plain numbers: call it when all is drawn.

    :param most: numbers along it.
    """
    axes.set(**{f"{along}scale": "log"})
    axis = axes.xaxis if along == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    subs = next((subs for most, subs in _LOG_TICKS if decades <= most), (1.0,))
    axis.set_major_locator(LogLocator(subs=subs, numticks=most))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend for the whole figure, below it, in as many columns as there is room for."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / _legend_width(longest))))
    rows = -(-len(handles) // columns)
    figure.legend(
        handles=list(handles),
        loc="outside lower center",
        ncols=-(-len(handles) // rows),  # rows of equal length
        columnspacing=1.2,
        handlelength=2.6,
        borderaxespad=0.2,
    )


def legend_rows(labels: Sequence[str], width: float) -> int:
    """How many rows `legend` will need, to make room for them."""
    columns = max(1, int(width / _legend_width(max(map(len, labels)))))
    return -(-len(labels) // columns)


def _legend_width(letters: int) -> float:
    """Inches of one entry: handle and gaps, and the letters, 0.063 wide at 7 points."""
    return (0.42 + 0.063 * letters) * venue().tick / 7


def handle(arm: str, look: Look, label: str | None = None) -> Line2D:
    return Line2D([], [], label=label or arm, **look.line)


def lay_out(figure: Figure) -> None:
    """Settle the places of all parts, once for both files: it is half of the work of saving."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


# What would make two equal figures differ: the date, and the versions of programs.
_NAMELESS: dict[str, dict[str, None]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def save(figure: Figure, path: Path, formats: Sequence[str] = ("pdf", "png")) -> None:
    """Write a figure in all of these formats: the same figure, the same bytes."""
    sns.despine(fig=figure)
    lay_out(figure)
    for name in formats:
        figure.savefig(path.with_name(f"{path.name}.{name}"), metadata=_NAMELESS[name])
