"""Film strips: what the agents of a claim do, of the median seed and of the worst."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.plot import Axis, Panel, Picture, Plot

FRAMES = 6  # of a strip
_EDGE = 204  # the grey around a frame, whose own ground may be white


class Strip(NamedTuple):
    """One episode."""

    title: str
    frames: Sequence[NDArray[np.uint8]]
    captions: Sequence[str]  # one for each


def caption(step: int, measured: str) -> str:
    """The step, and what the card reports beside the score."""
    return f"step {step}: {measured}" if measured else f"step {step}"


def spread(count: int) -> list[int]:
    """Which of so many frames a strip shows: evenly spread, the first and the last among them."""
    return sorted({round(k) for k in np.linspace(0, count - 1, min(count, FRAMES))})


def plot(strips: Sequence[Strip], n: str) -> Plot:
    """A row for each episode."""
    return Plot(tuple(_panels(strips)), n, across=FRAMES, wide=True)


def _panels(strips: Sequence[Strip]) -> Iterator[Panel]:
    for strip in strips:
        blank = np.full_like(strip.frames[0], 255)
        frames = [*map(_edged, strip.frames)]
        for k in range(FRAMES):
            here = k < len(frames)
            picture = Picture(frames[k] if here else blank)
            x = Axis(strip.captions[k] if here else "")
            title = strip.title if k == 0 else ""
            yield Panel(x, Axis(), (picture,), title=title, bare=True)


def _edged(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    edged = frame.copy()
    edged[[0, -1]] = edged[:, [0, -1]] = _EDGE
    return edged
