"""A damaged file is named and never believed, everything else goes on, and `sweep` repairs it."""

from __future__ import annotations

import csv
import json
import os
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from family import some
from typer.testing import CliRunner

from harness.cli.main import app
from harness.store import writer
from harness.store.files import write_json
from harness.store.reader import Store

SWEEP = """\
name: damage
question: Is a damaged file ever believed?
envs: [DeepSea-8]
seeds: 2
steps: 1200
evaluation: {every: 600, episodes: 4, final_episodes: 5, deterministic: false}
arms:
  random: {agent: random}
  learner: {agent: tabular_q}
"""
# Where each file lies that the store reads: of a finished run, of a failed one, or of the sweep.
FILES = {
    "result.json": "finished",
    "spec.json": "finished",
    "evals.jsonl": "finished",
    "train.jsonl": "finished",
    "visits.npz": "finished",
    "model/table.npz": "finished",
    "attempts.jsonl": "finished",
    "certificate.json": "finished",
    "model_report/measures.json": "finished",
    "failure.json": "failed",
    "progress.json": "failed",
    "sweep.json": "sweep",
    "history.jsonl": "sweep",
}
# A run whose file of these is damaged has no score; damage of the others touches none.
DECISIVE = {"result.json", "spec.json", "evals.jsonl", "train.jsonl", "visits.npz"}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def altered(path):
    """One digit is another, as a disk or a hand may change it."""
    content = bytearray(path.read_bytes())
    place = max(i for i, byte in enumerate(content) if chr(byte).isdigit())
    content[place] = ord("1") if content[place] != ord("1") else ord("2")
    path.write_bytes(content)


def foreign(path):
    """The file of the same name of another run."""
    places = (place for place in path.parents if place.parent.name == "DeepSea-8")
    home = next(places, None)
    if home is None:  # of another sweep
        path.write_text(path.read_text().replace("damage", "harmless"))
        return
    others = sorted(home.parents[2].glob(f"*/*/*/{path.relative_to(home)}"))
    contents = [other.read_bytes() for other in others]
    nobodys = b'{"key": "0123456789abcdef"}'
    path.write_bytes(next((c for c in contents if c != path.read_bytes()), nobodys))


def replaced(make):
    def damage(path):
        path.unlink()
        make(path)

    return damage


def linked_away(path):
    """The file itself, behind a link that leads out of the results folder."""
    root = next(place for place in path.parents if place.name == "results")
    away = root.parent / "away"
    path.rename(away)
    path.symlink_to(away)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "altered": altered,
    "a list": lambda path: path.write_text("[]\n"),
    "a number": lambda path: path.write_text("7\n"),
    "no keys": lambda path: path.write_text("{}\n"),
    "garbage": lambda path: path.write_bytes(np.random.default_rng(0).bytes(500)),
    "not UTF-8": lambda path: path.write_bytes('{"key": "größer"}\n'.encode("latin-1")),
    "a folder": replaced(Path.mkdir),
    "a link to nothing": replaced(lambda path: path.symlink_to("nowhere")),
    "a pipe": replaced(os.mkfifo),
    "a link out of the results folder": linked_away,
    "foreign": foreign,
    "not readable": lambda path: UNREADABLE.add(path.stat().st_ino),
}
UNREADABLE: set[int] = set()  # inodes: root, as whom tests may run, reads every file

# What a log of lines, a file without a seal or a line that is only told may hold without harm.
HARMLESS = {
    ("attempts.jsonl", "altered"), ("history.jsonl", "altered"), ("failure.json", "altered"),
    ("progress.json", "altered"), ("attempts.jsonl", "foreign"), ("failure.json", "foreign"),
    ("progress.json", "foreign"), ("history.jsonl", "foreign"), ("attempts.jsonl", "cut"),
}  # fmt: skip
CASES = [(name, damage) for name in FILES for damage in DAMAGES if (name, damage) not in HARMLESS]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished sweep, with a report, beside its file."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "damage.yaml").write_text(SWEEP)
    said(folder, "sweep", "damage.yaml")
    return folder


