"""The one place where a name becomes an import: "module:Name", and what it has to be.

Importing executes, so only names from the user's own files and from this code come here: never one
that stands in a record of a run. What is imported is not called before it is known to be of the
kind that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

LONGEST = 200  # letters
_NAME = r"[A-Za-z_]\w*"
MODULE = re.compile(rf"{_NAME}(\.{_NAME})*", re.ASCII)
TARGET = re.compile(rf"(?P<module>{MODULE.pattern}):(?P<name>{_NAME})", re.ASCII)

IMPORTED: dict[str, None] = {}  # the modules that names have imported in this process, in order
_OFFERED: dict[Callable[..., Any], type] = {}


def offers(kind: type) -> Callable[[F], F]:
    """Register a function that makes one of `kind`, so that it may be named like a class of it."""

    def register(function: F) -> F:
        _OFFERED[function] = kind
        return function

    return register


def module(name: str) -> ModuleType:
    """Import a module by its name.

    :raises ValueError: if that is no module's name.
    """
    if len(name) > LONGEST or not MODULE.fullmatch(name):
        raise ValueError(f"'{name[:LONGEST]}' is not the name of a module")
    try:
        found = import_module(name)
    except SystemExit as error:
        raise ImportError(
            f"{name} ends the process when it is imported: write that below "
            "`if __name__ == '__main__':`"
        ) from error
    IMPORTED[name] = None
    return found


def attribute(target: str) -> Any:
    """What "module:Name" names; for tables in this code, which know what stands there.

    :raises ValueError: if it is not spelled so, or the module has no such name.
    """
    parts = TARGET.fullmatch(target) if len(target) <= LONGEST else None
    if parts is None:
        raise ValueError(f"'{target[:LONGEST]}' does not read module:Name")
    try:
        return getattr(module(parts["module"]), parts["name"])
    except AttributeError as error:
        raise ValueError(f"'{target}': the module has no {parts['name']}") from error


def load(target: str, kind: type) -> Callable[..., Any]:
    """The class "module:Name", or the function registered for its kind; neither is called here.

    :raises ValueError: if it is spelled in another way, missing, or of another kind.
    """
    found = attribute(target)
    made = _OFFERED.get(found) if isinstance(found, FunctionType) else found
    if not isinstance(made, type) or not issubclass(made, kind):
        raise ValueError(
            f"'{target}' is no {kind.__name__}, and no function registered for making one: "
            "it is not called"
        )
    return found  # type: ignore[no-any-return]
