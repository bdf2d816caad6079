"""The files of one run: their names, what each must hold, and whether they are as it left them.

`result.json` is written last and holds the size and hash of every other file that somebody reads.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from harness.config.name import shortened
from harness.spec import RunSpec
from harness.store import files
from harness.store.files import Damage, Damaged

SPEC, RESULT, FAILURE = "spec.json", "result.json", "failure.json"
EVALS, TEST_EVALS, TRAIN = "evals.jsonl", "test_evals.jsonl", "train.jsonl"
VISITS, MODEL = "visits.npz", "model"
ATTEMPTS, PROGRESS = "attempts.jsonl", "progress.json"
CERTIFICATE = "certificate.json"  # `harness verify` made the run once more
MODEL_REPORT = "model_report"  # a folder: how true the model is that the run learned
MEASURES = f"{MODEL_REPORT}/measures.json"
LOCK = "lock"

# What is played: along the way, after training, then once more greedily where the protocol samples
# and the reverse, and on variants of the environment that training never sees.
Evaluated = Literal["curve", "final", "other_mode", "test"]
OTHER_MODE = "other_mode"  # marks a row of EVALS that is no part of the score

KEY = re.compile("[0-9a-f]{16}")
OUTCOMES = ("finished", "failed", "interrupted", "lost")
COSTS = ("wall_seconds", "cpu_seconds", "peak_memory_mb")  # of an attempt
YOUNG = 2.0  # seconds: a file that was just written may change within one tick of its clock

_NUMBER = (int, float)
_RESULT: files.Kinds = {"key": str, "files": dict, "final": dict}
_SCORES: Mapping[str, files.Kinds] = {
    "final": {"mean": _NUMBER},
    OTHER_MODE: {"mean": _NUMBER, "deterministic": bool},
    "test": {"mean": _NUMBER},
}
_DIGEST: files.Kinds = {"sha256": str, "size": int}
_EVALUATION: files.Kinds = {"step": int, "final": bool, "returns": list}
_FAILURE: files.Kinds = {"error": str, "traceback": str}
_PROGRESS: files.Kinds = {"step": _NUMBER}
_CERTIFICATE: files.Kinds = {"key": str, "outcome": str, "weights": str}
_REPETITIONS: Mapping[str, files.Kinds] = {
    "equal": {"changed": dict},
    "differs": {"changed": dict, "first": dict},
    "failed": {},
}
_MEASURES: files.Kinds = {"version": int, "weights": str}


class RunFiles(NamedTuple):
    """What lies in a run's folder, as far as it can be read."""

    result: dict[str, Any] | None  # of a finished run, all of whose files are as it left them
    attempts: list[dict[str, Any]]
    failure: dict[str, Any] | None
    progress: dict[str, Any] | None
    broken: tuple[Damage, ...]  # why a run that was finished must be trained again
    aside: tuple[Damage, ...]  # what else is damaged: no score depends on it

    @property
    def damages(self) -> tuple[Damage, ...]:
        return self.broken + self.aside


def look(folder: Path, deep: bool = False) -> RunFiles:
    """Read a run's folder.

    :param deep: compare every byte of what was learned, too, and not only how many there are.
    """
    if stray := files.astray(folder):
        return RunFiles(None, [], None, None, (stray,), ())
    result, broken = finished(folder, deep)
    aside: list[Damage] = []
    if folder.exists() and not folder.is_dir():
        aside.append(Damage(folder, "a file stands in the place of the run's folder"))
    elif (folder / LOCK).exists() and not (folder / LOCK).is_file():
        aside.append(Damage(folder / LOCK, "it is no plain file"))
    starts = attempts(folder)
    if starts.damage:
        aside.append(starts.damage)
    found: dict[str, dict[str, Any] | None] = {}
    for name, read in (
        (FAILURE, failure), (PROGRESS, progress), (CERTIFICATE, certificate), (MEASURES, measures),
    ):  # fmt: skip
        try:
            found[name] = read(folder)
        except Damaged as error:
            found[name] = None
            aside.append(error.damage)
    if not os.path.lexists(folder / RESULT):
        aside += [damage for damage in _unfinished(folder) if damage]
    return RunFiles(
        result, starts.rows, found[FAILURE], found[PROGRESS], tuple(broken), tuple(aside)
    )


def finished(folder: Path, deep: bool = False) -> tuple[dict[str, Any] | None, list[Damage]]:
    """result.json, and all reasons why the run is not finished though there is one.

    None: there is none, or there are reasons.
    """
    path = folder / RESULT
    try:
        result = files.read_json(path, _RESULT)
        if result is None:
            return None, []
        for name, kinds in _SCORES.items():
            if result.get(name) is not None and (flaw := _no_score(result[name], kinds)):
                raise Damaged(path, f"in '{name}', {flaw}")
        if KEY.fullmatch(folder.name) and result["key"] != folder.name:
            raise Damaged(path, f"it is swapped: it is that of the run {result['key']}")
        if not _are_digests(result["files"]):
            raise Damaged(path, "it does not tell what the run wrote")
        broken = list(dict.fromkeys(_changed(folder, result["files"], deep)))
    except Damaged as error:
        return None, [error.damage]
    return (None if broken else result), broken


def _no_score(value: Any, kinds: files.Kinds) -> str:
    return files.unlike(value, kinds) if isinstance(value, dict) else "there is no score"


# What a finished run left -------------------------------------------------------------------------


def digests(folder: Path) -> dict[str, dict[str, Any]]:
    """The size and hash of each file that a reader of the run uses."""
    names = [name for name in (SPEC, EVALS, TEST_EVALS, TRAIN, VISITS) if (folder / name).is_file()]
    learned = (path for path in sorted((folder / MODEL).rglob("*")) if path.is_file())
    names += [path.relative_to(folder).as_posix() for path in learned]
    return {
        name: {"sha256": sha256(folder / name), "size": (folder / name).stat().st_size}
        for name in names
    }


