"""The filled checklist: what the records answer, what the author does, and where they disagree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from harness.config.model import Strict
from harness.config.strict import Problem, UserError, load, parse, suggest
from harness.config.tree import grouped
from harness.report.checklist.questions import QUESTIONS, SOURCES, Question
from harness.report.checklist.records import Finding
from harness.report.document import Caution, Document, Section, Table, Text
from harness.report.evidence import Evidence

Reply = Literal["yes", "no", "na"]
Flaw = Literal["", "unanswered", "contradicted", "pending"]
WORDS = {"yes": "Yes", "no": "No", "na": "Not applicable"}


class AuthorsAnswer(Strict):
    """The author's answer to one question."""

    answer: Reply = Field(description="yes, no, or na (not applicable).")
    because: str = Field(min_length=1, description="Why, in one or two sentences.")
    where: str = Field("", description="A section of the paper, a file or a link.")


class ChecklistFile(Strict):
    """<sweep>.checklist.yaml: answers that only the author of a study knows."""

    model_config = ConfigDict(title="Answers to the checklist")

    answers: dict[str, AuthorsAnswer] = Field(
        description="By the name of the question, as in the report's checklist.md."
    )


# Files of a report that it has only where runs were made here.
OF_MADE = ("versions.csv", "table_compute.csv")
Answers = dict[str, AuthorsAnswer]


def read(path: Path) -> Answers:
    """:raises UserError: with every unknown question, key and wrong value, each with its line."""
    document = load(path)
    wrong: list[Problem] = []
    given = document.data.get("answers") if isinstance(document.data, dict) else None
    for name in given if isinstance(given, dict) else ():
        if name not in QUESTIONS:
            message = f"no question '{name}'.{suggest(name, QUESTIONS)}"
            wrong.append(document.problem(("answers", name), message))
    try:
        found = parse(document, ChecklistFile)
    except UserError as error:
        raise UserError([*wrong, *error.problems]) from None
    if wrong:
        raise UserError(wrong)
    return found.answers


@dataclass(frozen=True)
class Entry:
    """One question, answered or not."""

    name: str
    question: Question
    found: Finding
    authors: AuthorsAnswer | None

    @property
    def flaw(self) -> Flaw:
        """A "no" is an honest answer. "Yes" against the records is not, nor is "it does not apply".

        An author may answer "no" where the records say yes: that claims less, not more. What is
        pending no author can settle.
        """
        if self.found.says == "pending":
            return "pending"
        if self.authors is None:
            return "unanswered" if self.found.says == "ask" else ""
        claims = {"yes": ("no",), "na": ("yes", "no"), "no": ()}[self.authors.answer]
        return "contradicted" if self.found.says in claims else ""

    @property
    def answer(self) -> str:
        if self.flaw:
            return self.flaw.upper()
        return WORDS[self.authors.answer if self.authors else self.found.says]

    @property
    def why(self) -> str:
        """The author's words first, then the records'."""
        said = []
        if self.authors:
            place = f" ({self.authors.where})" if self.authors.where else ""
            words = "" if not self.flaw else f"The author says {WORDS[self.authors.answer]}: "
            said.append(f"{words}{self.authors.because.rstrip('.')}{place}.")
        records = f"The records: {self.found.text}" if said and self.found.text else self.found.text
        return " ".join([*said, records]).strip()


def fill(evidence: Evidence, answers: Answers) -> list[Entry]:
    entries = []
    for name, question in QUESTIONS.items():
        found = question.records(evidence)
        if not evidence.sweep.made:
            there = (each for each in found.pointers if each not in OF_MADE)
            found = replace(found, pointers=tuple(there))
        entries.append(Entry(name, question, found, answers.get(name)))
    return entries


def table(entries: list[Entry]) -> Table:
    """One question to a row, for machines."""
    head = ("checklist", "question", "asks", "answer", "why", "where")
    rows = (
        (e.question.source, e.name, e.question.ask, e.answer, e.why, " ".join(e.found.pointers))
        for e in entries
    )
    return Table(head, tuple(rows))


def flaws(entries: list[Entry]) -> list[str]:
    """What keeps a checklist from being handed in, one line each."""
    return [f"{e.name}: {e.answer}. {e.why or e.question.ask}" for e in entries if e.flaw]


def counts(entries: list[Entry]) -> str:
    found = Counter(entry.flaw or entry.answer.lower() for entry in entries)
    order = ["yes", "no", "not applicable", "unanswered", "contradicted", "pending"]
    return ", ".join(f"{found[word]} {word}" for word in order if found[word])


def section(entries: list[Entry]) -> Section:
    """Of the report: how many questions are answered, and where."""
    words = Text(f"[checklist.md](checklist.md): {counts(entries)}.")
    disputed = ", ".join(entry.name for entry in entries if entry.flaw == "contradicted")
    warning = [Caution(f"The records contradict its author on: {disputed}.")] if disputed else []
    return Section("Checklist", (words, *warning))


def document(entries: list[Entry], source: str) -> Document:
    """The whole checklist. `name` is what one answers by in the file beside the sweep.

    :param source: the sweep's file.
    """
    file = f"{Path(source).stem}.checklist.yaml"
    about = (
        f"Of {len(entries)} questions: {counts(entries)}. The questions are asked in our words. "
        f"Where only an author can answer, it says UNANSWERED until `{file}` beside the sweep "
        "does; where that answer and the records disagree, it says CONTRADICTED; PENDING is what "
        "runs that are still to come will settle."
    )
    return Document("Checklist", "", (Text(about), *map(partial(_of_source, entries), SOURCES)))


def _of_source(entries: list[Entry], source: str) -> Section:
    """The questions in their blocks, numbered through."""
    mine = [entry for entry in entries if entry.question.source == source]
    blocks = grouped(
        (e.question.block, Text(f"**{i}. {e.question.ask}** (`{e.name}`)  \n{_answered(e)}"))
        for i, e in enumerate(mine, start=1)
    )
    parts = (
        block
        for name, texts in blocks.items()
        for block in ([Section(name, tuple(texts))] if name else texts)
    )
    return Section(SOURCES[source], tuple(parts))


def _answered(entry: Entry) -> str:
    """Why, and where to look: what begins with runs/ or sweeps/ lies in the results folder."""
    where = ", ".join(
        f"`{p}` of the results" if p.startswith(("runs/", "sweeps/")) else f"[{p}]({p})"
        for p in entry.found.pointers
    )
    parts = (f"**{entry.answer}.**", entry.why, f"See {where}." if where else "")
    return " ".join(part for part in parts if part)
