"""docs/results/index.md: every question that ships, and what the digests answer.

    python docs/extension/results.py

writes it, as `make digest` does. A digest is the report of a finished sweep or search without its
raw results; no word or number of the page comes from anywhere else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from ruamel.yaml import YAML

from harness.config.shipped import shipped

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "results" / "index.md"

CLAIM = re.compile(
    r"^- \*\*(?P<verdict>Supported|Contradicted|Undecided|Pending): (?P<claim>.+?)\*\* "
    r"\((?P<score>.+?)\): "
)
QUESTION = re.compile(r"^\*\*Question\.\*\* (.+)$", re.MULTILINE)
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
        lines = (f"**{c['verdict'].lower()}**: {c['claim']} ({c['score']})" for c in self.claims)
        return "<br>".join(lines) or "no claims: described"


def questions(folder: str) -> Iterator[tuple[str, str]]:
    """The name and the question of each file that ships in a folder."""
    for path in sorted(shipped(folder).glob("*.yaml")):
        if not path.name.endswith(".checklist.yaml"):
            file = YAML(typ="safe").load(path)
            yield file["name"], " ".join(str(file["question"]).split())


def discussed(name: str) -> list[str]:
    """The pages that name the command of a question, as links from the index."""
    command = re.compile(rf"{MENTION}\b{re.escape(name)}(?:\.yaml)?(?![\w-])")
    pages = sorted(DOCS.glob("*.md"))
    found = [page for page in pages if command.search(page.read_text(encoding="utf-8"))]
    return [f"[{page.stem}](../{page.name})" for page in found]


def ablations() -> Iterator[str]:
    """Rows of the table of ablations."""
    ran: list[Digest] = []
    yield "| question | answer | seeds | runs | CPU hours | pages |"
    yield "|---|---|---:|---:|---:|---|"
    for name, question in questions("ablations"):
        folder, pages = PAGE.parent / name, discussed(name)
        if folder.exists():
            ran.append(digest := Digest.read(folder))
            numbers = f"{digest.seeds} | {digest.runs:,} | {digest.hours:.2f}"
            where = ", ".join([f"[{name}]({name}/report.md)", *pages])
            yield f"| {digest.question} | {digest.answer} | {numbers} | {where} |"
        else:
            yield f"| {question} | *has not run* |  |  |  | {', '.join([f'`{name}`', *pages])} |"
    claims = [claim["verdict"].lower() for digest in ran for claim in digest.claims]
    counts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(Counter(claims).items()))
    runs, hours = sum(digest.runs for digest in ran), sum(digest.hours for digest in ran)
    yield f"| *all* | {len(claims)} claims: {counts} |  | {runs:,} | {hours:.2f} |  |"


def searches() -> Iterator[str]:
    """Rows of the table of searches."""
    yield "| question | report | pages |"
    yield "|---|---|---|"
    for name, question in questions("configs/search"):
        ran = (PAGE.parent / name).exists()
        where = f"[{name}]({name}/report.md)" if ran else f"*has not run* `{name}`"
        yield f"| {question} | {where} | {', '.join(discussed(name))} |"


def page(ablations: Iterable[str], searches: Iterable[str]) -> str:
    """The page, from the rows of its tables."""
    return "\n".join([HEAD, *ablations, MIDDLE, *searches, TAIL])


HEAD = """\
# Every question that ships, and its answer

Made by `make digest` from the digests in this folder; each row links to the report that it is from.
*Has not run*: there are no runs of this version, and a page that discusses the question says of
older numbers that they are old. A claim is *supported* or *contradicted* when the exact permutation
test of ranks, after Holm's correction over the claims of its sweep, and the interval of the
difference agree ([statistics](../statistics.md)). Undecided is not equal. A run that two sweeps
share is counted in both.

## Ablations
"""
MIDDLE = """
## Searches
"""
TAIL = """
```{toctree}
:glob:
:hidden:

*/report
*/checklist
```
"""

if __name__ == "__main__":
    PAGE.write_text(page(ablations(), searches()), encoding="utf-8")
