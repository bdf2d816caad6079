"""Puts the page together: the sections of report.md, its figures as data, and every run."""

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

from harness.report import claims, cpu_time
from harness.report.evidence import Evidence
from harness.report.figures import FIGURES
from harness.report.web import charts, flow, runs, words
from harness.spec import Claim
from harness.store import Store

FILE = "report.html"
# The answer, what it looks like, the numbers; then what they stand on.
_ORDER = (
    "Answer", "Figures", "Scores by environment", cpu_time.SECTION, "Components", "Runs", "Compute",
)  # fmt: skip
_FIRST_FIGURES = ("curves", "sample_efficiency", "aggregates")
_SIGNS: dict[claims.Outcome, str] = {"supported": "✓", "contradicted": "✕", "undecided": "?"}
_SCRIPTS = ("chart.js", "runs.js", "page.js")


def write(evidence: Evidence, store: Store, sections: Sequence[str], folder: Path) -> Path:
    """:param sections: those of report.md: the page says the same, in the same words."""
    _, *rest = [part for text in sections for part in _split(text)]  # its name is the page's
    rest.sort(key=lambda part: _ORDER.index(part[0]) if part[0] in _ORDER else len(_ORDER))
    page = Page(evidence, folder)
    bodies = [page.section(title, text) for title, text in rest]
    data = {
        "arms": charts.looks(evidence),
        "envs": list(evidence.sweep.envs),
        "charts": page.charts,
        "runs": runs.table(evidence, store, folder),
    }
    shared = files("harness.report.web")
    text = Template(shared.joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(evidence.sweep.name),
        question=words.inline(evidence.sweep.question),
        links="".join(f'<a href="#{_slug(title)}">{escape(title)}</a>' for title, _ in rest),
        sections="\n".join(bodies),
        style=shared.joinpath("page.css").read_text("utf-8"),
        script="\n".join(shared.joinpath(name).read_text("utf-8") for name in _SCRIPTS),
        data=_json(data),
    )
    path = folder / FILE
    path.write_text(text, encoding="utf-8")
    return path


def _split(text: str) -> list[tuple[str, str]]:
    """Title and body of what begins with a heading of the first or second level."""
    parts = re.split(r"^##? (.+)\n", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _json(data: Any) -> str:
    """JSON that nothing inside can end before its time."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class Page:
    """One page in the making: what its figures show gathers in `charts`."""

    def __init__(self, evidence: Evidence, folder: Path) -> None:
        self.evidence = evidence
        self.folder = folder
        self.charts: dict[str, charts.Chart] = {}

    def section(self, title: str, text: str) -> str:
        special = {
            "Answer": self._answer,
            "Figures": self._figures,
            cpu_time.SECTION: self._with_figures,
            "Runs": self._runs,
        }
        body = special.get(title, self._plain)(text)
        tools = '<div class="tools" data-tools></div>' if title == "Figures" else ""
        return (
            f'<section id="{_slug(title)}" aria-labelledby="h-{_slug(title)}">'
            f'<h2 id="h-{_slug(title)}">{escape(title)}</h2>{tools}{body}</section>'
        )

    def _plain(self, text: str) -> str:
        return words.render(words.with_links(words.parse(text), self.evidence))

    def _answer(self, text: str) -> str:
        """The verdicts with what they stand on, then what to be warned of."""
        tokens = words.parse(text)
        verdicts = iter(self.evidence.verdicts())
        found = []
        for token, after in zip(tokens, [*tokens[1:], None], strict=True):
            if token.type == "list_item_open":
                verdict = next(verdicts)
                token.attrSet("class", f"verdict {verdict.outcome}")
                sign = f'<span class="sign" aria-hidden="true">{_SIGNS[verdict.outcome]}</span>'
                found += [token, words.raw(sign)]
                continue
            if token.type == "paragraph_close" and after and after.type == "list_item_close":
                found += [words.raw(" " + self._claim_links(verdict.claim)), token]
                continue
            if token.type == "blockquote_open":
                token.attrSet("class", "warning")
            found.append(token)
        return words.render(found)

    def _claim_links(self, claim: Claim) -> str:
        links = (
            f'<a class="behind" href="{escape(words.runs_link(arm=arm, env=claim.env or ""))}">'
            f"runs of {escape(arm)}</a>"
            for arm in (claim.better, claim.worse)
        )
        return f'<span class="more">{" ".join(links)}</span>'

    def _runs(self, text: str) -> str:
        return flow.diagram(self.evidence) + self._plain(text) + _EXPLORER

    def _with_figures(self, text: str) -> str:
        """Chapters in their order, with words, a table or a figure in each."""
        return "".join(
            self._figure(chapter, file, _kind(file))
            if (file := words.picture(chapter))
            else words.render(words.with_links(chapter, self.evidence))
            for chapter in words.chapters(words.parse(text))
        )

    # Figures ---------------------------------------------------------------------------------

    def _figures(self, text: str) -> str:
        found = []
        for chapter in words.chapters(words.parse(text)):
            file = words.picture(chapter)
            if not file:
                found.append((-1, words.render(chapter)))
                continue
            kind = _kind(file)
            first = _FIRST_FIGURES.index(kind) if kind in _FIRST_FIGURES else len(_FIRST_FIGURES)
            found.append((first, self._figure(chapter, file, kind)))
        found.sort(key=lambda part: part[0])
        return "".join(html for _, html in found)

    def _figure(self, chapter: Sequence[Token], file: str, kind: str) -> str:
        name = Path(file).stem
        plot, subject = FIGURES[kind], name[len(kind) + 1 :]
        score = subject or self.evidence.sweep.report.scores[0]
        chart = charts.CHARTS[kind](self.evidence, score) if kind in charts.CHARTS else None
        title = chapter[1].content
        if chart:
            self.charts[name] = chart
            body = (
                '<div class="plot"><noscript>Drawn by the page: needs JavaScript.</noscript></div>'
            )
        else:
            body = f'<img alt="{escape(title)}" src="{_embedded(self.folder / file)}">'
        about = {"score": subject if plot.per_score else "", "env": subject if plot.per_env else ""}
        caption = words.render([token for token in chapter[3:] if not _shows_picture(token)])
        return (
            f'<figure id="figure-{escape(name)}"{_data(chart=name if chart else "", **about)}>'
            f"<h3>{escape(title)}</h3>{body}<figcaption>{caption}</figcaption></figure>"
        )


def _kind(file: str) -> str:
    """Which of FIGURES a picture is."""
    return max((kind for kind in FIGURES if Path(file).stem.startswith(kind)), key=len)


def _shows_picture(token: Token) -> bool:
    return any(child.type == "image" for child in token.children or ())


def _embedded(path: Path) -> str:
    kind = {".png": "png", ".svg": "svg+xml"}[path.suffix]
    return f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode()


def _data(**values: str) -> str:
    return "".join(f' data-{name}="{escape(value)}"' for name, value in values.items() if value)


_WITHOUT_SCRIPT = "<noscript>This figure needs JavaScript; its PDF does not.</noscript>"
_EXPLORER = """<div class="explorer" data-explorer><h3>Every run</h3></div>"""
