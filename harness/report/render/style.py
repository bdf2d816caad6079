"""How figures look: sizes, fonts, one look per arm, and files that are equal byte for byte."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from tueplots import figsizes, fontsizes

from harness.report.plot import Shades

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

    @property
    def small(self) -> float:
        """Notes inside a panel."""
        return self.tick - 1

    @property
    def scale(self) -> float:
        """How much higher a row of text is than in the plain style."""
        return self.label / 8


def _venue(
    sizes: dict[str, Any], wide: dict[str, Any], narrow: dict[str, Any] | None = None
) -> Venue:
    """With tueplots' sizes of letters, and its widths of the text and of one column of two."""
    text = float(wide["figure.figsize"][0])
    return Venue(
        column=float(narrow["figure.figsize"][0]) if narrow else 0.6 * text,
        text=text,
        label=float(sizes["axes.labelsize"]),
        tick=float(sizes["legend.fontsize"]),
        font="STIXGeneral",
        columns=2 if narrow else 1,
    )


# Widths and sizes of letters are tueplots' (0.2.5), which measured the venues' LaTeX styles. STIX
# goes with the Times of their text.
VENUES: dict[str, Venue] = {
    "plain": Venue(column=3.25, text=5.5),
    "neurips": _venue(fontsizes.neurips2024(), figsizes.neurips2024()),
    "icml": _venue(fontsizes.icml2024(), figsizes.icml2024_full(), figsizes.icml2024_half()),
    "iclr": _venue(fontsizes.iclr2024(), figsizes.iclr2024()),
    "jmlr": _venue(fontsizes.jmlr2001(), figsizes.jmlr2001()),
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

# Between two powers of ten: as many as there is room for.
_LOG_TICKS = ((1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0))


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


def log_axis(axes: Any, along: Literal["x", "y"] = "y", most: int = 9) -> None:
    """Powers of ten along an axis, in plain numbers: call it when all is drawn.

    :param most: numbers along it.
    """
    axes.set(**{f"{along}scale": "log"})
    axis = axes.xaxis if along == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    powers = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)

    def count(factors: tuple[float, ...]) -> int:
        places = np.outer(powers, factors)
        return int(((low <= places) & (places <= high)).sum())

    subs = next((factors for factors in _LOG_TICKS if count(factors) <= most), (1.0,))
    axis.set_major_locator(LogLocator(subs=subs, numticks=most))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def shading(shades: Shades | None) -> tuple[Normalize, Colormap]:
    """What gives values their colours."""
    assert shades is not None
    norm = (LogNorm if shades.log else Normalize)(shades.low, shades.high)
    return norm, matplotlib.colormaps[shades.colours]


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend for the whole figure, below it, in as many columns as there is room for."""
    rows = legend_rows([str(handle.get_label()) for handle in handles], figure.get_figwidth())
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
    # Inches of one entry: handle and gaps, and the letters, 0.063 wide at 7 points.
    entry = (0.42 + 0.063 * max(map(len, labels))) * venue().tick / 7
    return -(-len(labels) // max(1, int(width / entry)))


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


def save(figure: Figure, path: Path, formats: Sequence[str]) -> None:
    """Write a figure in all of these formats: the same figure, the same bytes."""
    sns.despine(fig=figure)
    lay_out(figure)
    for name in formats:
        figure.savefig(path.with_name(f"{path.name}.{name}"), metadata=_NAMELESS[name])
