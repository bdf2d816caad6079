"""What a stranger does: the wheel in a bare environment, no checkout, one command, one file."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
OWN = ROOT / "tests" / "own"
ROW = re.compile(
    r"^\| (?P<what>.+?) \| `(?P<command>harness .+?)` \| (?P<files>.*?) ?\| (?P<lines>\d+) \|$"
)


class Row(NamedTuple):
    """A row of the table in docs/own.md."""

    what: str
    command: str
    files: list[str]  # of tests/own
    lines: int


def rows() -> list[Row]:
    text = (ROOT / "docs" / "own.md").read_text(encoding="utf-8")
    found = filter(None, map(ROW.match, text.splitlines()))
    return [
        Row(
            row["what"],
            row["command"],
            re.findall(r"\]\(\.\./tests/own/([\w.]+)\)", row["files"]),
            int(row["lines"]),
        )
        for row in found
    ]


ROWS = rows()


def test_the_table_says_how_many_lines_are_the_users():
    assert ROWS
    for row in ROWS:
        files = [(OWN / name).read_text(encoding="utf-8") for name in row.files]
        code = [line for text in files for line in text.splitlines() if line.strip()]
        assert (row.what, row.lines) == (row.what, len(code))


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory):
    """The programs of an environment that has the wheel, Box2D and SBX, and no checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv" / "bin"
    installed = [programs / "pip", "install", "--quiet", "--disable-pip-version-check"]
    versions = ["--constraint", ROOT / "constraints.txt"]
    subprocess.run([*installed, *versions, f"{wheel}[box2d]", "sbx-rl==0.28.0"], check=True)
    return programs


@pytest.mark.slow
@pytest.mark.timeout(1_200)  # the first waits for the installation
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_what_the_table_calls_possible_is_one_command(row, bin_folder, tmp_path):
    for name in row.files:
        shutil.copy(OWN / name, tmp_path)
    program, *words = shlex.split(row.command)
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}

    done = subprocess.run(
        [bin_folder / program, *words],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "results").rglob("result.json"))
