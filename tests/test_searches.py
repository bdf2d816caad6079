"""How far searches are is read without holding them, and without writing anything."""

from __future__ import annotations

import fcntl
import json
import re

import pytest
from fake_tune import FILE, hill, plan, run, trials
from typer.testing import CliRunner

from harness import searches, tune
from harness.cli import app
from harness.store import Store
from harness.tune import storage


def standing(root):
    (found,) = searches.standings(Store(root))
    return found


def harness(*words):
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What was seen from outside after every run, and at the end."""
    root = tmp_path_factory.mktemp("searches")
    of = plan(root)
    journal = tune.folder(of, Store(root)) / searches.JOURNAL
    seen = []

    def look():
        if len(seen) % 9:
            seen.append(None)
            return
        before = journal.read_bytes()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fcntl, "flock", None)  # whoever holds a lock would need it
            seen.append(standing(root))
        assert journal.read_bytes() == before

    found = run(of, root, after=look)
    return root, of, found, [one for one in seen if one is not None]


def test_a_search_is_watched_from_its_first_trial_to_its_winner(finished):
    root, _, found, seen = finished
    assert all(one.running for one in seen)
    assert [one.stage for one in seen] == sorted((one.stage for one in seen), reverse=True)
    assert {one.stage for one in seen} == {searches.SEARCHING, searches.CONFIRMING}
    assert (seen[0].done, seen[0].open, seen[0].best) == (0, 4, None)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    last = standing(root)
    assert (last.search, last.arm, last.stage, last.running) == ("fake", "pid", "done", False)
    assert (last.done, last.open, last.failed) == (12, 0, 0)
    assert last.best == max(t.value for t in found.trials if t.user_attrs["full"])
    steps = sum(trial.user_attrs["steps"] for trial in found.trials)
    assert last.spent == f"12 of 12 trials, {steps:,} steps"


def test_status_and_ls_show_the_searches(finished):
    root, _, found, _ = finished
    best = max(t.value for t in found.trials if t.user_attrs["full"])
    for words in (["status"], ["ls", "searches"]):
        out = harness(*words, "--results", str(root))
        assert re.search(rf"fake +pid +done +12 +{best:.3f} +12 of 12 trials", out)


def test_a_store_without_searches_says_nothing_of_them(tmp_path):
    out = harness("status", "--results", str(tmp_path))
    assert out.split() == f"no sweep was started in {tmp_path}".split()
    assert harness("ls", "searches", "--results", str(tmp_path)).startswith("no search was started")


def test_a_record_that_is_half_written_is_left_out_and_left_alone(finished):
    root, of, _, _ = finished
    journal = tune.folder(of, Store(root)) / searches.JOURNAL
    whole, before = journal.read_bytes(), standing(root)
    lines = whole.splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if json.loads(line).get("state") == 1)
    torn = b"".join(lines[:last]) + lines[last][:-10]
    try:
        journal.write_bytes(torn)
        assert (standing(root).done, standing(root).open) == (before.done - 1, 1)
        assert journal.read_bytes() == torn
        assert not list(journal.parent.glob("*.torn-*"))
    finally:
        journal.write_bytes(whole)


def test_a_search_that_was_stopped_says_where(tmp_path):
    def die(spec):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan(tmp_path), tmp_path, score=die)

    assert re.search(
        r"fake +pid +stopped while searching +0 of 12 trials",
        harness("ls", "searches", "--results", str(tmp_path)),
    )


def test_crashed_trials_are_counted_apart(tmp_path):
    of = plan(tmp_path, FILE.replace("trials: 12", "steps: 24_000"))
    default = of.base[0].hparams
    run(of, tmp_path, score=lambda s: hill(s) if s.hparams == default else "ValueError: no")

    found, told = standing(tmp_path), trials(of, tmp_path)
    assert (found.done, found.failed) == (1, len(told) - 1)
    assert found.failed > 1
    assert re.fullmatch(r"[\d,]+ of 24,000 steps", found.spent)


@pytest.mark.slow
def test_a_study_in_a_database_is_read_there(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    of = plan(tmp_path, FILE + f"storage: {url}\n")
    run(of, tmp_path)
    assert standing(tmp_path).done == 12

    (tmp_path / "study.db").write_bytes(b"no database")
    assert "not a database" in harness("status", "--results", str(tmp_path))


def test_a_password_is_not_written_down(tmp_path):
    of = plan(
        tmp_path, FILE + "storage: postgresql://me:secret@host/db?password=secret&sslmode=no\n"
    )
    storage.tell(of, tmp_path, searches.SEARCHING)
    said = (tmp_path / searches.STATE).read_text()
    assert "secret" not in said
    assert json.loads(said)["storage"] == "postgresql://me@host/db?sslmode=no"
