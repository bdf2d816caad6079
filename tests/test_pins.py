"""The pinned versions install on every Python that the project promises."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    line.split(" ")[0].split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if "==" in line
)
LEAST = PROJECT["requires-python"].removeprefix(">=") + ".0"


def wanted(name):
    """The Pythons of a package, as it is installed here; empty: any, or it is not."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return SpecifierSet()
    return SpecifierSet(found["Requires-Python"] or "" if found["Version"] == PINS[name] else "")


def test_no_pin_needs_a_later_python_than_the_project():
    known = {name: wanted(name) for name in PINS}

    assert sum(map(bool, known.values())) > len(PINS) / 2  # most say which, and are installed
    assert {name: str(pythons) for name, pythons in known.items() if LEAST not in pythons} == {}


@pytest.mark.parametrize(("python", "fits"), [(">=3.10", True), (">=3.11.5", False)])
def test_the_least_python_has_no_patches(python, fits):
    assert (LEAST in SpecifierSet(python)) is fits
