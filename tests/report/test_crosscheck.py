"""rliable speaks in every report, beside our numbers and with how often its intervals hold."""

from __future__ import annotations

import csv
import sys

import fake_store
import numpy as np
import pytest
from fake_report import report
from typer.testing import CliRunner

from harness import stats
from harness.cli.main import app
from harness.report.results import crosscheck as section
from harness.stats import calibration, crosscheck
from harness.store.reader import Store
from harness.train import missing

ARMS, ENVS = ("ppo", "rnd"), ("DeepSea-20", "DeepSea-10")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def sweep_of(store, seeds=6, arms=ARMS, envs=ENVS, **more):
    sweep = fake_store.sweep(arms, envs, seeds, **more)
    fake_store.write_sweep(store, sweep)
    return sweep


def written(store, sweep):
    text = report(store, sweep, crosscheck=True)
    return text.partition(f"## {section.SECTION}\n")[2].partition("\n## ")[0]


def scores(runs=7, tasks=3):
    return np.random.default_rng(1).normal(0.5, 0.3, (runs, tasks))


# What rliable says -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", stats.AGGREGATES)
def test_points_are_ours_and_intervals_those_of_plain_percentiles(monkeypatch, name):
    monkeypatch.setattr(crosscheck, "RESAMPLES", 1_000)
    matrix, rng = scores(), np.random.default_rng(0)
    theirs = crosscheck.rliable(matrix, "x")[name]
    low, high = crosscheck.rliable_interval(matrix, stats.AGGREGATES[name], rng, 10_000)
    assert theirs.point == pytest.approx(stats.AGGREGATES[name](matrix), abs=1e-12)
    assert [theirs.low, theirs.high] == pytest.approx([low, high], abs=0.04)


def test_rliable_is_seeded_by_what_is_asked_and_leaves_the_global_generator_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    first = crosscheck.rliable(scores(), "x")
    assert (np.random.get_state()[1] == before).all()
    np.random.seed(4)
    assert crosscheck.rliable(scores(), "x") == first
    assert crosscheck.rliable(scores(), "y") != first


def test_a_failure_of_rliable_puts_the_generator_back_too():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    with pytest.raises(crosscheck.Unusable):
        crosscheck.rliable(np.zeros(3), "one-dimensional")
    assert (np.random.get_state()[1] == before).all()


# How often its intervals hold --------------------------------------------------------------------


def shares(rows):
    return {row.statistic.removeprefix("rliable's "): row.coverage for row in rows}


def test_of_few_seeds_and_rare_failures_its_interval_of_the_mean_is_mostly_wrong():
    """All of 3 runs succeed in 0.9^3 of the experiments: then it says 1, and the truth is 0.9."""
    found = shares(crosscheck.rows(3, 1, "0 or 1, p = 0.9", trials=400))
    assert found["Mean"] == pytest.approx(1 - 0.9**3, abs=0.07)
    assert found["IQM"] > 0.95


@pytest.mark.parametrize(
    "design", [(3, 1, "log-normal"), (10, 1, "normal"), (6, 5, "0 or 1, p = 0.9")], ids=str
)
def test_a_row_of_the_shipped_table_comes_out_again(design):
    found = shares(crosscheck.rows(*design, trials=200))
    kept = shares(
        row
        for row in calibration.shipped_table()
        if row.statistic.startswith("rliable") and (row.seeds, row.tasks, row.scores) == design
    )
    assert set(found) == set(kept) == set(stats.AGGREGATES)
    for name, share in found.items():
        error = np.sqrt(max(kept[name] * (1 - kept[name]), 0.01) / 200)
        assert share == pytest.approx(kept[name], abs=4 * error), name


@pytest.mark.parametrize(
    ("design", "nearest"), [((7, 3), (6, 1)), ((30, 9), (20, 5)), ((3, 1), (3, 1)), ((2, 5), None)]
)
def test_a_report_quotes_the_nearest_rows_from_below(design, nearest):
    rows = calibration.expected("rliable's IQM", *design)
    assert {(row.seeds, row.tasks) for row in rows} == ({nearest} if nearest else set())
    assert len(rows) == (len(crosscheck.SCORES_OF) if nearest else 0)
    assert crosscheck.covers("IQM", *design) == [row.coverage for row in rows]


# In a report -------------------------------------------------------------------------------------


