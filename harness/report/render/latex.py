"""Text as LaTeX: whatever an arm is called, the page compiles and shows it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from harness.report.document import Span, Table, written

_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}",
    "'": "'{}", '"': r"\textquotedbl{}", "…": r"\dots{}", "–": "--", "—": "---",  # noqa: RUF001
    "±": r"$\pm$", "×": r"$\times$", "→": r"$\rightarrow$", "≥": r"$\geq$", "≤": r"$\leq$",  # noqa: RUF001
    "−": "$-$", "·": r"$\cdot$", "∞": r"$\infty$", "α": r"$\alpha$", "β": r"$\beta$",  # noqa: RUF001
    "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\epsilon$", "η": r"$\eta$", "κ": r"$\kappa$",  # noqa: RUF001
    "λ": r"$\lambda$", "μ": r"$\mu$", "π": r"$\pi$", "ρ": r"$\rho$", "σ": r"$\sigma$",  # noqa: RUF001
    "†": r"$\dagger$", "τ": r"$\tau$", "φ": r"$\phi$", "ω": r"$\omega$",
}  # fmt: skip
_LATIN = range(0xA0, 0x100)  # pdfLaTeX has these letters in its T1 fonts


def escape(text: str) -> str:
    """A line of text, in which nothing is a command.

    Signs that pdfLaTeX has no letter for become the closest plain ones, or their code point.
    """
    escaped = text.translate(_LETTERS)
    escaped = (
        re.sub(r"-(?=-)", "-{}", escaped) if "--" in text else escaped
    )  # no dashes by ligature
    return re.sub(r"(?<![\w$}-])-(?=\d)", "$-$", escaped)  # a minus, not a hyphen


def _sign(letter: str) -> str:
    if letter in _SIGNS:
        return _SIGNS[letter]
    if letter.isspace():
        return " "
    if unicodedata.category(letter) in ("Cc", "Cf"):
        return ""
    if letter.isascii() or ord(letter) in _LATIN:
        return letter
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return "".join(_SIGNS.get(each, each) for each in plain) or f"(U+{ord(letter):04X})"


class _Letters(dict[int, str]):
    """What becomes of each letter, by its number: filled as they come."""

    def __missing__(self, number: int) -> str:
        self[number] = _sign(chr(number))
        return self[number]


_LETTERS = _Letters()
_LONG = 12  # letters without a space, after which a line may break


def breakable(text: str) -> str:
    """Escaped; names of many parts and long hashes may go on in the next line."""
    words = []
    for word in re.split(r"(\s+)", text):
        parts = re.split(r"(?<=[/._:,=-])(?=\w)", word) if len(word) > _LONG else [word]
        pieces = [each for part in parts for each in _cut(part)]
        found = r"\allowbreak{}".join(map(escape, pieces))
        words.append(found.replace(")(U+", r")\allowbreak{}(U+"))
    return "".join(words)


def _cut(part: str) -> list[str]:
    """Hashes into pieces, names like MountainCar into their words."""
    if len(part) <= _LONG:
        return [part]
    if re.fullmatch("[0-9a-f]+", part):
        return [part[i : i + _LONG] for i in range(0, len(part), _LONG)]
    return re.split(r"(?<=[a-z])(?=[A-Z])", part)


def code(text: str) -> str:
    """A path or a name, in typewriter letters."""
    return rf"\texttt{{{breakable(text)}}}"


_POWER = re.compile(r"(\b\d(?:\.\d+)?e-\d+\b)")  # 1.1e-05


def words(text: str) -> str:
    """A sentence of a document, marks and all."""
    return written(text, _WRITERS)


def _plain(span: Span) -> str:
    return "".join(_power(part) for part in _POWER.split(span.text))


def _power(part: str) -> str:
    if not _POWER.fullmatch(part):
        return breakable(part)
    digits, exponent = part.split("e")
    return rf"${digits}\times 10^{{{int(exponent)}}}$"


_WRITERS = {
    "text": _plain,
    "code": lambda span: code(span.text),
    "bold": lambda span: rf"\textbf{{{words(span.text)}}}",
    "link": lambda span: code(span.target),
    "cite": lambda span: rf"~\citep{{{span.text}}}",
}


# Templates ---------------------------------------------------------------------------------------


class Tex(str):
    """What is LaTeX already."""


def template(name: str) -> Template:
    """In which `<< value >>` is escaped as a sentence of the document, unless it is `Tex`."""
    return _templates().get_template(name)


@cache
def _templates() -> Environment:
    """Compiled once for all reports of a process."""
    sources = Environment(
        loader=PackageLoader("harness.report.render", "template"),
        block_start_string="<%", block_end_string="%>",
        variable_start_string="<<", variable_end_string=">>",
        comment_start_string="<#", comment_end_string="#>",
        line_statement_prefix="%%",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=lambda value: value if isinstance(value, Tex) else words(str(value)),
        autoescape=False,
    )  # fmt: skip
    sources.filters |= {"tex": Tex, "label": label}
    sources.globals |= {"code": lambda text: Tex(code(text))}
    return sources


def label(name: str) -> Tex:
    """Arms and environments may be called anything, labels may not."""
    return Tex("ref:" + re.sub(r"[^A-Za-z0-9]+", "-", name))


# Tables ------------------------------------------------------------------------------------------


def tabular(of: Table, in_two: bool = False) -> str:
    """With the rules of booktabs.

    :param in_two: long names above columns stand in two lines.
    """
    head = [_stack(stacked(name) if in_two else name) for name in of.head]
    return template("tabular.tex").render(
        columns=Tex("".join("lr"[right] for right in of.right)),
        head=Tex(row(head)),
        rows=[Tex(row([escape(cell) for cell in cells])) for cells in of.rows],
    )


def longtable(of: Table, title: str, widths: Sequence[float]) -> str:
    """The same over pages, with lines that break. Its title is a part of it, and stays with it.

    :param widths: of the columns, as parts of a line's width.
    """
    sides = (r"\raggedleft" if right else r"\raggedright" for right in of.right)
    columns = (
        rf">{{{side}\arraybackslash}}p{{\dimexpr{width:g}\linewidth-2\tabcolsep}}"
        for side, width in zip(sides, widths, strict=True)
    )
    head, *rows = (Tex(row([breakable(x) for x in cells])) for cells in (of.head, *of.rows))
    return template("longtable.tex").render(
        columns=Tex("".join(columns)), count=len(widths), title=title, head=head, rows=rows
    )


_LONG_HEAD = 12  # letters
_NEXT_LINE = r"\\{}"  # what stands in it is never taken for its argument


def stacked(name: str) -> str:
    """A long name in two lines, at the hyphen or space that is nearest to its middle."""
    cuts = [i + 1 for i, letter in enumerate(name[:-1]) if letter in "- "]
    if len(name) <= _LONG_HEAD or not cuts:
        return name
    at = min(cuts, key=lambda place: abs(place - len(name) / 2))
    return f"{name[:at].rstrip()}\n{name[at:]}"


def _stack(name: str) -> str:
    lines = [escape(line) for line in name.split("\n")]
    return lines[0] if len(lines) == 1 else rf"\shortstack[r]{{{_NEXT_LINE.join(lines)}}}"


def row(cells: list[str]) -> str:
    r"""One row of a tabular. After `\\`, a `[` or `*` would be its argument: `{}` goes before."""
    first = "{}" if cells and cells[0][:1] in ("[", "*") else ""
    return first + " & ".join(cells) + r" \\"
