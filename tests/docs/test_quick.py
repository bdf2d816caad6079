"""docs/quick.md: its commands, typed one after the other, say what it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/quick.md").read_text(encoding="utf-8")
BLOCKS = {
    language: "\n".join(re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S))
    for language in ("console", "yaml")
}
# What another machine or day says otherwise.
VARIES = re.compile(r"[\d,.]+(?= (steps/s|s so far|MB\)))|(?<=of your own from )\S+")


def commands():
    """Each command for the harness, with the lines below it."""
    for part in re.split(r"^\$ ", BLOCKS["console"], flags=re.M)[1:]:
        command, *lines = part.strip().splitlines()
        if command.startswith("harness "):
            yield shlex.split(command)[1:], [masked(line) for line in lines if line]


def masked(line):
    return VARIES.sub("_", line).split()


def printed(words, folder):
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=folder, env={**os.environ, "COLUMNS": "100"}, text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return [masked(line) for line in re.split(r"[\r\n]+", done.stdout)]


@pytest.mark.slow
def test_every_command_prints_the_lines_below_it_in_their_order(tmp_path):
    (tmp_path / "optimism.yaml").write_text(BLOCKS["yaml"])
    typed = list(commands())

    assert len(typed) == TEXT.count("$ harness ") > 5
    for words, lines in typed:
        rest = iter(printed(words, tmp_path))
        assert [line for line in lines if line not in rest] == [], words
    report = (tmp_path / "results/sweeps/optimism/report/report.md").read_text()
    (claim,) = re.findall(r"^> (.*)", TEXT, re.M)
    assert f"- {claim}" in report.splitlines()
