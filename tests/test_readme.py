"""The README promises only what works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from harness.cli.main import app
from harness.config.strict import UserError
from harness.sweep.expand import expand as expand_file
from harness.train.executors import EXECUTORS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
EXAMPLE, DESIGN = [block for language, block in BLOCKS if language == "yaml"]
COMMANDS = re.findall(r"^\| `(harness .*?)` \|", TEXT, flags=re.MULTILINE)


def expand(path, text):
    path.write_text(text)
    return expand_file(path).sweep


def test_the_example_ablation_expands(tmp_path):
    found = expand(tmp_path / "gae.yaml", EXAMPLE)

    assert len(found.arms) == 5
    assert len(found.runs) == 5 * 2 * 10


def test_the_example_design_expands(tmp_path):
    head = EXAMPLE.split("arms:")[0]

    assert expand(tmp_path / "gae.yaml", head + DESIGN).arms == (
        "full",
        "no_clipping",
        "no_entropy",
    )


def test_the_error_that_is_shown_is_the_error_that_comes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        expand(Path("gae.yaml"), EXAMPLE.replace("normalize", "normalise"))

    assert str(caught.value).splitlines()[0] in TEXT


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_is_shown_parses(command):
    _, *words = shlex.split(command)
    cli = typer.main.get_command(app)
    if words[0].startswith("--"):
        assert words[0] in {option for p in cli.params for option in p.opts}
        return
    verb = cli.commands[words[0]]

    context = verb.make_context(words[0], words[1:])

    assert context.params


def test_every_file_that_is_named_exists():
    links = re.findall(r"\]\(((?!http)[^)]+)\)", TEXT)
    code = re.findall(r"`((?:harness|baselines|ablations|configs)/[\w/.]+\.\w+)", TEXT)

    assert links and code
    missing = [name for name in {*links, *code} if not (ROOT / name).exists()]
    assert missing == []


def test_the_registers_that_are_named_are_where_it_says():
    assert EXECUTORS
    for file, table in re.findall(r"`([\w/]+\.py): ([A-Z]+)`", TEXT):
        assert re.search(rf"^{table}\b", (ROOT / file).read_text(), flags=re.MULTILINE)
