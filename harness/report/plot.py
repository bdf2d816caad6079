"""What a figure shows, as data: filled once from the numbers of a report, drawn from it everywhere.

`render/seaborn.py` draws it on paper and `render/script.py` hands it to the page. Neither computes
a number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.stats import Array, Estimate, has_ends

M = TypeVar("M")
Place = tuple[float, float]
MOST_BANDS = 4  # in one panel
# Of the way from the random to the reference score: an axis shows no less of it.
LEAST = 0.2
# Of the values themselves, where nobody knows what is 0 and what is 1.
_LEAST_PART = 0.05
_ROOM = 0.04  # of an axis, at both ends

# Dark and light take turns, so that neighbours differ in grey too. The colours are seaborn's and
# Paul Tol's, and stay apart for the colour-blind (tests/report/test_style.py).
_COLOURS = (
    "#0173b2", "#de8f05", "#117733", "#cc78bc", "#882255", "#56b4e9", "#332288", "#949494",
)  # fmt: skip
_MARKERS = "os^DvPX<>"
_DASHES = ((), (4, 1.5), (1, 1), (4, 1.5, 1, 1.5), (6, 1.5, 1, 1.5, 1, 1.5))
INK, GREY, FAINT = "ink", "grey", "faint"  # colours that turn with the page's light and dark


@dataclass(frozen=True)
class Look:
    """How a thing looks in every figure, and its name in legends (empty: it has no entry)."""

    name: str
    colour: str  #: INK, GREY, FAINT or `#rrggbb`
    marker: str = ""  #: as matplotlib spells it
    dashes: tuple[float, ...] = ()
    line: bool = True  #: whether its legend shows a line
    hollow: bool = False
    size: float = 4.0  #: size of its marker, in points
    recedes: bool = False  #: whether it is in the background


def looks(arms: Sequence[str], about: Iterable[str] = ()) -> dict[str, Look]:
    """An arm's colour, marker and dashes: each of the three alone tells neighbours apart.

    :param about: the arms that stand out; empty: all.
    """
    chosen = frozenset(about)
    return {
        arm: Look(
            arm,
            _COLOURS[i % len(_COLOURS)],
            _MARKERS[i % len(_MARKERS)],
            _DASHES[i % len(_DASHES)],
            recedes=bool(chosen) and arm not in chosen,
        )
        for i, arm in enumerate(arms)
    }


REFERENCE = Look("reference policy", GREY, dashes=(5, 3))
RANDOM = Look("random policy", GREY, dashes=(1, 2))


@dataclass(frozen=True)
class Axis:
    """An axis of a panel."""

    label: str = ""
    log: bool = False
    limits: tuple[float, float] | None = None  #: None: around what is drawn
    least: float = 0.0  #: the smallest extent that it shows: less would magnify noise
    include: tuple[float, ...] = ()  #: values that it always shows
    ticks: tuple[tuple[float, str], ...] = ()  #: places and texts; empty: round numbers
    names: tuple[str, ...] = ()  #: categories at 0, 1, ...; upright, the first is on top
    whole: bool = False  #: whether its values are whole numbers
    hidden: bool = False  #: whether it has no ticks: places are no values
    decimals: int | None = None  #: digits after the point, in print


# Marks --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """Where a line's last run has ended: a hollow mark with its interval."""

    x: float
    y: float
    low: float | None
    high: float | None

    @property
    def values(self) -> list[float]:
        return [value for value in (self.y, self.low, self.high) if value is not None]


@dataclass(frozen=True)
class Line:
    """A line through points, with bands if there are any."""

    look: Look
    x: Array
    y: Array
    low: Array | None = None  #: with `high` a pointwise band, shaded
    high: Array | None = None
    low_all: Array | None = None  #: with `high_all` a band that holds the whole line
    high_all: Array | None = None
    step: bool = False
    thin: bool = False  #: whether it is one run, or one dimension, among many
    beneath: int = 0  #: how many lines of its panel lie on it
    end: End | None = None
    texts: tuple[str, ...] = ()  #: what each point is, shown under the mouse
    name: str = ""  #: what the whole line is, shown under the mouse
    text: str = ""  #: what is said of it there
    link: str = ""  #: where on the page it leads
    shade: float | None = None  #: a value on the plot's scale of colours

    @property
    def edges(self) -> list[Array]:
        """What is drawn thin around it: bands that overlap are still told apart."""
        whole, each = (self.low_all, self.high_all), (self.low, self.high)
        return [e for e in (each if self.low_all is None else whole) if e is not None]


