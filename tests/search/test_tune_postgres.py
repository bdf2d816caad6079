"""A study in PostgreSQL, started for real where Debian's package is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from fake_tune import FILE, facts, plan, run, trials

from harness.config.strict import UserError
from harness.search import storage

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


def test_a_database_that_does_not_answer_is_one_line_without_the_password(tmp_path):
    where = "postgresql://me:secret@127.0.0.1:1/nothing"

    with pytest.raises(UserError) as caught:
        storage.connect(where)

    assert "postgresql://me@127.0.0.1:1/nothing" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
