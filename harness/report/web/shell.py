"""The page itself, whatever it reports: its frame, its sections, its figures, and their data."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from markdown_it.token import Token

from harness.report.web import words

FILE = "report.html"
_DRAWN = '<div class="plot"><noscript>Drawn by the page: needs JavaScript.</noscript></div>'


def page(
    title: str,
    question: str,
    sections: Sequence[tuple[str, str]],
    data: dict[str, Any],
    script: str,
) -> str:
    """:param sections: title and HTML of each, in order.
    :param script: the file of what only this kind of page can do; chart.js and page.js they share.
    """
    shared = files("harness.report.web")
    scripts = ("chart.js", script, "page.js")
    return Template(shared.joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(title),
        question=words.inline(question),
        links="".join(f'<a href="#{slug(name)}">{escape(name)}</a>' for name, _ in sections),
        sections="\n".join(html for _, html in sections),
        style=shared.joinpath("page.css").read_text("utf-8"),
        script="\n".join(shared.joinpath(name).read_text("utf-8") for name in scripts),
        data=_json(data),
    )


def split(text: str) -> list[tuple[str, str]]:
    """Title and body of what begins with a heading of the first or second level."""
    parts = re.split(r"^##? (.+)\n", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _json(data: Any) -> str:
    """JSON that nothing inside can end before its time."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def section(title: str, body: str) -> str:
    return (
        f'<section id="{slug(title)}" aria-labelledby="h-{slug(title)}">'
        f'<h2 id="h-{slug(title)}">{escape(title)}</h2>{body}</section>'
    )


def figure(chapter: Sequence[Token], picture: Path, drawn: bool, **about: str) -> str:
    """A chapter of report.md that shows a picture.

    :param drawn: the page draws it, from the data under the picture's name; else it is embedded.
    :param about: what the figure is of, for whoever filters.
    """
    name, title = picture.stem, chapter[1].content
    body = _DRAWN if drawn else f'<img alt="{escape(title)}" src="{embedded(picture)}">'
    caption = words.render([token for token in chapter[3:] if not _shows_picture(token)])
    return (
        f'<figure id="figure-{escape(name)}"{_data(plot=name if drawn else "", **about)}>'
        f"<h3>{escape(title)}</h3>{body}<figcaption>{caption}</figcaption></figure>"
    )


def _shows_picture(token: Token) -> bool:
    return any(child.type == "image" for child in token.children or ())


def embedded(path: Path) -> str:
    kind = {".png": "png", ".svg": "svg+xml"}[path.suffix]
    return f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode()


def _data(**values: str) -> str:
    return "".join(f' data-{name}="{escape(value)}"' for name, value in values.items() if value)