@pytest.fixture
def store(whole, tmp_path, monkeypatch):
    """The same; but one run is verified, and another failed."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True, symlinks=True)
    store = Store(tmp_path / "results")
    sound, failed = finished(store), store.folder(store.sweep("damage").runs[0])
    weights = json.loads((sound / "result.json").read_text())["weights"]
    facts = {"key": sound.name, "outcome": "equal", "weights": weights, "changed": {}}
    write_json(sound / "certificate.json", facts)
    (sound / "model_report").mkdir()
    write_json(sound / "model_report/measures.json", {"version": 0, "weights": weights})
    (failed / "result.json").unlink()
    writer.write_failure(failed, "MemoryError: too large", "Traceback ...")
    beat = {"step": 60, "steps": 120, "wall_seconds": 1.0, "cpu_seconds": 1.0}
    write_json(failed / "progress.json", beat, sealed=False)
    UNREADABLE.clear()
    opened = Path.open

    def open_(path, mode="r", *args, **kwargs):
        if UNREADABLE and os.path.exists(path) and path.stat().st_ino in UNREADABLE:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_)
    return store


def finished(store):
    """The folder of a run that learned."""
    spec = next(run for run in store.sweep("damage").runs if run.arm == "learner")
    return store.folder(spec)


def damaged(store, name, damage):
    """Damage a file of the store; return its path."""
    runs = store.sweep("damage").runs
    homes = {
        "finished": finished(store),
        "failed": store.folder(runs[0]),
        "sweep": store.sweep_folder("damage"),
    }
    path = homes[FILES[name]] / name
    DAMAGES[damage](path)
    return path


def said(folder, *words, code=None):
    """What a verb says. Any error but one that is told in lines is raised."""
    where = Path.cwd()
    os.chdir(folder)
    try:
        more = ["--executor", "serial"] if words[0] == "sweep" else []
        done = CliRunner().invoke(app, [*words, *more])
    finally:
        os.chdir(where)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert code is None or done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done.output


def content(store):
    """Every file of the store but reports, and what it holds."""
    found = {}
    for path in sorted(store.root.rglob("*")):
        inside = path.relative_to(store.root)
        if "report" not in inside.parts and "sacred" not in inside.parts and path.is_file():
            found[str(inside)] = path.stat().st_mtime_ns, path.stat().st_size
    return found


def scores(store):
    """Of every run, as the report has them."""
    path = store.sweep_folder("damage") / "report" / "scores.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {row["key"]: (row["final"], row["auc"]) for row in csv.DictReader(file)}


@cache
def true_scores(folder):
    return scores(Store(folder / "results"))


def all_verbs(whole, store, name, damage, repeat=True):
    """What every verb says of a damage, that none believes it, and that `sweep` repairs it."""
    truth = true_scores(whole)
    key = finished(store).name
    path = damaged(store, name, damage)
    before, folder = content(store), store.root.parent
    told = [said(folder, "status"), said(folder, "ls", "runs"), said(folder, "ls", "costs")]
    told += [said(folder, "check", "damage.yaml"), said(folder, "status", "damage")]
    told += [said(folder, "report", "damage")]
    assert content(store) == before, "a reader changed a file"
    if FILES[name] != "sweep":
        shown = scores(store)
        assert all(shown[key] in (truth[key], ("", "")) for key in truth), "a wrong score"
        lost = [key for key in truth if shown[key] == ("", "")]
        hashed = name.startswith("model/")  # by `sweep` alone, or when the model is loaded
        assert hashed or len(lost) == 1 + (name in DECISIVE), "a score is missing, or believed"

    if repeat:
        told += verified(store, name, path, key)
    told.append(said(folder, "sweep", "damage.yaml", code=0))

    assert any(path.name in text for text in told), "no verb names the file"
    assert scores(store) == truth
    after = [store.status(run) for run in store.sweep("damage").runs]
    assert {status.state for status in after} == {"finished"}
    assert not any(status.aside for status in after)
    assert "damaged:" not in said(folder, "status", "damage")


def verified(store, name, path, key):
    """What `verify` says of a damage. A run that it decides is not repeated, and the file named."""
    folder = store.root.parent
    where = str(path.relative_to(folder))
    of_sweep = said(folder, "verify", "damage", "--sample", "1")
    of_run = said(folder, "verify", key)
    if name == "sweep.json":
        assert f"{where}: " in of_sweep.replace("\n", ""), of_sweep
    elif name in DECISIVE or name.startswith("model/"):
        assert where in of_run.replace("\n", "") and "certificate" not in of_run, of_run
        assert where in of_sweep.replace("\n", ""), of_sweep
    else:
        assert "1 of 1 runs were repeated, 1 of them bit for bit" in of_run, of_run
    return [of_sweep, of_run]


# One of each kind of damage, and one of each file.
SAMPLE = {
    "result.json": ["a list"], "spec.json": ["foreign"], "sweep.json": ["empty"],
    "evals.jsonl": ["altered", "cut", "a link out of the results folder"],
    "attempts.jsonl": ["garbage", "a link out of the results folder"],
    "history.jsonl": ["a folder"], "failure.json": ["a link to nothing"],
}  # fmt: skip
SELDOM = {"spec.json-foreign", "evals.jsonl-cut", "attempts.jsonl-garbage", "sweep.json-empty"}
SELDOM |= {"attempts.jsonl-a link out of the results folder"}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param(name, damage, id=case, marks=[pytest.mark.slow] if case in SELDOM else [])
        for name, damages in SAMPLE.items()
        for damage in damages
        for case in [f"{name}-{damage}"]
    ],
)
def test_a_damaged_file_is_named_not_believed_and_repaired(name, damage, whole, store):
    all_verbs(whole, store, name, damage, repeat=name in ("result.json", "sweep.json"))


@pytest.mark.soak
@pytest.mark.parametrize(("name", "damage"), CASES)
def test_every_damage_of_every_file_is_named_not_believed_and_repaired(name, damage, whole, store):
    all_verbs(whole, store, name, damage)


PLACES = {
    "the lock": lambda store: finished(store) / "lock",
    "a run's folder": finished,
    "an agent's folder": lambda store: finished(store).parents[1],
    "the folder of the sweep": lambda store: store.sweep_folder("damage"),
    "the folder of all sweeps": lambda store: store.root / "sweeps",
    "the folder of Sacred's records": lambda store: store.root / "sacred",
    "the report's folder": lambda store: store.sweep_folder("damage") / "report",
}


OFTEN = {"a run's folder", "the lock", "the folder of the sweep"}  # in every test run


@pytest.mark.parametrize("place", some(PLACES, but=PLACES.keys() - OFTEN))
def test_what_stands_in_the_place_of_a_folder_or_a_lock_is_set_aside(place, whole, store):
    path, folder = PLACES[place](store), store.root.parent
    truth = true_scores(whole)
    if path.is_dir():
        shutil.rmtree(path)
        path.write_text("in the way")
    else:
        path.unlink(missing_ok=True)
        path.mkdir()
    for words in (["status"], ["status", "damage"], ["ls", "runs"], ["report", "damage"]):
        said(folder, *words)

    said(folder, "sweep", "damage.yaml", code=0)

    assert scores(store) == truth
    assert path.with_name(f"{path.name}.damaged-1").exists()


LINKS = {
    "a run's folder": finished,
    "an environment's folder": lambda store: finished(store).parent,
    "the folder of all runs": lambda store: store.root / "runs",
    "the folder of the sweep": lambda store: store.sweep_folder("damage"),
    "the folder of all sweeps": lambda store: store.root / "sweeps",
    "the folder of what was learned": lambda store: finished(store) / "model",
    "the lock": lambda store: finished(store) / "lock",
    "the report's folder": lambda store: store.sweep_folder("damage") / "report",
    "the folder of Sacred's records": lambda store: store.root / "sacred",
}


@pytest.mark.parametrize("place", some(LINKS, but=LINKS.keys() - OFTEN))
def test_no_link_is_followed_out_of_the_results_folder(place, whole, store, tmp_path_factory):
    """Neither to read, nor to write or delete there."""
    path, folder = LINKS[place](store), store.root.parent
    truth, away = true_scores(whole), tmp_path_factory.mktemp("away") / "there"
    path.rename(away)
    path.symlink_to(away)
    if away.is_dir():
        (away / ".profile").write_text("the user's own")
    before = there(away)

    told = [said(folder, *words) for words in (["status"], ["ls", "runs"], ["ls", "costs"])]
    told += [said(folder, verb, "damage") for verb in ("status", "report", "verify")]
    told.append(said(folder, "sweep", "damage.yaml", code=0))

    assert there(away) == before
    assert scores(store) == truth
    assert os.path.islink(f"{path}.damaged-1") and not path.is_symlink()
    assert any(path.name in text and "link" in text for text in told), told


def there(away):
    paths = [away, *away.rglob("*")]
    return {path: path.read_bytes() if path.is_file() else None for path in paths}


def test_the_results_folder_itself_may_be_a_link(whole, store, tmp_path_factory):
    away = tmp_path_factory.mktemp("disk") / "results"
    store.root.rename(away)
    store.root.symlink_to(away)

    said(store.root.parent, "sweep", "damage.yaml", code=0)

    assert scores(store) == true_scores(whole)
    assert not list(away.rglob("*.damaged-*"))


@pytest.mark.parametrize("verb", ["verify", "watch", "model-report"])
def test_a_model_that_was_altered_is_not_loaded(verb, store):
    path = damaged(store, "model/table.npz", "altered")

    out = said(store.root.parent, verb, finished(store).name, code=2)

    assert f"{path.relative_to(store.root.parent)}: it was altered after the run ended" in out


def test_a_sweep_is_verified_without_its_damaged_runs_which_are_named(store):
    damaged(store, "evals.jsonl", "altered")

    out = said(store.root.parent, "verify", "damage", "--sample", "1", code=1)

    assert "damaged: " in out and "evals.jsonl: it was altered after the run ended" in out
    assert "1 of 4 runs were repeated, 1 of them bit for bit" in out


def test_a_report_after_a_history_was_set_aside_says_that_looks_may_be_unknown(store):
    folder = store.root.parent
    damaged(store, "history.jsonl", "garbage")

    said(folder, "sweep", "damage.yaml", code=0)
    said(folder, "report", "damage")

    text = (store.sweep_folder("damage") / "report" / "report.md").read_text()
    assert "> **Warning.** The history of the sweep damage is damaged" in text


def test_the_state_of_a_search_that_is_damaged_is_named_and_the_others_are_listed(store):
    for name, text in (("sound", '{"stage": '), ("hurt", "[]")):
        folder = store.search_folder(name) / "arm"
        folder.mkdir(parents=True)
        (folder / "search.json").write_text(text)
    write_json(
        store.search_folder("sound") / "arm" / "search.json",
        {"stage": "done", "running": 0, "budget": {}},
    )

    out = said(store.root.parent, "ls", "searches", code=0)

    assert "damaged:" in out and "done" in out
