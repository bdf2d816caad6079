"""report.html says what report.md says, of the same numbers, and every number leads to its runs."""

from __future__ import annotations

import csv
import json
import re

import fake_store
import numpy as np
import pytest
from markdown_it import MarkdownIt
from page_reader import Reader, flat

from harness.report.evidence import Evidence
from harness.report.number import fixed
from harness.report.render import html, listing
from harness.report.render.script import plain
from harness.store.reader import Store

ARMS, ENVS = ("ppo", "rnd", "no_obs_norm"), ("DeepSea-20", "DeepSea-10")
MADE_OF = {"ppo": (), "rnd": ("bonus",)}
CLAIMS = fake_store.CLAIMS[:2]
ERROR = "ValueError: </script><img src=x onerror=alert(1)> | in a_policy_"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """20 seeds; one run failed, one was interrupted, one was not launched yet."""
    store = Store(tmp_path_factory.mktemp("page"))
    sweep = fake_store.sweep(ARMS, ENVS, 20, claims=CLAIMS, components=MADE_OF)
    fake_store.write_sweep(store, sweep, finish=False)
    gaps = {(9, "failed"), (10, "interrupted"), (11, "missing")}
    for run in sweep.runs:
        gap = {s: how for s, how in gaps if (run.arm, run.env) == ("no_obs_norm", "DeepSea-10")}
        if run.seed not in gap:
            fake_store.write_run(store, run)
        elif gap[run.seed] == "failed":
            fake_store.write_failure(store, run, ERROR)
        elif gap[run.seed] == "interrupted":
            fake_store.write_interruption(store, run)
        (store.root / "sacred" / f"{run.key}-abc123").mkdir(parents=True)
    return store


@pytest.fixture(scope="module")
def path(store):
    return fake_store.write_page(store, store.sweep("fake"))


@pytest.fixture(scope="module")
def read(path):
    return Reader(path.read_text())


@pytest.fixture(scope="module")
def data(read):
    return json.loads(read.data)


def test_all_that_the_markdown_says_stands_in_the_page(path, read):
    markdown = MarkdownIt("commonmark").enable("table")
    blocks = markdown.parse(path.with_suffix(".md").read_text())
    said = [block for block in blocks if block.type == "inline"]
    assert len(said) > 200
    for block in said:
        parts = [c.content for c in block.children if c.type in ("text", "code_inline")]
        assert flat("".join(parts)).removeprefix("Question.") in read.text, block.content


def test_every_figure_but_the_maps_is_drawn_by_the_page(path, data):
    shown = re.findall(r"\]\((\w+)\.png\)", path.with_suffix(".md").read_text())
    assert set(data["plots"]) == {name for name in shown if not name.startswith("visits")}
    marks = [
        m for plot in data["plots"].values() for panel in plot["panels"] for m in panel["marks"]
    ]
    assert {mark["kind"] for mark in marks} == {"line", "points", "rule", "note"}


def test_every_link_leads_somewhere(path, read, store):
    sweep = store.sweep("fake")
    assert len(read.links) > 100
    for link in read.links:
        place, _, asked = link.removeprefix("#").partition("?")
        if not link.startswith("#"):
            assert (path.parent / link).is_file() or link.endswith((".pdf", ".png")), link
        elif asked:
            assert runs_of(link) <= set(range(len(sweep.runs))), link
        else:
            assert place in read.ids, link
    led = [runs_of(link) for link in read.links if link.startswith("#runs?")]
    for claim in sweep.claims:
        for arm in (claim.better, claim.worse):
            assert places(sweep, arm, claim.env) in led


def runs_of(link):
    """The places in the table of runs to which a link leads."""
    spans = [part.split("-") for part in link.removeprefix("#runs?of=").split(",")]
    return {place for span in spans for place in range(int(span[0]), int(span[-1]) + 1)}


def places(sweep, arm, env):
    return {i for i, run in enumerate(sweep.runs) if run.arm == arm and env in (None, run.env)}


def test_every_score_links_to_the_runs_of_its_arm_and_environment(path, store):
    sweep, text = store.sweep("fake"), path.read_text()
    links = re.findall(r'<a class="runs" href="([^"]*)">([^<]*)</a>', text)
    led = {(frozenset(runs_of(link)), number) for link, number in links}
    with (path.parent / "table_final.csv").open() as file:
        whole = [row for row in csv.DictReader(file) if row["shows"] == "interval"]
    assert len(whole) == len(ARMS) * len(ENVS) - 1  # but for the gap
    for row in whole:
        expected = f"{row['iqm']} [{row['low']}, {row['high']}]"
        assert (frozenset(places(sweep, row["arm"], row["env"])), expected) in led


