"""What a page says of a sweep is what the sweep's digest says: `make digest SWEEP=name`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from extension.results import CLAIM

DOCS = Path(__file__).parents[1] / "docs"
DIGESTS = DOCS / "results"
COMMAND = re.compile(
    r"^\$ harness (?:sweep|model-report|tune) \S*?([\w-]+)(?:\.yaml)?"
    r"(?: --until-decided)?(?:\s+#.*)?$"
)


class Quotes(NamedTuple):
    """What a page quotes of a sweep."""

    claims: list[str]
    tables: list[list[list[str]]]  # rows of cells, the first of which names the columns


def tables(lines: Iterable[str]) -> list[list[list[str]]]:
    found = []
    for is_table, part in itertools.groupby(lines, lambda line: line.startswith("|")):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part]
        if is_table:
            found.append([row for row in rows if set("".join(row)) - set("-: ")])
    return found


def quotes(text: str) -> dict[str, Quotes]:
    """By sweep: the tables and claims of its section.

    They follow its command, down to a heading that is no part of its section; of commands without
    a line between them, the first has them.
    """
    parts: dict[str, list[str]] = {}
    name, before = None, ""
    here = level = 0  # how deep the line stands, and the command
    for line in text.splitlines():
        if line.startswith("#"):
            here = len(line) - len(line.lstrip("#"))
            name = None if here <= level else name
        match = COMMAND.match(line)
        if match and not before.startswith("$ "):
            name, level = match.group(1), here
        elif name:
            parts.setdefault(name, []).append(line)
        before = line
    found = {n: Quotes(list(filter(CLAIM.match, p)), tables(p)) for n, p in parts.items()}
    return {name: each for name, each in found.items() if each.claims or each.tables}


def holds(digest: list[list[str]], quoted: list[list[str]]) -> bool:
    """Whether a table of the digest has these columns, and in them each of these rows."""
    head, *rows = digest
    if not set(quoted[0]) <= set(head):
        return False
    places = [head.index(column) for column in quoted[0]]
    return all(row in [[each[i] for i in places] for each in rows] for row in quoted[1:])


QUOTES = {
    (page.name, name): found
    for page in sorted(DOCS.glob("*.md"))
    for name, found in quotes(page.read_text(encoding="utf-8")).items()
}


def test_a_quotation_ends_with_the_section_of_its_command():
    page = (
        "## s\n$ harness sweep ablations/x.yaml\n\n| a |\n|---|\n- **Supported: b** (c): d\n\n"
        "### c\n\n| d |\n\n## e\n| f |\n"
    )

    assert quotes(page) == {"x": Quotes(["- **Supported: b** (c): d"], [[["a"]], [["d"]]])}


@pytest.mark.parametrize(
    ("quoted", "answer"),
    [
        ([["arm", "score"], ["rnd", "2"]], True),
        ([["score", "arm"], ["2", "rnd"], ["1", "ppo"]], True),
        ([["arm", "score"], ["rnd", "1"]], False),
        ([["arm", "return"], ["rnd", "2"]], False),
    ],
)
def test_a_quoted_table_has_columns_and_whole_rows_of_the_digests(quoted, answer):
    digest = [["arm", "seeds", "score"], ["ppo", "6", "1"], ["rnd", "6", "2"]]

    assert holds(digest, quoted) is answer


def test_every_page_with_results_has_its_digest():
    assert [of for of in QUOTES if not (DIGESTS / of[1]).exists()] == []


@pytest.mark.parametrize(("page", "name"), sorted(QUOTES))
def test_every_table_and_claim_on_a_page_stands_in_the_digest(page, name):
    digest = (DIGESTS / name / "report.md").read_text(encoding="utf-8").splitlines()
    kept = tables(digest)

    assert [claim for claim in QUOTES[page, name].claims if claim not in digest] == []
    assert [t for t in QUOTES[page, name].tables if not any(holds(k, t) for k in kept)] == []


def test_the_correlation_by_seed_is_that_of_the_digest():
    """As docs/statistics.md tells it where it says why no test is paired."""
    runs = pd.read_csv(DIGESTS / "rnd" / "scores.csv")
    found: dict[str, list[float]] = {"final": [], "auc": []}
    for score, env in itertools.product(found, runs.env.unique()):
        arms = runs[runs.env == env].pivot(index="seed", columns="arm", values=score)
        pairs = itertools.combinations(arms.columns[arms.std() > 1e-9], 2)
        found[score] += [arms[a].corr(arms[b]) for a, b in pairs]
    both = found["final"] + found["auc"]
    means = (np.mean(each) for each in (both, *found.values()))
    page = " ".join((DOCS / "statistics.md").read_text(encoding="utf-8").split())

    assert f"Over the {len(both)} pairs of arms and environments" in page
    told = "is {:.2f} on average ({:.2f} for final scores, {:.2f} for areas under the curve)"
    assert f"{told.format(*means)}, with a standard deviation of {np.std(both):.2f}" in page


def test_every_image_is_on_a_page():
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    images = list((DOCS / "images").iterdir())

    assert images
    assert [image.name for image in images if f"(images/{image.name})" not in text] == []


def test_every_test_that_a_page_names_is_there():
    pages = [page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")]
    named = {path for text in pages for path in re.findall(r"tests/[\w/]+\.py", text)}

    assert named
    assert not {path for path in named if not (DOCS.parent / path).is_file()}
