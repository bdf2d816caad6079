"""docs/checklist.md: both checklists, who answers each question, and in which file to look.

    python docs/extension/checklist.py

writes it, as `make digest` does. Questions and rules are those of harness/report/checklist; files
and answers of the example are those of its digest.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import pandas as pd

from harness.report.checklist.questions import QUESTIONS, SOURCES, Question

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "checklist.md"
EXAMPLE = "rnd"
ABOUT = """\
# The reproducibility checklists

Made by `make digest` from the code that fills the checklist, and from the report on `{example}`.

Conferences ask authors to fill in a checklist. Every report of a sweep fills in two, as far as its
records go: {sources}.
The questions are asked in our words.

- `report/checklist.md` has each question with its answer, the reason, and the file that shows it
  ([an example](results/{example}/checklist.md)). `report/checklist.csv` is the same as a table, and
  `report/paper/` has both lists in LaTeX.
- An answer that the records give needs nothing of yours, and changes with the runs.
- What only you can know says **UNANSWERED** until you answer it.
- **PENDING** is what runs that are still to come will settle.
- **CONTRADICTED** is an answer of yours that the records contradict: *yes* where they say *no*, or
  *not applicable* where they have an answer. A *no* of yours is never contradicted: it claims less.

## How you answer

Write `<sweep>.checklist.yaml` beside the sweep file: by the name of the question an answer (`yes`,
`no` or `na`), a reason, and where to look. From `ablations/{example}.checklist.yaml`:

```yaml
{answers}```

An unknown name or key is an error with its line. `harness report {example}` then writes the report
again, and

```console
$ harness report {example} --strict
```

fails while a question is unanswered, contradicted or pending. It accepts an honest *no*.
"""


def page() -> str:
    digest = pd.read_csv(DOCS / "results" / EXAMPLE / "checklist.csv", keep_default_na=False)
    rows = {row["question"]: row for row in digest.to_dict("records")}
    parts = [
        ABOUT.format(
            example=EXAMPLE, sources=" and ".join(map(_lower, SOURCES.values())), answers=_answers()
        )
    ]
    for source, title in SOURCES.items():
        mine = [(name, each) for name, each in QUESTIONS.items() if each.source == source]
        parts.append(f"## {title}\n")
        number = iter(range(1, len(mine) + 1))
        for block, items in groupby(mine, key=lambda item: item[1].block):
            parts += [f"### {block}\n"] if block else []
            for name, each in items:
                answer = _rule(each) + _shown(rows[name])
                parts.append(f"**{next(number)}. {each.ask}** (`{name}`)\\\n{answer}\n")
    return "\n".join(parts)


def _lower(title: str) -> str:
    return title[0].lower() + title[1:]


def _answers() -> str:
    """The first answers of the example, as they stand there."""
    text = (DOCS.parent / "ablations" / f"{EXAMPLE}.checklist.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    end = next(i for i, line in enumerate(lines) if line.strip().startswith("data_collection"))
    return "\n".join(lines[:end]) + "\n"


def _rule(question: Question) -> str:
    """How it is answered: the docstring of the function that does it."""
    return " ".join((inspect.getdoc(question.records) or "").split())


def _shown(row: Mapping[Hashable, str]) -> str:
    """The example's answer, and its files."""
    files = ", ".join(dict.fromkeys(_files(row["where"].split())))
    where = f" Look in {files}." if files else ""
    return f"{where} *For {EXAMPLE}: {row['answer'].lower()}.*"


def _files(pointers: list[str]) -> Iterator[str]:
    for pointer in pointers:
        file = f"`{Path(pointer).name}`"
        yield f"{file} of a run" if pointer.startswith("runs/") else file


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
