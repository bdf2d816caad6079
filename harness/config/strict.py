"""Strict YAML into typed models, with the line of all that is wrong."""

from __future__ import annotations

import copy
import difflib
import json
import re
import stat
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from harness.config.secret import without_password
from harness.config.tree import Place, dotted, get
from harness.config.yaml import DEEPEST, NotYamlError, compose

M = TypeVar("M", bound=BaseModel)

LARGEST_FILE = 2**16  # bytes, read in about two seconds; our own largest has 6,000
LONGEST = 1_000  # letters of a message
MOST_PROBLEMS = 100  # of one file, told at once
LONGEST_VALUE = 60  # letters of a value that a message quotes


class Problem(NamedTuple):
    """One thing wrong with what the user wrote, and the way out."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [place, self.key, self.message] if self.key else [place, self.message]
        return _one_line(without_password(": ".join(parts)))


class UserError(Exception):
    """What the user wrote cannot be done. Holds every problem found, each once, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, file: Path | str, message: str, key: str = "", line: int | None = None) -> Self:
        """With one problem."""
        return cls([Problem(str(file), line, key, message)])


def suggest(word: str, known: Iterable[str]) -> str:
    """The closing words of an error about an unknown name: " Did you mean 'x'?", or the list."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""


class Document(NamedTuple):
    """A YAML file as plain data, and the line on which each of its keys and items stands."""

    file: str
    data: Any
    lines: dict[Place, int]
    flaws: tuple[Problem, ...] = ()
    flawed: tuple[Place, ...] = ()  # values that are of no use; they read None in `data`

    def line(self, path: Place) -> int | None:
        """The line of `path`, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def problem(self, path: Place, message: str) -> Problem:
        return Problem(self.file, self.line(path), dotted(path), message)


def load(path: Path) -> Document:
    """Read one YAML 1.2 file.

    :raises UserError: if it cannot be read, is no YAML, or is more than anybody writes by hand.
    """
    return _document(_shown(path), _text(path))


