"""Imports point down only."""

from __future__ import annotations

import graphlib
import subprocess
import sys
from pathlib import Path

import pytest
from source import imports, later

ROOT = Path(__file__).parents[1]

# A room may import the rooms of lower levels, and of its own (inside one package).
LEVELS = [
    {"__main__"},
    {"cli", "python"},
    {"search", "testing", "doctor", "launch"},
    {"train", "report"},
    {"sweep"},
    {"stats"},
    {"store"},
    {"setting", "coverage"},
    {"agents", "own"},
    {"envs"},
    {"spec"},
    {"config", "seeding", "provenance", "resources"},
]
LEVEL = {room: depth for depth, rooms in enumerate(LEVELS) for room in rooms}

# The branch that reads results: it must run where nothing can train.
READERS = {"store", "stats", "report"}
TRAINERS = {"torch", "jax", "gymnasium", "stable_baselines3", "sb3_contrib", "baselines", "sacred"}
WRITERS = {"agents", "envs", "own", "setting", "train", "sweep"}

SOURCES = sorted([*ROOT.glob("harness/**/*.py"), *ROOT.glob("baselines/**/*.py")])
TABLE = ROOT / "baselines" / "__init__.py"  # of all learners, which loads one when it is asked for
TESTS = sorted(ROOT.glob("tests/**/*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")


def test_every_room_has_its_level():
    rooms = {room(path) for path in SOURCES if "harness" in path.parts} - {"__init__"}

    assert rooms == set(LEVEL)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    names = imports(path)
    if path.is_relative_to(ROOT / "baselines"):
        assert not [name for name in names if name.startswith("harness")]
        return
    here = room(path)
    if here == "__init__":  # whose imports are for type checkers
        return
    for name in names:
        parts = name.split(".")
        if parts[0] == "harness" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != here:
            assert LEVEL[parts[1]] > LEVEL[here], f"{here} imports {parts[1]}"
        if parts[:2] == ["baselines", "target"]:  # where names become imports
            assert here in {"envs", "cli", "config"}
        elif parts[:2] == ["baselines", "space"]:  # the kinds of spaces
            assert here in {"envs", "agents", "testing"}
        elif parts[0] == "baselines":
            assert here in {"agents", "setting", "train", "sweep", "cli", "testing", "doctor"}


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if "harness" in path.parts and room(path) in READERS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_reads_results_imports_nothing_that_trains(path):
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in TRAINERS
        assert not (parts[0] == "harness" and len(parts) > 1 and parts[1] in WRITERS)


def test_the_names_of_a_runs_files_are_known_to_the_store_alone():
    for path in SOURCES:
        if "harness" in path.parts and room(path) != "store":
            assert not [name for name in imports(path) if name.startswith("harness.store.layout")]


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.is_relative_to(ROOT / "baselines") and path != TABLE],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_a_learner_is_made_of_is_imported_with_it(path):
    """Else its record would name what other runs of the process had imported."""
    assert not [name for name in later(path) if name.startswith("baselines")]


def test_no_files_import_one_another_in_a_circle():
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in SOURCES
    }

    def module(name: str) -> str:
        while name and name not in modules:
            name = name.rpartition(".")[0]
        return name

    needs = {name: {module(each) for each in imports(path)} for name, path in modules.items()}

    assert list(graphlib.TopologicalSorter(needs).static_order())  # raises with the circle


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_share_what_is_in_their_support_or_a_conftest_and_import_no_tests(path):
    tests = {test.stem for test in TESTS if test.stem.startswith("test_")} | {"tests", "conftest"}

    assert tests.isdisjoint(part for name in imports(path) for part in name.split(".")[:1])


def test_the_package_itself_imports_nothing_of_the_harness():
    code = "import harness, sys; print([name for name in sys.modules if 'harness.' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_help_imports_nothing_heavy():
    heavy = {"torch", "numpy", "pandas", "gymnasium", "matplotlib", "sacred", "scipy", "optuna"}
    verbs = [[], ["sweep"], ["tune"], ["report"], ["check"]]
    code = (
        "import sys; from harness.cli.main import app\n"
        f"for verb in {verbs!r}:\n"
        "    try: app([*verb, '--help'])\n"
        "    except SystemExit as ended: print('HELPED', ended.code)\n"
        f"print('HEAVY', sorted({heavy!r} & set(sys.modules)))"
    )

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.splitlines().count("HELPED 0") == len(verbs)
    assert out.stdout.splitlines()[-1] == "HEAVY []"
