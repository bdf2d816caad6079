"""Puts the page together: the sections of report.md, its figures as data, and every run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path

from markdown_it.token import Token

from harness.report import claims, cpu_time, curves, gaps
from harness.report.evidence import Evidence
from harness.report.figures import FIGURES
from harness.report.number import decimals
from harness.report.plot import Plot
from harness.report.render.script import Script
from harness.report.web import flow, runs, shell, words
from harness.spec import Claim
from harness.store.reader import Store

# The answer, what it looks like, the numbers; then what they stand on.
_ORDER = (
    "Answer", gaps.SECTION, "Figures", "Scores by environment", cpu_time.SECTION, "Components",
    "Runs", "Compute",
)  # fmt: skip
_FIRST_FIGURES = ("curves", "sample_efficiency", "aggregates")
_SIGNS: dict[claims.Outcome, str] = {
    "supported": "✓", "contradicted": "✕", "undecided": "?", "pending": "…",
}  # fmt: skip
_TOOLS = '<div class="tools" data-tools></div>'
_EXPLORER = '<div class="explorer" data-explorer><h3>Every run</h3></div>'


def write(evidence: Evidence, store: Store, sections: Sequence[str], folder: Path) -> Path:
    """:param sections: those of report.md: the page says the same, in the same words."""
    _, *rest = [part for text in sections for part in shell.split(text)]  # its name is the page's
    rest.sort(key=lambda part: _ORDER.index(part[0]) if part[0] in _ORDER else len(_ORDER))
    page = Page(evidence, folder)
    bodies = [(title, page.section(title, text)) for title, text in rest]
    data = {
        "looks": page.script.looks,
        "arms": len(evidence.sweep.arms),
        "envs": list(evidence.sweep.envs),
        "decimals": {env: decimals(evidence.format(env)) for env in evidence.sweep.envs},
        "plots": page.script.plots,
        "runs": runs.table(evidence, store, folder),
    }
    path = folder / shell.FILE
    text = shell.page(evidence.sweep.name, evidence.sweep.question, bodies, data, "runs.js")
    path.write_text(text, encoding="utf-8")
    return path


class Page:
    """One page in the making: what its figures show gathers in `script`."""

    def __init__(self, evidence: Evidence, folder: Path) -> None:
        self.evidence = evidence
        self.folder = folder
        self.script = Script(curves.looks(evidence).values())

    def section(self, title: str, text: str) -> str:
        special = {
            "Answer": self._answer,
            "Figures": self._figures,
            cpu_time.SECTION: self._with_figures,
            "Runs": self._runs,
        }
        body = special.get(title, self._plain)(text)
        return shell.section(title, (_TOOLS if title == "Figures" else "") + body)

    def _plain(self, text: str) -> str:
        return words.render(self._linked(words.parse(text)))

    def _linked(self, tokens: Sequence[Token]) -> list[Token]:
        return words.with_links(tokens, partial(words.behind, self.evidence))

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
            else words.render(self._linked(chapter))
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
        of, subject = FIGURES[kind], name[len(kind) + 1 :]
        plot = of.plot(self.evidence, subject or self.evidence.sweep.report.scores[0])
        drawn = isinstance(plot, Plot) and plot.drawn_by_script
        if isinstance(plot, Plot) and drawn:
            self.script.add(name, plot)
        about = {"score": subject if of.per_score else "", "env": subject if of.per_env else ""}
        return shell.figure(chapter, self.folder / file, drawn=drawn, **about)


def _kind(file: str) -> str:
    """Which of FIGURES a picture is."""
    return max((kind for kind in FIGURES if Path(file).stem.startswith(kind)), key=len)