def _text(path: Path) -> str:
    """:raises UserError: if it is no file of text that can be read."""
    file = _shown(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            what = "a folder" if path.is_dir() else "no file that ends"
            raise UserError.of(file, f"{what}: give a YAML file")
        with path.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise UserError.of(file, "there is no such file") from None
    except OSError as error:
        raise UserError.of(file, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise UserError.of(file, "no file can have such a name") from None
    if len(content) > LARGEST_FILE:
        message = f"larger than {LARGEST_FILE // 1024} kB, which no such file needs"
        raise UserError.of(file, message)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError.of(file, "not UTF-8: save it as UTF-8", line=line) from None


def _document(file: str, text: str) -> Document:
    """:raises UserError: if the text is no YAML."""
    try:
        tree = compose(text)
    except NotYamlError as error:
        raise UserError.of(file, str(error), line=error.line) from None
    flaws = tuple(Problem(file, f.line, dotted(f.path), f.message) for f in tree.flaws)
    flawed = tuple(flaw.path for flaw in tree.flaws if not flaw.again)
    return Document(file, tree.data, tree.lines, flaws, flawed)


def read(path: Path, model: type[M]) -> M:
    """Read one YAML file into a model.

    :raises UserError: with every unknown key and wrong type at once, each with its line.
    """
    return parse(load(path), model)


def parse(document: Document, model: type[M]) -> M:
    """A document's data as a model; see `read`."""
    value, problems = survey(document, model)
    if value is None or problems:
        raise problems.error()
    return value


class Problems:
    """What is wrong with a document, gathered on a walk through it and told at once.

    Left out is what may come of a value that could not be read.
    """

    def __init__(
        self,
        problem: Callable[[Place, str], Problem],
        known: Iterable[Problem] = (),
        unread: Iterable[Place] = (),
    ) -> None:
        """
        :param problem: makes one of the place where it stands.
        :param known: what is wrong already.
        :param unread: where values stand that could not be read.
        """
        self._problem = problem
        self._problems = list(known)
        self._unread = list(unread)

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, place: Place, message: str) -> None:
        self.take(self._problem(place, message))

    def take(self, problem: Problem) -> None:
        key = f"{problem.key}."
        unread = [f"{dotted(place)}." for place in self._unread]
        if not any(key.startswith(other) or other.startswith(key) for other in unread):
            self._problems.append(problem)

    def leave_out(self, place: Place) -> None:
        """Take no more problems of the value that stands there."""
        self._unread.append(place)

    def lost(self, place: Place) -> bool:
        """Whether the value of a place could not be read."""
        return any(place[: len(unread)] == unread for unread in self._unread)

    def unread(self, *place: str) -> set[str]:
        """The keys that stand at a place and could not be read."""
        return {str(at[len(place)]) for at in self._unread if at[: len(place)] == place != at}

    def twice(self, place: Place, values: Iterable[Any]) -> None:
        """Add each value that stands there more than once."""
        for value, n in Counter(values).items():
            if n > 1:
                self.add(place, f"{value} stands there {n} times: once is enough")

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Take the problems that are raised, and go on."""
        try:
            yield
        except UserError as error:
            for problem in error.problems:
                self.take(problem)

    def error(self) -> UserError:
        return UserError(self._problems)

    def check(self) -> None:
        """:raises UserError: if there is any."""
        if self:
            raise self.error()


def survey(
    document: Document, model: type[M], stand_ins: Mapping[str, Any] | None = None
) -> tuple[M | None, Problems]:
    """What can be read of a document, and all that is wrong with it.

    What is wrong is left out, and then the rest is read again; None: the rest cannot stand alone.

    :param stand_ins: take the place of keys that must be there and are missing or wrong. Without
        them a document with a mistake has no value.
    """
    data = copy.deepcopy(document.data)
    problems = Problems(document.problem, document.flaws, document.flawed)
    if len(problems) > MOST_PROBLEMS:
        return None, problems
    for place in document.flawed:
        _leave_out(data, place, stand_ins or {})
    for _ in range(DEEPEST):  # each round may bring out what was hidden, and takes something out
        value, errors = validate(data, model)
        for place, message in errors:
            problems.add(place, message)
        hopeless = len(problems) >= MOST_PROBLEMS or any(not place for place, _ in errors)
        if value is not None or stand_ins is None or hopeless:
            return value, problems
        for place, _ in errors:
            _leave_out(data, place, stand_ins)
            problems.leave_out(place)
    return None, problems


def _leave_out(data: Any, path: Place, stand_ins: Mapping[str, Any]) -> None:
    """Take out the innermost key on the way to `path` without which the rest may be right."""
    inner, holder, key = data, None, ""
    for part in path:
        if not isinstance(inner, dict):
            break
        if part not in inner and len(path) > 1:  # what must be there is missing: its owner goes
            break
        holder, key = inner, str(part)
        inner = inner.get(key)
    if holder is None:
        return
    holder.pop(key, None)
    if holder is data and key in stand_ins:
        data[key] = copy.deepcopy(stand_ins[key])


def validate(data: Any, model: type[M]) -> tuple[M | None, list[tuple[Place, str]]]:
    """Data as a model, or everything that is wrong with it: (where, what) pairs.

    Strict, as JSON is: an integer may stand for a float, and nothing else is converted.
    """
    if not isinstance(data, dict):
        return None, [((), "expected keys and values here")]
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        details = error.errors(include_url=False)[:MOST_PROBLEMS]
        wrong = [each for detail in details for each in _explain(dict(detail), data, model)]
        return None, _alternatives(wrong)


_KIND = re.compile("input should be (?P<kind>.*), but (?P<given>.*) is given", re.S)


def _alternatives(wrong: Iterable[tuple[Place, str]]) -> list[tuple[Place, str]]:
    """Each problem once; of a value that may be of several kinds and is of none, one for all."""
    kinds: dict[tuple[Place, str], list[str]] = {}
    for where, what in dict.fromkeys(wrong):
        match = _KIND.fullmatch(what)
        of_value = kinds.setdefault((where, match["given"] if match else what), [])
        of_value += [match["kind"]] if match else []
    return [
        (where, f"input should be {' or '.join(each)}, but {text} is given" if each else text)
        for (where, text), each in kinds.items()
    ]


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError, RuntimeError):  # elsewhere; no name of a file; a circle of links
        return str(path)


def _one_line(text: str) -> str:
    """A message as a terminal can show it: what cannot be printed as its escape, and cut if long.

    The way out stands at its end, so what is left out is its middle.
    """
    shown = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
    half = LONGEST // 2
    return shown if len(shown) <= LONGEST else f"{shown[:half]} ... {shown[-half:]}"


def _quoted(value: Any) -> str:
    shown = without_password(repr(value))  # before it is cut in the middle of one
    return shown if len(shown) <= LONGEST_VALUE else f"{shown[: LONGEST_VALUE - 3]}..."


def _explain(
    detail: dict[str, Any], data: Any, model: type[BaseModel]
) -> Iterator[tuple[Place, str]]:
    """One of pydantic's errors as (where, what), in words for someone who wrote YAML.

    An error that knows its own keys, as `baselines.api.Clash` does, is one for each of them.
    """
    path: list[str | int] = []
    for part in detail["loc"]:  # pydantic also names the branch of a union it tried: skip those
        here = get(data, path)
        last = part == detail["loc"][-1]
        absent = last and detail["type"] in ("missing", "extra_forbidden")
        item = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if absent or item or (isinstance(here, dict) and part in here):
            path.append(part)
    where = tuple(path)
    misfits = getattr(detail.get("ctx", {}).get("error"), "misfits", ())
    if misfits:
        yield from (((*where, *key.split(".")), why) for key, why in misfits)
    elif detail["type"] == "extra_forbidden":
        known = _fields(model, where[:-1])
        yield where, f"unknown key '{where[-1]}'.{suggest(str(where[-1]), known)}"
    elif detail["type"] == "missing":
        yield where, "this key is required"
    else:
        message = str(detail["msg"]).removeprefix("Value error, ")
        yield where, f"{message[:1].lower()}{message[1:]}, but {_quoted(get(data, path))} is given"


def _fields(model: Any, path: Place) -> set[str]:
    """The keys that may stand at `path` of a document that is read as `model`."""
    candidates = [model]
    for part in path:
        candidates = [inner for kind in candidates for inner in _inside(kind, part)]
    return {name for kind in candidates for name in _keys(kind)}


def _keys(kind: Any) -> dict[str, Any]:
    """The keys of a model as a file has them, and of which type the value of each is."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def _inside(kind: Any, part: str | int) -> list[Any]:
    """The types that the value under `part` of a value of type `kind` may have."""
    if get_origin(kind) in (dict, list, tuple):
        return _branches(get_args(kind)[1 if get_origin(kind) is dict else 0])
    return _branches(_keys(kind).get(str(part)))


def _branches(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return [inner for branch in get_args(kind) for inner in _branches(branch)]
    return [kind]
