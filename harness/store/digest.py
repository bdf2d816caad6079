"""The sizes and hashes that a finished run writes down of its files, and what differs from them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.store import files
from harness.store.files import Damage, Damaged
from harness.store.layout import EVALS, LEFT_OUT, MODEL, RESULT, SPEC, TEST_EVALS, TRAIN, VISITS

WITNESSED = (SPEC, EVALS, TEST_EVALS, TRAIN, VISITS)  # and all below MODEL
YOUNG = 2.0  # seconds: a file that was just written may change within one tick of its clock

_DIGEST: files.Kinds = {"sha256": str, "size": int}


def digests(folder: Path) -> dict[str, dict[str, Any]]:
    """The size and hash of each file that a reader of the run uses."""
    names = [name for name in WITNESSED if (folder / name).is_file()]
    learned = (path for path in sorted((folder / MODEL).rglob("*")) if path.is_file())
    names += [path.relative_to(folder).as_posix() for path in learned]
    return {
        name: {"sha256": sha256(folder / name), "size": (folder / name).stat().st_size}
        for name in names
    }


def are_digests(written: Mapping[str, Any]) -> bool:
    named = all(n in WITNESSED or (n.startswith(f"{MODEL}/") and ".." not in n) for n in written)
    flawed = any(files.unlike(each, _DIGEST) for each in written.values())
    return {SPEC, EVALS} <= written.keys() and named and not flawed


def changed(folder: Path, written: Mapping[str, Any], deep: bool) -> Iterator[Damage]:
    """The files that are not those that the run wrote."""
    elsewhere = left_out(folder)
    for name, facts in written.items():
        path = folder / name
        try:
            size = files.size(path)
            same = size == facts["size"]
            if same and (deep or not name.startswith(f"{MODEL}/")):
                same = sha256(path) == facts["sha256"]
        except Damaged as error:
            yield error.damage
            continue
        except OSError as error:
            yield Damage(path, f"it cannot be read: {error.strerror}")
            continue
        if same or (size is None and name in elsewhere):
            continue
        if size is None:
            why = "it is gone; the run wrote it"
        elif size == facts["size"]:
            why = "it was altered after the run ended"
        else:
            how = "it is cut short" if size < facts["size"] else "it was altered"
            why = f"{how}: {size:,} bytes where the run wrote {facts['size']:,}"
        yield Damage(path, _swapped(folder, name) or why)


def left_out(folder: Path) -> set[str]:
    """The files of what was learned that the archive which a run came in did not take along."""
    with suppress(Damaged):
        facts = files.read_json(folder / LEFT_OUT, {"files": list}) or {"files": []}
        return {name for name in facts["files"] if str(name).startswith(f"{MODEL}/")}
    return set()


def _swapped(folder: Path, name: str) -> str:
    """Whose file it is, if it is that of another run of the same agent and environment."""
    for path in sorted(folder.parent.glob(f"*/{RESULT}")):
        with suppress(Damaged, OSError):
            result = files.read_json(path, {"files": dict})
            digest = result and (result["files"].get(name) or {}).get("sha256")
            if path.parent != folder and digest == sha256(folder / name):
                return f"it is swapped: it is that of the run {path.parent.name}"
    return ""


def sha256(path: Path) -> str:
    facts = path.stat()
    if time.time() - facts.st_mtime < YOUNG:
        return _hash(path)
    return _known(path, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@lru_cache(maxsize=100_000)
def _known(path: Path, *facts: int) -> str:
    return _hash(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
