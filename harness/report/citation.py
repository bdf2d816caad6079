"""What a report cites: the entries of configs/citations.bib, found by what they are cited for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from harness.config.shipped import shipped
from harness.report.document import spans


class Work(NamedTuple):
    """One entry of the .bib file."""

    key: str
    topics: tuple[str, ...]  # "agent:ppo", "package:torch", "env:minigrid", "method:iqm"
    bibtex: str  # without the topics, which are ours


@cache
def works() -> tuple[Work, ...]:
    text = (shipped("configs") / "citations.bib").read_text(encoding="utf-8")
    found = []
    for entry in re.findall(r"^@\w+\{.*?^\}", text, flags=re.M | re.S):
        key = entry[entry.index("{") + 1 : entry.index(",")]
        topics = re.search(r",\n  keywords = \{(.*?)\}", entry, flags=re.S)
        names = tuple(name.strip() for name in topics[1].split(",")) if topics else ()
        found.append(Work(key, names, entry.replace(topics[0], "") if topics else entry))
    return tuple(found)


def keys(*topics: str) -> list[str]:
    """The works that are cited for any of these; an environment is found by what it begins with.

    What no work is about as a whole, such as agent:ppo_rnd, cites agent:ppo and bonus:rnd.
    """
    wanted = [part for topic in topics for part in _parts(topic)]
    return [work.key for work in works() if any(_about(work, topic) for topic in wanted)]


def _parts(topic: str) -> list[str]:
    kind, _, name = topic.partition(":")
    if kind != "agent" or any(topic in work.topics for work in works()):
        return [topic]
    words = name.split("_")
    learners = [f"agent:{'_'.join(words[:i])}" for i in range(1, len(words))]
    return learners + [f"bonus:{'_'.join(words[i:])}" for i in range(1, len(words))]


def _about(work: Work, topic: str) -> bool:
    if topic.startswith("env:"):
        return any(topic.startswith(name) for name in work.topics if name.startswith("env:"))
    return topic in work.topics


def cite(*topics: str) -> str:
    """A mark for words of a document, or nothing where nothing is known to be cited."""
    found = keys(*topics)
    return f"[@{','.join(found)}]" if found else ""


def bibliography(words: Iterable[str]) -> str:
    """references.bib, with what these words cite alone."""
    marks = (span for each in words for span in spans(each) if span.kind == "cite")
    wanted = {key for mark in marks for key in mark.text.split(",")}
    return "\n\n".join(work.bibtex for work in works() if work.key in wanted) + "\n"
