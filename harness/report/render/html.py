"""A document as one page that needs nothing else: figures, data and script are in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from html import escape
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.report.document import Document, Figure, Runs, written
from harness.report.plot import Look, Video
from harness.report.render.script import Script

FILE = "report.html"
MOST_VIDEO = 20_000_000  # bytes of all videos in a page


def page(
    of: Document,
    folder: Path,
    arms: Collection[Look],
    data: Mapping[str, Any],
    link: Callable[[Runs], str],
    videos: bool = False,
) -> str:
    """:param folder: where the document's pictures lie.
    :param arms: what the page can take out of its figures and put back.
    :param data: for the script, beside what the figures show.
    :param link: where the page shows these runs; empty: it does not.
    :param videos: play those that there are, the first MOST_VIDEO bytes of them.
    """
    script = Script(arms)
    for figure in of.every(Figure):
        if figure.plot is not None and figure.interactive:
            script.add(figure.file, figure.plot)
    shown = {"looks": script.looks, "arms": len(arms), "plots": script.plots}
    return (
        _templates()
        .get_template("page.html")
        .render(
            document=of,
            data={**data, **shown},
            link=link,
            embedded=lambda figure: embedded(folder / figure.picture),
            videos=_playable(of) if videos else {},
            playing=lambda video: _data(video.content, "image/webp"),
        )
    )


@cache
def _templates() -> Environment:
    """Compiled once for all reports of a process."""
    pages = Environment(
        loader=PackageLoader("harness.report.render", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"words": _words, "json": _json}
    return pages


def _playable(of: Document) -> dict[str, list[Video | None]]:
    """By the file of a figure; None: there is no room for it."""
    room, playable = MOST_VIDEO, dict[str, list[Video | None]]()
    for figure in of.every(Figure):
        for video in figure.plot.videos if figure.plot else ():
            room -= len(video.content)
            playable.setdefault(figure.file, []).append(video if room >= 0 else None)
    return playable


def _json(data: Any) -> Markup:
    """JSON that nothing inside can end before its time."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for letter in "<\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def embedded(picture: Path) -> str:
    return _data(picture.read_bytes(), guess_type(picture)[0])


def _data(content: bytes, kind: str | None) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _words(words: str) -> Markup:
    return Markup(written(words, _WRITERS))


_WRITERS = {
    "text": lambda span: escape(span.text, quote=False),
    "code": lambda span: f"<code>{escape(span.text, quote=False)}</code>",
    "bold": lambda span: f"<strong>{_words(span.text)}</strong>",
    "link": lambda span: f'<a href="{escape(span.target)}">{escape(span.text)}</a>',
    "cite": lambda span: "",
}
