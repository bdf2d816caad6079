"""A report's folder: the same bytes from the same store, and nothing of an earlier report."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import fake_store
from fake_report import CLAIM, ONE_ENV, TWO_ARMS, report, write_report

from harness.report import write
from harness.report.results.figures import FIGURES
from harness.spec import ReportOptions
from harness.stats import crosscheck


def test_nothing_finished_still_gives_a_report(store):
    options = ReportOptions(scores=("final",))
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3, claims=(CLAIM,), report=options)
    fake_store.write_sweep(store, sweep, finish=False)
    fake_store.write_interruption(store, sweep.runs[0])
    text = report(store, sweep, figures=FIGURES)
    assert "6 runs: 1 interrupted, 5 missing." in text
    assert "0 of 6 runs are finished; 6 missing" in text


SCRIPT = """
import sys
from pathlib import Path
from harness import report
from harness.stats import crosscheck
from harness.store.reader import Store
crosscheck.RESAMPLES = int(sys.argv[3])
store = Store(Path(sys.argv[1]))
report.write(store.sweep("fake"), store, Path(sys.argv[2]))
heavy = {"torch", "jax", "gymnasium", "stable_baselines3", "baselines"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_same_store_gives_the_same_bytes_and_no_learner_is_imported(store, tmp_path):
    options = ReportOptions(scores=("final",))
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 6, claims=(CLAIM,), report=options)
    fake_store.write_sweep(store, sweep)
    here, there = tmp_path / "here", tmp_path / "there"
    write(sweep, store, here)
    words = str(store.root), str(there), str(crosscheck.RESAMPLES)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        check=True, env=os.environ | {"PYTHONHASHSEED": "1"}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    digests = [
        {
            str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in folder.rglob("*.*")
        }
        for folder in (here, there)
    ]
    assert digests[0] == digests[1]
    suffixes = {".md", ".csv", ".tex", ".pdf", ".png", ".bib", ".html", ".json"}
    assert {Path(name).suffix for name in digests[0]} == suffixes
    assert "paper/figures/curves.pdf" in digests[0]
    pdf = (here / "curves.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf and b"/Type3" not in pdf  # TrueType, embedded


def test_files_of_an_earlier_report_do_not_stay(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3)
    fake_store.write_sweep(store, sweep)
    more = sweep.report.model_copy(update={"scores": ("final", "auc")})
    less = sweep.report.model_copy(update={"scores": ("final",)})
    report(store, sweep.model_copy(update={"report": more}))
    folder = store.sweep_folder("fake") / "report"
    assert (folder / "table_auc.csv").exists() and (folder / "paper/tables/table_auc.tex").exists()
    report(store, sweep.model_copy(update={"report": less}))
    assert not (folder / "table_auc.csv").exists()
    assert not (folder / "paper/tables/table_auc.tex").exists()


def test_without_figures_a_report_says_so_and_draws_none(store):
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 3)
    fake_store.write_sweep(store, sweep)
    folder = write_report(store, sweep, figures=())
    assert "Left out, as asked: `--no-figures`." in (folder / "report.md").read_text()
    assert not [*folder.rglob("*.png"), *folder.rglob("*.pdf")]
