"""What a report says is the same in every format, and nothing that somebody wrote is markup."""

from __future__ import annotations

import pytest

from harness.report.document import Cell, Document, Items, Section, Table, Text, quoted, spans
from harness.report.render import html, latex, markdown

NASTY = (
    "[x](javascript:alert(1))", "<img src=x>", "</script>", "{{ 7 * 7 }}", "{% if %}", "%% if x",
    "\\input{/etc/passwd}", "<< x >>", "a & b", "50 %", "| x |",
)  # fmt: skip


def page(*blocks):
    of = Document("title", "question", (Section("Answer", blocks),))
    return html.page(of, None, (), {"envs": []}, lambda runs: f"#{runs[0]}")


def body(*blocks):
    return page(*blocks).partition("<main>")[2].partition("</main>")[0]


@pytest.mark.parametrize("words", NASTY)
def test_no_words_are_markup_in_a_page(words):
    table = Table(("arm", words), ((words, "1"),), title=words, about=words)
    found = body(Text(words), Items((quoted(words),)), table)

    assert "<img" not in found and "javascript:" not in "".join(found.split("href=")[1:])
    assert "</script>" not in found and "49" not in found
    assert found.count("<table") == 1


@pytest.mark.parametrize("words", NASTY)
def test_no_words_are_a_command_in_latex(words):
    text = latex.template("section.tex").render(blocks=[Text(words)])

    assert r"\input" not in text
    assert latex.words(words) in text


def test_a_cell_leads_to_the_runs_behind_it_and_a_bare_one_nowhere():
    row = ("ppo", Cell("0.5", ["key"]), Cell("-", []))
    found = body(Table(("arm", "score", "gap"), (row,)))

    assert '<a class="runs" href="#key">0.5</a>' in found
    assert found.count("<a ") == 1


def test_words_are_read_into_the_marks_that_they_have():
    words = "a `code` of **bold `x`**, [file](a/b.csv)[@key,other]; [0.1, 0.2] (x) **"
    kinds = [(span.kind, span.text, span.target) for span in spans(words)]

    assert [kind for kind in kinds if kind[0] != "text"] == [
        ("code", "code", ""), ("bold", "bold `x`", ""), ("link", "file", "a/b.csv"),
        ("cite", "key,other", ""),
    ]  # fmt: skip
    assert kinds[-1][1] == "; [0.1, 0.2] (x) **"
    of = Document("t", "", (Section("s", (Text(words),)),))
    assert markdown.document(of).endswith("[file](a/b.csv); [0.1, 0.2] (x) **\n")
    assert r"\texttt{a/\allowbreak{}b.csv}~\citep{key,other}" in latex.words(words).replace(
        r"a/b", r"a/\allowbreak{}b"
    )


def test_paragraphs_stay_apart_in_latex():
    blocks = [Text("one"), Text("two"), Items(("a",)), Section("s", (Text("three"), Text("four")))]
    found = latex.template("section.tex").render(blocks=blocks)

    assert [part.strip() for part in found.split("\n\n") if part.strip()][-5:] == [
        "two", "\\begin{itemize}\n\\item a\n\\end{itemize}", "\\subsection*{s}", "three", "four",
    ]  # fmt: skip
