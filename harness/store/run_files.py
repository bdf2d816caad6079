"""The reader of one run: what each of its files must hold, and whether they are as it left them.

`result.json` is written last and holds the size and hash of every other file that somebody reads.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from harness.config.name import as_file, shortened
from harness.config.strict import UserError
from harness.spec import ImportedRun, Metric, Run, RunSpec
from harness.store import checkpoint, digest, files, layout
from harness.store.files import Damage, Damaged

# What is played: along the way, after training, then once more greedily where the protocol samples
# and the reverse, and on variants of the environment that training never sees.
Evaluated = Literal["curve", "final", "other_mode", "test"]
OTHER_MODE = "other_mode"  # marks a row of EVALS that is no part of the score

OUTCOMES = ("finished", "failed", "interrupted", "lost")
COSTS = ("wall_seconds", "cpu_seconds", "peak_memory_mb")  # of an attempt

# How what is repeated is compared: see `rows`.
LOGS = {"evaluation": layout.EVALS, "test evaluation": layout.TEST_EVALS, "training": layout.TRAIN}
MODEL_MEASURES = 3  # raise it whenever measuring changes: older measures are made anew

_NUMBER = (int, float)
_RESULT: files.Kinds = {"key": str, "files": dict, "final": dict}
_SCORES: Mapping[str, files.Kinds] = {
    "final": {"mean": _NUMBER},
    OTHER_MODE: {"mean": _NUMBER, "deterministic": bool},
    "test": {"mean": _NUMBER},
}
_EVALUATION: files.Kinds = {"step": int, "final": bool}
_FAILURE: files.Kinds = {"error": str, "traceback": str}
_PROGRESS: files.Kinds = {"step": _NUMBER}
_CERTIFICATE: files.Kinds = {"key": str, "outcome": str, "weights": str}
_REPETITIONS: Mapping[str, files.Kinds] = {
    "equal": {"changed": dict},
    "differs": {"changed": dict, "first": dict},
    "failed": {},
}
_MEASURES: files.Kinds = {"version": int, "weights": str}
_FILM: files.Kinds = {
    "weights": str, "episode": int, "seed": int, "return": _NUMBER, "ended": str, "at": list,
    "measured": list, "milliseconds": int, "frames": str,
}  # fmt: skip
_METRIC: files.Kinds = {"metric": str, "version": str, "weights": str, "values": list, "error": str}


class Measured(NamedTuple):
    """What a metric of the user's own made of a run."""

    value: float | None  # of episodes the mean; None: it failed
    error: str = ""  # why


class Visits(NamedTuple):
    """How often training came to each cell of a plane."""

    counts: NDArray[np.int64]  # (parts of the budget, height, width)
    reachable: NDArray[np.bool_]  # (height, width)
    # How many episodes began in a cell, and had their goal in it; None: nobody counted.
    starts: NDArray[np.int64] | None = None
    goals: NDArray[np.int64] | None = None
    # Episodes that began; and when a cell was first visited: after how many steps, and when how
    # many episodes had begun; -1: never.
    episodes: NDArray[np.int64] | None = None
    first_steps: NDArray[np.int64] | None = None
    first_episodes: NDArray[np.int64] | None = None


class Film(NamedTuple):
    """One episode of the final evaluation, as pictures."""

    episode: int  # its place in the evaluation
    seed: int  # of its reset
    total: float  # its return
    ended: str  # how: terminated or truncated
    at: tuple[int, ...]  # the step of each frame; the last is that of the end
    measured: tuple[str, ...]  # what the card reports beside the score, at each frame
    milliseconds: int  # for which a frame is shown
    frames: bytes  # an animated WebP


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """What lies in a run's folder, as far as it can be read."""

    broken: tuple[Damage, ...] = ()  # why a run that was finished must be trained again
    aside: tuple[Damage, ...] = ()  # what else is damaged: no score depends on it
    result: dict[str, Any] | None = None  # of a finished run whose files are as it left them
    log: tuple[dict[str, Any], ...] = ()  # its starts, and those ends that were written down
    failure: dict[str, Any] | None = None  # its error; its traceback, empty if it was killed
    progress: dict[str, Any] | None = None
    barrier: dict[str, Any] | None = None  # that the next attempt goes on from: see checkpoint.py
    certificate: dict[str, Any] | None = None  # of the weights that the result has
    measures: dict[str, Any] | None = None  # of these weights, by today's version of the measures

    @property
    def anew(self) -> str:
        """Why its last attempt did not go on from its barrier; empty: it did, or had none."""
        told = self.log[-1] if self.log and "ended" in self.log[-1] else self.progress or {}
        return str(told.get("anew", ""))

    @property
    def began(self) -> str | None:
        """When it was first started; None: nobody wrote it down."""
        return next((row["started"] for row in self.log if "started" in row), None)


