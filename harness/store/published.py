"""Runs in a bucket: published whole by many writers at once, none of which waits for another.

What came of an attempt lies in runs/<agent>/<env>/<key>/<hash>/. The file that says what came of it
is written last, and <hash> is that of this file: nothing that is there is ever replaced, two
attempts at one run lie side by side, and a folder without such a file is of an upload that was cut
short. A results folder is read in the same way: its runs have no <hash>.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.spec import ResolvedSweep, Run
from harness.store import digest, files, layout, machines, run_files, writer
from harness.store.bucket import Bucket
from harness.store.reader import HISTORY, SWEEP, Store

HASH = re.compile("[0-9a-f]{12}")
RUNS, SWEEPS, SACRED = "runs", "sweeps", "sacred"
OUTCOMES = (layout.RESULT, layout.FAILURE)  # the files of which one is written last
# What other attempts could mistake for theirs, and what is nobody's.
_KEPT_BACK = {layout.LOCK, layout.PROGRESS, layout.CHECKPOINT, layout.KEPT}


class Published(NamedTuple):
    """What lies in a bucket of one attempt at a run."""

    where: str  # its folder
    names: Mapping[str, int]  # of its files, in that folder, and their sizes

    @property
    def key(self) -> str:
        return PurePosixPath(self.where).parts[3]

    @property
    def outcome(self) -> str:
        """One of OUTCOMES; empty: it was cut short."""
        return next((name for name in OUTCOMES if name in self.names), "")

    def is_same(self, folder: Path) -> bool:
        """Whether a run's folder holds the same outcome, as the hash in its name tells."""
        path = folder / self.outcome
        named = PurePosixPath(self.where).name
        return path.is_file() and HASH.fullmatch(named) is not None and named == hash_of(path)


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def published(bucket: Bucket, under: str = RUNS) -> list[Published]:
    """All attempts that lie below a folder, in order."""
    folders: dict[str, dict[str, int]] = {}
    for name, size in bucket.names(under).items():
        parts = PurePosixPath(name).parts
        if len(parts) < 5 or parts[0] != RUNS or not layout.KEY.fullmatch(parts[3]):
            continue
        depth = 5 if len(parts) > 5 and HASH.fullmatch(parts[4]) else 4
        if _is_anybodys(parts[depth:]):
            folders.setdefault("/".join(parts[:depth]), {})["/".join(parts[depth:])] = size
    return [Published(where, names) for where, names in sorted(folders.items())]


def is_finished(spec: Run, bucket: Bucket, store: Store) -> bool:
    """Whether the result of a run lies there, and files of the very sizes that it names.

    Their bytes are compared by whoever fetches them.
    """
    for attempt in published(bucket, _of(store.folder(spec), store)):
        if attempt.outcome == layout.RESULT and _is_whole(attempt, bucket):
            return True
    return False


def _is_whole(attempt: Published, bucket: Bucket) -> bool:
    try:
        result = files.parse(bucket.read(f"{attempt.where}/{layout.RESULT}") or b"")
    except ValueError:
        return False
    written = result.get("files")
    if not files.is_sealed(result) or not isinstance(written, dict):
        return False
    if not digest.are_digests(written):
        return False
    same = all(attempt.names.get(name) == facts["size"] for name, facts in written.items())
    return same and result.get("key") == attempt.key


def came_of(spec: Run, store: Store) -> str:
    """A hash of what came of the last attempt at a run; empty: nothing yet."""
    folder = store.folder(spec)
    outcome = _outcome(folder)
    return hash_of(folder / outcome) if outcome else ""


def _outcome(folder: Path) -> str:
    """One of OUTCOMES; empty: none."""
    if not folder.is_dir():
        return ""
    run = run_files.look(folder)
    return layout.RESULT if run.result else layout.FAILURE if run.failure else ""


def publish(spec: Run, bucket: Bucket, store: Store) -> None:
    """Publish what came of the last attempt at a run, if anything did, and Sacred's records of it.

    :raises writer.Busy: if another process is at the run.
    """
    folder = store.folder(spec)
    with writer.claimed(folder):
        for place, names in contents(spec, store).items():
            where = place.relative_to(store.root).as_posix()
            where += f"/{hash_of(folder / names[-1])}" if place == folder else ""
            _send(place, where, bucket, names)


def contents(spec: Run, store: Store) -> dict[Path, list[str]]:
    """What others may have of the last attempt at a run: by folder, the names of its files.

    Sacred's records of it come first, and what came of it last. Empty: nothing did yet.
    """
    folder = store.folder(spec)
    outcome = _outcome(folder)
    if not outcome:
        return {}
    records = sorted((store.root / SACRED).glob(f"{spec.key}-*"))
    files_of = {record: files_in(record) for record in records}
    return files_of | {folder: [*(n for n in files_in(folder) if n not in OUTCOMES), outcome]}


def files_in(folder: Path) -> list[str]:
    """The files of a folder that somebody else may have."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    inner = (path.relative_to(folder) for path in paths)
    return [path.as_posix() for path in inner if _is_anybodys(path.parts)]


def _is_anybodys(parts: Sequence[str]) -> bool:
    """Whether a file in a run's folder, by its path there, is of use on other machines."""
    is_odd = any(part.startswith(".") or ".damaged-" in part for part in parts)
    return not is_odd and parts[0] not in _KEPT_BACK


def _send(folder: Path, where: str, bucket: Bucket, names: list[str]) -> None:
    """Write files in this order, but not again those of which as many bytes are there: nobody
    writes other bytes into a folder of that name.
    """
    there = bucket.names(where)
    for name in names:
        if there.get(f"{where}/{name}") != (folder / name).stat().st_size:
            bucket.write(f"{where}/{name}", folder / name)


def _of(folder: Path, store: Store) -> str:
    return folder.relative_to(store.root).as_posix()


# What was declared --------------------------------------------------------------------------------


def declare(sweep: ResolvedSweep, bucket: Bucket, store: Store) -> None:
    """Publish what the sweep is and when it was declared, as the store has it, before it trains.

    It lies in sweeps/<name>/<hash>/, once however many shards there are. What was found of the
    machine is published, too.
    """
    for path in sorted((store.root / machines.ROOM).glob("*.json")):
        bucket.write(f"{machines.ROOM}/{path.name}", path)
    folder = store.sweep_folder(sweep.name)
    where = f"{SWEEPS}/{sweep.name}/{hash_of(folder / SWEEP)}"
    there = bucket.names(where)
    if f"{where}/{SWEEP}" in there:
        return
    history = folder / HISTORY
    bucket.write(f"{where}/{hash_of(history)}.{HISTORY}", history)
    bucket.write(f"{where}/{SWEEP}", folder / SWEEP)


def declared(bucket: Bucket) -> Iterator[tuple[str, str, list[str]]]:
    """Each sweep that lies there: its name, its sweep.json, and the files of its history."""
    folders: dict[str, set[str]] = {}
    for name in bucket.names(SWEEPS):
        path = PurePosixPath(name)
        is_hash = HASH.fullmatch(path.parent.name) is not None
        if len(path.parts) == 3 + is_hash:
            folders.setdefault(path.parent.as_posix(), set()).add(path.name)
    for where, names in sorted(folders.items()):
        if SWEEP in names:
            history = sorted(name for name in names if name.endswith(HISTORY))
            name = PurePosixPath(where).parts[1]
            yield name, f"{where}/{SWEEP}", [f"{where}/{each}" for each in history]
