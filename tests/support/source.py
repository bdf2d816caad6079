"""What a source file says of itself."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules that a file imports anywhere, functions included."""
    return _imported(ast.walk(ast.parse(path.read_text())))


def later(path: Path) -> frozenset[str]:
    """The modules that a file imports only when something of it is called, or a type is checked."""
    return imports(path) - _imported(ast.parse(path.read_text()).body)


def _imported(nodes: Iterable[ast.AST]) -> frozenset[str]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)
