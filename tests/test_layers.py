"""Imports point down only."""

from __future__ import annotations

import graphlib
import subprocess
import sys
from pathlib import Path

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


def test_imports_point_down():
    assert [f"{path}: {wrong}" for path in SOURCES for wrong in upwards(path)] == []


def upwards(path: Path) -> list[str]:
    """What a file imports and may not, by its room."""
    names = sorted(imports(path))
    if path.is_relative_to(ROOT / "baselines"):
        return [name for name in names if name.startswith("harness")]
    here = room(path)
    if here == "__init__":  # whose imports are for type checkers
        return []
    return [name for name in names if not allowed(here, name.split("."))]


def allowed(here: str, parts: list[str]) -> bool:
    if parts[0] == "harness" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != here:
        return LEVEL[parts[1]] > LEVEL[here]
    if parts[:2] == ["baselines", "target"]:  # where names become imports
        return here in {"envs", "cli", "config"}
    if parts[:2] == ["baselines", "space"]:  # the kinds of spaces
        return here in {"envs", "agents", "testing"}
    if parts[0] == "baselines":
        return here in {"agents", "setting", "train", "sweep", "cli", "testing", "doctor"}
    return True


def test_what_reads_results_imports_nothing_that_trains():
    readers = [path for path in SOURCES if "harness" in path.parts and room(path) in READERS]

    assert readers
    assert [f"{path}: {name}" for path in readers for name in imports(path) if trains(name)] == []


def trains(name: str) -> bool:
    first, _, rest = name.partition(".")
    return first in TRAINERS or (first == "harness" and rest.partition(".")[0] in WRITERS)


def test_the_names_of_a_runs_files_are_known_to_the_store_alone():
    for path in SOURCES:
        if "harness" in path.parts and room(path) != "store":
            assert not [name for name in imports(path) if name.startswith("harness.store.layout")]


def test_what_a_learner_is_made_of_is_imported_with_it():
    """Else its record would name what other runs of the process had imported."""
    learners = [p for p in SOURCES if p.is_relative_to(ROOT / "baselines") and p != TABLE]

    assert learners
    late = [(path, name) for path in learners for name in later(path)]
    assert [f"{path}: {name}" for path, name in late if name.startswith("baselines")] == []


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


def test_tests_share_what_is_in_their_support_or_a_conftest_and_import_no_tests():
    tests = {test.stem for test in TESTS if test.stem.startswith("test_")} | {"tests", "conftest"}
    found = [(path, name) for path in TESTS for name in imports(path)]

    assert [f"{path}: {name}" for path, name in found if name.partition(".")[0] in tests] == []


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
