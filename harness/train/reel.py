"""Films side by side, with step, action and return below each frame: pictures of one size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from harness.envs.picture import Pixels
from harness.train.film import Film, Shot

HEIGHT = 320  # pixels of a frame in the picture
LEAST_WIDTH, MOST_WIDTH = 280, 640  # of a frame with its words: as wide as its title, if it fits
LETTERS, SMALL = 15, 13  # pixels
GAP = 8  # between frames, and around words
HOLD = 1.5  # seconds for which the last picture stays
GROUND, INK, FAINT = (24, 24, 27), (244, 244, 245), (161, 161, 170)


class Reel(NamedTuple):
    """A film and its title."""

    title: str
    film: Film


def count(reels: Sequence[Reel]) -> int:
    """How many pictures they make."""
    return max(len(reel.film.shots) for reel in reels) + round(HOLD * rate(reels))


def rate(reels: Sequence[Reel]) -> float:
    """Pictures a second: the first film at its own speed, but for the steps that are left out."""
    return reels[0].film.rate


def pictures(reels: Sequence[Reel]) -> Iterator[Pixels]:
    """All films step by step; one that has ended stays as it is, and says how it ended."""
    for k in range(count(reels)):
        yield _beside([_frame(reel, min(k, len(reel.film.shots) - 1)) for reel in reels])


def _beside(frames: Sequence[Image.Image]) -> Pixels:
    """Sides are even, as video codecs want them."""
    width = sum(frame.width for frame in frames) + GAP * (len(frames) - 1)
    height = max(frame.height for frame in frames)
    whole = Image.new("RGB", (width + width % 2, height + height % 2), GROUND)
    left = 0
    for frame in frames:
        whole.paste(frame, (left, 0))
        left += frame.width + GAP
    return np.asarray(whole)


def _frame(reel: Reel, k: int) -> Image.Image:
    """The title, the frame, and two lines below it."""
    film = reel.film
    shot = film.shots[k]
    drawn = _sized(shot)
    title = math.ceil(_font(LETTERS).getlength(reel.title)) + 2 * GAP
    width = max(LEAST_WIDTH, drawn.width, min(title, MOST_WIDTH))
    line = round(1.5 * LETTERS)
    whole = Image.new("RGB", (width, HEIGHT + 3 * line + GAP), GROUND)
    whole.paste(drawn, ((width - drawn.width) // 2, line + (HEIGHT - drawn.height) // 2))
    pen = ImageDraw.Draw(whole)
    room = width - 2 * GAP
    _write(pen, (GAP, 3), reel.title, LETTERS, INK, room)
    below = line + HEIGHT + 3
    over = film.ended if k == len(film.shots) - 1 else ""
    facts = [f"step {shot.step}", f"return {shot.total:.6g}", over and f"({over})"]
    _write(pen, (GAP, below), "   ".join(filter(None, facts)), LETTERS, INK, room)
    told = [shot.action and f"action {shot.action}", shot.measured]
    _write(pen, (GAP, below + line), "   ".join(filter(None, told)), SMALL, FAINT, room)
    return whole


def _sized(shot: Shot) -> Image.Image:
    """As high as all frames; small ones grow by whole numbers, so that cells keep their edges."""
    image = Image.fromarray(shot.pixels)
    if image.height <= HEIGHT // 2:
        times = HEIGHT // image.height
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    width = max(1, round(image.width * HEIGHT / image.height))
    return image.resize((width, HEIGHT), Image.Resampling.BILINEAR)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    room: int,
) -> None:
    """As much of the text as there is room for."""
    font = _font(size)
    if font.getlength(text) > room:
        while text and font.getlength(f"{text}...") > room:
            text = text[:-1]
        text += "..."
    pen.text(place, text, fill=colour, font=font)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
