"""What installed packages declare for the harness, by entry points; nothing is imported for it.

A package says in its pyproject.toml::

    [project.entry-points."harness.agents"]
    novel = "my_pkg.mine:Mine"

Its name then stands for its target: `agent: novel` and `agent: my_pkg.mine:Mine` are one and the
same, in a run's key too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from harness.config.strict import suggest

GROUPS = ("agents", "envs", "bonuses", "wrappers", "metrics", "figures", "executors")
_NAMES = {f"harness.{group}": group for group in GROUPS}


class Declared(NamedTuple):
    """One thing that a package declares."""

    name: str
    target: str  # "module:Name"; of an environment the package that holds its card
    package: str  # and its version: "my-pkg 1.2"

    def __str__(self) -> str:
        return f"{self.target} of {self.package}"


def declared(group: str) -> tuple[Declared, ...]:
    """All that packages declare in one of GROUPS, by name; two may have one."""
    return _declared()[group]


def names(group: str) -> list[str]:
    """Those that may be used, for suggestions."""
    return [thing.name for thing in declared(group)]


def find(group: str, name: str, other: str = "") -> Declared | None:
    """What a package declares by that name; None: no package does.

    :param other: what else has that name, in words: "one that ships"; "": nothing.
    :raises KeyError: if two have that name, or it is declared in another form; its argument names
        both and the way out.
    """
    same = [thing for thing in declared(group) if thing.name == name]
    if len(same) + bool(other) > 1:
        both = " and ".join([*filter(None, [other]), *map(str, same)])
        targets = " or ".join(thing.target for thing in same)
        cards = "rename yours, or uninstall a package"
        way_out = cards if group == "envs" else f"name {targets} instead"
        raise KeyError(f"{len(same) + bool(other)} {group} are called '{name}', {both}: {way_out}")
    for thing in same:
        module, _, attribute = thing.target.partition(":")
        parts = [*module.split("."), *([] if group == "envs" else [attribute])]
        if not all(part.isidentifier() for part in parts):
            form = "package.folder" if group == "envs" else "module:Name"
            raise KeyError(f"{thing} is declared as '{name}' and does not read {form}")
    return same[0] if same else None


def target(group: str, name: str, ships: Iterable[str]) -> str:
    """The target for which a name in the user's file stands; the name itself, if it is none.

    :param ships: the names of the same group that ship; asked only of a name that is declared.
    :raises KeyError: as `find` does.
    """
    if name not in names(group):
        return name
    thing = find(group, name, "one that ships" if name in ships else "")
    return thing.target if thing else name


def known(group: str, name: str, ships: Collection[str]) -> str:
    """As `target`, of a name that must be one that ships, is declared, or is a target itself.

    :raises KeyError: for another one, too.
    """
    made = target(group, name, ships)
    if made not in ships and ":" not in made:
        what = group.removesuffix("es" if group == "bonuses" else "s")
        raise KeyError(f"unknown {what} '{name}'.{suggest(name, [*ships, *names(group)])}")
    return made


def card_file(thing: Declared) -> Path:
    """The card of an environment that a package declares: `<name>.yaml` in the folder it names.

    :raises KeyError: if it is not there.
    """
    package, *inner = thing.target.split(".")
    spec = find_spec(package)  # of a package that no other surrounds: nothing is imported
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *inner, f"{thing.name}.yaml")
        if path.is_file():
            return path
    raise KeyError(f"{thing}, declared as '{thing.name}', holds no {thing.name}.yaml")


def is_declared(target: str) -> bool:
    """Whether an installed package declares this very target, in any group."""
    return any(target == thing.target for things in _declared().values() for thing in things)


@cache
def _declared() -> dict[str, tuple[Declared, ...]]:
    found: dict[str, list[Declared]] = {group: [] for group in GROUPS}
    packages: set[str] = set()  # each once: of two of one name, Python imports the first
    for package in distributions():
        ours = [entry for entry in package.entry_points if entry.group in _NAMES]
        if ours and package.name not in packages:
            packages.add(package.name)
            for entry in ours:
                made = Declared(entry.name, entry.value, f"{package.name} {package.version}")
                found[_NAMES[entry.group]].append(made)
    return {group: tuple(sorted(things)) for group, things in found.items()}
