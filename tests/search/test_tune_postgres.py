"""A study in PostgreSQL, started for real where Debian's package is installed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from fake_tune import FILE, attempt_in, facts, plan, run, trials

from harness.config.strict import UserError
from harness.search import shared, storage, study
from harness.store.reader import Store

pytestmark = pytest.mark.slow

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
USER = "postgres"


@pytest.fixture(scope="module")
def server():
    """The URL of an empty database. The server refuses to run as root: another user runs it."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="pip install '.[postgres]'")
    root = os.geteuid() == 0
    if root and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    if root:
        shutil.chown(folder, USER)

    def call(program, *words):
        command = [str(PROGRAMS[-1] / program), *words]
        if root:
            command = ["runuser", "-u", USER, "--", *command]
        # A file, since the server inherits what is given here and never closes it.
        with (folder.with_suffix(".log")).open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd="/", timeout=120)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    call("initdb", "-D", str(data), "-U", USER, "-A", "trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    call("pg_ctl", "-D", str(data), "-w", "-o", options, "start")
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
        folder.with_suffix(".log").unlink()


def test_a_study_in_postgresql_is_the_study_in_a_journal_and_resumes(server, tmp_path):
    told = []
    for name, where in (("journal", ""), ("database", f"storage: {server}\n")):
        folder = tmp_path / name
        folder.mkdir()
        of = plan(folder, FILE + where)
        made = []

        def die(made=made):
            made.append(1)
            if len(made) in (11, 40):
                raise KeyboardInterrupt

        for _ in range(3):
            try:
                run(of, folder, after=die)
            except KeyboardInterrupt:
                continue
        told.append(facts(trials(of, folder)))

    assert told[0] == told[1]
    assert len(told[1]) == 12
    assert not list((tmp_path / "database").rglob(storage.JOURNAL))


def test_commands_with_results_folders_of_their_own_share_a_search(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "STALE", 1.5)
    monkeypatch.setattr(shared, "BEAT", 0.2)
    monkeypatch.setattr(shared, "POLL", 0.05)
    text = FILE.replace("name: fake", "name: together")
    alone = tmp_path / "alone"
    alone.mkdir()
    run(plan(alone, text), alone)
    folders = [tmp_path / name for name in ("first", "second", "killed")]
    plans = []
    for folder in folders:
        folder.mkdir()
        plans.append(plan(folder, text + f"storage: {server}\n"))
    fork = multiprocessing.get_context("fork")

    def work(of, folder):
        made = []

        def after():
            made.append(1)
            time.sleep(0.02)  # else the first command has made all before the others begin
            if folder.name == "killed" and len(made) == 7:
                os.kill(os.getpid(), signal.SIGKILL)

        store = Store(folder)
        study.run(of, store, attempt_in(store, after=after), lambda text: None, at_once=4)

    works = [fork.Process(target=work, args=pair) for pair in zip(plans, folders, strict=True)]
    for each in works:
        each.start()
    for each in works:
        each.join(120)

    assert [each.exitcode for each in works] == [0, 0, -signal.SIGKILL]
    assert facts(trials(plans[0], folders[0])) == facts(trials(plan(alone, text), alone))
    made = [{path.parent.name for path in f.rglob("result.json")} for f in (alone, *folders)]
    assert made[0] == made[1] | made[2] | made[3]
    assert min(map(len, made)) >= 7
    assert not made[1] & made[2]
    best = [study.folder(plans[0], Store(f)) / study.BEST for f in (alone, *folders[:2])]
    assert len({path.read_text() for path in best}) == 1


def test_a_database_that_does_not_answer_is_one_line_without_the_password(tmp_path):
    where = "postgresql://me:secret@127.0.0.1:1/nothing"

    with pytest.raises(UserError) as caught:
        storage.connect(where)

    assert "postgresql://me@127.0.0.1:1/nothing" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
