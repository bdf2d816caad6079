"""Every command on a page is one that its program takes."""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec

import pytest
import typer
from packaging.requirements import Requirement
from snippets import OTHERS, ROOT, SHELL, in_blocks, in_text, pages, place

from harness.cli.main import app

UsageError = typer.BadParameter.__base__  # of click, which Typer brings along in a private module
LACKS = {"MissingParameter", "BadOptionUsage"}
CLI = typer.main.get_command(app)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SHIPPED = re.compile(r"(?:ablations|configs|tests|benchmarks)/[\w./-]+\.\w+")


def check(words, whole):
    """:param whole: as the reader types it. In running text it may lack words, and end in `...`."""
    program, *rest = words
    if program in CHECKS:
        CHECKS[program](rest, whole)
    elif program == "docker" and rest[:1] == ["run"]:
        inside = next((i for i, word in enumerate(rest) if word in ("harness", "make")), None)
        assert inside is not None, "docker runs a command of ours"
        check(rest[inside:], whole)
    else:
        assert program in OTHERS | SHELL, f"'{program}': no test knows this program"


def check_harness(words, whole):
    if not whole:  # without what the reader fills in
        words = ["1" if word.isupper() else word for word in words if word != "..."]
    if words and words[0].startswith("--"):
        assert words[0] in {option for each in CLI.params for option in each.opts}
        return
    if not words and not whole:
        return
    assert words and words[0] in CLI.commands, f"harness has no verb {words[:1]}"
    try:
        CLI.commands[words[0]].make_context(words[0], words[1:])
    except UsageError as error:
        if whole or type(error).__name__ not in LACKS:
            raise
        options = {o for each in CLI.commands[words[0]].params for o in each.opts}
        assert {word for word in words if word.startswith("--")} <= options


def check_python(words, whole):
    if words[0] != "-m":
        assert (ROOT / words[0]).is_file()
        return
    module, *rest = words[1:]
    if module in CHECKS:
        CHECKS[module](rest, whole)
        return
    assert find_spec(module), f"there is no module {module}"
    if module.startswith("benchmarks."):
        parse(module, rest)


def parse(module, words):
    """Its parser takes the words; nothing is measured."""

    class Parsed(Exception):
        pass

    def once(parser, *_):
        known(parser, words)
        raise Parsed

    known = argparse.ArgumentParser.parse_args
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", once)
        main = import_module(module)
        if "ArgumentParser" not in (ROOT / f"{module.replace('.', '/')}.py").read_text():
            assert not words
            return
        with pytest.raises(Parsed):
            main.main()


def check_make(words, whole):
    targets = {name for line in re.findall(r"^([\w -]+):(?!=)", MAKEFILE, re.M)
               for name in line.split()}  # fmt: skip
    variables = set(re.findall(r"\$\((\w+)\)", MAKEFILE))
    for word in words:
        name, is_assignment, _ = word.partition("=")
        assert name in (variables if is_assignment else targets), f"make has no '{name}'"


def check_pip(words, whole):
    assert words[0] == "install"
    words = words[1:]
    if "-r" in words:
        del words[words.index("-r") :]
    for word in words:
        ours = re.fullmatch(rf"(?:\.|{PROJECT['name']})(?:\[([\w,]+)\])?", word)
        extras = (ours[1] or "").split(",") if ours else []
        assert ours is None or set(extras) - {""} <= PROJECT["optional-dependencies"].keys()
        assert ours or Requirement(word)


def check_pytest(words, whole):
    for word in words:
        assert not word.endswith(".py") or (ROOT / word).is_file(), f"there is no {word}"


CHECKS = {
    "harness": check_harness,
    "python": check_python,
    "make": check_make,
    "pip": check_pip,
    "pytest": check_pytest,
}
TYPED = [command for page in pages() for command in in_blocks(page)]
NAMED = [command for page in pages() for command in in_text(page)]


@pytest.mark.parametrize("command", TYPED, ids=place)
def test_a_command_in_a_block_is_one_that_its_program_takes(command):
    for words in command.argvs():
        check(words, whole=True)
    for path in SHIPPED.findall(command.text):
        assert (ROOT / path).is_file(), f"there is no {path}"


@pytest.mark.parametrize("command", NAMED, ids=place)
def test_a_command_in_running_text_is_one_that_its_program_takes(command):
    for words in command.argvs():
        check(words, whole=False)


# pytest -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_pytest_command_selects_tests():
    words = [sys.executable, "-m", "pytest", "--collect-only", "-m", "", "tests"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(tests) > 1_000, done.stdout[-2_000:]
    asked = [argv for command in [*TYPED, *NAMED] for argv in command.argvs()
             if "pytest" in argv[:3] and any(w.startswith("tests/") for w in argv)]  # fmt: skip

    assert asked
    assert [argv for argv in asked if not any(chosen(test, argv) for test in tests)] == []


def chosen(test, argv):
    """Whether a command with paths and perhaps -k selects a test. It may name several -k, of which
    pytest takes the last: then each counts for itself."""
    paths = [word for word in argv if word.startswith("tests/")]
    words = [after for word, after in itertools.pairwise(argv) if word == "-k"]
    # The bonus that CONTRIBUTING adds: the tests that it gets are those of every other.
    word = words[-1].replace("simhash", "rnd") if words else ""
    return any(test.startswith(path) for path in paths) and (
        not word or matches(test.lower(), word)
    )


def matches(test, expression):
    """pytest's own rule: each word of the expression is looked for in the test's names."""
    looked = re.sub(
        r"[\w.\-\[\]]+",
        lambda word: word[0] if word[0] in ("and", "or", "not") else str(word[0].lower() in test),
        expression,
    )
    return eval(looked, {"__builtins__": {}})


def test_a_word_that_a_program_does_not_take_is_found():

    for words in (
        ["harness", "swep", "rnd"],
        ["harness", "sweep", "rnd", "--no-such"],
        ["harness", "sweep"],
        ["python", "-m", "benchmarks.overhead", "ray", "--no-such"],
        ["make", "nothing"],
        ["make", "image", "COLOUR=red"],
        ["pip", "install", ".[no_such]"],
        ["pytest", "tests/no_such.py"],
        ["docker", "run", "harness:cpu", "harness", "swep"],
        ["no_such_program"],
    ):
        with pytest.raises((AssertionError, UsageError, SystemExit)):
            check(words, whole=True)
