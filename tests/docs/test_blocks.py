"""Every block of a page says what it is, and so how it is tested."""

from __future__ import annotations

from pathlib import Path

import pytest
from snippets import INDENTED, ROOT, Block, blocks, commands, is_output, pages, place
from stages import PAST, QUOTED

BLOCKS = [block for page in pages() for block in blocks(page)]
TESTED = {"console", "python", "yaml", "toml", "text"}
every_block = pytest.mark.parametrize("block", BLOCKS, ids=place)


def in_language(language):
    return [block for block in BLOCKS if block.language == language]


@every_block
def test_a_block_has_a_language_that_is_tested(block):
    if block.language.startswith("{"):
        assert not block.language.startswith("{code"), f"{place(block)}: a plain fence, please"
        return  # a directive: the site is built without a warning
    assert block.language != INDENTED, f"{place(block)}: write ```console, ```yaml, ... around it"
    assert block.language in TESTED, f"{place(block)}: no test reads '{block.language}'"


@pytest.mark.parametrize("block", in_language("console"), ids=place)
def test_a_console_block_begins_with_a_command(block):
    assert block.text.startswith("$ ") and list(commands(block))


@pytest.mark.parametrize(
    "block", [block for block in in_language("text") if not is_output(block)], ids=place
)
def test_what_is_neither_a_command_nor_code_is_compared_by_a_test(block):
    (said,) = [said for (page, start), said in {**QUOTED, **PAST}.items()
               if page == block.page and block.text.startswith(start)]  # fmt: skip

    assert exists(said) or said in (ROOT / block.page).read_text(encoding="utf-8")


def exists(test):
    """Whether there is such a test: path::function."""
    path, _, name = test.partition("::")
    return bool(name) and f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_blocks_are_read_with_their_language_and_line(tmp_path, monkeypatch):
    monkeypatch.setattr("snippets.ROOT", tmp_path)
    Path(tmp_path, "x.md").write_text(
        "# x\n\n```console\n$ a \\\n  b\nsaid\n$ c\n```\n\n```text\nout\n```\n\n    d\n"
    )

    first, second, third = blocks("x.md")

    assert (first.line, first.language) == (3, "console")
    assert [(c.line, c.text, c.output) for c in commands(first)] == [
        (4, "a \\\n  b", "said"), (7, "c", "out"),
    ]  # fmt: skip
    assert is_output(second)
    assert third == Block("x.md", 14, INDENTED, "d\n")
