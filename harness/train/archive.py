"""A film that is kept with its run: small pictures of a typical episode, which reports show."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from harness.config.strict import UserError
from harness.envs.picture import Pixels
from harness.store import run_files, writer
from harness.train.film import Film, Shot, every_step, filmed, final_seeds, typical
from harness.train.trained import Trained, trained

MOST_FRAMES = 240
MOST_BYTES = 1_000_000
SIDE = 240  # pixels of the longer side
LONGEST = 20.0  # seconds: a longer episode is shown faster
LAST = 1_500  # milliseconds for which the last frame stays


def film_run(folder: Path) -> None:
    """Film the typical episode of a finished run, and keep it, unless that is done already.

    :raises UserError: if the run is not finished or no longer acts as it did, or its environment
        cannot be drawn.
    """
    run = trained(folder, trust=True)  # the return tells whether it acts as it did
    if run_files.film(folder, run.result["weights"]) is not None:
        return
    returns, lengths = run_files.final_returns(folder), run_files.final_lengths(folder)
    place = typical(returns)
    film = filmed(run, final_seeds(run)[place], every_step([lengths[place]]))
    if film.total != returns[place]:
        raise UserError.of(folder, other(place, returns[place], film.total))
    keep(run, folder, place, film)


def other(place: int, then: float, now: float) -> str:
    """What is wrong with a film whose return is not that of the record."""
    return (
        f"played again, episode {place} of the final evaluation is another one (return {then} "
        f"then, {now} now): watch it on the machine and with the packages of the run"
    )


def keep(run: Trained, folder: Path, place: int, film: Film) -> None:
    """Keep a film of a run's typical episode.

    :param place: of the episode in the final evaluation.
    :raises writer.Busy: if another process is at the run.
    """
    shots = _thinned(film.shots, MOST_FRAMES)
    content = _animated(shots, film, lossless=True)
    while len(content) > MOST_BYTES:
        content = _animated(shots, film, lossless=False)
        if len(content) > MOST_BYTES:
            shots = _thinned(shots, len(shots) // 2)
    kept = run_files.Film(
        place,
        film.seed,
        film.total,
        film.ended,
        tuple(shot.step for shot in shots),
        tuple(shot.measured for shot in shots),
        _milliseconds(shots, film),
        content,
    )
    with writer.claimed(folder):
        writer.film(folder, run.result["weights"], kept)


def _thinned(shots: Sequence[Shot], most: int) -> list[Shot]:
    """So many of them at most, evenly spread, the first and the last among them."""
    if len(shots) <= most:
        return list(shots)
    last = len(shots) - 1
    return [shots[round(k * last / (most - 1))] for k in range(most)]


def _milliseconds(shots: Sequence[Shot], film: Film) -> int:
    """For which a frame is shown: the speed of the environment, unless that would take long."""
    seconds = min(film.steps / film.rate, LONGEST)
    return max(20, round(1000 * seconds / len(shots)))


def _animated(shots: Sequence[Shot], film: Film, lossless: bool) -> bytes:
    images = [_small(shot.pixels) for shot in shots]
    shown = [_milliseconds(shots, film)] * (len(images) - 1) + [LAST]
    content = io.BytesIO()
    images[0].save(
        content, "webp", save_all=True, append_images=images[1:], duration=shown, loop=0,
        lossless=lossless, quality=75, method=0 if lossless else 2,
    )  # fmt: skip
    return content.getvalue()


def _small(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    return image
