"""What training logged, in the report: losses by arm, and the scalars of each run."""

from __future__ import annotations

import json
import re

import fake_store
import numpy as np
import pytest

from harness.report import Options, write
from harness.report.evidence import Evidence
from harness.report.render import listing
from harness.report.results import losses
from harness.store.reader import Store
from harness.store.scalars import Series

ENV = "DeepSea-20"


def store_of(path, sweep, logged):
    """:param logged: what a run logged, by name."""
    store = Store(path)
    for run in sweep.runs:
        fake_store.write_run(store, run, metrics=logged(run))
    return store


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    sweep = fake_store.sweep(("ppo", "rnd"), (ENV,), seeds=3)

    def logged(run):
        own = {"train/bonus_loss": [1.0, 0.1]} if run.arm == "rnd" else {}
        few = {"train/loss": [5.0, 4.0]} if run.seed else {}
        values = [1000.0 - run.seed, 10.0, 1.0 + run.seed]
        return {"train/value_loss": values, "rollout/ep_rew_mean": [0.0]} | own | few

    store = store_of(tmp_path_factory.mktemp("losses"), sweep, logged)
    return store, sweep, Evidence(sweep, store)


def test_drawn_are_the_losses_that_all_runs_of_an_arm_logged(written):
    _, _, evidence = written

    assert losses.chosen(evidence, ENV) == ["train/value_loss", "train/bonus_loss"]


def test_a_line_is_the_median_over_seeds_with_their_range_on_a_log_axis_over_decades(written):
    _, _, evidence = written

    value, bonus = losses.plot_of(evidence, ENV).panels

    assert (value.title, bonus.title) == ("train/value_loss", "train/bonus_loss")
    assert [line.look.name for line in value.marks] == ["ppo", "rnd"]
    line = value.marks[0]
    np.testing.assert_allclose(line.y, [999.0, 10.0, 2.0])
    np.testing.assert_allclose(line.low, [998.0, 10.0, 1.0])
    np.testing.assert_allclose(line.high, [1000.0, 10.0, 3.0])
    assert value.y.log and not bonus.y.log
    assert line.x[-1] == fake_store.ENVS[ENV][2]


def test_an_arm_of_which_a_run_is_missing_is_drawn_over_the_others_and_says_of_how_many(tmp_path):
    sweep = fake_store.sweep(("ppo", "rnd"), (ENV,), seeds=3)
    store = Store(tmp_path)
    for run in sweep.runs:
        if (run.arm, run.seed) != ("rnd", 1):
            fake_store.write_run(store, run, metrics={"train/value_loss": [2.0, 1.0]})

    (panel,) = losses.plot_of(Evidence(sweep, store), ENV).panels

    assert [line.look.name for line in panel.marks] == ["ppo", "rnd"]
    assert panel.gaps == ("rnd: 2 of 3 runs",)


