"""Text as LaTeX: whatever an arm is called, the page compiles and shows it."""

from __future__ import annotations

import re
import unicodedata

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
    escaped = "".join(_sign(letter) for letter in text)
    escaped = (
        re.sub(r"-(?=-)", "-{}", escaped) if "--" in text else escaped
    )  # no dashes by ligature
    return re.sub(r"(?<![\w$}])-(?=\d)", "$-$", escaped)  # a minus, not a hyphen


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


_POWER = re.compile(r"\b\d(?:\.\d+)?e-\d+\b")  # 1.1e-05


def text(markdown: str) -> str:
    """A sentence of the report: `code` and **bold** as in Markdown, all else escaped."""
    found = []
    for part in re.split(rf"(`[^`]+`|\*\*.+?\*\*|{_POWER.pattern})", markdown):
        if part.startswith("`") and part.endswith("`") and len(part) > 2:
            found.append(code(part[1:-1]))
        elif part.startswith("**") and part.endswith("**") and len(part) > 4:
            found.append(r"\textbf{" + text(part[2:-2]) + "}")
        elif _POWER.fullmatch(part):
            digits, exponent = part.split("e")
            found.append(rf"${digits}\times 10^{{{int(exponent)}}}$")
        else:
            found.append(breakable(part))
    return "".join(found)


def row(cells: list[str]) -> str:
    r"""One row of a tabular. After `\\`, a `[` or `*` would be its argument: `{}` goes before."""
    first = "{}" if cells and cells[0][:1] in ("[", "*") else ""
    return first + " & ".join(cells) + r" \\"
