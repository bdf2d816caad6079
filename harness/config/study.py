"""The study: the folder of the user's own files, whose modules and cards a command may use.

Importing executes. What a file of the user's names may be imported from that file's folder; what
only a record of a run names is not, unless the user says that the folder is theirs (`--study`):
then it may name what stands there, and what the folder's own sweep files name.
"""

from __future__ import annotations

import ast
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from baselines import target as targets
from harness.config import declared, strict
from harness.config.failure import in_a_line
from harness.config.name import as_file, is_target
from harness.config.tree import Place, walk

CARDS = ("envs", "cards")  # the folders of a study in which cards are looked for
# The files of a study that go where its runs are made, and the folders in which there are none.
KINDS = {".yaml", ".yml", ".py", ".csv", ".json", ".txt", ".bib"}
NOT_OURS = {"__pycache__", "results", "launch", "build", "dist", "venv", "node_modules"}

_folder: Path | None = None
_trusted = False  # whether a record may name what stands in the folder
_named: set[str] = set()


def enter(folder: Path, trusted: bool = False) -> None:
    """Look for modules and cards in `folder` first, in this process."""
    global _folder, _trusted
    _folder, _trusted = folder.resolve(), trusted
    sys.path[:] = [str(_folder), *(path for path in sys.path if path != str(_folder))]
    if trusted:
        name(*(target for target, _, _ in named_in(_folder)))


def named_in(folder: Path) -> Iterator[tuple[str, Place, Path]]:
    """All that reads "module:Name" in the folder's own sweep files, and where it stands."""
    for path in sorted(folder.glob("*.yaml")):
        try:
            data = strict.load(path).data
        except strict.UserError:  # no sweep that anybody could run
            continue
        for place, value in walk(data, lists=True):
            if isinstance(value, str) and ":" in value and is_target(value):
                yield value, place, path


def docstring(folder: Path, target: str) -> str:
    """The first line of what "module:Name" says of itself, if its file stands there.

    Nothing is imported.
    """
    module, _, name = target.rpartition("+")[2].partition(":")
    try:
        body = ast.parse((folder / f"{module.replace('.', '/')}.py").read_text("utf-8")).body
    except (OSError, SyntaxError, ValueError):
        return ""
    defined = (ast.ClassDef, ast.FunctionDef)
    texts = [ast.get_docstring(at) for at in body if isinstance(at, defined) and at.name == name]
    return (texts[-1] if texts and texts[-1] else "").partition("\n")[0]


def folder() -> Path | None:
    return _folder


def name(*targets: str) -> None:
    """The user named these: "module:Class", "module:Name-v0", "ppo+module:Class"."""
    _named.update(part for target in targets for part in target.split("+"))


def refused(target: str) -> str:
    """Why the module of "module:Name" is not imported; empty: it may be.

    What an installed package declares for the harness may: whoever installed it wants it used.
    """
    if target in _named or (_trusted and _stands_here(target.partition(":")[0])):
        return ""
    if declared.is_declared(target):
        return ""
    return (
        f"'{target}' is named by a record only, and what a record names is not imported: "
        "--study FOLDER (in Python: study_folder=FOLDER) says that the folder with its code, or "
        "with a sweep file that names it, is yours"
    )


def thing(target: str) -> Any:
    """What "module:Name" names, of the user's own or of a package.

    :raises ValueError: if it may not be imported, or cannot be; the message tells the way out.
    """
    if why := refused(target):
        raise ValueError(why)
    try:
        return targets.attribute(target)
    except Exception as error:  # whatever a module raises while it is imported
        raise ValueError(not_usable(target, error)) from None


def function(target: str) -> Callable[..., Any]:
    """The function that "module:function" names.

    :raises ValueError: as `thing` does, or if it is no function.
    """
    made: Callable[..., Any] = thing(target)
    if not callable(made) or isinstance(made, type):
        raise ValueError(f"'{target}' is no function")
    return made


def beside(given: str) -> Path | None:
    """What a path in the user's file leads to, if that is in the study."""
    path = (_folder / given).resolve() if _folder else None
    return path if path and _folder and path.is_relative_to(_folder) else None


def card_file(env: str) -> Path | None:
    """The study's own card of an environment."""
    places = [_folder / kind / f"{as_file(env)}.yaml" for kind in CARDS] if _folder else []
    return next((place for place in places if place.is_file()), None)


def cards(folder: Path) -> list[Path]:
    """All cards of a study, in which nothing is looked at."""
    return sorted(path for kind in CARDS for path in (folder / kind).glob("*.yaml"))


def files(folder: Path) -> list[Path]:
    """Of a study: its sweeps, cards, modules and tables, none of them hidden or made by a sweep."""
    found = []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".") and name not in NOT_OURS]
        paths = (Path(place, name) for name in names if not name.startswith("."))
        found += [p for p in paths if p.suffix in KINDS and p.is_file() and not p.is_symlink()]
    return sorted(found)


def _stands_here(module: str) -> bool:
    """Whether a module or package of the folder has that name.

    A plain folder in it, which Python would take for a package too, has none: results/, say, may
    hold somebody else's files.
    """
    spec = PathFinder.find_spec(module.partition(".")[0], [str(_folder)])
    return spec is not None and spec.has_location


def not_usable(target: str, error: Exception) -> str:
    """Why "module:Class" cannot be used, with the line of its file where that is known."""
    text = in_a_line(error)
    if isinstance(error, ValueError) and target in text:
        return text
    if isinstance(error, ModuleNotFoundError) and target.startswith(str(error.name)):
        return f"'{target}' cannot be imported: {text}, neither in {_folder or '.'} nor installed"
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
        return f"'{target}' cannot be imported: {type(error).__name__}: {error.msg} ({where})"
    return f"'{target}' cannot be imported: {type(error).__name__}: {text}{place(error, True)}"


def place(error: Exception, anywhere: bool = False) -> str:
    """ " (file:line)" of an error: where one of the study's own files had a part in it; or "".

    :param anywhere: of another file, if none had.
    """
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename[0] != "<"]
    own = [each for each in frames if _folder and Path(each.filename).is_relative_to(_folder)]
    last = (own or (frames if anywhere else []))[-1:]
    return "".join(f" ({each.filename}:{each.lineno})" for each in last)
