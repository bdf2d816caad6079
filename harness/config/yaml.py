"""YAML 1.2 as plain data: maps, lists, text, numbers, true, false and null, and nothing else.

Built from the parser's events one by one, so that nesting and aliases are bounded before they cost
anything, and nothing that a text says is ever called.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from harness.config.tree import Place

DEEPEST = 40  # brackets within brackets; the deepest of our own files has 7
MOST_VALUES = 100_000  # aliases written out
LARGEST = 2**63 - 1  # of whole numbers

# How YAML 1.2 reads what stands there without quotes; anything else is text.
PLAIN: list[tuple[re.Pattern[str], Callable[[str], Any]]] = [
    (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9][0-9_]*"), lambda text: _whole(text, 10)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: _whole(text, 16)),
    (re.compile(r"0o[0-7]+"), lambda text: _whole(text, 8)),
    (
        re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"),
        lambda text: _finite(float(text.replace("_", "")), text),
    ),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), lambda text: _finite(math.inf, text)),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"), lambda text: _date(text)),
]
# Control characters but tab and line ends, and halves of characters: no file name, no terminal and
# no UTF-8 file can hold them.
UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Flaw(NamedTuple):
    """A value that cannot be used, in a text that can be read on."""

    path: Place
    line: int
    message: str
    again: bool = False  # another value stands at its path, and is the one that counts


class Tree(NamedTuple):
    """What a text says. A flawed value reads None there."""

    data: Any
    lines: dict[Place, int]  # of each key and item
    flaws: list[Flaw]


class NotYamlError(ValueError):
    """Nothing can be made of the text from this line on."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class _Unusable(ValueError):
    """Why a value cannot be taken as it is written."""


_OPEN = object()  # stands for an anchored value that is not closed yet


def compose(text: str) -> Tree:
    """Read one document.

    :raises NotYamlError: if the text is no YAML, or more of it than anybody writes by hand.
    """
    return _Composer(text).tree()


class _Composer:
    """The walk over the events; recursive, because nesting is bounded."""

    def __init__(self, text: str) -> None:
        self._events = _events(text)
        self._anchors: dict[str, Any] = {}
        self._values = 0
        self._lines: dict[Place, int] = {}
        self._flaws: list[Flaw] = []

    def tree(self) -> Tree:
        data, documents = None, 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if event.tags or event.version not in (None, (1, 2)):
                    raise NotYamlError(_line(event), "files are YAML 1.2: take out the line with %")
                if documents > 1:
                    message = "a second document begins here: one file holds one"
                    raise NotYamlError(_line(event), message)
            elif isinstance(event, NodeEvent):
                data = self._value(event, ())
        return Tree(data, self._lines, self._flaws)

    def _value(self, event: Any, at: Place) -> Any:
        if isinstance(event, AliasEvent):
            return self._alias(event, at)
        self._count(len(at), event)
        if event.ctag is not None:
            # The value is read all the same, for what stands behind it.
            message = f"tags such as {event.ctag} are not read: write the value alone"
            self._flaws.append(Flaw(at, _line(event), message))
        self._anchors[event.anchor] = _OPEN
        self._anchors[event.anchor] = value = self._written(event, at)
        return value

    def _written(self, event: Any, at: Place) -> Any:
        if isinstance(event, MappingStartEvent):
            return self._map(at)
        if isinstance(event, SequenceStartEvent):
            return self._list(at)
        try:
            return _scalar(event)
        except _Unusable as error:
            self._flaws.append(Flaw(at, _line(event), str(error)))
            return None

    def _map(self, at: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                raise NotYamlError(_line(event), "a key must be text on one line")
            key, here = event.value, (*at, event.value)
            again = key in result
            flaw = _unfit_key(event) or ("duplicate key: drop one" if again else "")
            if flaw:
                self._flaws.append(Flaw(here, _line(event), flaw, again))
            self._lines.setdefault(here, _line(event))
            value = self._value(next(self._events), here)
            result.setdefault(key, None if flaw else value)
        return result

    def _list(self, at: Place) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            here = (*at, len(result))
            self._lines[here] = _line(event)
            result.append(self._value(event, here))
        return result

    def _alias(self, event: Any, at: Place) -> Any:
        if event.anchor not in self._anchors:
            raise NotYamlError(_line(event), f"nothing is called &{event.anchor} above")
        value = self._anchors[event.anchor]
        if value is _OPEN:
            raise NotYamlError(_line(event), f"*{event.anchor} stands within itself")
        self._count_all(value, len(at), event)
        return copy.deepcopy(value)

    def _count_all(self, value: Any, depth: int, event: Any) -> None:
        """Count what an alias writes out."""
        self._count(depth, event)
        inner = value.values() if isinstance(value, dict) else value
        for each in inner if isinstance(value, dict | list) else ():
            self._count_all(each, depth + 1, event)

    def _count(self, depth: int, event: Any) -> None:
        self._values += 1
        if depth > DEEPEST:
            raise NotYamlError(_line(event), f"nested deeper than {DEEPEST} levels")
        if self._values > MOST_VALUES:
            message = f"more than {MOST_VALUES:,} values, aliases written out"
            raise NotYamlError(_line(event), message)


def _events(text: str) -> Iterator[Any]:
    line = 1
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            line = _line(event)
            yield event
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYamlError(line, f"holds the control character {_named(error.character)}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYamlError(mark.line + 1 if mark else line, f"not YAML: {error.problem}") from None
    except (YAMLError, ValueError) as error:  # ruamel.yaml 0.19 leaves "\\U00110000" to chr()
        raise NotYamlError(line, f"not YAML: {error}") from None


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _named(character: Any) -> str:
    return f"U+{character if isinstance(character, int) else ord(character):04X}"


def _unfit_key(event: Any) -> str:
    """Why a key cannot be used; empty: it can."""
    if event.ctag is None and event.implicit[0] and event.value == "<<":
        return "merge keys are not read: write the keys out"
    if unfit := UNFIT.search(event.value):
        return f"the key holds {_named(unfit[0])}, which cannot be printed"
    plain = event.implicit[0] and any(pattern.fullmatch(event.value) for pattern, _ in PLAIN)
    return "keys must be text: put it in quotes" if plain or event.ctag is not None else ""


def _scalar(event: Any) -> Any:
    """:raises _Unusable: if it is no value that a file may hold."""
    text = event.value
    if unfit := UNFIT.search(text):
        raise _Unusable(f"the text holds {_named(unfit[0])}, which cannot be printed")
    for pattern, read in PLAIN if event.implicit[0] else ():
        if pattern.fullmatch(text):
            return read(text)
    return text


def _whole(text: str, base: int) -> int:
    digits = text.replace("_", "")
    value = int(digits, base) if len(digits) <= 100 else LARGEST + 1
    if abs(value) > LARGEST:
        raise _Unusable(f"{text[:20]}{'...' * (len(text) > 20)} is too large: at most {LARGEST}")
    return value


def _finite(value: float, text: str) -> float:
    if not math.isfinite(value):
        raise _Unusable(f"{text} is not a finite number")
    return value


def _date(text: str) -> Any:
    raise _Unusable(f"'{text}' is read as a date: put it in quotes")
