"""A document as Markdown."""

from __future__ import annotations

from harness.report.document import (
    Block,
    Caution,
    Code,
    Document,
    Figure,
    Flow,
    Items,
    Listing,
    Section,
    Table,
    Text,
    written,
)


def document(of: Document) -> str:
    question = [f"**Question.** {of.question}"] if of.question else []
    parts = [f"# {of.title}", *question, *(_block(block, 2) for block in of.sections)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block, level: int) -> str:
    match block:
        case Text(words) | Listing(words):
            return _words(words)
        case Caution(words, sign):
            return f"> **{sign}.** {_words(words)}"
        case Items(items):
            return "\n".join(f"- {_words(item)}" for item in items)
        case Code(lines):
            return f"```\n{lines}\n```"
        case Table():
            title = [f"{'#' * level} {block.title}"] if block.title else []
            return "\n\n".join([*title, table(block), *_below(block)])
        case Figure():
            return _figure(block, level)
        case Section(title, blocks):
            parts = (f"{'#' * level} {title}", *(_block(each, level + 1) for each in blocks))
            return "\n\n".join(filter(None, parts))
        case Flow():  # the page's
            return ""


def table(of: Table) -> str:
    rule = tuple("---:" if right else "---" for right in of.right)
    lines = [of.head, rule, *of.rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in lines)


def _cell(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def _below(of: Table) -> list[str]:
    files = f"[CSV]({of.name}.csv), [LaTeX]({of.name}.tex)." if of.name else ""
    below = " ".join(part for part in (files, _words(of.about)) if part)
    return [below] if below else []


def _figure(of: Figure, level: int) -> str:
    links = [f"[{file.rpartition('.')[2].upper()}]({file})" for file in of.others]
    picture = [f"![{of.title}]({of.picture})"] if of.picture else []
    return "\n\n".join([f"{'#' * level} {of.title}", *picture, " ".join([of.caption, *links])])


def _words(words: str) -> str:
    return written(words, _WRITERS)


_WRITERS = {
    "text": lambda span: span.text,
    "code": lambda span: f"`{span.text}`",
    "bold": lambda span: f"**{_words(span.text)}**",
    "link": lambda span: f"[{span.text}]({span.target})",
    "cite": lambda span: "",
}
