"""A table says the same in each of its forms, and writes numbers plainly."""

from __future__ import annotations

import re

import fake_store
from fake_report import ONE_ENV, TWO_ARMS, TWO_ENVS, report, rows

from harness.report.document import Table
from harness.report.number import fixed, short
from harness.report.render import markdown
from harness.report.render.latex import tabular


def test_the_three_forms_of_a_table_agree_to_the_last_digit(store):
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 8)
    fake_store.write_sweep(store, sweep)
    text = report(store, sweep)
    folder = store.sweep_folder("fake") / "report"
    latex, markdown = (folder / "table_auc.tex").read_text(), (folder / "table_auc.md").read_text()
    assert markdown in text
    every = rows(store, "table_auc")
    assert len(every) == len(TWO_ARMS) * len(TWO_ENVS)
    for row in every:
        cell = f"{row['iqm']} [{row['low']}, {row['high']}]"
        assert cell in markdown
        assert cell in latex


def test_latex_is_escaped_and_has_the_rules_of_booktabs():
    latex = tabular(Table(("arm", "a_b"), (("{x} 50 %", "-1.5"),)))
    assert r"\begin{tabular}{lr}" in latex
    assert r"a\_b \\" in latex
    assert r"\{x\} 50 \% & $-$1.5 \\" in latex
    assert re.findall(r"\\(top|mid|bottom)rule", latex) == ["top", "mid", "bottom"]


def test_a_bar_in_a_cell_does_not_end_it():
    assert r"a \| b" in markdown.table(Table(("x",), (("a | b",),)))


def test_few_seeds_are_written_as_few(store):
    alone, ranged = r"\| rnd \| [\d.]+ \|", r"\| rnd \| [\d.]+ \{[\d.]+, [\d.]+\} \|"
    for seeds, pattern in ((2, alone), (4, ranged)):
        sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds)
        fake_store.write_sweep(store, sweep)
        assert re.search(pattern, report(store, sweep))


def test_numbers_are_written_plainly():
    assert fixed(2)(-0.001) == "0.00"
    assert fixed(1)(499.96) == "500.0"
    assert [short(n) for n in (0, 500, 20_000, 1_500_000)] == ["0", "500", "20k", "1.5M"]
