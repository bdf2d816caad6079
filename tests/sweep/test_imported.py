"""Imports: all of a file or nothing, the same runs once, and what the records say of them."""

from __future__ import annotations

import json

import pytest
from foreign import table, tidy

from harness.config.strict import UserError
from harness.spec import ImportedRun
from harness.store import run_files
from harness.store.foreign.source import Source
from harness.store.reader import Store
from harness.sweep.imported import take

ARMS = {"a": 1.0, "b": 3.0}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def test_an_import_is_a_sweep_of_runs_that_were_not_made_here(store, tmp_path):
    sweep = take(Source(tidy(tmp_path / "s.csv", ARMS)), "theirs", store).sweep

    assert store.sweep("theirs") == sweep
    assert not sweep.made and len(sweep.imported) == 16
    assert (sweep.arms, sweep.envs) == (("a", "b"), ("CartPole-v1",))
    assert {store.status(run).state for run in sweep.runs} == {"finished"}
    frame = store.frame(sweep.runs)
    assert list(frame[frame.final & (frame.arm == "b") & (frame.seed == 4)]["mean"]) == [3.5]
    assert frame.sd.isna().all() and frame.episodes.isna().all()  # which episodes nobody knows


def test_the_files_of_an_imported_run_claim_nothing_but_scores_and_their_source(store, tmp_path):
    run = take(Source(tidy(tmp_path / "s.csv", ARMS)), "theirs", store).sweep.runs[0]
    folder = store.folder(run)

    assert sorted(path.name for path in folder.iterdir()) == [
        "evals.jsonl", "result.json", "spec.json",
    ]  # fmt: skip
    assert set(json.loads((folder / "result.json").read_text())) == {
        "key", "final", "imported", "files", "sha256",
    }  # fmt: skip
    assert run_files.spec(folder).key == run.key
    assert store.status(run).tries == ()


def test_the_same_file_is_the_same_runs_wherever_it_lies(store, tmp_path):
    path = tidy(tmp_path / "s.csv", ARMS)
    first = take(Source(path), "theirs", store)
    path.rename(tmp_path / "moved.csv")

    again = take(Source(tmp_path / "moved.csv"), "theirs", store)

    assert not first.before and again.before
    assert [run.key for run in again.sweep.runs] == [run.key for run in first.sweep.runs]
    assert len(list(store.root.glob("runs/*/*/*"))) == 16


def test_other_scores_under_the_same_name_are_refused_and_change_nothing(store, tmp_path):
    path = tidy(tmp_path / "s.csv", ARMS)
    sweep = take(Source(path), "theirs", store).sweep
    tidy(path, {"a": 2.0, "b": 3.0})

    with pytest.raises(UserError, match=r"other scores were imported as 'theirs'.*--as"):
        take(Source(path), "theirs", store)

    assert store.sweep("theirs") == sweep and not store.missing(sweep.runs)


def test_a_file_with_a_mistake_leaves_nothing(store, tmp_path):
    path = tidy(tmp_path / "s.csv", ARMS)
    path.write_text(path.read_text() + "a,CartPole-v1,8,100,oops\n")

    with pytest.raises(UserError):
        take(Source(path), "theirs", store)

    assert not store.root.exists()


def test_an_import_that_is_cut_short_leaves_no_run_and_is_made_again(store, tmp_path, monkeypatch):
    path = tidy(tmp_path / "s.csv", ARMS)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.rename", _no_space)
        with pytest.raises(OSError, match="full"):
            take(Source(path), "theirs", store)
    assert list(store.root.glob("runs/*")) == []

    assert not take(Source(path), "theirs", store).before


def _no_space(*_):
    raise OSError("full")


def test_a_damaged_import_is_mended_by_the_same_command(store, tmp_path):
    path = tidy(tmp_path / "s.csv", ARMS)
    sweep = take(Source(path), "theirs", store).sweep
    (store.folder(sweep.runs[0]) / "evals.jsonl").write_text("")
    assert store.status(sweep.runs[0]).state == "damaged"

    take(Source(path), "theirs", store)

    assert not store.missing(sweep.runs)


def test_a_name_of_a_sweep_that_was_made_here_is_refused(store, tmp_path, monkeypatch):
    import fake_store

    fake_store.write_sweep(store, fake_store.sweep(("ppo",), ("DeepSea-10",), 1), finish=False)

    with pytest.raises(UserError, match="a sweep of that name was started here"):
        take(Source(tidy(tmp_path / "s.csv", ARMS)), "fake", store)


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("a > c by final", "no arm 'c'"),
        ("b > a on Pendulum-v1 by final", "'Pendulum-v1' is not among"),
        ("b better", "does not read 'A > B [on ENV] by final|auc|cvar'"),
        ("b > a by auc", "no curve is imported, only single scores"),
    ],
)
def test_a_claim_that_cannot_be_about_the_import_is_refused_before_it(store, tmp_path, claim, told):
    path = table(tmp_path / "s.csv", *(f"{arm},CartPole-v1,0,1" for arm in "ab"),
                 head="arm,env,seed,return\n")  # fmt: skip

    with pytest.raises(UserError) as caught:
        take(Source(path), "theirs", store, [claim])

    assert told in str(caught.value) and not store.root.exists()


def test_the_anchors_are_those_of_the_card_of_that_name(store, tmp_path):
    path = tidy(tmp_path / "s.csv", ARMS, ("CartPole-v1", "Nobody-v0", "their.module:Env-v0"))

    assert list(take(Source(path), "theirs", store).sweep.anchors) == ["CartPole-v1"]


def test_a_key_is_of_what_was_imported_and_not_of_its_label_or_file(store, tmp_path):
    run = take(Source(tidy(tmp_path / "s.csv", ARMS)), "theirs", store).sweep.runs[0]
    assert isinstance(run, ImportedRun)
    elsewhere = run.origin.model_copy(update={"file": "other.csv"})

    assert run.model_copy(update={"arm": "x", "origin": elsewhere}).key == run.key
    assert run.model_copy(update={"steps": 1}).key != run.key