@dataclass(frozen=True)
class Points:
    """Points, with intervals along the axis of values: across if the upright one has names."""

    look: Look
    x: Array
    y: Array
    low: Array | None = None
    high: Array | None = None
    ranged: bool = False  #: whether the interval is the range of the seeds
    names: tuple[str, ...] = ()  #: what each point is, shown under the mouse
    texts: tuple[str, ...] = ()  #: the value of each in words
    links: tuple[str, ...] = ()  #: where on the page each leads
    shades: Array | None = None  #: values on the plot's scale of colours


@dataclass(frozen=True)
class Rule:
    """A straight line through the panel."""

    look: Look
    x: float | None = None  #: of an upright line
    y: float | None = None  #: of a line across
    text: str = ""  #: the text above it


@dataclass(frozen=True)
class Note:
    """Words in a row that has no point, or at a place."""

    look: Look  #: that of its row
    y: float
    text: str
    x: float | None = None  #: None: in the middle


@dataclass(frozen=True)
class Cells:
    """Values of rectangles, on the plot's scale of colours."""

    x: Array  #: edges of the columns
    y: Array  #: edges of the rows
    values: Array  #: (rows, columns); NaN: blank
    hatched: NDArray[np.bool_] | None = None
    pale: bool = False  #: whether points lie on it


@dataclass(frozen=True)
class Picture:
    """An image, drawn as it is."""

    pixels: NDArray[np.uint8]  #: (height, width, 3)


@dataclass(frozen=True)
class Video:
    """What a picture is a moment of."""

    title: str
    content: bytes  # an animated WebP


Mark = Line | Points | Rule | Note | Cells | Picture


@dataclass(frozen=True)
class Panel:
    """Marks over two axes."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    title: str = ""
    env: str = ""  #: its environment, by which the page filters
    gaps: tuple[str, ...] = ()  #: what is not drawn, and why
    bare: bool = False  #: whether it has no axes: maps and pictures

    def of(self, kind: type[M]) -> Iterator[M]:
        return (mark for mark in self.marks if isinstance(mark, kind))

    def limits(self, along: Literal["x", "y"]) -> tuple[float, float]:
        """The ends of an axis: those it has, or a little beyond all that is drawn."""
        axis: Axis = getattr(self, along)
        if axis.limits is not None:
            return axis.limits
        for picture in self.of(Picture):  # its first row is on top
            height, width, _ = picture.pixels.shape
            return (-0.5, width - 0.5) if along == "x" else (height - 0.5, -0.5)
        if axis.names:
            ends = -0.5, len(axis.names) - 0.5
            return ends if along == "x" else ends[::-1]
        values = np.concatenate([axis.include, *self._values(along)])
        values = values[np.isfinite(values) & ((values > 0) | (not axis.log))]
        if not len(values):
            return (1.0, 10.0) if axis.log else (0.0, 1.0)
        low, high = float(values.min()), float(values.max())
        room = _ROOM / 2 if along == "x" and any(self.of(Line)) else _ROOM
        if axis.log:
            factor = (high / low) ** room if high > low else 3.0
            return low / factor, high * factor
        least = axis.least or (0.0 if axis.include else _LEAST_PART * max(abs(low), abs(high)))
        least = least if high > low or least else 1.0
        room = max(room * (high - low), (least - (high - low)) / 2)
        return low - room, high + room

    def _values(self, along: str) -> Iterator[Any]:
        """Where its marks stand; their intervals lie along the values, not along rows.

        A band of the whole line is wide, for it is symmetric: it may leave the panel, and does not
        stretch it to returns that no run could have.
        """
        ends = ("low", "high")
        names = (along, *ends) if (along == "x") == bool(self.y.names) else (along,)
        for mark in self.marks:
            for part in (mark, getattr(mark, "end", None)):
                known = (getattr(part, name, None) for name in names)
                yield from (np.ravel(values) for values in known if values is not None)


@dataclass(frozen=True)
class Shades:
    """A scale of colours."""

    label: str
    low: float
    high: float
    log: bool = False
    colours: str = "viridis"  #: a map of matplotlib whose lightness rises along it


@dataclass(frozen=True)
class Plot:
    """Panels, and how they stand beside one another."""

    panels: tuple[Panel, ...]
    n: str  #: how many runs are behind a point, in words
    across: int = 0  #: panels that belong in one row; 0: as many as there is room for
    wide: bool = False  #: as wide as the text even with one panel
    height: float = 0.0  #: of a panel, or of a row with a name, in inches; 0: the usual one
    level: bool = False  #: whether all panels share the limits of their upright axis
    shades: Shades | None = None
    runs: bool = False  #: whether the page can show single runs
    videos: tuple[Video, ...] = ()  #: films for the page

    def limits(self, panel: Panel) -> tuple[float, float]:
        """The ends of a panel's upright axis, alone or with all others."""
        if not self.level:
            return panel.limits("y")
        each = [other.limits("y") for other in self.panels]
        return min(low for low, _ in each), max(high for _, high in each)

    @property
    def legend(self) -> list[Look]:
        """The looks of what is drawn, each once, but for those that rows already name."""
        looks = [
            mark.look
            for panel in self.panels
            for mark in panel.marks
            if isinstance(mark, Line | Points | Rule) and mark.look.name not in ("", *panel.y.names)
        ]
        return list(dict.fromkeys(looks))

    @property
    def drawn_by_script(self) -> bool:
        return not any(panel.bare for panel in self.panels)


