"""Nested data: mappings, lists and plain values, as YAML and JSON hold them.

A value is found by its place, ("policy_kwargs", "net_arch"), or by its dotted name,
"policy_kwargs.net_arch". An empty mapping is a value like any other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")
Place = tuple[str | int, ...]


def canonical(value: Any) -> str:
    """JSON with one spelling for each value: sorted keys, no spaces, no NaN.

    :raises ValueError: for a number that JSON cannot hold.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def written(value: Any) -> str:
    """A word as it is, anything else as JSON."""
    return value if isinstance(value, str) else canonical(value)


def dotted(place: Place) -> str:
    return ".".join(map(str, place))


def get(tree: Any, at: str | Iterable[str | int]) -> Any:
    """The value at a place, or under a dotted name; None where there is none."""
    for part in at.split(".") if isinstance(at, str) else at:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def put(tree: dict[str, Any], name: str, value: Any) -> str | None:
    """Put a value into a tree under its dotted name.

    :return: the name of what stands in the way, if anything does: nothing is changed then.
    """
    *outer, last = name.split(".")
    inner = tree
    for i, part in enumerate(outer, start=1):
        below = inner.setdefault(part, {})
        if not isinstance(below, dict):
            return ".".join(outer[:i])
        inner = below
    if last in inner:
        return name
    inner[last] = value
    return None


def walk(tree: Any, at: Place = (), lists: bool = False) -> Iterator[tuple[Place, Any]]:
    """Every value that is no mapping with something in it, and its place.

    :param lists: walk through lists, too.
    """
    inner: list[tuple[str | int, Any]] = []
    if isinstance(tree, Mapping):
        inner = list(tree.items())
    elif lists and isinstance(tree, list):
        inner = list(enumerate(tree))
    if not inner:
        yield at, tree
    for key, value in inner:
        yield from walk(value, (*at, key), lists)


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Every value under its dotted name."""
    return {dotted(place): value for place, value in walk(tree)} if tree else {}


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The tree of values that stand under dotted names."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        put(tree, name, value)
    return tree


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees, one inside the other; `above` wins."""
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        both = isinstance(value, Mapping) and value and isinstance(inner, Mapping)
        result[key] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """The dotted names under which two trees hold different values, or only one holds any."""
    one, other = flat(first), flat(second)
    absent = object()
    return [n for n in {**one, **other} if one.get(n, absent) != other.get(n, absent)]


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """All values of each key, in the order in which they come."""
    groups: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)