def test_every_report_has_the_table_beside_ours_in_every_format(store):
    sweep = sweep_of(store)
    text = written(store, sweep)
    folder = store.sweep_folder(sweep.name) / "report"
    lines = [line for line in text.splitlines() if line.startswith(("| ppo", "| rnd"))]
    of_a_score = len(ARMS) * len(stats.AGGREGATES)
    assert len(lines) == of_a_score * len(sweep.report.scores)
    assert "2,000 resamples" not in text and "20 resamples" in text  # as the tests have it
    assert "Points are the same to 1e-12." in text
    assert "ours are widened for few seeds" in text
    assert "or the next fewer of 3, 5, 6, 10 or 20 seeds on 1 or 5 environments" in text
    html = (folder / "report.html").read_text()
    assert section.SECTION in html
    for score in sweep.report.scores:
        name = f"table_crosscheck_{score}"
        assert {".md", ".csv", ".tex"} == {path.suffix for path in folder.glob(f"{name}.*")}
        with (folder / f"{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == of_a_score
        for row in rows:
            assert float(row["point"]) == pytest.approx(float(row["rliable"]), abs=1e-12)
            assert 0 <= float(row["covers_least"]) <= float(row["covers_most"]) <= 1


def test_an_arm_with_missing_runs_is_named_and_left_out(store):
    sweep = sweep_of(store)
    fake_store.remove_result(store, sweep.runs[0])
    text = written(store, sweep)
    assert "Left out, because rliable needs every run: ppo (11 of 12 runs)." in text
    assert "| rnd |" in text and "| ppo |" not in text


def test_arms_on_environments_of_their_own_are_checked_over_these(store):
    sweep = fake_store.sweep(ARMS, ENVS, 6)
    runs = tuple(r for r in sweep.runs if (r.arm, r.env) != ("rnd", "DeepSea-10"))
    sweep = sweep.model_copy(update={"runs": runs})
    fake_store.write_sweep(store, sweep)
    text = written(store, sweep)
    assert "Arms on fewer environments than all: rnd (1)." in text
    assert "| rnd |" in text and "Points are the same to 1e-12." in text


def test_without_anchors_the_section_says_why_it_is_empty(store):
    text = written(store, sweep_of(store, anchors={}))
    assert text.strip() == (
        "Left out, because no random and reference score is known for DeepSea-20, DeepSea-10."
    )


def test_of_two_seeds_only_points_are_shown(store):
    text = written(store, sweep_of(store, seeds=2))
    assert "its interval means nothing" in text and "[" not in text.partition("| ppo")[2].split(
        "\n"
    )[0].replace("[CSV]", "")


def test_where_rliable_cannot_be_imported_the_report_goes_on_and_says_so(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "rliable", None)
    text = written(store, sweep_of(store))
    assert text.count("\n") <= 2
    assert "rliable does not work here (ModuleNotFoundError" in text


def test_points_that_differ_are_named(store, monkeypatch):
    real = crosscheck.rliable

    def off(matrix, *names):
        found = real(matrix, *names)
        return found | {"Mean": found["Mean"]._replace(point=found["Mean"].point + 1e-9)}

    monkeypatch.setattr(crosscheck, "rliable", off)
    text = written(store, sweep_of(store))
    assert "Points differ by more than 1e-12: Mean of ppo, Mean of rnd." in text


SWEEP = """\
name: fake
question: Does it?
envs: [CartPole-v1]
seeds: 6
steps: 1_000
evaluation: {every: 1_000, episodes: 2, final_episodes: 2}
arms: {random: {agent: random}, pid: {agent: pid}}
"""


@pytest.mark.parametrize("verb", ["report", "sweep"])
def test_no_crosscheck_leaves_it_out(store, monkeypatch, verb):
    def write(specs, *_, **__):
        for spec in specs:
            fake_store.write_run(store, spec)

    monkeypatch.setattr(missing, "train_missing", write)
    file = store.root / "fake.yaml"
    file.write_text(SWEEP)
    results = ["--results", str(store.root)]
    made = CliRunner().invoke(app, ["sweep", str(file), *results])
    report = store.sweep_folder("fake") / "report" / "report.md"
    assert made.exit_code == 0 and section.SECTION in report.read_text()
    monkeypatch.setattr(crosscheck, "rliable", lambda *_: pytest.fail("it was asked"))
    what = {"report": "fake", "sweep": str(file)}[verb]
    again = CliRunner().invoke(app, [verb, what, *results, "--no-crosscheck"])
    assert again.exit_code == 0 and section.SECTION not in report.read_text()