def _are_digests(written: Mapping[str, Any]) -> bool:
    known = {SPEC, EVALS, TEST_EVALS, TRAIN, VISITS}
    named = all(n in known or (n.startswith(f"{MODEL}/") and ".." not in n) for n in written)
    told = (files.unlike(each, _DIGEST) for each in written.values() if isinstance(each, dict))
    return {SPEC, EVALS} <= written.keys() and named and list(told) == [""] * len(written)


def _changed(folder: Path, written: Mapping[str, Any], deep: bool) -> Iterator[Damage]:
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
                result = files.read_json(other, _RESULT) or {"files": {}, "key": ""}
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


def spec(folder: Path) -> RunSpec:
    """spec.json.

    :raises Damaged: if there is none, or it is that of another run.
    """
    path = folder / SPEC
    content = files.read(path)
    if content is None:
        raise Damaged(path, "it is gone")
    try:
        found = RunSpec.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        why = first["msg"].removeprefix("Value error, ")
        where = ".".join(map(str, first["loc"]))
        why = shortened(f"{where}: {why}" if where else why)
        raise Damaged(path, f"not a spec of this version: {why}") from None
    # A finished run tells whether this is still its spec, also one of another version.
    if KEY.fullmatch(folder.name) and found.key != folder.name and finished(folder)[0] is None:
        why = f"it is that of the run {found.key}, or of another version of the harness"
        raise Damaged(path, why)
    return found


def evaluations(folder: Path, name: str = EVALS) -> list[dict[str, Any]]:
    """Every evaluation by the protocol, the final one last, wherever it stands in the file.

    :raises Damaged: unless exactly one is marked final, at the last step.
    """
    path = folder / name
    log = files.read_lines(path, _wrong_evaluation)
    if log.damage:
        raise Damaged(*log.damage)
    played = (row for row in log.rows if not row.get(OTHER_MODE, False))
    rows = sorted(played, key=lambda row: (row["step"], row["final"]))
    if [row["final"] for row in rows].count(True) != 1 or not rows[-1]["final"]:
        raise Damaged(path, "one evaluation after the last step must be marked final")
    return rows


def _wrong_evaluation(row: Mapping[str, Any]) -> str:
    numbers = row.get("returns")
    flaw = files.unlike(row, _EVALUATION)
    if not flaw and not (numbers and all(type(number) in _NUMBER for number in numbers)):
        flaw = "'returns' is no list of numbers"
    if not flaw and OTHER_MODE in row and not (row[OTHER_MODE] is True and row["final"]):
        flaw = f"'{OTHER_MODE}' marks no final evaluation"
    return flaw


# What lies beside it ------------------------------------------------------------------------------


def failure(folder: Path) -> dict[str, Any] | None:
    """Why the last attempt failed; :raises Damaged: if the reason cannot be read."""
    return _with_symptoms(folder / FAILURE, _FAILURE)


def progress(folder: Path) -> dict[str, Any] | None:
    """How far the run said it was; :raises Damaged: if that cannot be read."""
    path = folder / PROGRESS
    found = _with_symptoms(path, _PROGRESS)
    if found and not all(_is_cost(found[name]) for name in COSTS if name in found):
        raise Damaged(path, "a cost is no number")
    return found


def _with_symptoms(path: Path, kinds: files.Kinds) -> dict[str, Any] | None:
    found = files.read_json(path, kinds, sealed=False)
    if found and not isinstance(found.get("symptoms", []), list):
        raise Damaged(path, "'symptoms' is no list")
    return found


def certificate(folder: Path) -> dict[str, Any] | None:
    """What came of making the run once more; :raises Damaged: if it is not this run's."""
    path = folder / CERTIFICATE
    found = files.read_json(path, _CERTIFICATE)
    if found is None:
        return None
    if KEY.fullmatch(folder.name) and found["key"] != folder.name:
        raise Damaged(path, f"it is swapped: it is that of the run {found['key']}")
    flaw = files.unlike(found, _REPETITIONS.get(found["outcome"], {"an outcome": str}))
    if not flaw and found["outcome"] == "differs":
        flaw = files.unlike(found["first"], {"step": int, "what": str})
    if flaw:
        raise Damaged(path, flaw)
    return found


def measures(folder: Path) -> dict[str, Any] | None:
    """How true the run's model is; :raises Damaged: if that cannot be read."""
    return files.read_json(folder / MEASURES, _MEASURES)


def attempts(folder: Path) -> files.Log:
    """Every start of the run, and every end of one that was written down."""
    return files.read_lines(folder / ATTEMPTS, _wrong_attempt)


def _wrong_attempt(row: Mapping[str, Any]) -> str:
    """What is wrong with a line of attempts.jsonl."""
    if "started" in row:
        return "" if is_time(row["started"]) else "'started' is no time"
    if row.get("outcome") not in OUTCOMES or not is_time(row.get("ended")):
        return "it is neither the start nor the end of an attempt"
    return (
        "" if all(_is_cost(row[name]) for name in COSTS if name in row) else "a cost is no number"
    )


def is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_cost(value: Any) -> bool:
    return type(value) in _NUMBER and math.isfinite(value)


def _unfinished(folder: Path) -> Iterator[Damage | None]:
    """What would be in the way of the next attempt, or is not this run's."""
    for name in (EVALS, TEST_EVALS, TRAIN, VISITS):
        try:
            files.size(folder / name)
        except Damaged as error:
            yield error.damage
    yield files.no_folder(folder / MODEL)
    if os.path.lexists(folder / SPEC):
        try:
            spec(folder)
        except Damaged as error:
            yield error.damage