def is_key(name: str) -> bool:
    """Whether a run may be called so."""
    return layout.KEY.fullmatch(name) is not None


def look(folder: Path, deep: bool = False) -> RunFiles:
    """Read a run's folder.

    :param deep: compare every byte of what was learned, too, and not only how many there are.
    """
    if damage := files.no_folder(folder):
        return RunFiles(broken=(damage,))
    result, broken = finished(folder, deep)
    starts = attempts(folder)
    aside = [starts.damage] if starts.damage else []
    ask = partial(files.unless_damaged, aside)
    failure = ask(_last_words, folder / layout.FAILURE, _FAILURE)
    progress = ask(_last_words, folder / layout.PROGRESS, _PROGRESS)
    barrier = None if result else ask(checkpoint.read, folder)
    certified = ask(certificate, folder)
    measured = ask(files.read_json, folder / layout.MEASURES, _MEASURES)
    weights = (result or {}).get("weights")
    if certified and certified["weights"] != weights:
        certified = None
    if measured and (measured["weights"], measured["version"]) != (weights, MODEL_MEASURES):
        measured = None
    plain = [layout.LOCK]
    if not os.path.lexists(folder / layout.RESULT):  # what would be in the way of the next attempt
        plain += [layout.EVALS, layout.TEST_EVALS, layout.TRAIN, layout.VISITS]
        if damage := files.no_folder(folder / layout.MODEL):
            aside.append(damage)
        if os.path.lexists(folder / layout.SPEC):
            ask(spec, folder)
    for name in plain:
        ask(files.size, folder / name)
    return RunFiles(
        broken=tuple(broken),
        aside=tuple(aside),
        result=result,
        log=tuple(starts.rows),
        failure=failure,
        progress=progress,
        barrier=barrier,
        certificate=certified,
        measures=measured,
    )


def finished(folder: Path, deep: bool = False) -> tuple[dict[str, Any] | None, list[Damage]]:
    """result.json, and all reasons why the run is not finished though there is one.

    None: there is none, or there are reasons.
    """
    path = folder / layout.RESULT
    try:
        result = files.read_json(path, _RESULT)
        if result is None:
            return None, []
        for name, kinds in _SCORES.items():
            if result.get(name) is not None and (flaw := files.unlike(result[name], kinds)):
                raise Damaged(path, f"in '{name}', {flaw}")
        if is_key(folder.name) and result["key"] != folder.name:
            raise Damaged(path, f"it is swapped: it is that of the run {result['key']}")
        if not digest.are_digests(result["files"]):
            raise Damaged(path, "it does not tell what the run wrote")
        broken = list(dict.fromkeys(digest.changed(folder, result["files"], deep)))
    except Damaged as error:
        return None, [error.damage]
    return (None if broken else result), broken


# What it is, and what it scored -------------------------------------------------------------------


def spec(folder: Path) -> Run:
    """spec.json.

    :raises Damaged: if there is none, or it is that of another run.
    """
    path = folder / layout.SPEC
    content = files.read(path)
    if content is None:
        raise Damaged(path, "it is gone")
    try:
        run_spec = _kind(content).model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        why = first["msg"].removeprefix("Value error, ")
        where = ".".join(map(str, first["loc"]))
        why = shortened(f"{where}: {why}" if where else why)
        raise Damaged(path, f"not a spec of this version: {why}") from None
    # A finished run tells whether this is still its spec, also one of another version.
    if is_key(folder.name) and run_spec.key != folder.name and finished(folder)[0] is None:
        why = f"it is that of the run {run_spec.key}, or of another version of the harness"
        raise Damaged(path, why)
    return run_spec


