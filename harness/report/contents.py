"""What the report of a sweep consists of, and in which order; and its folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from harness.config.failure import failed
from harness.report import checklist, document, own
from harness.report.document import (
    Block,
    Caution,
    Document,
    Figure,
    Section,
    Table,
    Text,
    quoted,
)
from harness.report.evidence import Evidence
from harness.report.plot import Plot
from harness.report.render import html, listing, markdown, paper, seaborn
from harness.report.render.latex import tabular
from harness.report.render.script import Script
from harness.report.results import (
    caption,
    claims,
    components,
    cpu_time,
    crosscheck,
    curves,
    equivalence,
    looks,
    losses,
    models,
    protocol,
    risk,
    runs,
    scores,
    stability,
)
from harness.report.results.figures import FIGURES, FIGURES_SECTION, Kind
from harness.spec import ResolvedSweep
from harness.store.files import replacing, temporary
from harness.store.reader import Store

# What is done now; of how many parts how many are, or 0 of 0.
Tell = Callable[[str, int, int], None]


def _silent(what: str, done: int, of: int) -> None: ...


@dataclass(frozen=True)
class Options:
    """How a report is to look, and what its author says to the checklist."""

    venue: str = "plain"  # a key of style.VENUES
    formats: tuple[str, ...] = ("pdf", "png")  # of figures, some of style.FORMATS
    answers: checklist.Answers = field(default_factory=dict)
    figures: tuple[str, ...] = tuple(FIGURES)  # those to draw: most of the time of a report
    crosscheck: bool = True  # let rliable speak too: a second or so for each arm and score
    # The functions of the sweep's own figures, by target; in place of one, why it is not drawn.
    functions: Mapping[str, own.Function | str] = field(default_factory=dict)
    tell: Tell = _silent  # called with what is done, as long as it takes
    videos: bool = False  # the page plays the films that its strips are of


class Written(NamedTuple):
    """A report that is in its place."""

    page: Path  # report.md
    flaws: list[str]  # what keeps its checklist from being handed in


def write(
    sweep: ResolvedSweep, store: Store, folder: Path, options: Options | None = None
) -> Written:
    """Write the whole report in the place of an earlier one."""
    options = options or Options()
    options.tell("reading the runs", 0, 0)
    evidence = Evidence(sweep, store)
    entries = checklist.fill(evidence, options.answers)
    with replacing(folder) as new:
        of = _document(evidence, entries, new, options)
        options.tell("writing the files", 0, 0)
        questions = checklist.document(entries, sweep.source)
        _text(new / "report.md", markdown.document(of))
        _text(new / "checklist.md", markdown.document(questions))
        _text(new / "checklist.csv", comma_separated(checklist.table(entries)))
        _text(new / "scores.csv", comma_separated(runs.every(evidence)))
        for table in of.every(Table):
            _save(table, new)
        paper.write(evidence, of, questions, new, options.venue)
        arms, data = curves.looks(evidence).values(), listing.data(evidence, store, new)
        link = listing.linked(evidence)
        _text(new / html.FILE, html.page(of, new, arms, data, link, options.videos))
    return Written(folder / "report.md", checklist.flaws(entries))


def _document(
    evidence: Evidence, entries: list[checklist.Entry], folder: Path, options: Options
) -> Document:
    """The answer, what it looks like, the numbers; then what they stand on."""
    drawn = partial(_drawn, evidence, folder, options)
    parts: dict[str, Callable[[], Iterable[Section]]] = {
        "the claims": lambda: [
            claims.section(evidence),
            *equivalence.section(evidence, drawn),
            *looks.section(evidence, drawn),
            *runs.gaps(evidence),
        ],
        "the figures": lambda: [_figures(evidence, folder, options)],
        "the scores": lambda: [scores.section(evidence)],
        "the risk": lambda: [risk.section(evidence)],
        "the stability": lambda: stability.section(evidence, drawn),
        "CPU time": lambda: cpu_time.section(evidence, drawn),
        "components": lambda: components.section(evidence),
        "world models": lambda: models.section(evidence),
        "losses": lambda: losses.section(evidence, drawn),
        "the runs": lambda: [runs.section(evidence)],
        "rliable's estimates": lambda: [crosscheck.section(evidence)] if options.crosscheck else [],
        "the protocol": lambda: [protocol.section(evidence), checklist.section(entries)],
    }
    sections: list[Section] = []
    for done, (name, make) in enumerate(parts.items()):
        options.tell(name, done, len(parts))
        sections += make()
    sweep = evidence.sweep
    beside = tuple(protocol.beside(evidence))
    return Document(sweep.name, sweep.question, tuple(sections), beside)


def apart(sweep: ResolvedSweep, store: Store, folder: Path) -> list[str]:
    """What of a report is not what the records of its runs give: its claims, its tables.

    :param folder: of the report.
    """
    evidence = Evidence(sweep, store)
    with temporary(folder) as scratch:
        plain = Options(figures=(), crosscheck=False)
        of = _document(evidence, checklist.fill(evidence, {}), scratch, plain)
    page, different = _read(folder / "report.md"), []
    answer = markdown.document(Document("", "", (claims.section(evidence),), ()))
    if not {*answer.splitlines()[1:]} <= {*page.splitlines()}:
        different.append("claims")
    for table in of.every(Table):
        same = _read(folder / f"{table.name}.csv") == comma_separated(table.listed or table)
        if table.name and not same:
            different.append(f"{table.name}.csv")
    sections = Document("", "", of.sections, ()).every(Table)
    tables = [table for table in sections if table.name]
    different += [f"{t.name} in report.md" for t in tables if markdown.table(t) not in page]
    if _read(folder / "scores.csv") != comma_separated(runs.every(evidence)):
        different.append("scores.csv")
    return different


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


# Files -------------------------------------------------------------------------------------------


def _save(table: Table, folder: Path) -> None:
    if table.name:
        _text(folder / f"{table.name}.md", markdown.table(table) + "\n")
        _text(folder / f"{table.name}.csv", comma_separated(table.listed or table))
        _text(folder / f"{table.name}.tex", tabular(table))


def comma_separated(table: Table) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.head, *table.rows])
    return text.getvalue()


def _text(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")


# Sections ----------------------------------------------------------------------------------------


def _figures(evidence: Evidence, folder: Path, options: Options) -> Section:
    if not options.figures:
        return Section(FIGURES_SECTION, (Text("Left out, as asked: `--no-figures`."),))
    blocks: list[Block] = []
    if evidence.no_aggregates:
        why = f"because {evidence.no_aggregates}"
        blocks.append(Text(f"Figures that aggregate over environments are left out, {why}."))
    drawn = _drawn(evidence, folder, options, FIGURES_SECTION)
    mine = (_own(evidence, folder, options, each) for each in evidence.sweep.report.figures)
    return Section(FIGURES_SECTION, (*blocks, *drawn, *document.captioned(drawn), *mine))


def _own(evidence: Evidence, folder: Path, options: Options, target: str) -> Figure | Caution:
    """A figure of the user's own; whatever is wrong with it costs this one alone."""

    def refused(why: str) -> Caution:
        return Caution(f"{quoted(target)} is not drawn: {quoted(why)}.")

    function = options.functions.get(target, "nobody has loaded it")
    if isinstance(function, str):
        return refused(function)
    try:
        made = own.figure(evidence, target, function)
    except ValueError as error:
        return refused(str(error))
    try:
        width = seaborn.save(made.plot, folder / made.file, _formats(options), options.venue)
        Script().add(made.file, made.plot)  # what the page will do
    except Exception as error:  # whatever a library raises for what it cannot draw
        return refused(failed(function, error))
    return Figure(made.file, made.title, made.caption, options.formats, "", width, made.plot)


