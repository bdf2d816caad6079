"""What a page says, whatever its markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Reader(HTMLParser):
    """What a reader sees of a page, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.data = ""
        self._skip = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        self.links += [facts["href"]] if tag == "a" else []
        self.sources += [facts[name] for name in ("src", "srcset") if name in facts]
        self.ids += [facts["id"]] if "id" in facts else []
        if tag in ("script", "style"):
            self._skip = facts.get("id", tag)

    def handle_endtag(self, tag):
        self._skip = "" if tag in ("script", "style") else self._skip

    def handle_data(self, data):
        if self._skip == "data":
            self.data += data
        elif not self._skip:
            self.words.append(data)

    @property
    def text(self) -> str:
        return flat(" ".join(self.words))


def flat(text: str) -> str:
    """Without spaces: those around an inline element mean nothing."""
    return re.sub(r"\s+", "", text)
