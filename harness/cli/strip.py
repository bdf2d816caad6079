"""Film strips in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import verb

if TYPE_CHECKING:
    from harness.train.reel import Reel


def check(path: Path, option: str) -> None:
    """:raises UserError: if no such file can be written."""
    from harness.config.strict import suggest
    from harness.report.render.style import FORMATS

    endings = [f".{name}" for name in FORMATS]
    if path.suffix not in endings:
        message = f"no film strip ends in '{path.suffix}'.{suggest(path.suffix, endings)}"
        raise verb.user_error(option, message)
    verb.check_output(option, path)


def draw(reels: Sequence[Reel], path: Path) -> None:
    """A strip for each film, under its title and its return."""
    from harness.config.name import counted
    from harness.report.render import seaborn
    from harness.report.results.films import Strip, caption, plot, spread

    strips = []
    for title, film in reels:
        shots = [film.shots[k] for k in spread(len(film.shots))]
        captions = [caption(shot.step, shot.measured) for shot in shots]
        frames = [shot.pixels for shot in shots]
        whole = f"{title}: return {film.total:.6g} in {film.steps} steps"
        strips.append(Strip(whole, frames, captions))
    shown = plot(strips, counted(len(strips), "episode"))
    path.parent.mkdir(parents=True, exist_ok=True)
    seaborn.save(shown, path.with_suffix(""), [path.suffix.removeprefix(".")])