def _formats(options: Options) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*options.formats, "pdf")))  # the paper takes no other


def _drawn(evidence: Evidence, folder: Path, options: Options, section: str) -> list[Figure | Text]:
    """The figures of a section, and why some of them are not there."""
    figures: list[Figure] = []
    absent: list[Text] = []
    scores = evidence.sweep.report.scores
    subjects = {"sweep": scores[:1], "score": scores, "env": evidence.sweep.envs}
    for name in options.figures:
        kind = FIGURES[name]
        if kind.section != section or (kind.aggregate and evidence.no_aggregates):
            continue
        metrics = evidence.measured if kind.per == "score" and not kind.aggregate else ()
        for subject in (*subjects[kind.per], *metrics):
            plot = kind.plot(evidence, subject)
            if not isinstance(plot, str):
                figures.append(_saved(plot, evidence, folder, options, name, subject))
            elif plot:
                absent.append(Text(f"{_title(kind, subject)}: not drawn, because {plot}."))
    return [*figures, *absent]


def _title(kind: Kind, subject: str) -> str:
    words = claims.SCORE_WORDS.get(subject, subject)
    return kind.title if kind.per == "sweep" else f"{kind.title}, {words}"


def _saved(
    plot: Plot, evidence: Evidence, folder: Path, options: Options, name: str, subject: str
) -> Figure:
    """:param subject: the score, or the environment, that it is drawn for."""
    kind = FIGURES[name]
    file = name if kind.per == "sweep" else f"{name}_{subject}"
    options.tell(f"drawing {file}", 0, 0)
    width = seaborn.save(plot, folder / file, _formats(options), options.venue)
    words = caption.fill(kind.caption, evidence, subject, kind.aggregate, kind.statistics)
    return Figure(
        file,
        _title(kind, subject),
        words.words,
        options.formats,
        words.marks,
        width,
        plot,
        score=subject if kind.per == "score" else "",
        env=subject if kind.per == "env" else "",
    )
