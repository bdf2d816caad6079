"""The snippets of the documentation: fenced blocks, and the commands in them and in running text.

How one is tested follows from its language alone, see CONTRIBUTING.md. What the snippets of a page
need to run, and what stands in for a command that takes hours, is in stages.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
GENERATED = {"results", "reference", "_build"}  # folders of docs/ whose pages commands write
PROGRAMS = ("harness", "python", "make", "pytest", "pip")
# What cannot be run here: it needs an account, a cluster, a display or a daemon.
OTHERS = {"docker", "gcloud", "kubectl", "optuna-dashboard", "pre-commit", "ray", "sbatch", "sky"}
SHELL = {"cd", "export", "mkdir", "unzip"}
SEPARATORS = {"&&", "||", ";", "|"}
ASSIGNMENTS = re.compile(r"^(?:\w+=\S+ )*")
INDENTED = "indented"  # the language of a block without a fence: none that a page may have


class Block(NamedTuple):
    """A fenced block."""

    page: str  # from the root
    line: int  # of its fence
    language: str  # as the fence says; "": nothing
    text: str


class Command(NamedTuple):
    """One command, from a console block or from running text."""

    page: str
    line: int
    text: str
    output: str = ""  # what the block shows below it

    def argvs(self) -> list[list[str]]:
        """The programs that it starts, each with its words."""
        return list(_simple(self.text))


def pages() -> list[str]:
    """Every page that is written by hand."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    names = [path.relative_to(ROOT) for path in docs]
    return ["README.md", "CONTRIBUTING.md", *(
        str(name) for name in names if len(name.parts) == 2 or name.parts[1] not in GENERATED
    )]  # fmt: skip


@cache
def _tokens(page: str) -> list:
    parser = MarkdownIt("commonmark").enable("table")
    return parser.parse((ROOT / page).read_text(encoding="utf-8"))


@cache
def blocks(page: str) -> tuple[Block, ...]:
    return tuple(
        Block(
            page,
            token.map[0] + 1,
            INDENTED if token.type == "code_block" else token.info.strip(),
            token.content,
        )
        for token in _tokens(page)
        if token.type in ("fence", "code_block")
    )


def commands(block: Block) -> Iterator[Command]:
    """Of a console block: lines after `$ `, each with the output below it, up to the next.

    The output of the last may be the block of text that follows.
    """
    lines = [*block.text.splitlines(), *output_after(block)]
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        last = start
        while lines[last].endswith("\\"):
            last += 1
        text = "\n".join([lines[start][2:], *lines[start + 1 : last + 1]])
        output = "\n".join(lines[last + 1 : end])
        yield Command(block.page, block.line + start + 1, text, output)


def output_after(block: Block) -> list[str]:
    """Of a console block that shows no output itself: the block of text that follows."""
    later = [each for each in blocks(block.page) if each.line > block.line]
    last = block.text.rstrip("\n").splitlines()[-1]
    if later and later[0].language == "text" and last.startswith("$ "):
        return later[0].text.splitlines()
    return []


def is_output(block: Block) -> bool:
    """Whether a block of text belongs to the console block before it."""
    before = [each for each in blocks(block.page) if each.line < block.line][-1:]
    return any(each.language == "console" and output_after(each) for each in before)


def in_blocks(page: str) -> Iterator[Command]:
    """Commands that the reader is to type."""
    for block in blocks(page):
        if block.language == "console":
            yield from commands(block)


def in_text(page: str) -> Iterator[Command]:
    """Commands in inline code: mentioned, often without all of their words."""
    for token in _tokens(page):
        for child in (token.children or ()) if token.type == "inline" else ():
            command = ASSIGNMENTS.sub("", child.content)
            program, _, rest = command.removeprefix(".venv/bin/").partition(" ")
            if child.type == "code_inline" and rest and program in {*PROGRAMS, *OTHERS}:
                yield Command(page, token.map[0] + 1, child.content)


def _simple(text: str) -> Iterator[list[str]]:
    """Split a line of shell into its programs, without assignments, loops and redirections."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    tokens = [*lexer, ";"]
    for place, token in enumerate(tokens):
        if token in SEPARATORS:
            if words and words[0] not in ("[", "break", "done"):
                yield words
            words = []
        elif token == ">" or tokens[place - 1 : place] == [">"]:
            continue
        elif words or not (token in ("do", "until") or re.match(r"\w+=", token)):
            words.append(token.removeprefix(".venv/bin/") if not words else token)


def place(of: Block | Command) -> str:
    return f"{of.page}:{of.line}"
