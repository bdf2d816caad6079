"""report.html of a search: what report.md says, and every trial with the runs behind it."""

from __future__ import annotations

import json
import re

import pytest
from fake_tune import FILE, hill, plan, write_page
from markdown_it import MarkdownIt
from page_reader import Reader, flat

from harness.search import study
from harness.search.figures import FIGURES
from harness.store.reader import Store

ENDS = ("result.json", "failure.json")
ERROR = "ValueError: </script><img src=x onerror=alert(1)> | in a_policy_"


def score(spec):
    return f"{ERROR}\nTraceback" if spec.hparams["kp"] > 70 else hill(spec)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    kinds = "      ki: {why: Idle., choices: [0.0, 0.5]}\n"
    return write_page(
        plan(folder, FILE.replace("seeds: 6\nb", f"{kinds}seeds: 6\nb")), folder, score
    )


@pytest.fixture(scope="module")
def read(path):
    return Reader(path.read_text())


def rows(path):
    """The cells of each row of the table of trials, as text."""
    table = path.read_text().partition('<div class="scroll trials"')[2].partition("</table>")[0]
    found = re.findall(r'<tr id="trial-([^"]+)">(.*?)</tr>', table, flags=re.S)
    return {name: re.findall(r"<td[^>]*>(.*?)</td>", cells, flags=re.S) for name, cells in found}


def linked(path):
    """The folders of runs to which the table leads."""
    links = re.findall(r'<a href="(\.\./[^"]+/)">', path.read_text())
    assert len(links) == len(set(links))
    return {(path.parent / link).resolve() for link in links}


def test_all_that_the_markdown_says_stands_in_the_page(path, read):
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    blocks = markdown.parse(path.with_suffix(".md").read_text())
    said = [block for block in blocks if block.type == "inline"]
    assert len(said) > 40
    for block in said:
        parts = [c.content for c in block.children if c.type in ("text", "code_inline")]
        assert flat("".join(parts)).removeprefix("Question.") in read.text, block.content


def test_every_figure_of_the_markdown_is_drawn_by_the_page(path, read):
    shown = re.findall(r"\]\((\w+)\.png\)", path.with_suffix(".md").read_text())
    assert set(shown) == set(FIGURES) - {"batch_map", "path"}
    assert set(json.loads(read.data)["plots"]) == set(shown)


def test_every_trial_has_a_row_with_its_value(path):
    study = json.loads((path.parents[1] / "pid" / "search.json").read_text())
    found = rows(path)
    assert list(found) == [f"pid-{i}" for i in range(study["budget"]["trials"])]
    states = {cells[1] for cells in found.values()}
    assert states == {"all seeds", "stopped early", "crashed"}
    for cells in found.values():
        assert (cells[2] == "-") == (cells[1] == "crashed")
        assert (cells[3] == "6") == (cells[1] == "all seeds")


def made(folder):
    """The folders of the runs of a store."""
    return {one.parent.resolve() for one in folder.glob("runs/*/*/*/*") if one.name in ENDS}


def test_the_trials_lead_to_all_runs_that_were_made_and_to_no_others(path):
    assert linked(path) == made(path.parents[3])


def test_so_they_do_where_trials_go_on_to_longer_runs(tmp_path):
    text = FILE.replace("batch:", "pruner: {name: successive_halving, first: 300}\nbatch:")
    path = write_page(plan(tmp_path, text), tmp_path)
    assert linked(path) == made(tmp_path)


def test_links_inside_the_page_lead_somewhere(path, read):
    inside = [link.removeprefix("#") for link in read.links if link.startswith("#")]
    assert len(inside) > 5
    assert set(inside) <= set(read.ids)
    plots = json.loads(read.data)["plots"].values()
    panels = [panel for plot in plots for panel in plot["panels"]]
    marks = [mark for panel in panels for mark in panel["marks"]]
    links = [link for mark in marks for link in mark.get("links", [])]
    links += [mark["link"] for mark in marks if mark["kind"] == "trace"]
    assert len(links) > 50
    assert {link.removeprefix("#") for link in links} <= set(read.ids)


def test_the_page_asks_for_nothing_and_runs_nothing_that_a_run_has_written(path, read):
    text = path.read_text()
    assert set(re.findall(r"\w+://[\w./]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "<img" not in text and text.count("</script>") == 2
    assert flat(ERROR) in read.text


@pytest.mark.slow
def test_the_page_is_the_same_byte_for_byte(path):
    folder = path.parents[3]
    before = path.read_bytes()
    assert write_page(study.read(folder / "fake.yaml")[0], folder, score).read_bytes() == before
    assert Store(folder).search_folder("fake") == path.parents[1]


def test_an_arm_that_is_called_as_a_section_is_keeps_to_its_own(tmp_path):
    path = write_page(plan(tmp_path, FILE.replace("  pid:\n", "  Method:\n")), tmp_path)
    text = path.read_text()

    found = dict(re.findall(r'<section id="([^"]*)"[^>]*>(.*?)</section>', text, flags=re.S))

    assert list(found) == ["answer", "budget", "arm-Method", "method"]
    assert "<figure" in found["arm-Method"] and "<figure" not in found["method"]
    assert "Every trial trains the same" in found["method"]
