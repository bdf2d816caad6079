"""What `harness doctor` found of the machines on which a results folder was filled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.store import files
from harness.store.bucket import Bucket
from harness.store.files import Damage

ROOM = "machines"  # of a results folder: a file for each, by its host name
_KINDS: files.Kinds = {"host": str, "at": str, "findings": list}


def keep(root: Path, found: Mapping[str, Any]) -> Path:
    """Write what was found of this machine, in the place of what was found before."""
    folder = root / ROOM
    files.make_folder(folder)
    path = folder / f"{found['host']}.json"
    files.write_json(path, found)
    return path


def publish(bucket: Bucket, found: Mapping[str, Any]) -> str:
    """The same, into a bucket: a merge brings it home."""
    with TemporaryDirectory() as scratch:
        path = keep(Path(scratch), found)
        bucket.write(f"{ROOM}/{path.name}", path.read_bytes())
    return f"{bucket}/{ROOM}/{path.name}"


def kept(root: Path) -> tuple[list[dict[str, Any]], list[Damage]]:
    """What was found of each machine, and the files of which nothing can be read."""
    damages: list[Damage] = []
    paths = sorted((root / ROOM).glob("*.json"))
    read = (files.unless_damaged(damages, files.read_json, path, _KINDS) for path in paths)
    return [found for found in read if found is not None], damages
