"""Versions of packages, and what is compiled and kept.

`python -m harness.doctor.software` tells where Numba keeps what it compiled.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.config.shipped import shipped
from harness.doctor.finding import Failed, Finding, tried
from harness.provenance import PACKAGES

DISTRIBUTION = "rl-ablation-harness"
SHOWN = 6  # packages that a line names


def versions() -> Finding:
    """Of what is installed, against what this needs and what it was tested with."""
    wrong = [text for line in requires(DISTRIBUTION) or () if (text := unmet(Requirement(line)))]
    others = differing(shipped("constraints.txt"))
    deciding = [name for name in others if canonicalize_name(name) in PACKAGES]
    text = f"Python {platform.python_version()}, {DISTRIBUTION} {version(DISTRIBUTION)}"
    facts = {"python": platform.python_version(), "unmet": wrong, "other": others}
    again = "pip install --constraint constraints.txt, as `make setup` does"
    if wrong:
        return Finding("versions", f"{text}; {listed(wrong)}", "broken", again, facts)
    if deciding:
        each = listed(
            [f"{name} {others[name][0]} (tested: {others[name][1]})" for name in deciding]
        )
        text += f"; {each}: other numbers than elsewhere"
        return Finding("versions", text, "warning", again, facts)
    if others:
        text += f"; {len(others)} other packages are not of the tested version"
    return Finding("versions", text, facts=facts)


def unmet(need: Requirement) -> str:
    """Why what is installed does not do for a requirement; empty: it does.

    What only an extra needs may be missing.
    """
    try:
        here = version(need.name)
    except PackageNotFoundError:
        needed = need.marker is None or need.marker.evaluate({"extra": ""})
        return f"{need.name} is not installed" if needed else ""
    if need.specifier.contains(here, prereleases=True):
        return ""
    return f"{need.name} is {here}, and must be {need.specifier}"


def differing(constraints: Path) -> dict[str, tuple[str, str]]:
    """By name, the version that is here and the one it was tested with; missing ones are none.

    What a build is for, such as +cu126, is no other version.
    """
    found: dict[str, tuple[str, str]] = {}
    for line in constraints.read_text(encoding="utf-8").splitlines():
        name, _, tested = line.partition("==")
        if not tested or line.startswith("#"):
            continue
        try:
            here = version(name)
        except PackageNotFoundError:
            continue
        if Version(here).public != Version(tested).public:
            found[name] = (here, tested)
    return found


def listed(texts: list[str]) -> str:
    more = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def compiled() -> Finding:
    """Whether what the engine lockstep compiles is kept."""
    if find_spec("numba") is None:
        return Finding("compiler", "not installed: lockstep needs the extra of that name")
    try:
        told = tried(__name__)
    except Failed as error:
        change = "python -c 'import baselines.lockstep.kernel' shows the error"
        return Finding("compiler", f"Numba cannot be used: {error}", "broken", change)
    if told["cache"] is None:
        text = "Numba cannot keep what it compiles: each process compiles it again"
        change = "set XDG_CACHE_HOME to a folder that can be written"
        return Finding("compiler", text, "warning", change, told)
    return Finding("compiler", f"Numba keeps what it compiles in {told['cache']}", facts=told)


if __name__ == "__main__":
    from baselines.lockstep.kernel import CACHE

    print(json.dumps({"cache": None if CACHE is None else str(CACHE)}))