def test_an_arm_of_which_a_run_failed_is_drawn_to_the_end_over_the_others(tmp_path):
    sweep = fake_store.sweep(("ppo",), (ENV,), seeds=3, claims=(), report={})
    *finished, failed = sweep.runs
    store, end = Store(tmp_path), fake_store.ENVS[ENV][2]
    for run in finished:
        metrics = {"train/loss": [9.0, 1.0, 1.0 + run.seed, 5.0]}
        fake_store.write_run(store, run, metrics=metrics)
    fake_store.write_failure(store, failed, "MemoryError: too much")
    row = {"step": end // 4, "seconds": 1.0, "train/loss": 9.0}
    (store.folder(failed) / "train.jsonl").write_text(json.dumps(row) + "\n")

    (panel,) = losses.plot_of(Evidence(sweep, store), ENV).panels

    (line,) = panel.marks
    assert line.x[-1] == end
    np.testing.assert_allclose(line.y, [9.0, 1.0, 1.5, 5.0])
    np.testing.assert_allclose(line.high, [9.0, 1.0, 2.0, 5.0])
    assert panel.gaps == (f"ppo: 3 of 3 runs until step {end // 4:,}, 2 at the end",)


def test_a_loss_that_a_finished_run_did_not_log_is_not_drawn_of_its_arm(tmp_path):
    sweep = fake_store.sweep(("ppo", "rnd"), (ENV,), seeds=3)

    def logged(run):
        return {} if (run.arm, run.seed) == ("rnd", 1) else {"train/value_loss": [2.0, 1.0]}

    (panel,) = losses.plot_of(Evidence(sweep, store_of(tmp_path, sweep, logged)), ENV).panels

    assert [line.look.name for line in panel.marks] == ["ppo"]
    assert panel.gaps == ("not drawn: rnd (logged by 2 of 3 runs)",)


def test_a_point_is_the_mean_of_what_was_logged_since_the_one_before():
    series = Series(np.array([1.0, 2, 3, 10]), np.array([4.0, 6, 1, 8]), False)

    np.testing.assert_allclose(series.means(np.array([2.0, 3, 6.5, 10])), [5, 1, 4.5, 8])


def test_a_point_over_a_number_that_is_not_finite_is_not_finite():
    series = Series(np.array([1.0, 2, 3]), np.array([4.0, np.nan, 1]), False)

    np.testing.assert_array_equal(series.means(np.array([2.0, 3])), [np.nan, 1])


def test_rows_that_share_a_step_are_drawn_one_after_the_other(tmp_path):
    sweep = fake_store.sweep(("ppo",), (ENV,), seeds=2, claims=(), report={})
    store = store_of(tmp_path, sweep, lambda run: None)
    for run in sweep.runs:
        rows = [{"step": 100, "seconds": 1.0, "train/vae_loss": float(i)} for i in range(4)]
        path = store.folder(run) / "train.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    logged = store.training(sweep.runs[0])["train/vae_loss"]

    assert logged.by_row
    assert logged.x.tolist() == [1, 2, 3, 4]


def test_the_page_has_the_losses_and_every_runs_scalars(written, tmp_path):
    store, sweep, _ = written
    page, _ = write(
        sweep, store, tmp_path / "report", Options(crosscheck=False, figures=("losses",))
    )

    html = (page.parent / "report.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])
    run = next(run for run in data["runs"] if data["groups"][run["group"]]["arm"] == 1)
    names = {name for part in run["training"] for name in part["y"]}
    assert names - {"time/fps"} == {"train/value_loss", "train/bonus_loss", "rollout/ep_rew_mean"}
    assert "## Training" in page.read_text()
    assert list(data["plots"]) == [f"losses_{ENV}"]


def test_runs_that_logged_too_much_for_one_page_are_not_in_it(written, monkeypatch):
    store, _, evidence = written
    monkeypatch.setattr(listing, "MOST_SCALAR_POINTS", 100)

    data = listing.data(evidence, store, store.root)

    assert not any("training" in run for run in data["runs"])


def test_a_run_shows_at_most_so_many_points_of_each_scalar(tmp_path):
    sweep = fake_store.sweep(("ppo",), (ENV,), seeds=1, claims=(), report={})
    store = store_of(tmp_path, sweep, lambda run: {"train/loss": list(range(1, 1001))})

    (run,) = listing.data(Evidence(sweep, store), store, tmp_path)["runs"]

    part = next(part for part in run["training"] if "train/loss" in part["y"])
    assert len(part["x"]) == 60
    assert part["x"][-1] == fake_store.ENVS[ENV][2]
    assert part["y"]["train/loss"][-1] > 900


def test_a_sweep_whose_runs_logged_no_losses_has_no_such_section(tmp_path):
    sweep = fake_store.sweep(("ppo",), (ENV,), seeds=2, claims=(), report={})
    store = store_of(tmp_path / "store", sweep, lambda run: {"rollout/remote": [0.5]})

    page, _ = write(
        sweep, store, tmp_path / "report", Options(crosscheck=False, figures=("losses",))
    )

    assert "## Training" not in page.read_text()
