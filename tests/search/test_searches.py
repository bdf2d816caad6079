"""How far searches are is read without holding them, and without writing anything."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from fake_tune import FILE, facts, hill, plan, run, trials
from family import some
from typer.testing import CliRunner

from harness.cli.main import app
from harness.config.strict import UserError
from harness.search import confirm, storage, study
from harness.store import searches
from harness.store.reader import Store
from harness.sweep.best import Best, digest, read_best

TAKES_OVER = """\
name: x
question: Is the winner the one that was found?
envs: [CartPole-v1]
seeds: 2
steps: 1000
evaluation: {{every: 1000, episodes: 1, final_episodes: 1}}
arms:
  found: {{agent: pid, hparams: {{from: {}}}}}
"""


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
    journal = study.folder(of, Store(root)) / searches.JOURNAL
    seen = []

    def look():
        if len(seen) % 9:
            seen.append(None)
            return
        before = journal.read_bytes()
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
    journal = study.folder(of, Store(root)) / searches.JOURNAL
    whole, before = journal.read_bytes(), standing(root)
    lines = whole.splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if json.loads(line).get("state") == 1)
    torn = b"".join(lines[:last]) + lines[last][:-10]
    try:
        journal.write_bytes(torn)
        assert standing(root).done == before.done - 1
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


@pytest.mark.parametrize("scheme", [
    "postgresql", "postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql", "mssql", "redis",
    "sqlite+aiosqlite", "intruder", "intruder+evil",
])  # fmt: skip
def test_no_server_is_connected_to_and_no_driver_imported_on_the_word_of_a_record(
    scheme, tmp_path, monkeypatch
):
    (tmp_path / "intruder.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    home(tmp_path).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"{scheme}://me@127.0.0.1:{server.getsockname()[1]}/db"
        storage.tell(plan(tmp_path, FILE + f"storage: {url}\n"), home(tmp_path), "searching")
        for words in (["status"], ["ls", "searches"]):
            out = " ".join(harness(*words, "--results", str(tmp_path)).split())
            assert f"its trials are in {url}: only `harness tune` with its file asks there" in out
        with pytest.raises(BlockingIOError):  # nobody has knocked
            server.accept()


# Damage -------------------------------------------------------------------------------------------


def home(root):
    return root / "searches" / "fake" / "pid"


def replaced(make):
    def damage(path):
        path.unlink()
        make(path)

    return damage


def altered_middle(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[3][:9] + b"\n", *lines[4:]]))


def of_another_search(path):
    path.write_bytes(path.read_bytes().replace(b"fake.pid", b"other.pid"))


def linked_away(path):
    away = path.parents[5] / f"{path.parents[4].name}-away"
    away.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(away)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "cut in the middle": altered_middle,
    "of another search": of_another_search,
    "JSON of another program": lambda path: path.write_bytes(b'{"a": 1}\n{"c": 3}\n'),
    "a list": lambda path: path.write_bytes(b"[]\n"),
    "a record of no operation": lambda path: path.write_bytes(b'{"op_code": 99}\n'),
    "binary": lambda path: path.write_bytes(random.Random(0).randbytes(500) + b"\n"),
    "not readable": lambda path: UNREADABLE.add(path.stat().st_ino),
    "a folder": replaced(lambda path: path.mkdir()),
    "a link to nothing": replaced(lambda path: path.symlink_to("nowhere")),
    "a link out of the results folder": linked_away,
    "a pipe": replaced(os.mkfifo),
}
UNREADABLE: set[int] = set()  # inodes: root, as whom tests may run, reads every file


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A finished search that is made again in a moment."""
    root = tmp_path_factory.mktemp("small")
    of = plan(root, FILE.replace("{trials: 12}", "{trials: 3}").replace("batch: 4", "batch: 3"))
    return root, of, run(of, root)


@pytest.fixture
def copied(small, tmp_path, monkeypatch):
    """The same in a results folder that a test may damage."""
    root, of, found = small
    for room in ("searches", "runs"):
        shutil.copytree(root / room, tmp_path / "results" / room)
    UNREADABLE.clear()
    read_best.cache_clear()
    opened = Path.open

    def open_(path, mode="r", *more, **named):
        if UNREADABLE and path.exists() and path.stat().st_ino in UNREADABLE:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode, *more, **named)

    monkeypatch.setattr(Path, "open", open_)
    return tmp_path / "results", of, found


def search_again(of, root):
    said = []
    study.run(of, Store(root), lambda specs: pytest.fail("the runs are there"), said.append)
    return said


