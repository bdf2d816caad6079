"""How figures look: sizes, fonts, one look per arm, and files that are equal byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from harness.report.number import short

COLUMN, TEXT = 3.25, 5.5  # inches: a column of a two-column paper, the text of a one-column one
GREY = "0.45"

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
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

# seaborn's colour-blind safe colours without the two that are too pale on paper, ordered so that
# neighbours differ most.
_COLOURS = [sns.color_palette("colorblind")[i] for i in (0, 3, 2, 1, 4, 9, 5, 7)]
_MARKERS = "os^DvPX<>"
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
def applied() -> Iterator[None]:
    """The style, for the time of the block."""
    with matplotlib.rc_context(sns.axes_style("ticks") | RC):
        yield


def steps_axis(axes: Any) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.locator_params(axis="x", nbins=4)


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend for the whole figure, below it, in as many columns as there is room for."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    inches = 0.42 + 0.063 * longest  # handle and gaps, and the width of a letter at 7 points
    columns = max(1, min(len(handles), int(figure.get_figwidth() / inches)))
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
    columns = max(1, int(width / (0.42 + 0.063 * max(map(len, labels)))))
    return -(-len(labels) // columns)


def handle(arm: str, look: Look, label: str | None = None) -> Line2D:
    return Line2D([], [], label=label or arm, **look.line)


def lay_out(figure: Figure) -> None:
    """Settle the places of all parts, once for both files: it is half of the work of saving."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def save(figure: Figure, path: Path) -> None:
    """Write PDF and PNG, without the date and program that would make two equal figures differ."""
    sns.despine(fig=figure)
    lay_out(figure)
    nothing = {"CreationDate": None, "Creator": None, "Producer": None}
    figure.savefig(path.with_suffix(".pdf"), metadata=nothing)
    figure.savefig(path.with_suffix(".png"), metadata={"Software": None})
