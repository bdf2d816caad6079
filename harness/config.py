"""Strict YAML into typed models, with the line of all that is wrong; and the shipped files."""

from __future__ import annotations

import difflib
import json
import math
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)
Path_ = tuple[str | int, ...]  # where a value stands in a document: ("arms", "rnd", "hparams")


class Problem(NamedTuple):
    """One thing wrong with what the user wrote, and the way out."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class UserError(Exception):
    """What the user wrote cannot be done. Holds every problem found, not just the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shipped(folder: str) -> Path:
    """A folder that comes with the harness: "configs/agents", "configs/envs", "ablations".

    A wheel carries them inside the package; a checkout has them beside it.
    """
    here = Path(__file__).parent
    packed = here / "shipped" / folder
    return packed if packed.exists() else here.parent / folder


def beside(sweep: str, kind: str) -> Path | None:
    """The file <sweep>.<kind>.yaml next to a sweep's own, or among those that are shipped."""
    path = Path(sweep)
    name = f"{path.stem}.{kind}.yaml"
    places = [path.with_name(name)]
    if path.parent.name in ("", "ablations"):
        places.append(shipped("ablations") / name)
    return next((found for found in places if found.is_file()), None)


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
    lines: dict[Path_, int]

    def line(self, path: Path_) -> int | None:
        """The line of `path`, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def problem(self, path: Path_, message: str) -> Problem:
        return Problem(self.file, self.line(path), dotted(path), message)


def dotted(path: Path_) -> str:
    return ".".join(str(part) for part in path)


def load(path: Path) -> Document:
    """Read one YAML 1.2 file.

    :raises UserError: if it is missing, is no YAML, repeats a key, or holds NaN or a date.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    file = _shown(path)
    try:
        tree = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError([Problem(file, None, "", "there is no such file")]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise UserError([Problem(file, line, "", f"not YAML: {error.problem}")]) from None
    document = Document(file, None, {})
    problems: list[Problem] = []
    data = _plain(tree, (), document, problems)
    if problems:
        raise UserError(problems)
    return document._replace(data=data)


def read(path: Path, model: type[M]) -> M:
    """Read one YAML file into a model.

    :raises UserError: with every unknown key and wrong type at once, each with its line.
    """
    document = load(path)
    return parse(document, model)


def parse(document: Document, model: type[M]) -> M:
    """A document's data as a model; see `read`."""
    value, problems = validate(document.data, model)
    if value is None:
        raise UserError(document.problem(path, message) for path, message in problems)
    return value


def validate(data: Any, model: type[M]) -> tuple[M | None, list[tuple[Path_, str]]]:
    """Data as a model, or everything that is wrong with it: (where, what) pairs.

    Strict, as JSON is: an integer may stand for a float, and nothing else is converted.
    """
    if not isinstance(data, dict):
        return None, [((), "expected keys and values here")]
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        found = [_explain(dict(detail), data, model) for detail in error.errors()]
        return None, list(dict.fromkeys(found))


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _plain(node: Any, at: Path_, document: Document, problems: list[Problem]) -> Any:
    """ruamel's annotated tree as plain data; fills `document.lines` on the way."""
    if isinstance(node, dict):
        result = {}
        for key, value in node.items():
            here = (*at, key)
            document.lines[here] = node.lc.key(key)[0] + 1  # type: ignore[attr-defined]
            if not isinstance(key, str):
                problems.append(document.problem(here, "keys must be text: put it in quotes"))
            result[str(key)] = _plain(value, here, document, problems)
        return result
    if isinstance(node, list):
        for i in range(len(node)):
            document.lines[(*at, i)] = node.lc.item(i)[0] + 1  # type: ignore[attr-defined]
        return [_plain(item, (*at, i), document, problems) for i, item in enumerate(node)]
    if node is None or isinstance(node, bool):
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        if not math.isfinite(node):
            problems.append(document.problem(at, f"{float(node)} is not a finite number"))
        return float(node)
    if not isinstance(node, str):
        problems.append(document.problem(at, f"'{node}' is read as a date: put it in quotes"))
    return str(node)


def _explain(detail: dict[str, Any], data: Any, model: type[BaseModel]) -> tuple[Path_, str]:
    """One of pydantic's errors as (where, what), in words for someone who wrote YAML."""
    path: list[str | int] = []
    *_, last = detail["loc"]
    for part in detail["loc"]:  # pydantic also names the branch of a union it tried: skip those
        here = _at(data, path)
        absent = part == last and detail["type"] in ("missing", "extra_forbidden")
        item = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if absent or item or (isinstance(here, dict) and part in here):
            path.append(part)
    where = tuple(path)
    if detail["type"] == "extra_forbidden":
        known = _fields(model, where[:-1])
        return where, f"unknown key '{where[-1]}'.{suggest(str(where[-1]), known)}"
    if detail["type"] == "missing":
        return where, "this key is required"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return where, f"{message[:1].lower()}{message[1:]}, but {_at(data, path)!r} is given"


def _at(data: Any, path: Iterable[str | int]) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _fields(model: Any, path: Path_) -> set[str]:
    """The keys that may stand at `path` of a document that is read as `model`."""
    candidates = [model]
    for part in path:
        candidates = [inner for kind in candidates for inner in _inside(kind, part)]
    names: set[str] = set()
    for kind in candidates:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= {field.alias or name for name, field in kind.model_fields.items()}
    return names


def _inside(kind: Any, part: str | int) -> list[Any]:
    """The types that the value under `part` of a value of type `kind` may have."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        by_key = {field.alias or name: field for name, field in kind.model_fields.items()}
        return _branches(by_key[part].annotation) if part in by_key else []
    arguments = get_args(kind)
    return (
        _branches(arguments[-1] if get_origin(kind) is dict else arguments[0]) if arguments else []
    )


def _branches(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return [inner for branch in get_args(kind) for inner in _branches(branch)]
    return [kind]


def spoken(option: str, given: str, text: str) -> Any:
    """What `text`, a part of what was given to an option of the command line, says as YAML.

    :raises UserError: if it is none.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        raise UserError([Problem(option, None, given, f"not YAML: {error.problem}")]) from None


def assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """`key=value` pairs as a tree: dots go inside, values are YAML.

    :raises UserError: for a pair without "=", or a value that is no YAML.
    """
    tree: dict[str, Any] = {}
    problems: list[Problem] = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        try:
            value = spoken("--set", pair, text)
        except UserError as error:
            problems += error.problems
            continue
        if not equals or not key:
            problems.append(Problem("--set", None, pair, "write it as key=value"))
            continue
        inner = tree
        *outer, last = key.split(".")
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = value
    if problems:
        raise UserError(problems)
    return tree
