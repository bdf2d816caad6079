"""An archive after somebody has altered a number in it, and all hashes that could tell on it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from harness.store import archive, files


def forged(packed: Path, target: Path, run: str, evaluation: int, more: float) -> str:
    """Raise the first return of an evaluation; the key of the run.

    :param run: a part of its path in the archive.
    """
    with zipfile.ZipFile(packed) as of:
        inside = {name: of.read(name) for name in of.namelist()}
    facts = files.parse(inside.pop("bundle.json"))
    place = next(n.removesuffix("evals.jsonl") for n in inside
                 if run in n and n.endswith("/evals.jsonl"))  # fmt: skip
    rows = [json.loads(line) for line in inside[f"{place}evals.jsonl"].decode().splitlines()]
    returns = rows[evaluation]["returns"]
    returns[0] += more
    if "mean" in rows[evaluation]:
        rows[evaluation]["mean"] += more / len(returns)
    evals = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    inside[f"{place}evals.jsonl"] = evals
    result = files.parse(inside[f"{place}result.json"])
    del result["sha256"]
    if rows[evaluation] is rows[-1]:
        result["final"]["mean"] += more / len(returns)
    result["files"]["evals.jsonl"] = {
        "sha256": hashlib.sha256(evals).hexdigest(), "size": len(evals),
    }  # fmt: skip
    inside[f"{place}result.json"] = files.spelled(result)
    archive.pack(inside, {n: v for n, v in facts.items()
                          if n not in ("format", "files", "sha256")}, target)  # fmt: skip
    return place.split("/")[-2]
