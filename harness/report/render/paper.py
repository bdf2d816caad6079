"""paper/: a LaTeX document around the figures and tables, ready to be taken over and rewritten."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from harness.report import citation
from harness.report.document import Document, Figure, Table, Text
from harness.report.evidence import Evidence
from harness.report.render import style
from harness.report.render.latex import longtable, stacked, tabular, template
from harness.report.results import caption, methods
from harness.report.results.figures import FIGURES_SECTION

_CHECKLIST = Text(
    f"The questions, in our words, are those of{citation.cite('method:checklist')} and of the "
    "paper checklist of NeurIPS (2025). Files are those of the report; what begins with `runs/` "
    "lies in the results folder."
)
# The venue's own class belongs in its place; text width, columns and letters are already its.
_FONTS = {"jmlr": ("11pt", "lmodern")}
_USUAL = ("10pt", "mathptmx")
# For the appendix, with the widths of their columns: caption where the report has none.
_SETTINGS: dict[str, tuple[str, tuple[float, ...]]] = {
    "hyperparameters": ("Every hyper-parameter of every arm", (0.36, 0.26, 0.38)),
    "table_modes": ("", (0.2, 0.12, 0.12, 0.18, 0.18, 0.2)),
    "table_references": ("", (0.22, 0.08, 0.09, 0.07, 0.16, 0.12, 0.07, 0.19)),
    "environments": ("The environments", (0.25, 0.29, 0.18, 0.12, 0.16)),
    "anchors": ("What 0 and 1 are on the normalised axis", (0.2, 0.15, 0.16, 0.1, 0.12, 0.27)),
    "versions": ("Versions and machine of the first finished run", (0.28, 0.72)),
}


def write(evidence: Evidence, of: Document, questions: Document, report: Path, venue: str) -> None:
    """Write paper/ into a report whose figures are saved.

    :param questions: the checklist.
    """
    folder, look = report / "paper", style.VENUES[venue]
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True)
    figures = list(of.every(Figure))
    for figure in figures:
        take = shutil.copyfile if "pdf" in figure.formats else shutil.move
        take(report / f"{figure.file}.pdf", folder / "figures" / f"{figure.file}.pdf")
    known = {table.name: table for table in of.every(Table)}
    results = [*_grids(evidence, known), replace(known["runs"], about="")]
    for table in results:
        grid = tabular(narrow(table), in_two=table.listed is not None)
        _save(folder / "tables" / table.name, grid)
    settings = [known[name] for name in _SETTINGS if name in known and known[name].rows]
    for table in settings:
        title, widths = _SETTINGS[table.name]
        _save(folder / "tables" / table.name, longtable(table, title or table.title, widths))
    letters, font = _FONTS.get(venue, _USUAL)
    main = template("main.tex").render(
        question=of.question.strip(),
        letters=letters, font=font, width=f"{look.text:g}", columns=look.columns,
        column=look.column, wide="*" if look.columns > 1 else "",
        before=takewhile(lambda section: section.title != FIGURES_SECTION, of.sections),
        tables=results, figures=figures, settings=settings,
    )  # fmt: skip
    blocks, paragraphs = template("section.tex"), methods.paragraphs(evidence)
    _save(folder / "main", main)
    _save(folder / "methods", blocks.render(blocks=paragraphs))
    _save(folder / "checklist", blocks.render(blocks=(_CHECKLIST, *questions.sections[1:])))
    cited = citation.bibliography(each.words for each in (*paragraphs, _CHECKLIST))
    (folder / "references.bib").write_text(cited, encoding="utf-8")


def _grids(evidence: Evidence, known: dict[str, Table]) -> list[Table]:
    """The scores of every arm."""
    marks = caption.brackets(evidence).replace("`", "")
    better = dict.fromkeys(evidence.sweep.report.scores, "; higher is better")
    return [
        replace(
            known[caption.table_name(evidence, score)],
            about=f"IQM over {caption.seeds(evidence)}{better.get(score, '')}. {marks}",
        )
        for score in (*better, *evidence.measured)
    ]


def _save(path: Path, content: str) -> None:
    path.with_name(f"{path.name}.tex").write_text(content, encoding="utf-8")


def narrow(table: Table) -> Table:
    """A grid, or the same on its side where that takes less room across."""

    def width(of: Table) -> int:
        columns = zip(map(stacked, of.head), *of.rows, strict=True)
        return sum(max(len(line) for cell in c for line in cell.split("\n")) for c in columns)

    first, *rest = zip(table.head, *table.rows, strict=True)
    turned = replace(table, head=("", *first[1:]), rows=tuple(tuple(column) for column in rest))
    return turned if width(turned) < width(table) else table
