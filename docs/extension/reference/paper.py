"""The papers behind what ships, from configs/citations.bib."""

from __future__ import annotations

import re
import unicodedata

from extension.reference.markdown import prose
from harness.report.citation import keys, works

_ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303"}


def papers(*topics: str) -> list[str]:
    """What is cited for `agent:ppo`, `bonus:rnd` and the like, a line of Markdown each."""
    wanted = keys(*topics)
    return [_line(work.bibtex) for work in works() if work.key in wanted]


def _line(bibtex: str) -> str:
    authors = [name.partition(",")[0] for name in _field(bibtex, "author").split(" and ")]
    whose = {1: authors[0], 2: " and ".join(authors)}.get(len(authors), f"{authors[0]} et al.")
    where = _field(bibtex, "journal") or _field(bibtex, "booktitle") or _field(bibtex, "publisher")
    place = f" {where}." if where else ""
    line = f"{whose} ({_field(bibtex, 'year')}): {_field(bibtex, 'title')}.{place}"
    return re.sub(
        r"arXiv preprint arXiv:([\d.]+\d)", r"[arXiv:\1](https://arxiv.org/abs/\1)", prose(line)
    )


def _field(bibtex: str, name: str) -> str:
    found = re.search(rf"^  {name} = \{{(.*?)\}},?$", bibtex, flags=re.M | re.S)
    text = found[1] if found else ""
    text = re.sub(r"\{?\\(['`\"^~])\{?(\w)\}?\}?", lambda m: m[2] + _ACCENTS[m[1]], text)
    text = re.sub(r"[{}]|\\(?=&)", "", text).replace("--", "\u2013")
    return unicodedata.normalize("NFC", " ".join(text.split()))