# Filling ------------------------------------------------------------------------------------------


def estimate(look: Look, row: float, found: Estimate, text: str, name: str) -> Points | Note:
    """A row's point with its interval; or, without a point, why."""
    if found.shows == "missing":
        return Note(look, row, found.note)
    ends = has_ends(found.shows)
    return Points(
        look, np.array([found.point]), np.array([float(row)]),
        low=np.array([found.low]) if ends else None,
        high=np.array([found.high]) if ends else None,
        ranged=found.shows == "range", names=(name,), texts=(text,),
    )  # fmt: skip


def apart(lines: Sequence[Line]) -> list[Line]:
    """The lines, those that others lie on marked, so that they are drawn wider."""
    return [
        replace(line, beneath=sum(_same(line, other) for other in lines[i + 1 :]))
        for i, line in enumerate(lines)
    ]


def _same(one: Line, other: Line) -> bool:
    """Whether two lines run together for half of their way or more."""
    if one.thin or other.thin or not len(one.x) or not len(other.x):
        return False
    x = one.x[(one.x >= other.x[0]) & (one.x <= other.x[-1])]
    if not len(x):
        return False
    room = 0.01 * max(np.ptp(one.y), np.ptp(other.y))
    close = np.abs(np.interp(x, one.x, one.y) - np.interp(x, other.x, other.y)) <= room
    return bool(close.mean() >= 0.5)


def groups(arms: Sequence[str], first: str, about: Collection[str] = ()) -> list[list[str]]:
    """Arms for panels of at most MOST_BANDS, `first` in each of them, those in `about` early."""
    if len(arms) <= MOST_BANDS:
        return [list(arms)]
    rest = sorted((arm for arm in arms if arm != first), key=lambda arm: arm not in about)
    shared = [arm for arm in arms if arm == first]
    count = -(-len(rest) // (MOST_BANDS - len(shared)))
    parts = [rest[i * len(rest) // count : (i + 1) * len(rest) // count] for i in range(count)]
    return [sorted([*shared, *part], key=list(arms).index) for part in parts]


def settled(plot: Plot, why: str) -> Plot | str:
    """The plot without its empty panels, or why there is nothing to draw.

    :param why: what is missing where there is no mark at all.
    """
    shown = [set[Place]().union(*map(_places, panel.marks)) for panel in plot.panels]
    if not any(shown):
        return why
    if sum(map(len, shown)) == 1:
        return "there is a single point to show"
    panels = (panel for panel, places in zip(plot.panels, shown, strict=True) if places)
    return replace(plot, panels=tuple(panels))


def _places(mark: Mark) -> set[Place]:
    """Where it shows a number."""
    match mark:
        case Line(x=x, y=y, end=end):
            return {*zip(x, y, strict=True), *([(end.x, end.y)] if end else [])}
        case Points(x=x, y=y):
            return {*zip(x, y, strict=True)}
        case Rule() | Note():
            return set()
        case _:
            return {(0.0, 0.0), (1.0, 1.0)}