# Of the journal in every test run, of what is told beside it seldom.
SELDOM = {"JSON of another program", "a list", "a record of no operation", "not readable"}
SELDOM |= {"a folder", "a link to nothing", "a pipe"}
# A state that is cut between two lines is garbage as any other, and it names no search.
OF_STATE = [d for d in DAMAGES if d not in ("gone", "cut in the middle", "of another search")]
CASES = [(searches.JOURNAL, damage) for damage in DAMAGES]
CASES += [
    pytest.param(searches.STATE, damage, marks=[pytest.mark.slow] * (damage in SELDOM))
    for damage in OF_STATE
]


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_a_damaged_file_of_a_search_is_named_and_the_same_study_made_of_the_runs(
    name, damage, copied
):
    root, of, found = copied
    path = home(root) / name
    best = (home(root) / searches.BEST).read_text()
    DAMAGES[damage](path)
    for words in (["status"], ["ls", "searches"]):
        out = "".join(harness(*words, "--results", str(root)).split())
        assert f"damaged:{path}:" in out

    said = search_again(of, root)

    if name == searches.JOURNAL and damage != "gone":
        assert [line for line in said if line.startswith(f"{path}: ")], said
        assert os.path.lexists(path.with_name(f"{path.name}.damaged-1"))
    assert facts(trials(of, root)) == facts(found.trials)
    assert (home(root) / searches.BEST).read_text() == best
    assert "damaged:" not in harness("status", "--results", str(root))


def test_a_torn_last_record_is_taken_out_with_a_message_and_kept_beside(copied):
    root, of, found = copied
    journal = home(root) / searches.JOURNAL
    torn = journal.read_bytes() + b'{"op_code": 4, "worker_'
    journal.write_bytes(torn)

    said = search_again(of, root)

    aside = journal.with_name("journal.log.damaged-1")
    assert said[0] == f"{journal}: a torn record is taken out; as it was: {aside.name}"
    assert aside.read_bytes() == torn
    assert facts(trials(of, root)) == facts(found.trials)


def test_a_folder_of_a_search_that_links_out_of_the_results_folder_is_not_followed(copied):
    root, of, found = copied
    away = root.parent / "away"
    home(root).rename(away)
    home(root).symlink_to(away)
    before = {path: path.read_bytes() for path in away.iterdir()}

    shown = " ".join(harness("status", "--results", str(root)).split())
    assert "it is a link out of the results folder" in shown
    said = search_again(of, root)

    assert said[0].startswith(f"{home(root)}: it is a link out of the results folder")
    assert {path: path.read_bytes() for path in away.iterdir()} == before
    assert facts(trials(of, root)) == facts(found.trials)


@pytest.mark.parametrize("damage", some([*DAMAGES, "a torn end"], but=SELDOM))
def test_a_sweep_is_told_of_a_damaged_winner_and_the_search_writes_it_again(
    damage, copied, monkeypatch
):
    root, of, _ = copied
    monkeypatch.chdir(root.parent)
    path = home(root) / searches.BEST
    before = path.read_bytes()
    Path("x.yaml").write_text(TAKES_OVER.format(path.relative_to(root.parent)))
    if damage == "a torn end":
        path.write_bytes(before[:-3])
    elif damage == "of another search":
        path.write_bytes(before.replace(b"agent: pid", b"agent: ppo"))
    else:
        DAMAGES[damage](path)

    done = CliRunner().invoke(app, ["check", "x.yaml"])

    assert done.exit_code == 2 and 0 < len(done.output.splitlines()) < 5, done.output
    assert all("best.yaml" in line for line in done.output.splitlines())
    search_again(of, root)
    assert path.read_bytes() == before and not path.is_symlink()
    read_best.cache_clear()
    assert CliRunner().invoke(app, ["check", "x.yaml"]).exit_code == 0


def test_a_winner_that_is_cut_short_anywhere_gives_no_other_hyper_parameters(copied):
    root, *_ = copied
    path = home(root) / searches.BEST
    facts = read_best(path)[1].provenance
    hparams = {"gamma": 0.99, "policy_kwargs": {"net_arch": [8, 8]}, "train_freq": 16, "tau": 1.0}
    facts = facts.model_copy(update={"sha256": digest("dqn", hparams)})
    confirm.write(path, Best(agent="dqn", hparams=hparams, provenance=facts))
    whole, taken = path.read_bytes(), []

    for end in range(0, len(whole), 11):
        path.write_bytes(whole[:end])
        read_best.cache_clear()
        with suppress(UserError):
            taken.append(read_best(path)[1].hparams)

    assert taken in ([], [hparams])  # without its last line's end it is whole


def test_hyper_parameters_that_were_edited_are_taken_without_the_story_of_their_search(copied):
    root, *_ = copied
    path = home(root) / searches.BEST
    text = path.read_text()
    edited = text.replace("kp: 10.0", "kp: 11.0")
    assert edited != text
    path.write_text(edited)
    read_best.cache_clear()

    with pytest.raises(UserError, match=r"best.yaml:\d+: hparams: .* leave out `provenance`"):
        read_best(path)

    path.write_text(edited[edited.index("agent:") :])
    assert read_best(path)[1].hparams["kp"] == 11.0


def test_a_password_is_not_written_down(tmp_path):
    of = plan(
        tmp_path, FILE + "storage: postgresql://me:secret@host/db?password=secret&sslmode=no\n"
    )
    storage.tell(of, tmp_path, searches.SEARCHING)
    said = (tmp_path / searches.STATE).read_text()
    assert "secret" not in said
    assert json.loads(said)["storage"] == "postgresql://me@host/db?sslmode=no"