def test_the_runs_of_the_page_are_those_of_the_store(data, path, store):
    sweep, runs = store.sweep("fake"), data["runs"]
    assert [run["key"] for run in runs] == [run.key for run in sweep.runs]
    assert [run["state"] for run in runs] == [store.status(run).state for run in sweep.runs]
    assert [run["error"] for run in runs if run["error"]] == [ERROR]
    with (path.parent / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("final", "auc"):
        for row, run in zip(rows, runs, strict=True):
            shown = fixed(2)(run["scores"][name]) if run["scores"] else ""
            assert shown == (fixed(2)(float(row[name])) if row[name] else "")
    for run, listed in zip(sweep.runs, runs, strict=True):
        shared = data["groups"][listed["group"]]
        folder = path.parent / data["root"] / shared["folder"] / run.key
        assert folder.resolve() == store.folder(run).resolve()
        assert shared["spec"] | {"seed": run.seed} == run.model_dump(mode="json", exclude={"arm"})
        assert (store.root / "sacred" / f"{run.key}-{listed['sacred'][0]}").is_dir()


def test_the_flow_of_runs_adds_up(read, path):
    flow = re.search(r'<ol class="flow".*?</ol>', path.read_text(), flags=re.S)[0]
    counts = {words: int(n) for n, words in re.findall(r"<b>(\d+)</b> ([a-z ]+)", flow)}
    assert counts == {
        "planned": 120, "not launched yet": 1, "launched": 119, "failed": 1, "interrupted": 1,
        "finished": 117, "set aside": 17, "in the estimates": 100,
    }  # fmt: skip


def test_the_page_asks_for_nothing_and_runs_nothing_that_a_run_has_written(path, read):
    text = path.read_text()
    addresses = set(re.findall(r"\w+://[\w./]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert all(source.startswith("data:") for source in read.sources)
    assert "default-src 'none'" in text
    assert "<img src=x" not in text and text.count("</script>") == 2
    assert flat(ERROR) in read.text


def test_single_curves_are_left_out_where_there_are_too_many(store, monkeypatch, path, data):
    assert any("curve" in run for run in data["runs"])
    monkeypatch.setattr(listing, "MOST_CURVE_POINTS", 100)
    evidence = Evidence(store.sweep("fake"), store)
    runs = listing.data(evidence, store, path.parent)["runs"]
    assert runs and not any("curve" in run for run in runs)


@pytest.mark.parametrize("decimals", [0, 1, 2, 3])
def test_a_number_in_the_page_is_printed_as_in_the_tables(decimals):
    rng = np.random.default_rng(0)
    ties = [0.125, 0.375, -0.125, 2.5, 0.5, 1.5, 12.25, -0.0, 1e-9, -1e-9, 0.985, 212.25]
    for value in [*ties, *rng.normal(0, 100, 500), *rng.normal(0, 1e-3, 500)]:
        short = plain(float(value), decimals)
        assert fixed(decimals)(short) == fixed(decimals)(float(value))
    assert plain(float("nan"), decimals) is None


@pytest.mark.parametrize(("suffix", "kind"), [("png", "png"), ("svg", "svg+xml")])
def test_a_picture_is_embedded_as_what_it_is(tmp_path, suffix, kind):
    (tmp_path / f"visits.{suffix}").write_bytes(b"drawn")
    found = html.embedded(tmp_path / f"visits.{suffix}")
    assert found == f"data:image/{kind};base64,ZHJhd24="


def test_what_bars_and_bands_are_is_said_once_after_the_figures(path):
    figures = path.with_suffix(".md").read_text().partition("## Figures")[2].partition("\n## ")[0]
    paragraphs = figures.split("\n\n")
    told = [text for text in paragraphs if re.search(r"(A bar|The band).* is (a|the) ", text)]

    assert len(told) == len({text.partition(".** ")[2] for text in told}) >= 2
    assert paragraphs[-len(told) :] == told


def test_every_table_of_the_page_scrolls_by_keyboard(path):
    text = path.read_text()
    assert text.count('<div class="scroll') == text.count('tabindex="0" role="region"') > 10
