"""The text of report.md as HTML, word for word, its numbers linked to the runs behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlencode

from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.report.evidence import Evidence

_STATES = ("finished", "failed", "interrupted", "running", "damaged")
_NUMBER = re.compile(r"-?\d")
# What a failed run said of itself stands in the text: markup in it is text too.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def parse(text: str) -> list[Token]:
    return _MARKDOWN.parse(text)


def render(tokens: Sequence[Token]) -> str:
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def inline(text: str) -> str:
    return str(_MARKDOWN.renderInline(text))


def runs_link(**asked: str | Sequence[str]) -> str:
    """Where the page shows these runs: `arm`, `env`, `state`."""
    return "#runs?" + urlencode({k: v for k, v in asked.items() if v}, doseq=True)


def with_links(
    tokens: Sequence[Token], behind: Callable[[Sequence[str], Sequence[str]], str]
) -> list[Token]:
    """Tables that sort and scroll by themselves, each number a link to what is behind it.

    :param behind: from a table's head and a row up to the number: where the link leads, if there is
        anything to show.
    """
    found: list[Token] = []
    head: list[str] = []
    row: list[str] = []
    for token, after in zip(tokens, [*tokens[1:], Token("", "", 0)], strict=True):
        if token.type == "table_open":
            head = []
            found.append(raw('<div class="scroll">'))
            token.attrJoin("class", "sortable")
        elif token.type == "tr_open":
            row = []
        elif token.type == "th_open":
            head.append(after.content)
            token.attrSet("scope", "col")
        elif token.type == "td_open":
            row.append(after.content)
            if len(row) == 1 and row[0].startswith("("):  # not an arm: it stays below them
                next(t for t in reversed(found) if t.type == "tr_open").attrSet("class", "last")
            where = behind(head, row) if _NUMBER.match(row[-1]) else ""
            if where and after.children is not None:
                link = f'<a class="runs" href="{_quoted(where)}">'
                after.children = [raw(link), *after.children, raw("</a>")]
        found.append(token)
        if token.type == "table_close":
            found.append(raw("</div>"))
    return found


def raw(html: str) -> Token:
    return Token("html_inline", "", 0, content=html)


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;")


def behind(evidence: Evidence, head: Sequence[str], row: Sequence[str]) -> str:
    """Where the page shows the runs that the last cell of the row speaks of."""
    asked: dict[str, str | list[str]] = {}
    for name, cell in zip(head, row, strict=False):
        if name in ("arm", "arms"):
            asked["arm"] = [arm for arm in cell.split(" - ") if arm in evidence.sweep.arms]
        elif name == "environment" and cell in evidence.sweep.envs:
            asked["env"] = cell
    title = head[len(row) - 1].removesuffix(" (unequal budgets)")
    if title in evidence.sweep.envs:
        asked["env"] = title
    elif title in _STATES:
        asked["state"] = title
    known = asked.get("arm") or asked.get("env") or row[0] == "(all arms)"
    return runs_link(**asked) if known and not row[0].startswith("(r") else ""


def chapters(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Cut before every heading of the third level."""
    part: list[Token] = []
    for token in tokens:
        if token.type == "heading_open" and token.tag == "h3" and part:
            yield part
            part = []
        part.append(token)
    if part:
        yield part


def picture(chapter: Sequence[Token]) -> str:
    """The file that a chapter shows, if it shows one."""
    for token in chapter:
        for child in token.children or ():
            if child.type == "image":
                return str(child.attrs["src"])
    return ""
