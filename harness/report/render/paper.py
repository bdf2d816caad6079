"""paper/: a LaTeX document around the figures and tables, ready to be taken over and rewritten."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.report import citation
from harness.report.document import Document, Figure, Section, Table, Text
from harness.report.render import style
from harness.report.render.latex import longtable, stacked, tabular, template

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


@dataclass(frozen=True)
class Parts:
    """What the paper has beside the figures and settings of its report."""

    before: Sequence[Section]  # what it begins with
    methods: Sequence[Text]
    tables: Sequence[Table]  # of results, each with the end of its caption
    checklist: Document


def write(of: Document, parts: Parts, report: Path, venue: str) -> None:
    """Write paper/ into a report whose figures are saved."""
    folder, look = report / "paper", style.VENUES[venue]
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    figures = list(of.every(Figure))
    for figure in figures:
        if "pdf" in figure.formats:  # the others are there already
            file = f"{figure.file}.pdf"
            shutil.copyfile(report / file, folder / "figures" / file)
    for table in parts.tables:
        _save(
            folder / "tables" / table.name, tabular(narrow(table), in_two=table.listed is not None)
        )
    known = {table.name: table for table in of.every(Table)}
    settings = [known[name] for name in _SETTINGS if name in known and known[name].rows]
    for table in settings:
        title, widths = _SETTINGS[table.name]
        _save(folder / "tables" / table.name, longtable(table, title or table.title, widths))
    letters, font = _FONTS.get(venue, _USUAL)
    main = template("main.tex").render(
        question=of.question.strip(),
        letters=letters, font=font, width=f"{look.text:g}", columns=look.columns,
        column=look.column, wide="*" if look.columns > 1 else "",
        before=parts.before, tables=parts.tables, figures=figures, settings=settings,
    )  # fmt: skip
    blocks = template("section.tex")
    _save(folder / "main", main)
    _save(folder / "methods", blocks.render(blocks=parts.methods))
    _save(folder / "checklist", blocks.render(blocks=(_CHECKLIST, *parts.checklist.sections[1:])))
    words = [each.words for each in (*parts.methods, _CHECKLIST)]
    (folder / "references.bib").write_text(citation.bibliography(words), encoding="utf-8")


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
