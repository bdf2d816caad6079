"""A stranger makes the runs of an archive again: to the same bits, or is told which differ."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from command import typed
from forging import forged

OWN = Path(__file__).parent / "own"
SWEEP = """\
name: theirs
question: Can a stranger make it again?
envs: [CartPole-v1]
seeds: 2
steps: 400
evaluation: {every: 200, episodes: 2, final_episodes: 3}
arms:
  random: {agent: random}
  climber: {agent: "climber:Climber"}
"""
QUICK = ("--no-figures", "--no-crosscheck", "--executor", "serial")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The archive of a sweep with an agent of its author's own."""
    folder = tmp_path_factory.mktemp("author")
    shutil.copy(OWN / "climber.py", folder)
    (folder / "theirs.yaml").write_text(SWEEP)
    typed("sweep", "theirs.yaml", *QUICK, cwd=folder)
    said = typed("bundle", "theirs.yaml", cwd=folder)
    assert "4 of 4 runs, 2 files of your own" in said
    return folder / "theirs.zip"


@pytest.fixture(autouse=True)
def strangers(monkeypatch):
    """A process that has not imported the author's module, and looks nowhere for it."""
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "author" not in p])
    monkeypatch.delitem(sys.modules, "climber", raising=False)
    from harness.config import study

    for name, value in {"_folder": None, "_trusted": False, "_named": set()}.items():
        monkeypatch.setattr(study, name, value)


def certificate(folder):
    return json.loads((folder / "theirs.certificate.json").read_text())


def test_the_runs_of_an_archive_are_made_again_to_the_same_bits(packed, tmp_path):
    said = typed("replicate", str(packed), "--sample", "100%", "--trust", cwd=tmp_path)

    assert "its claims and tables are those that the records give" in said
    assert "4 of 4 runs were repeated, 4 of them bit for bit" in said
    assert "certificate (same bits): theirs.certificate.json" in said
    assert certificate(tmp_path)["repeated"] == {"equal": 4}
    assert [each.name for each in tmp_path.iterdir()] == ["theirs.certificate.json"]


def test_a_strangers_module_is_not_imported_without_trust(packed, tmp_path):
    said = typed("replicate", str(packed), "--sample", "100%", cwd=tmp_path)

    assert "2 runs were made from its author's own modules (climber)" in said
    assert "--trust imports and runs them" in said
    assert "2 of 2 runs were repeated, 2 of them bit for bit" in said
    assert "climber" not in sys.modules


def test_a_number_that_was_altered_with_all_that_tells_on_it_is_found(packed, tmp_path):
    key = forged(packed, tmp_path / "theirs.zip", "/runs/random/", -1, 300.0)

    said = typed("replicate", "theirs.zip", "--run", key, cwd=tmp_path, code=1)

    assert "report: it is not what the records give" in said
    assert "differs: random on CartPole-v1" in said
    assert "certificate (other bits): theirs.certificate.json" in said
    assert certificate(tmp_path)["repetitions"][0]["outcome"] == "differs"


def test_weights_that_were_left_out_are_named(packed, tmp_path):
    typed("merge", str(packed), "--results", "theirs", cwd=tmp_path)
    (run,) = list((tmp_path / "theirs").glob("runs/climber*/*/*"))[:1]

    said = typed("watch", str(run), "--results", "theirs", "--study", str(packed.parent),
                 cwd=tmp_path, code=2)  # fmt: skip

    assert "left out what it learned: `harness bundle --weights` takes it along" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none.zip",), "none.zip: there is no such file"),
        ((".",), "it is a folder"),
        (("{packed}", "--run", "0" * 16), "no run '0000000000000000' of theirs was made"),
        (("{packed}", "--sample", "half"), "not a share such as 10%"),
    ],
)
def test_what_cannot_be_replicated_is_told_in_one_line(packed, tmp_path, words, told):
    said = typed("replicate", *(w.format(packed=packed) for w in words), cwd=tmp_path, code=2)

    assert told in said
    assert not list(tmp_path.iterdir())


def test_a_module_that_is_not_what_the_runs_were_made_from_is_not_packed(packed, tmp_path):
    author = packed.parent
    shutil.copytree(author / "results", tmp_path / "results")
    for name in ("theirs.yaml", "climber.py"):
        shutil.copy(author / name, tmp_path)
    with (tmp_path / "climber.py").open("a") as file:
        file.write("# changed\n")

    said = typed("bundle", "theirs.yaml", cwd=tmp_path, code=2)

    assert "climber: it is not what every run was made from" in said
