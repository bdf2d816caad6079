"""A run that is made on another machine is seen to run here, and comes home with every file."""

from __future__ import annotations

import json

import fake_store
import pytest

from harness.store import away, layout, writer
from harness.store.away import Arrival, Held, Part, Watcher, parcels
from harness.store.reader import Store

RUN = fake_store.sweep(("ppo",), ("DeepSea-10",), seeds=1).runs[0]


@pytest.fixture
def there(tmp_path):
    """The results folder of the machine that makes the run."""
    return Store(tmp_path / "there")


@pytest.fixture
def here(tmp_path):
    return Store(tmp_path / "here")


def begun(store):
    store.folder(RUN).mkdir(parents=True)
    return writer.Record(store.folder(RUN), RUN)


def contents(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def arrived(tmp_path, there):
    arrival = Arrival(tmp_path / "arrival", RUN)
    for parcel in parcels(RUN, there):
        arrival.take(parcel)
    return arrival


@pytest.mark.parametrize("size", [10, away.PARCEL])
def test_a_finished_run_comes_home_with_every_file(there, here, tmp_path, monkeypatch, size):
    monkeypatch.setattr(away, "PARCEL", size)
    fake_store.write_run(there, RUN)
    (there.root / "sacred" / f"{RUN.key}-abc123").mkdir(parents=True)
    (there.root / "sacred" / f"{RUN.key}-abc123" / "run.json").write_text("{}")

    assert max(sum(len(p.content) for p in each) for each in parcels(RUN, there)) <= size
    merged = arrived(tmp_path, there).bring_home(here)

    assert merged.came == [RUN.key]
    assert contents(here.folder(RUN)) == contents(there.folder(RUN))
    assert here.status(RUN).state == "finished"
    assert here.sacred_records() == {RUN.key: [f"{RUN.key}-abc123"]}


def test_a_failure_comes_home_with_its_reason(there, here, tmp_path):
    begun(there).failed(RuntimeError("no"))

    merged = arrived(tmp_path, there).bring_home(here)

    assert merged.failed == [RUN.key]
    assert here.status(RUN).error == "RuntimeError: no"


def test_of_an_attempt_that_was_cut_short_nothing_travels(there, tmp_path):
    begun(there)

    assert list(parcels(RUN, there)) == []
    assert not arrived(tmp_path, there).outcome


def test_a_late_result_never_takes_the_place_of_one_that_is_here(there, here, tmp_path):
    fake_store.write_run(here, RUN)
    fake_store.write_run(there, RUN, returns=lambda run, part, rng, n: [0.25] * n)
    before = contents(here.folder(RUN))

    merged = arrived(tmp_path, there).bring_home(here)

    assert [RUN.key in line for line in merged.apart] == [True]
    assert contents(here.folder(RUN)) == before


def test_bytes_that_were_changed_on_the_way_are_not_taken(there, here, tmp_path):
    fake_store.write_run(there, RUN)
    arrival = arrived(tmp_path, there)
    path = Store(tmp_path / "arrival").folder(RUN) / layout.EVALS
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))

    assert arrival.result() is None
    assert arrival.bring_home(here).damaged
    assert here.status(RUN).state == "missing"


@pytest.mark.parametrize("name", ["../spec.json", "/tmp/spec.json", "runs/../../x", "runs//x"])
def test_a_part_that_leads_elsewhere_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="no file of a results folder"):
        Arrival(tmp_path / "arrival", RUN).take([Part(name, b"")])


def test_a_run_that_is_made_elsewhere_is_seen_to_run(there, here):
    record, watcher = begun(there), Watcher(RUN, there)
    held = Held(RUN, here)
    held.hear(watcher.news())
    record.evaluation(0, "curve", [0.5], [10], {})
    record.progress(1_000)
    held.hear(watcher.news())

    assert here.status(RUN).state == "running"
    assert here.pace(RUN)[0] == 1_000
    assert here.latest_score(RUN)[1] == 0.5
    assert watcher.news() == {}
    with pytest.raises(writer.Busy):
        Held(RUN, here)


def test_lost_attempts_are_counted_beside_the_one_that_came_home(there, here, tmp_path):
    for pid in range(2):
        held = Held(RUN, here)
        start = {"started": fake_store.STARTED, "pid": pid, "host": "elsewhere"}
        held.hear({layout.ATTEMPTS: json.dumps(start).encode() + b"\n"})
        held.lost()
        held.release()
    fake_store.write_run(there, RUN)
    finished = there.status(RUN).tries
    held = Held(RUN, here)
    held.hear(Watcher(RUN, there).news())
    held.release()

    arrived(tmp_path, there).bring_home(here)

    lost = [each.outcome for each in here.status(RUN).tries[:2]]
    assert lost == ["lost", "lost"]
    assert here.status(RUN).tries[2:] == finished


def test_an_attempt_of_which_nothing_was_heard_is_no_attempt(here):
    held = Held(RUN, here)
    held.lost()
    held.release()

    assert here.status(RUN).attempts == 0
