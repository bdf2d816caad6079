"""What a page says of a sweep is what the sweep's digest says: `make digest SWEEP=name`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
DIGESTS = DOCS / "results"
COMMAND = re.compile(r"^    harness (?:sweep|model-report|tune) \S*?([\w-]+)(?:\.yaml)?$")
CLAIM = re.compile(r"^- \*\*(?:Supported|Undecided|Refuted|Not decided)")

# Pages of runs that are older than digests: `make digest` of a new sweep takes a name out.
WITHOUT = {
    ("baselines.md", "baselines"),
    ("curiosity.md", "curiosity"),
    ("curiosity.md", "curiosity_minigrid"),
    ("curiosity.md", "dqn_rnd"),
    ("curiosity.md", "mountain_car"),
    ("curiosity.md", "noisy_tv"),
    ("curiosity.md", "visits"),
    ("pushing.md", "push_algorithms"),
    ("world_models.md", "delta_prediction"),
    ("world_models.md", "imagination"),
    ("world_models.md", "model_free_vs_model_based"),
    ("world_models.md", "pixels"),
    ("world_models.md", "temperature"),
}


def quoted(text: str) -> dict[str, list[str]]:
    """The rows of tables and the claims that follow the command of a sweep, up to a heading."""
    lines, name = {}, None
    for line in text.splitlines():
        if line.startswith("#"):
            name = None
        if match := COMMAND.match(line):
            name = match.group(1)
        elif name and (CLAIM.match(line) or (line.startswith("|") and set(line) - set("|-: "))):
            lines.setdefault(name, []).append(line)
    return lines


QUOTES = {
    (page.name, name): lines
    for page in sorted(DOCS.glob("*.md"))
    for name, lines in quoted(page.read_text(encoding="utf-8")).items()
}


def test_a_quotation_ends_at_the_next_heading():
    page = "    harness sweep ablations/x.yaml\n\n| a |\n|---|\n- **Supported: b\n\n## c\n| d |\n"

    assert quoted(page) == {"x": ["| a |", "- **Supported: b"]}


def test_every_page_with_results_has_its_digest():
    assert {of for of in QUOTES if not (DIGESTS / of[1]).exists()} == WITHOUT


@pytest.mark.parametrize(("page", "name"), sorted(set(QUOTES) - WITHOUT))
def test_every_row_and_claim_on_a_page_stands_in_the_digest(page, name):
    digest = (DIGESTS / name / "report.md").read_text(encoding="utf-8").splitlines()

    assert [line for line in QUOTES[page, name] if line not in digest] == []
