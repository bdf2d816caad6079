"""How often fewer seeds would have told another story."""

from __future__ import annotations

import math

import fake_store
import pytest
from fake_report import ONE_ENV, report, rows

from harness.report.evidence import Evidence
from harness.report.plot import Line
from harness.report.results.figures import FIGURES
from harness.spec import ReportOptions, ResolvedSweep
from harness.store.reader import Store


def many_seeds(store: Store, seeds: int, missing: int = 0) -> ResolvedSweep:
    """rnd is better by 0.2 on two seeds of three, and worse by 0.05 on the third."""
    sweep = fake_store.sweep(
        ("ppo", "rnd"), ONE_ENV, seeds, report=ReportOptions(scores=("final",))
    )
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs[: len(sweep.runs) - missing]:
        level = 0.5 if run.arm == "ppo" else 0.7 if run.seed % 3 else 0.45
        fake_store.write_run(store, run, lambda run, fraction, rng, n, level=level: [level] * n)
    return sweep


def test_with_many_seeds_it_is_said_how_often_fewer_would_have_misled(store):
    report(store, many_seeds(store, 20))
    found = {row["fewer seeds"]: row for row in rows(store, "table_fewer_seeds")}
    # 7 of 20 seeds are worse, and the mean of 3 is worse only if all 3 are. The IQM of all is over
    # 2 of the worse and 8 of the better ones.
    worse = math.comb(7, 3) / math.comb(20, 3)
    assert list(found) == ["3", "5", "10"]
    assert found["3"]["opposite"] == f"{100 * worse:.1f} %"
    assert (found["3"]["arms"], found["3"]["all seeds"]) == ("rnd - ppo", "20")
    assert found["3"]["difference"] == "0.15"


def test_with_few_seeds_no_subset_of_them_is_asked(store):
    assert "fewer seeds" not in report(store, many_seeds(store, 19))


def test_fewer_seeds_of_an_arm_with_a_gap_say_nothing(store):
    report(store, many_seeds(store, 20, missing=1))
    said = [(row["difference"], row["opposite"]) for row in rows(store, "table_fewer_seeds")]
    assert said == [("- (19 of 20 runs)", "")] * 3


def test_a_figure_counts_the_misled_by_the_number_of_seeds(store):
    evidence = Evidence(many_seeds(store, 20), store)
    (panel,) = FIGURES["fewer_seeds"].plot(evidence, "final").panels
    (line,) = panel.of(Line)
    assert line.x.tolist() == list(range(1, 11))
    assert line.y[0] == pytest.approx(100 * 7 / 20)
    assert line.y[-1] < 1
