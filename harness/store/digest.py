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
from harness.store.layout import EVALS, MODEL, RESULT, SPEC, TEST_EVALS, TRAIN, VISITS

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
    flaws = (files.unlike(each, _DIGEST) for each in written.values() if isinstance(each, dict))
    return {SPEC, EVALS} <= written.keys() and named and list(flaws) == [""] * len(written)


def changed(folder: Path, written: Mapping[str, Any], deep: bool) -> Iterator[Damage]:
    """The files that are not those that the run wrote."""
    for name, facts in written.items():
        path = folder / name
        if stray := files.astray(path):
            yield stray
            continue
        try:
            now = path.stat()
        except OSError:
            why = "it is a link to nothing" if path.is_symlink() else "it is gone"
            yield Damage(path, f"{why}; the run wrote it")
            continue
        if not path.is_file():
            yield Damage(path, "something else stands in its place; the run wrote a file")
        elif now.st_size != facts["size"]:
            size = f"{now.st_size:,} bytes where the run wrote {facts['size']:,}"
            how = "it is cut short" if now.st_size < facts["size"] else "it was altered"
            yield Damage(path, _swapped(path, name) or f"{how}: {size}")
        elif deep or not name.startswith(f"{MODEL}/"):
            try:
                same = sha256(path) == facts["sha256"]
            except OSError as error:
                yield Damage(path, f"it cannot be read: {error.strerror}")
                continue
            if not same:
                yield Damage(path, _swapped(path, name) or "it was altered after the run ended")


def _swapped(path: Path, name: str) -> str:
    """Whose file it is, if it is that of another run of the same agent and environment."""
    folder = path.parents[len(Path(name).parts) - 1]
    with suppress(OSError):
        digest = sha256(path)
        for other in sorted(folder.parent.glob(f"*/{RESULT}")):
            with suppress(Damaged):
                result = files.read_json(other, {"key": str, "files": dict}) or {
                    "files": {},
                    "key": "",
                }
                of_other = result["files"].get(name) or {}
                if other.parent != folder and of_other.get("sha256") == digest:
                    return f"it is swapped: it is that of the run {result['key']}"
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
