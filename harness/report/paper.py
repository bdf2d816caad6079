"""paper/: a LaTeX document around the figures and tables, ready to be taken over and rewritten."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from harness.report import (
    captions,
    citation,
    claims,
    gaps,
    methods,
    modes,
    protocol,
    reference,
    stamp,
    style,
    tables,
)
from harness.report.checklist import Entry, in_store
from harness.report.evidence import Evidence, warnings
from harness.report.latex import code, escape, text
from harness.report.questions import SOURCES
from harness.report.tables import Table

_FIT = r"""% Shrinks what is wider than the line, and nothing else.
\newsavebox{\fitbox}
\newcommand{\fit}[1]{\sbox{\fitbox}{#1}%
  \ifdim\wd\fitbox>\linewidth\resizebox{\linewidth}{!}{\usebox{\fitbox}}\else\usebox{\fitbox}\fi}"""
_FLOATS = r"""% Figures fill their pages.
\renewcommand{\topfraction}{0.95}\renewcommand{\textfraction}{0.05}
\renewcommand{\dbltopfraction}{0.95}
\renewcommand{\floatpagefraction}{0.8}\renewcommand{\dblfloatpagefraction}{0.8}
\setcounter{topnumber}{9}\setcounter{dbltopnumber}{9}\setcounter{totalnumber}{9}"""
_TIMELESS = r"""% The same sources, the same bytes.
\ifdefined\pdfinfoomitdate\pdfinfoomitdate=1\pdftrailerid{}\pdfsuppressptexinfo=-1\fi"""
_NOTE = (
    "% Written by `harness report`, which writes it anew: copy the folder before you change it.\n"
    "% latexmk -pdf main.tex\n"
)


@dataclass(frozen=True)
class Drawn:
    """A figure that was saved, and what is said of it."""

    file: str  # without its suffix
    title: str
    caption: str
    width: float  # inches


# The venue's own class belongs in its place; text width, columns and letters are already its.
_TIMES = r"\usepackage{mathptmx}"
_CLASSES = {
    "plain": (r"\documentclass[10pt]{article}", _TIMES),
    "neurips": (r"\documentclass[10pt]{article}", _TIMES),
    "icml": (r"\documentclass[10pt,twocolumn]{article}", _TIMES),
    "iclr": (r"\documentclass[10pt]{article}", _TIMES),
    "jmlr": (r"\documentclass[11pt]{article}", r"\usepackage{lmodern}"),
}


def keep(figure: Figure, report: Path, file: str) -> None:
    """The PDF of a figure whose other formats alone belong into the report."""
    folder = report / "paper" / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    style.save(figure, folder / file, ("pdf",))


def write(
    evidence: Evidence, report: Path, venue: str, drawn: list[Drawn], entries: list[Entry]
) -> None:
    """Write paper/ into a report whose figures are saved."""
    folder = report / "paper"
    for name in ("figures", "tables"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for one in drawn:
        if (report / f"{one.file}.pdf").exists():
            shutil.copyfile(report / f"{one.file}.pdf", folder / "figures" / f"{one.file}.pdf")
    paragraphs = "\n\n".join(methods.paragraphs(evidence)) + "\n"
    found = _tables(evidence, style.VENUES[venue], folder / "tables")
    make = _slides if venue == "slides" else _article
    pages = {
        "methods.tex": _NOTE + paragraphs,
        "checklist.tex": _NOTE + _checklist(entries),
        "main.tex": _NOTE + make(evidence, venue, drawn, found),
    }
    cited = re.findall(r"\\citep\{(.*?)\}", "".join(pages.values()))
    pages["references.bib"] = citation.bibliography(
        key for keys in cited for key in keys.split(",")
    )
    for name, content in pages.items():
        (folder / name).write_text(content, encoding="utf-8")


# Tables ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shown:
    """A table of the paper."""

    name: str
    caption: str
    breaks: bool = False  # over pages, for the appendix


_PARTS: dict[str, tuple[str, tuple[float, ...]]] = {
    "hyperparameters": ("Every hyper-parameter of every arm", (0.36, 0.26, 0.38)),
    "modes": (
        f"{modes.TITLE}, where the two differ by more than their error",
        (0.2, 0.12, 0.12, 0.18, 0.18, 0.2),
    ),
    "references": (
        "Beside public numbers",
        (0.22, 0.08, 0.09, 0.07, 0.16, 0.12, 0.07, 0.19),
    ),
    "environments": ("The environments", (0.25, 0.29, 0.18, 0.12, 0.16)),
    "anchors": ("What 0 and 1 are on the normalised axis", (0.2, 0.15, 0.16, 0.1, 0.12, 0.27)),
    "versions": ("Versions and machine of the first finished run", (0.28, 0.72)),
}


def _tables(evidence: Evidence, venue: style.Venue, folder: Path) -> list[_Shown]:
    shown = []
    for score in evidence.sweep.report.scores:
        grid = tables.score_grid(evidence, evidence.estimates[score])
        (folder / f"{score}.tex").write_text(narrow(grid).latex(stacked=True), encoding="utf-8")
        head = captions.describe_score(evidence, score)
        shown.append(_Shown(score, f"{head[:1].upper()}{head[1:]}. {_brackets(evidence)}"))
    (folder / "runs.tex").write_text(narrow(tables.runs(evidence)).latex(), encoding="utf-8")
    shown.append(_Shown("runs", "What became of the runs, and what they cost."))
    beside = reference.compare(evidence)
    made = {
        "hyperparameters": protocol.settings(evidence),
        "modes": modes.table(evidence),
        "references": reference.table(beside, evidence) if beside else None,
        "environments": protocol.environments(evidence),
        "anchors": protocol.anchors(evidence) if evidence.sweep.anchors else None,
        "versions": protocol.versions(evidence),
    }
    for name, table in made.items():
        if table is not None and table.rows:
            caption, widths = _PARTS[name]
            (folder / f"{name}.tex").write_text(table.longtable(caption, widths), encoding="utf-8")
            shown.append(_Shown(name, caption, breaks=True))
    return shown


def _brackets(evidence: Evidence) -> str:
    what = captions.brackets(evidence).replace("`", "")
    return f"IQM over {captions.seeds(evidence)}; higher is better. {what}"


def narrow(table: Table) -> Table:
    """A grid, or the same on its side where that takes less room across."""

    def width(of: Table) -> int:
        columns = zip(map(tables.stacked, of.head), *of.rows, strict=True)
        return sum(max(len(line) for cell in c for line in cell.split("\n")) for c in columns)

    first, *rest = zip(table.head, *table.rows, strict=True)
    turned = Table(("", *first[1:]), tuple(tuple(column) for column in rest))
    return turned if width(turned) < width(table) else table


# The document ------------------------------------------------------------------------------------


def _article(evidence: Evidence, venue: str, drawn: list[Drawn], found: list[_Shown]) -> str:
    look, missing = style.VENUES[venue], _gaps(evidence)
    wide = "*" if look.columns > 1 else ""
    parts = [
        *_preamble(evidence, venue, look),
        r"\begin{document}",
        r"\maketitle",
        r"\section{Answer}",
        *_answer(evidence),
        *([rf"\section{{{gaps.SECTION}}}", *missing] if missing else []),
        r"\section{Method}",
        r"\input{methods}",
        r"\section{Results}",
        _guide(drawn, found),
        *(
            _float(f"table{wide}", one.name, _placed(one), one.caption)
            for one in found
            if not one.breaks
        ),
    ]
    for one in drawn:
        star = wide if one.width > look.column + 0.01 else ""
        picture = rf"\fit{{\includegraphics{{figures/{one.file}.pdf}}}}"  # at its own size
        parts.append(_float(f"figure{star}", one.file, picture, one.caption, one.title))
    parts += [
        r"\clearpage",
        r"\bibliographystyle{plainnat}",
        r"\bibliography{references}",
        r"\clearpage",
        r"\appendix",
        *([r"\onecolumn"] if look.columns > 1 else []),
        r"\section{Settings}",
    ]
    for shown in found:
        if shown.breaks:
            parts.append(rf"{{\footnotesize\input{{tables/{shown.name}}}}}")
            if shown.name == "references":
                beside = reference.compare(evidence)
                about = [reference.about(beside), *reference.sources(beside)]
                parts.append(text(" ".join(about)))
    parts += [r"\section{Checklist}", r"\input{checklist}", r"\end{document}"]
    return "\n\n".join(parts) + "\n"


def _preamble(evidence: Evidence, venue: str, look: style.Venue) -> list[str]:
    head, letters = _CLASSES[venue]
    columns = ",columnsep=0.25in" if look.columns > 1 else ""
    return [
        head,
        "\n".join(
            [
                _TIMELESS,
                rf"\usepackage[letterpaper,textwidth={look.text:g}in,textheight=9in{columns}]"
                "{geometry}",
                r"\usepackage[utf8]{inputenc}",
                r"\usepackage[T1]{fontenc}",
                letters,
                r"\usepackage{graphicx,booktabs,longtable,array,natbib}",
                r"\usepackage[hidelinks]{hyperref}",
                r"\setlength{\emergencystretch}{3em}",
                r"\setlength{\belowcaptionskip}{4pt}",
                _FLOATS,
                _FIT,
            ]
        ),
        _title(evidence),
    ]


def _title(evidence: Evidence) -> str:
    title = escape(evidence.sweep.question.strip())
    return "\n".join([rf"\title{{{title}}}", r"\author{Author names}", r"\date{}"])


def _placed(one: _Shown) -> str:
    return rf"\footnotesize\setlength{{\tabcolsep}}{{4pt}}\fit{{\input{{tables/{one.name}}}}}"


def _guide(drawn: list[Drawn], found: list[_Shown]) -> str:
    """Where to look for what."""
    named = [rf"{text(_small(one.title))} (Figure~\ref{{{_label(one.file)}}})" for one in drawn]
    rest = [one.name for one in found if not one.breaks]
    refs = ", ".join(rf"\ref{{{_label(name)}}}" for name in rest)
    shown = f" The figures show: {'; '.join(named)}." if named else ""
    return f"Tables {refs} hold the scores of every arm, and what became of the runs.{shown}"


def _small(title: str) -> str:
    return title[:1].lower() + title[1:]


def _label(name: str) -> str:
    """Arms and environments may be called anything, labels may not."""
    return "ref:" + re.sub(r"[^A-Za-z0-9]+", "-", name)


def _float(kind: str, name: str, content: str, caption: str, title: str = "") -> str:
    head = rf"\textbf{{{escape(title)}.}} " if title else ""
    above = rf"\caption{{{head}{text(caption)}}}\label{{{_label(name)}}}"
    lines = [rf"\begin{{{kind}}}[tbp]", r"\centering"]
    lines += [above, content] if kind.startswith("table") else [content, above]
    return "\n".join([*lines, rf"\end{{{kind}}}"])


def _answer(evidence: Evidence) -> Iterable[str]:
    verdicts = evidence.verdicts()
    items = [stamp.sentence(evidence, verdict) for verdict in verdicts]
    if items:
        yield _itemize(items)
        yield from map(text, claims.notes(verdicts))
    else:
        yield "The sweep declares no claim; the tables and figures describe its runs."
    said = list(warnings(evidence))
    if said:
        yield r"\medskip\noindent\textbf{Warnings.} " + " ".join(map(text, said))


def _gaps(evidence: Evidence) -> list[str]:
    """Failed and missing runs, if there are any: paragraphs, and a list of reasons."""
    found = gaps.lines(evidence)
    reasons = [line.removeprefix("- ") for line in found if line.startswith("- ")]
    words = [text(line) for line in found if not line.startswith("- ")]
    return [*words, _itemize(reasons)] if reasons else words


def _itemize(items: Iterable[str]) -> str:
    return "\n".join(
        [r"\begin{itemize}", *(rf"\item {text(item)}" for item in items), r"\end{itemize}"]
    )


def _checklist(entries: list[Entry]) -> str:
    lines = [
        f"The questions, in our words, are those of {citation.cite('method:checklist').strip('~')} "
        "and of the paper checklist of NeurIPS (2025). Files are those of the report; what begins "
        r"with \texttt{runs/} lies in the results folder."
    ]
    for source, title in SOURCES.items():
        mine = [entry for entry in entries if entry.question.source == source]
        lines.append(rf"\subsection*{{{escape(title)}}}")
        lines.append(r"\begin{enumerate}")
        for entry in mine:
            pointers = [code(p) for p in entry.found.pointers if not in_store(p)]
            pointers += [code(p) for p in entry.found.pointers if in_store(p)]
            where = f" See {', '.join(pointers)}." if pointers else ""
            lines.append(
                rf"\item {escape(entry.question.ask)} \textbf{{{escape(entry.answer)}.}} "
                f"{text(entry.why)}{where}"
            )
        lines.append(r"\end{enumerate}")
    return "\n".join(lines) + "\n"


# Slides ------------------------------------------------------------------------------------------


def _slides(evidence: Evidence, venue: str, drawn: list[Drawn], found: list[_Shown]) -> str:
    def frame(title: str, *content: str, options: str = "") -> str:
        body = "\n".join(content)
        return rf"\begin{{frame}}{options}{{{escape(title)}}}" f"\n{body}\n" r"\end{frame}"

    breaks, missing = "[allowframebreaks]", _gaps(evidence)
    parts = [
        r"\documentclass[aspectratio=169]{beamer}",
        "\n".join(
            [
                _TIMELESS,
                r"\usepackage[utf8]{inputenc}",
                r"\usepackage[T1]{fontenc}",
                r"\usepackage{lmodern}",
                r"\usepackage{graphicx,booktabs,natbib}",
                r"\setbeamertemplate{navigation symbols}{}",
                r"\setbeamertemplate{bibliography item}{}",
                _FIT,
            ]
        ),
        _title(evidence),
        r"\begin{document}",
        r"\begin{frame}\titlepage\end{frame}",
        frame("Answer", r"\small", "\n\n".join(_answer(evidence)), options=breaks),
        *([frame(gaps.SECTION, r"\small", "\n\n".join(missing))] if missing else []),
    ]
    for one in drawn:
        picture = (
            r"\includegraphics[width=\linewidth,height=0.72\textheight,keepaspectratio]"
            rf"{{figures/{one.file}.pdf}}"
        )
        first = re.split(r"(?<=[a-z)]\.) (?=[A-Z])", one.caption)[0]
        parts.append(
            frame(one.title, r"\centering", picture, "", rf"{{\scriptsize {text(first)}\par}}")
        )
    for shown in found:
        if not shown.breaks:
            title = shown.caption.split(". ")[0].rstrip(".")
            table = rf"\footnotesize\fit{{\input{{tables/{shown.name}}}}}"
            parts.append(frame(title, r"\centering", table))
    parts += [
        frame("Method", r"\footnotesize", r"\input{methods}", options=breaks),
        frame(
            "References", r"\footnotesize", r"\bibliographystyle{plainnat}",
            r"\bibliography{references}", options=breaks,
        ),
        r"\end{document}",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"