def made_here(folder: Path, what: str) -> RunSpec:
    """spec.json of a run that was made here.

    :param what: cannot be done with one that was not.
    :raises UserError: for an imported one.
    :raises Damaged: as `spec` does.
    """
    run = spec(folder)
    if isinstance(run, ImportedRun):
        why = (
            f"it was not made here, but imported from {run.origin.file}: there is no agent and no "
            f"setting to {what}"
        )
        raise UserError.of(folder, why)
    return run


def _kind(content: bytes) -> type[ImportedRun] | type[RunSpec]:
    try:
        facts = json.loads(content)
    except ValueError:
        return RunSpec  # which says what is wrong
    return ImportedRun if isinstance(facts, dict) and "origin" in facts else RunSpec


def evaluations(folder: Path, name: str = layout.EVALS) -> list[dict[str, Any]]:
    """Every evaluation by the protocol, the final one last, wherever it stands in the file.

    :raises Damaged: unless exactly one is marked final, at the last step.
    """
    path = folder / name
    log = files.read_lines(path, wrong_evaluation)
    if log.damage:
        raise Damaged(*log.damage)
    played = (row for row in log.rows if not row.get(OTHER_MODE, False))
    rows = sorted(played, key=lambda row: (row["step"], row["final"]))
    if [row["final"] for row in rows].count(True) != 1 or not rows[-1]["final"]:
        raise Damaged(path, "one evaluation after the last step must be marked final")
    return rows


def final_returns(folder: Path) -> list[float]:
    """The raw returns of the episodes of which a finished run's final score is the mean."""
    return list(evaluations(folder)[-1]["returns"])


def final_lengths(folder: Path) -> list[int]:
    """The steps of the same episodes."""
    return list(evaluations(folder)[-1]["lengths"])


def rows(folder: Path, log: str) -> list[dict[str, Any]]:
    """The lines of one of `LOGS`, without the clock's; one that is no JSON is kept as it is."""
    content = files.read(folder / LOGS[log]) or b""
    return [_row(text) for text in content.decode(errors="replace").splitlines()]


def _row(text: str) -> dict[str, Any]:
    try:
        row = dict(json.loads(text))
    except (ValueError, TypeError):
        return {"line": text}
    row.pop("seconds", None)
    return row


def training(folder: Path) -> list[dict[str, Any]]:
    """What training logged, a row each."""
    return list(files.read_lines(folder / layout.TRAIN).rows)


def events(folder: Path) -> Path:
    """The folder of its event files."""
    return folder / layout.EVENTS


def visits(folder: Path) -> Visits | None:
    """None: its states are no cells, or nobody counted."""
    path = folder / layout.VISITS
    if not path.is_file():
        return None
    with np.load(path) as saved:
        more = {name: saved.get(name) for name in Visits._field_defaults}
        return Visits(saved["visits"], saved["reachable"], **more)


def model(folder: Path) -> Path:
    """The folder of what it learned."""
    return folder / layout.MODEL


def left_out(folder: Path) -> bool:
    """Whether what it learned is not here, since the archive that it came in left it out."""
    return any(not (folder / name).exists() for name in digest.left_out(folder))


def wrong_evaluation(row: Mapping[str, Any]) -> str:
    """What is wrong with a line of evals.jsonl."""
    numbers = row.get("returns")
    flaw = files.unlike(row, _EVALUATION)
    if not flaw and "mean" in row:  # imported: which episodes it is the mean of is not known
        flaw = files.unlike(row, {"mean": _NUMBER})
    elif not flaw and not (
        isinstance(numbers, list) and numbers and all(type(each) in _NUMBER for each in numbers)
    ):
        flaw = "'returns' is no list of numbers"
    if not flaw and OTHER_MODE in row and not (row[OTHER_MODE] is True and row["final"]):
        flaw = f"'{OTHER_MODE}' marks no final evaluation"
    return flaw


# What lies beside it ------------------------------------------------------------------------------


