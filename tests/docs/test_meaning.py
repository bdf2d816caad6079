"""docs/meaning.md: its examples print what stands below them, and its figures are drawn."""

from __future__ import annotations

import ast
import contextlib
import io
from itertools import takewhile

import pytest
from extension import meaning
from snippets import blocks, place

PAGE = "docs/meaning.md"
EXAMPLES = [block for block in blocks(PAGE) if block.language == "python"]


def outputs(block, names):
    """What each statement prints, and the comment below it, where it prints."""
    lines = block.text.splitlines()
    for node in ast.parse(block.text).body:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(ast.Module([node], []), place(block), "exec"), names)
        below = takewhile(lambda line: line.startswith("# "), lines[node.end_lineno :])
        if out.getvalue():
            yield out.getvalue().splitlines(), [line[2:] for line in below]


@pytest.mark.slow
def test_every_example_prints_the_comment_below_it():
    names = {}
    printed = [pair for block in EXAMPLES for pair in outputs(block, names)]

    assert len(printed) == "".join(block.text for block in EXAMPLES).count("print(")
    assert [(there, shown) for there, shown in printed if there != shown] == []


@pytest.mark.slow
def test_every_figure_of_the_page_is_one_that_is_drawn(tmp_path):
    meaning.draw(tmp_path)

    drawn = {path.name for path in tmp_path.glob("*.png")}
    text = (meaning.IMAGES.parent / "meaning.md").read_text(encoding="utf-8")
    assert drawn == {name for name in drawn if f"](images/{name})" in text}
    assert all((meaning.IMAGES / name).is_file() for name in drawn)
