"""The command beside every run of a report makes that very run."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.report.render.listing import repeat
from harness.sweep.expand import expand
from harness.train import missing

# <sweep>.checklist.yaml is no sweep.
FILES = sorted(Path(__file__).parents[1].glob("ablations/*.yaml"))
ABLATIONS = [path for path in FILES if "." not in path.stem]
# Plain settings, nested ones, wrappers.
QUICK = ("rnd", "smoke", "push_stall")
CASES = [
    pytest.param(path, marks=() if path.stem in QUICK else pytest.mark.slow, id=path.stem)
    for path in ABLATIONS
]


@pytest.mark.parametrize("path", CASES)
def test_the_command_that_a_report_prints_makes_the_same_run(path, monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(missing, "train_missing", lambda specs, *rest: made.extend(specs))
    one_of_each = {(s.arm, s.env): s for s in expand(path, anyway=True).sweep.runs}
    specs = list(one_of_each.values())[:: max(1, len(one_of_each) // 3)]  # a few say enough
    for spec in specs:
        words = shlex.split(repeat(spec).replace("\\\n", " "))
        CliRunner().invoke(app, [*words[1:], "--results", str(tmp_path)])
    assert [spec.key for spec in made] == [spec.key for spec in specs]