def _last_words(path: Path, kinds: files.Kinds) -> dict[str, Any] | None:
    """Why an attempt failed, or how far it was; :raises Damaged: if that cannot be read."""
    facts = files.read_json(path, kinds, sealed=False) or {}
    if not isinstance(facts.get("symptoms", []), list):
        raise Damaged(path, "'symptoms' is no list")
    if flaw := _wrong_costs(facts):
        raise Damaged(path, flaw)
    return facts or None


def certificate_path(folder: Path) -> Path:
    """:param folder: of a run or of a sweep."""
    return folder / layout.CERTIFICATE


def certificate(folder: Path) -> dict[str, Any] | None:
    """What came of making the run once more; :raises Damaged: if it is not this run's."""
    path = certificate_path(folder)
    facts = files.read_json(path, _CERTIFICATE)
    if facts is None:
        return None
    if is_key(folder.name) and facts["key"] != folder.name:
        raise Damaged(path, f"it is swapped: it is that of the run {facts['key']}")
    flaw = files.unlike(facts, _REPETITIONS.get(facts["outcome"], {"an outcome": str}))
    if not flaw and facts["outcome"] == "differs":
        flaw = files.unlike(facts["first"], {"step": int, "what": str})
    if flaw:
        raise Damaged(path, flaw)
    return facts


def model_report(folder: Path) -> Path:
    """The folder of what `harness model-report` says of a run."""
    return folder / layout.MODEL_REPORT


def metric_path(folder: Path, metric: Metric) -> Path:
    """The file of what a metric made of a run; another version of it has another file."""
    return folder / layout.METRICS / f"{as_file(metric.target)}-{metric.version}.json"


def measured(folder: Path, metric: Metric, weights: str) -> Measured | None:
    """What a metric made of a run; None: nothing yet.

    :param weights: the fingerprint of what the run learned.
    :raises Damaged: if that cannot be read.
    """
    path = metric_path(folder, metric)
    facts = files.read_json(path, _METRIC)
    if facts is None or facts["weights"] != weights:
        return None
    if (facts["metric"], facts["version"]) != (metric.target, metric.version):
        raise Damaged(path, f"it is swapped: it is that of {shortened(facts['metric'])}")
    if facts["error"]:
        return Measured(None, facts["error"])
    values = facts["values"]
    if not values or not all(type(each) in _NUMBER and math.isfinite(each) for each in values):
        raise Damaged(path, "'values' is no list of numbers")
    return Measured(float(np.mean(values)))


def film(folder: Path, weights: str) -> Film | None:
    """The film of a run; None: nobody has watched it.

    :param weights: the fingerprint of what the run learned.
    :raises Damaged: if it cannot be shown.
    """
    path = folder / layout.FILM
    facts = files.read_json(path, _FILM)
    if facts is None or facts["weights"] != weights:
        return None
    at, measured = facts["at"], facts["measured"]
    if not at or not all(type(each) is int for each in at) or len(measured) != len(at):
        raise Damaged(path, "'at' is no list of steps, or not as long as 'measured'")
    frames = files.read(folder / layout.FRAMES)
    if frames is None or hashlib.sha256(frames).hexdigest() != facts["frames"]:
        why = "it is gone" if frames is None else "it was altered after it was written"
        raise Damaged(folder / layout.FRAMES, why)
    return Film(
        facts["episode"], facts["seed"], float(facts["return"]), facts["ended"], tuple(at),
        tuple(map(str, measured)), facts["milliseconds"], frames,
    )  # fmt: skip


def attempts(folder: Path) -> files.Log:
    """Every start of the run, and every end of one that was written down."""
    return files.read_lines(folder / layout.ATTEMPTS, _wrong_attempt)


def _wrong_attempt(row: Mapping[str, Any]) -> str:
    """What is wrong with a line of attempts.jsonl."""
    if "started" in row:
        return "" if is_time(row["started"]) else "'started' is no time"
    if row.get("outcome") not in OUTCOMES or not is_time(row.get("ended")):
        return "it is neither the start nor the end of an attempt"
    return _wrong_costs(row)


def is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _wrong_costs(facts: Mapping[str, Any]) -> str:
    costs = [facts[name] for name in COSTS if name in facts]
    wrong = any(type(cost) not in _NUMBER or not math.isfinite(cost) for cost in costs)
    return "a cost is no number" if wrong else ""
