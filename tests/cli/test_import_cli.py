"""`harness import`, `harness export` and what other verbs say of runs that were not made here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command import typed
from foreign import tidy

from harness.store.export import COLUMNS

DOCS = Path(__file__).parents[2] / "docs" / "import.md"
ARMS = {"a": 1.0, "b": 3.0}
CLAIM = "b > a on CartPole-v1 by final"


@pytest.fixture
def folder(tmp_path):
    tidy(tmp_path / "scores.csv", ARMS)
    return tmp_path


def test_finished_results_are_a_report_in_one_command_that_the_report_repeats(folder):
    said = typed("import", "scores.csv", "--as", "theirs", "--claim", CLAIM, cwd=folder)
    assert "16 runs imported, not made here." in said
    assert "report: results/sweeps/theirs/report/report.md" in said

    text = (folder / "results/sweeps/theirs/report/report.md").read_text()
    assert f"harness import scores.csv --as theirs --claim '{CLAIM}'" in text
    assert "**Supported: b beats a" in text


def test_the_same_import_again_says_that_nothing_is_new(folder):
    typed("import", "scores.csv", "--as", "theirs", cwd=folder)

    said = typed("import", "scores.csv", "--as", "theirs", cwd=folder)

    assert "The same 16 runs had been imported before: nothing is new." in said


def test_an_import_that_is_repeated_without_its_claim_says_what_is_no_longer_claimed(folder):
    typed("import", "scores.csv", "--as", "theirs", "--claim", CLAIM, cwd=folder)

    again = typed("import", "scores.csv", "--as", "theirs", "--claim", CLAIM, cwd=folder)
    without = typed("import", "scores.csv", "--as", "theirs", cwd=folder)

    assert "No longer claimed" not in again
    assert f"No longer claimed: '{CLAIM}'. To keep it, add --claim." in without


def test_one_run_is_counted_as_one(folder):
    (folder / "one.csv").write_text("arm,env,seed,step,return\na,CartPole-v1,0,100,5\n")

    said = typed("import", "one.csv", "--as", "one", cwd=folder)

    assert "1 run imported, not made here." in said and "1 runs" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--as", "../x"), "--as: ../x: no name of a sweep"),
        (("--as", "x", "--column", "return"), "'return' does not read return=COLUMN"),
        (("--as", "x", "--column", "retrn=a"), "no column 'retrn'. Did you mean 'return'?"),
        (("--as", "x", "--format", "csv"), "--format: no format 'csv'."),
        (("--as", "x", "--claim", "a > c by final"), "--claim: no arm 'c'."),
    ],
)
def test_an_option_that_cannot_be_meant_is_one_line(folder, words, told):
    said = typed("import", "scores.csv", *words, cwd=folder, code=2)

    assert told in said and len(said.splitlines()) == 1


def test_an_imported_run_cannot_be_made_again_and_every_verb_says_why(folder):
    typed("import", "scores.csv", "--as", "theirs", cwd=folder)
    key = next((folder / "results/runs/import.theirs/CartPole-v1").iterdir()).name

    assert "were not made here, but imported: they cannot be made again" in typed(
        "verify", "theirs", cwd=folder, code=2
    )
    assert "it was not made here, but imported from scores.csv: there is no agent" in typed(
        "verify", key, cwd=folder, code=2
    )
    assert "16 runs imported, not made here." in typed("status", "theirs", cwd=folder)
    assert "theirs/b" in typed("ls", "runs", cwd=folder)
    typed("ls", "costs", cwd=folder)


def test_what_is_exported_lies_in_the_sweeps_folder_and_comes_back(folder):
    typed("import", "scores.csv", "--as", "theirs", cwd=folder)

    said = typed("export", "theirs", cwd=folder)

    csv = "results/sweeps/theirs/export/theirs.csv"
    assert f"table: {csv}" in said and "theirs.parquet" in said
    assert "16 runs imported" in typed("import", csv, "--as", "again", cwd=folder)


def test_runs_without_names_are_told_by_a_table(folder):
    (folder / "metrics.csv").write_text("run_id,key,value,step,timestamp\nf00,ret,1,10,0\n")
    (folder / "names.csv").write_text("run,arm,env,seed\nf00,a,CartPole-v1,3\n")

    typed("import", "metrics.csv", "--as", "ml", "--names", "names.csv", cwd=folder)

    assert "CartPole-v1  3" in re.sub(" +", "  ", typed("ls", "runs", cwd=folder))


def test_the_page_tells_each_column_of_an_export():
    text = DOCS.read_text("utf-8")

    assert [name for name, about in COLUMNS.items() if f"| `{name}` | {about} |" not in text] == []
