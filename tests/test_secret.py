"""A database's password is never printed or written: not by what works, not by what fails."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from fake_tune import FILE, plan
from fake_tune import run as search
from typer.testing import CliRunner

from harness.cli.main import app
from harness.config.secret import without_password
from harness.config.strict import UserError
from harness.search import storage
from harness.store import searches
from harness.store.files import write_json
from harness.store.reader import Store
from harness.store.writer import write_failure

SECRET = "hunter2!"


@pytest.mark.parametrize(("text", "shown"), [
    ("postgresql://me:hunter2!@host/db", "postgresql://me@host/db"),
    ("postgresql+psycopg://me:hunter2!@h:5432/db", "postgresql+psycopg://me@h:5432/db"),
    ("mongodb://me:hunter2!@a,b/db?w=1", "mongodb://me@a,b/db?w=1"),
    ("postgresql://me:hun@ter2!@host/db", "postgresql://me@host/db"),
    ("postgresql://me:hun/ter2!@host/db", "postgresql://me@host/db"),
    ("postgresql://:hunter2!@host/db", "postgresql://@host/db"),
    ("postgresql://host/db?user=me&password=hunter2!", "postgresql://host/db?user=me"),
    ("postgresql://h/db?password=hunter2!&sslmode=no", "postgresql://h/db?sslmode=no"),
    ("postgresql://h/db?PWD=hunter2!&sslpassword=hunter2!", "postgresql://h/db"),
    ("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2!", "mongodb://h/"),
    ("'postgresql://me:hunter2!@host/db' is no path", "'postgresql://me@host/db' is no path"),
    ("postgresql://host:5432/db", "postgresql://host:5432/db"),
    ("sqlite:////tmp/study.db", "sqlite:////tmp/study.db"),
    ("results/searches/a/ppo/journal.log", "results/searches/a/ppo/journal.log"),
    ("arms.a: 3 > 2, at 14:05 by me@host", "arms.a: 3 > 2, at 14:05 by me@host"),
])  # fmt: skip
def test_a_url_is_shown_without_its_password(text, shown):
    assert without_password(text) == shown


@pytest.mark.parametrize(("url", "error"), [
    ("postgresql://me:hun@ter2!@host/db", "failed to resolve host 'ter2!@host'"),
    ("postgresql://me:hunter%202!@host/db", "no password 'hunter 2!' here"),
    ("postgresql://me:hunter 2!@host/db", "could not parse 'me:hunter 2!@host'"),
    ("postgresql://host/db?password=hunter2!", "invalid option hunter2!"),
])  # fmt: skip
def test_an_error_that_quotes_a_part_of_a_password_is_shown_without_it(url, error):
    said = without_password(error, url)

    assert "2!" not in said
    assert "***" in said


UNREACHABLE = [
    f"postgresql://me:{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:a@{SECRET}@127.0.0.1:1/db",
    f"postgresql://me:a:{SECRET}@127.0.0.1:port/db",
    f"postgresql://127.0.0.1:1/db?user=me&password={SECRET}",
    f"nothing://me:{SECRET}@host/db",
    f"nothing://me:{SECRET}@host db",
    f"sqlite:////nowhere/at/all?password={SECRET}",
]


def typed(*words):
    """Whatever the command says, on both streams."""
    return CliRunner().invoke(app, [str(word) for word in words]).output


@pytest.mark.parametrize("url", [*UNREACHABLE, f"mongodb://me:a@{SECRET}@127.0.0.1:1"])
def test_an_observer_that_cannot_be_reached_is_told_without_its_password(
    url, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    out = typed("run", "pid", "CartPole-v1", "--observer", url)

    assert "--observer: " in out
    assert SECRET not in out
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("url", UNREACHABLE)
def test_a_storage_that_cannot_be_reached_is_told_without_its_password(url):
    with pytest.raises(UserError) as caught:
        storage.connect(url)

    assert "storage: " in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "lines",
    [
        "storage: [{url}]",
        "storage: [{url}/and/a/name/that/is/so/long/that/no/message/shows/it/whole]",
        "budget: {{steps: {url}, trials: 3}}",
        "storage: {{url: {url}}}",
        "storag: {url}",
        "storage: {url}\nstorage: {url}",
        "storage: '{url}\nx: 1",
        "storage: {url}\nbudget: {url}",
        "storage: !secret {url}",
    ],
)
def test_a_mistake_beside_a_password_is_told_without_it(lines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"postgresql://me:{SECRET}-and-a-tail-so-long-that-it-is-cut-before-its-end@host/db"
    Path("x.yaml").write_text(FILE + lines.format(url=url) + "\n")

    for verb in ("tune", "check", "sweep"):
        assert SECRET not in typed(verb, "x.yaml")


def test_a_failure_is_written_without_passwords(tmp_path):
    url = f"postgresql://me:{SECRET}@host/db"

    write_failure(tmp_path, f"OperationalError: {url}", f'  File "x.py"\n{url} refused\n')

    assert SECRET not in (tmp_path / "failure.json").read_text()


def holding(folder, secret):
    return [p for p in folder.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]


def test_a_search_leaves_no_password_behind(tmp_path):
    where = f"sqlite:///file:{tmp_path}/study.db?uri=true&password={SECRET}"
    of = plan(tmp_path, FILE.replace("trials: 12", "trials: 4") + f"storage: {where}\n")

    search(of, tmp_path)

    assert (tmp_path / "study.db").is_file()
    assert holding(tmp_path, SECRET) == [tmp_path / "fake.yaml"]  # the user's own file
    assert SECRET not in typed("status", "--results", tmp_path)


@pytest.mark.slow
def test_a_run_with_an_observer_leaves_no_password_behind_and_gives_none_to_its_workers(tmp_path):
    url = f"sqlite:///file:{tmp_path}/sacred.db?uri=true&password={SECRET}"
    words = ["run", "pid", "CartPole-v1", "--steps", "200", "--observer", url]
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        seen = set()
        while process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                try:
                    typed_words, given = child.cmdline(), child.environ().values()
                except psutil.Error:
                    continue
                if typed_words != process.args:  # the same until the child's exec: ours, typed
                    seen.add(" ".join([*typed_words, *given]))
            time.sleep(0.05)
        out = process.stdout.read()

    assert process.returncode == 0, out
    assert any("multiprocessing" in line for line in seen)
    assert not [line for line in [out, *seen] if SECRET in line]
    assert (tmp_path / "sacred.db").is_file()
    assert not holding(tmp_path, SECRET)


# What a search's record says of its storage ------------------------------------------------------


def standing(folder, where):
    home = folder / "searches" / "x" / "a"
    home.mkdir(parents=True)
    write_json(
        home / searches.STATE, {"stage": "done", "running": 0, "budget": {}, "storage": where}
    )
    (found,) = searches.standings(Store(folder))
    return found


@pytest.mark.parametrize("where", ["sqlite:///{}/new.db", "sqlite:///file:{}/new.db?uri=true"])
def test_asking_how_far_a_search_is_makes_no_database(where, tmp_path):
    found = standing(tmp_path, where.format(tmp_path))

    assert (found.done, found.problem) == (0, "")
    assert not (tmp_path / "new.db").exists()


def test_a_record_that_calls_a_device_its_journal_is_not_followed(tmp_path):
    assert standing(tmp_path, "/dev/zero").done == 0
