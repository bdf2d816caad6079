"""A sweep as one table: all of it, and the same scores when it comes back."""

from __future__ import annotations

import sys

import fake_store
import pandas as pd
import pytest
from foreign import tidy

from harness.config.strict import UserError
from harness.stats import SCORES, curves
from harness.store.export import COLUMNS, write
from harness.store.foreign.source import Source
from harness.store.reader import Store
from harness.sweep.imported import take

TWO = (("ppo", "rnd"), ("DeepSea-10", "DeepSea-20"), 3)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def sweep(store):
    made = fake_store.sweep(*TWO)
    fake_store.write_sweep(store, made)
    return made


def finals(store, sweep):
    found = curves(store.frame(sweep.runs))
    return {run: {name: of(curve) for name, of in SCORES.items()} for run, curve in found.items()}


def test_what_is_exported_and_imported_again_has_the_same_scores(store, sweep, tmp_path):
    csv = write(sweep, store, tmp_path / "out").files[0]

    again = take(Source(csv), "again", store).sweep

    assert finals(store, again) == finals(store, sweep)


def test_a_table_has_every_evaluation_with_settings_and_costs(store, sweep, tmp_path):
    frame = pd.read_csv(write(sweep, store, tmp_path).files[0])

    assert list(frame)[: len(COLUMNS)] == list(COLUMNS)
    assert len(frame) == len(store.frame(sweep.runs))
    last = frame[frame.final & (frame.arm == "rnd") & (frame.seed == 2)].iloc[0]
    assert (last.agent, last["hparams.int_coef"], last.wall_seconds, last.attempts) == (
        "ppo_rnd", 1.0, 22.0, 1,
    )  # fmt: skip
    assert last.step == last.steps and last.episodes == 100


def test_parquet_and_csv_hold_the_same(store, sweep, tmp_path):
    csv, parquet = write(sweep, store, tmp_path).files

    read = pd.read_csv(csv, float_precision="round_trip")
    pd.testing.assert_frame_equal(
        pd.read_parquet(parquet), read, check_dtype=False, check_exact=True
    )


def test_a_setting_that_is_a_number_here_and_a_text_there_is_text(store, tmp_path):
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-10",), 1)
    rates = {"ppo": [1, 2], "rnd": "linear_3e-4"}
    runs = tuple(run.model_copy(update={"hparams": {"rate": rates[run.arm]}}) for run in sweep.runs)
    sweep = sweep.model_copy(update={"runs": runs})
    fake_store.write_sweep(store, sweep)

    frame = pd.read_parquet(write(sweep, store, tmp_path).files[1])

    assert list(dict.fromkeys(frame["hparams.rate"])) == ["[1,2]", "linear_3e-4"]


def test_runs_without_a_result_have_a_row_and_cannot_come_back_unseen(store, sweep, tmp_path):
    fake_store.remove_result(store, sweep.runs[0])
    csv = write(sweep, store, tmp_path).files[0]
    frame = pd.read_csv(csv)

    gone = frame[frame["return"].isna()]
    assert list(gone.key) == [sweep.runs[0].key] and list(gone.agent) == ["ppo"]
    assert list(gone.state) == ["interrupted"] and list(gone.attempts) == [1]
    assert ",100.0," not in csv.read_text()  # a step is a whole number, whatever is missing
    with pytest.raises(UserError, match="return: empty: fill it in, or drop the row"):
        take(Source(csv), "again", store)


def test_without_pyarrow_there_is_the_csv_and_what_to_install(store, sweep, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    made = write(sweep, store, tmp_path)

    assert [file.name for file in made.files] == ["fake.csv"]
    assert "pip install 'rl-ablation-harness[export]'" in made.note


def test_imported_runs_are_exported_without_costs_that_nobody_knows(store, tmp_path):
    sweep = take(Source(tidy(tmp_path / "s.csv", {"a": 1.0}, seeds=2)), "theirs", store).sweep

    frame = pd.read_csv(write(sweep, store, tmp_path).files[0])

    assert set(frame.state) == {"imported"} and set(frame["return"]) == {0, 0.5, 1, 0.5625, 1.125}
    unknown = ["agent", "sd", "episodes", "attempts", "wall_seconds", "cpu_seconds"]
    assert frame[unknown].isna().all(axis=None)
