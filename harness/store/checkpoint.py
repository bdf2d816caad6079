"""What a run goes on from that was ended after a barrier.

`checkpoint.json` names the arrays that were kept there, with their sizes and hashes, and tells how
long the run's logs were. It is replaced in one step, once all that it names is on the disk: a run
that is killed while it writes goes on from the barrier before.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.store import digest, files, layout
from harness.store.files import Damaged

LOGS = (layout.EVALS, layout.TRAIN)  # that grow while a run learns
_FACTS: files.Kinds = {
    "key": str, "step": int, "passed": int, "kept": dict, "logs": dict, "rows": dict, "cost": dict,
    "started": str, "made_by": dict, "process_seconds": (int, float),
}  # fmt: skip


def read(folder: Path, deep: bool = False) -> dict[str, Any] | None:
    """Facts of the last barrier that an unfinished run passed; None: none.

    :param deep: compare every byte of what it goes on from, and not only how many there are.
    :raises Damaged: if something that it goes on from is not as it was.
    """
    path = folder / layout.CHECKPOINT
    facts = files.read_json(path, _FACTS)
    if facts is None:
        return None
    if layout.KEY.fullmatch(folder.name) and facts["key"] != folder.name:
        raise Damaged(path, f"it is swapped: it is that of the run {facts['key']}")
    if files.no_folder(folder / layout.KEPT):
        raise Damaged(path, f"{layout.KEPT} is no folder of its own")
    for name, witness in {**facts["kept"], **facts["logs"]}.items():
        if name not in LOGS and Path(name).name != name:
            raise Damaged(path, f"it names the file '{name}'")
        place = folder / name if name in LOGS else folder / layout.KEPT / name
        length = files.size(place)
        whole = length is not None and length >= witness["size"]
        if not whole or (deep and _sha256(place, witness["size"]) != witness["sha256"]):
            raise Damaged(path, f"{name} is not as it was at the barrier of step {facts['step']}")
    return facts


def arrays(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """One of the kept files."""
    with np.load(folder / layout.KEPT / name, allow_pickle=False) as kept:
        return dict(kept)


def write_arrays(folder: Path, name: str, values: Mapping[str, NDArray[Any]]) -> None:
    """Write a file that no checkpoint names yet."""
    place = folder / layout.KEPT
    place.mkdir(exist_ok=True)
    with (place / name).open("wb") as file:
        np.savez(file, **values)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())


def publish(
    folder: Path, facts: Mapping[str, Any], names: Collection[str], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Let the run go on from here; return all that `read` would.

    :param names: of all arrays that it goes on from; others are removed.
    :param before: facts of the last barrier: what it named is not read again.
    """
    known = before.get("kept", {})
    kept = {name: known.get(name) or _witness(folder / layout.KEPT / name) for name in names}
    logs = {name: _witness(folder / name) for name in LOGS if (folder / name).exists()}
    whole = {**facts, "kept": kept, "logs": logs}
    files.write_json(folder / layout.CHECKPOINT, whole)
    for path in (folder / layout.KEPT).iterdir():
        if path.name not in names:
            path.unlink()
    return whole


def go_back(folder: Path, facts: Mapping[str, Any]) -> None:
    """Make the logs as long as they were at the barrier."""
    for name in LOGS:
        if name in facts["logs"]:
            os.truncate(folder / name, facts["logs"][name]["size"])
        else:
            (folder / name).unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """The run goes on from nothing: it is finished, or begins anew."""
    (folder / layout.CHECKPOINT).unlink(missing_ok=True)
    shutil.rmtree(folder / layout.KEPT, ignore_errors=True)


def _witness(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return {"sha256": digest.sha256(path), "size": path.stat().st_size}


def _sha256(path: Path, size: int) -> str:
    """The hash of the first bytes of a file."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0:
            part = file.read(min(size, 2**20))
            whole.update(part)
            size -= len(part)
    return whole.hexdigest()
