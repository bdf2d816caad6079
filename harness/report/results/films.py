"""Film strips of episodes: frames side by side, their steps below."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from harness.report.evidence import Evidence
from harness.report.plot import Axis, Panel, Picture, Plot, Video
from harness.store.run_files import Film

FRAMES = 6  # of a strip
_EDGE = 204  # the grey around a frame, whose own ground may be white


class Strip(NamedTuple):
    """One episode."""

    title: str
    frames: Sequence[NDArray[np.uint8]]
    captions: Sequence[str]  # one for each


def strips(evidence: Evidence, env: str) -> Plot | str:
    """Of the runs whose work is shown, a row for each that somebody filmed."""
    shown, videos, missing = [], [], []
    for role in evidence.roles:
        run = role.run
        if run.env != env:
            continue
        film = evidence.films.get(run.key)
        strip = film and _strip(f"{run.arm}, seed {run.seed}, {role.words}", film)
        if film and strip:
            shown.append(strip)
            videos.append(Video(strip.title, film.frames))
        else:
            missing.append(f"no film of {run.arm}, seed {run.seed}")
    return plot(shown, "1 episode of each run", videos, missing) if shown else ""


def _strip(title: str, film: Film) -> Strip | None:
    """None: its frames cannot be read."""
    places = spread(len(film.at))
    try:
        frames = [*_frames_at([k * film.milliseconds for k in places], film.frames)]
    except (OSError, EOFError, ValueError, Image.DecompressionBombError):
        return None
    if len(frames) < len(places):
        return None
    captions = [caption(film.at[k], film.measured[k]) for k in places]
    return Strip(f"{title}: return {film.total:.6g} in {film.at[-1]} steps", frames, captions)


def _frames_at(times: Sequence[int], content: bytes) -> Iterator[NDArray[np.uint8]]:
    """What an animated WebP shows at times, in milliseconds: it merges frames that are alike."""
    with Image.open(io.BytesIO(content), formats=["webp"]) as images:
        waiting, shown_until = list(times), 0
        for frame in ImageSequence.Iterator(images):
            pixels = np.asarray(frame.convert("RGB"))  # reads the duration too
            shown_until += int(frame.info["duration"])
            while waiting and waiting[0] < shown_until:
                yield pixels
                waiting.pop(0)


def caption(step: int, measured: str) -> str:
    """The step, and what the card reports beside the score."""
    return f"step {step}: {measured}" if measured else f"step {step}"


def spread(count: int) -> list[int]:
    """Which of so many frames a strip shows: evenly spread, the first and the last among them."""
    return sorted({round(k) for k in np.linspace(0, count - 1, min(count, FRAMES))})


def plot(
    strips: Sequence[Strip],
    n: str,
    videos: Sequence[Video] = (),
    missing: Sequence[str] = (),
) -> Plot:
    """A row for each episode."""
    panels = tuple(_panels(strips, tuple(missing)))
    return Plot(panels, n, across=FRAMES, wide=True, videos=tuple(videos))


def _panels(strips: Sequence[Strip], missing: tuple[str, ...]) -> Iterator[Panel]:
    for strip in strips:
        frames = [*map(_edged, strip.frames)]
        blank = np.full_like(frames[0], 255)
        for k in range(FRAMES):
            here = k < len(frames)
            picture = Picture(frames[k] if here else blank)
            x = Axis(strip.captions[k] if here else "")
            title = strip.title if k == 0 else ""
            yield Panel(x, Axis(), (picture,), title=title, gaps=missing, bare=True)


def _edged(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    edged = frame.copy()
    edged[[0, -1]] = edged[:, [0, -1]] = _EDGE
    return edged
