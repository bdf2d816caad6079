"""docs/results/index.md: every question that ships, and what the digests answer.

    python docs/extension/results.py

writes it, as `make digest` does. A digest is the report of a finished sweep or search without its
raw results; no word or number of the page comes from anywhere else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from ruamel.yaml import YAML
from sphinx.application import Sphinx

from harness.config.shipped import shipped

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "results" / "index.md"

CLAIM = re.compile(
    r"^- \*\*(?P<verdict>Supported|Contradicted|Undecided|Pending|Equivalent|Not equivalent): "
    r"(?P<claim>.+?)\*\* "
    r"\((?P<score>.+?)\): "
)
QUESTION = re.compile(r"^\*\*Question\.\*\* (.+)$", re.MULTILINE)
DOUBT = " with a reservation"  # what the report says in bold behind the numbers of a claim
MENTION = "harness (?:sweep|tune|model-report) [^ \n]*"  # a page's own command for a question


class Digest(NamedTuple):
    """What the report of a sweep says in short."""

    question: str
    claims: list[re.Match[str]]  # as CLAIM matches them
    seeds: int  # of the arm with the most
    runs: int  # that finished
    hours: float  # of CPU time, of all attempts

    @classmethod
    def read(cls, folder: Path) -> Digest:
        """:param folder: of a digest of a sweep, as `make digest` leaves it."""
        report = (folder / "report.md").read_text(encoding="utf-8")
        asked = QUESTION.search(report)
        if asked is None:
            raise ValueError(f"{folder / 'report.md'}: no line that begins with **Question.**")
        claims = [found for line in report.splitlines() if (found := CLAIM.match(line))]
        scores = pd.read_csv(folder / "scores.csv")
        finished = scores[scores.state == "finished"]
        compute = pd.read_csv(folder / "table_compute.csv", thousands=",")
        [unit] = {"CPU s", "CPU h"} & {*compute}
        spent = float(compute[unit].iloc[-1])  # of all arms; of the arm, where there is one
        hours = spent if unit == "CPU h" else spent / 3600
        seeds = finished.groupby(["arm", "env"]).seed.nunique().max()
        return cls(asked[1], claims, int(seeds), len(finished), hours)

    @property
    def answer(self) -> str:
        """A line for each claim, in one cell of a table."""
        lines = (
            f"**{c['verdict'].lower()}**{DOUBT if '**' in c.string[c.end() :] else ''}: "
            f"{c['claim']} ({c['score']})"
            for c in self.claims
        )
        return "<br>".join(lines) or "no claims: described"


def questions(folder: str) -> Iterator[tuple[str, str]]:
    """The name and the question of each file that ships in a folder."""
    for path in sorted(shipped(folder).glob("*.yaml")):
        if not path.name.endswith(".checklist.yaml"):
            file = YAML(typ="safe").load(path)
            yield file["name"], " ".join(str(file["question"]).split())


def discussed(name: str) -> str:
    """The pages that name the command of a question, as links from the index."""
    command = re.compile(rf"{MENTION}\b{re.escape(name)}(?:\.yaml)?(?![\w-])")
    pages = sorted(DOCS.glob("*.md"))
    found = [page for page in pages if command.search(page.read_text(encoding="utf-8"))]
    return ", ".join(f"[{page.stem}](../{page.name})" for page in found)


def row(name: str, question: str) -> str:
    """The first cell of a question that has run: it leads to the report, and to pages."""
    pages = discussed(name)
    return f"| [{question}]({name}/report.md)" + (f"<br>discussed: {pages}" if pages else "")


def missing(folder: str) -> Iterator[str]:
    """A list of the questions that have no digest."""
    for name, question in questions(folder):
        if not (PAGE.parent / name).exists():
            pages = discussed(name)
            yield f"- {question} `{name}`" + (f", discussed: {pages}" if pages else "")


def ablations() -> Iterator[str]:
    """Rows of the table of ablations."""
    ran: list[Digest] = []
    yield "| question | answer | seeds | runs | CPU hours |"
    yield "|---|---|---:|---:|---:|"
    for name, _ in questions("ablations"):
        if (PAGE.parent / name).exists():
            ran.append(digest := Digest.read(PAGE.parent / name))
            numbers = f"{digest.seeds} | {digest.runs:,} | {digest.hours:.2f}"
            yield f"{row(name, digest.question)} | {digest.answer} | {numbers} |"
    claims = [claim["verdict"].lower() for digest in ran for claim in digest.claims]
    counts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(Counter(claims).items()))
    runs, hours = sum(digest.runs for digest in ran), sum(digest.hours for digest in ran)
    yield f"| *all* | {len(claims)} claims: {counts} |  | {runs:,} | {hours:.2f} |"


def searches() -> Iterator[str]:
    """A list of the searches that have run."""
    for name, question in questions("configs/search"):
        if (PAGE.parent / name).exists():
            yield "- " + row(name, question).removeprefix("| ").replace("<br>", ", ")


def page() -> str:
    """The page, from the digests and the files that ship."""
    parts = [
        HEAD,
        *ablations(),
        "\n## Searches\n",
        *searches(),
        "\n## Have not run\n",
        "These have not been run with this version, so no page has a number of them. The claims",
        "that their files declare are expectations; `harness check FILE` lists them.\n",
        *missing("ablations"),
        *missing("configs/search"),
        TAIL,
    ]
    return "\n".join(parts)


HEAD = """\
# Every question that ships, and its answer

Made by `make digest` from the digests in this folder; each question links to the report that
answers it. A claim is *supported* or *contradicted* when the exact permutation test of ranks, after
Holm's correction over the claims of its sweep, and the interval of the difference agree
([statistics](../statistics.md)). Undecided is not equal. A reservation is told in the report: that
budgets differ, or that nothing shows that a claim was declared before its runs had been seen. A run
that two sweeps share is counted in both.

## Ablations
"""
TAIL = """
```{toctree}
:glob:
:hidden:

*/report
```
"""


def setup(app: Sphinx) -> None:
    """Of a digest the report stands in the contents; its checklist is reached from there."""

    def alone(app: Sphinx, doctree: object) -> None:
        name = app.env.docname
        if name.startswith("results/") and name.endswith("/checklist"):
            app.env.metadata[name]["orphan"] = True

    app.connect("doctree-read", alone)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
