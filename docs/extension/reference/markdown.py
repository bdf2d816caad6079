"""Words and tables of a page in MyST Markdown."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

# What is code in a text, whether or not its author said so: options, URLs, {key: value}.
_CODE = re.compile(
    r"`[^`]+`"
    r"|(?<![\w-])--?[a-z][\w-]*"
    r"|\{(?:[^{}]|\{[^{}]*\})*\}"
    r"|\w+://[^\s,;]*"
    r"|(?<![\w`])(?:[\w./]+/)?[\w<>.-]+\.(?:yaml|py|md|json|csv)\b"
)
_SPECIAL = re.compile(r"([\\*<>\[\]$]|(?<!\w)_|_(?!\w))")


def prose(text: str) -> str:
    """A text of the code as Markdown: nothing in it is markup but code spans."""
    parts, end = [], 0
    for match in _CODE.finditer(text):
        parts += [_SPECIAL.sub(r"\\\1", text[end : match.start()]), _span(match[0])]
        end = match.end()
    return "".join([*parts, _SPECIAL.sub(r"\\\1", text[end:])])


def _span(text: str) -> str:
    """A link to a page of the web, and code in all other cases."""
    if not re.match(r"https?://", text):
        return code(text.strip("`"))
    url = text.rstrip(".)")
    return f"<{url}>{text[len(url) :]}"


def sentence(text: str) -> str:
    """The same with a capital and a full stop."""
    text = text.strip()
    if not text:
        return ""
    first = text[0].upper() if re.match(r"[a-z]+\b(?![_.:(])", text) else text[0]
    return prose(f"{first}{text[1:]}" + ("" if text[-1] in ".:!?" else "."))


def code(value: Any) -> str:
    """A value as it stands in a YAML file, or a text, in a code span."""
    text = value if isinstance(value, str) else shown(value)
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def shown(value: Any) -> str:
    """A value of JSON as one writes it in YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}" if abs(value) >= 10_000 else str(value)
    return json.dumps(value)


def listed(values: Iterable[Any], word: str = "or") -> str:
    """`a`, `b` or `c`, in code spans."""
    *some, last = map(code, values)
    return f"{', '.join(some)} {word} {last}" if some else last


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells in Markdown; a heading that ends in ">" is above numbers."""
    columns = [name.rstrip(">") for name in head]
    rule = ["---:" if name.endswith(">") else "---" for name in head]
    lines = [columns, rule, *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A list of what is known of a thing, a line each."""
    return "\n".join(f"- **{name}**: {text}" for name, text in rows)


def directive(name: str, argument: str, *body: str) -> str:
    """A directive of Sphinx with its content."""
    return "\n".join([f"````{{{name}}} {argument}", "\n\n".join(filter(None, body)), "````"])


def page(*blocks: str) -> str:
    return "\n\n".join(filter(None, blocks)) + "\n"


def docstring(thing: object) -> str:
    """Its docstring in Markdown, without its fields; empty: it has none of its own."""
    own = vars(thing).get("__doc__") if isinstance(thing, type) else getattr(thing, "__doc__", "")
    text = inspect.cleandoc(own or "")
    blocks = re.split(r"^:\w+.*", text, flags=re.M | re.S)[0].strip().split("\n\n")
    return "\n\n".join(prose(" ".join(block.split())) for block in blocks if block)


def parameters(thing: object) -> dict[str, str]:
    """What its docstring says of each parameter, in fields like `:param name: words`."""
    text = inspect.cleandoc(getattr(thing, "__doc__", "") or "")
    fields = re.findall(r"^:param (\w+): *(.*?)(?=^\s*:\w|\n\n|\Z)", text, flags=re.M | re.S)
    return {name: " ".join(words.split()) for name, words in fields}
