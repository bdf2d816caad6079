"""A reader who types every command of a page, and runs its code, gets what the page says."""

from __future__ import annotations

import re

import pytest
from command import typed
from playing import Play, compare, elsewhere
from snippets import ROOT, blocks, in_blocks, pages, place
from stages import LONG, PROFILED, QUOTED, STAGES, stage

from harness.train import profile
from harness.train.profile import Profile

TYPED = [command for page in pages() for command in in_blocks(page)]


def has_snippets(page):
    languages = {block.language for block in blocks(page)}
    return not stage(page).tested_by and languages & {"console", "python"}


@pytest.mark.timeout(1_200)  # docs/review.md trains 36 runs
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if stage(page).fast else pytest.mark.slow)
        for page in pages()
        if has_snippets(page)
    ],
)
def test_the_snippets_of_a_page_run_in_their_order(page, no_study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    Play(page, tmp_path, stage(page)).run()


SWEPT = sorted(
    {
        match[0]
        for command in TYPED
        if (match := re.search(r"(?:ablations|configs/search)/[\w-]+\.yaml", command.text))
    }
)


@pytest.mark.parametrize("file", [pytest.param(f, marks=pytest.mark.slow) for f in SWEPT])
def test_a_shipped_file_that_a_page_trains_can_be_trained(file, tmp_path):
    said = typed("check", file, cwd=tmp_path)

    assert re.search(r"CPU", said)


@pytest.mark.parametrize("command", [c for c in TYPED if c.output], ids=place)
def test_what_a_command_prints_is_compared(command):
    assert elsewhere(command) in (None, PROFILED)


def exists(test):
    path, _, name = test.partition("::")
    return f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("test", sorted({*LONG.values(), *QUOTED.values()}))
def test_the_test_that_stands_in_for_a_command_is_there(test):
    assert exists(test)


def test_every_page_and_command_that_is_listed_is_there():
    assert STAGES.keys() <= set(pages())
    for page, of in STAGES.items():
        texts = [line for block in blocks(page) for line in block.text.splitlines()]
        texts = [text.removeprefix("$ ") for text in texts]
        for start in [*of.before, *of.codes]:
            assert any(text.startswith(start) for text in texts), f"{page} has no '{start}'"
        assert not of.tested_by or exists(of.tested_by)
    for pattern in LONG:
        assert any(re.match(pattern, command.text) for command in TYPED), pattern


# profile ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [c for c in TYPED if c.text.startswith("harness profile")], ids=place
)
def test_a_profile_is_printed_as_the_page_shows_it(command, tmp_path, monkeypatch):
    """What is measured differs at each time: what was measured then is read from the page."""
    shown = command.output
    sections = {
        name: float(ms.replace(",", "")) / 1_000
        for name, ms in re.findall(r"^([a-z ]+?) +\d+% +([\d,.]+)  ", shown, re.M)
    }
    steps = re.findall(r"over ([\d,]+) steps .*about (\d+)%", shown)
    rates = re.findall(r"^.*?  +([\d,]+)  +([\d,]+)(?:  another algorithm)?$", shown, re.M)
    rows = iter(rates)

    def measured(spec, seconds):
        found = [float(rate.replace(",", "")) for rate in next(rows, ("1", "1"))]
        many, share = (float(each.replace(",", "")) for each in (steps or [("1", "0")])[0])
        return Profile(int(many), 1_000 / found[0], 1_000 / found[1], sections, share / 100)

    monkeypatch.setattr(profile, "measure", measured)
    monkeypatch.setattr("harness.cli.verb.cores", lambda _: 2)

    said = typed(*command.argvs()[0][1:], cwd=tmp_path)

    assert sections and list(rows) == []
    compare(shown, said, place(command))


# compare ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a", "a\nb\n", False),
        ("b", "a\nb\n", False),
        ("a\n...", "a\nb\nc\n", True),
        ("...\nb", "a\nb\n", True),
        ("a\n...\nc", "a\nc\n", True),
        ("a 0.5", "a 0.6\n", False),
        ("took 3.2 s", "took 45 s\n", True),
        ("1.7 MB of 253ad6eb4bac2ea4", "1.8 MB of 253ad6eb4bac2ea5\n", True),
        ("a", "3/36 runs, 20 steps/s, 2 min left\na\n\n", True),
    ],
)
def test_output_is_the_same_but_for_what_differs_each_time(shown, said, same):
    if same:
        compare(shown, said, "page.md:1")
    else:
        with pytest.raises(AssertionError, match=r"page.md:1: the page shows"):
            compare(shown, said, "page.md:1")
