"""Bring home what others made: from a bucket that shards published into, or a results folder.

Nothing that is fetched is believed before its bytes are compared with those that its run wrote
down, and nothing of it is imported or run. A run that was made twice to the same bits is one run.
One that was made to other bits is not brought home: no number can be made of it. Killed at any
moment, the same merge goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from pydantic import ValidationError

from harness.config.name import is_name
from harness.config.strict import UserError
from harness.config.tree import grouped
from harness.spec import ResolvedSweep
from harness.store import checkpoint, files, layout, machines, run_files, writer
from harness.store.bucket import Bucket
from harness.store.files import Damaged
from harness.store.published import SACRED, Published, declared, published
from harness.store.reader import HISTORY, SWEEP, Store, wrong_change

# Of a run that this one takes the place of.
_REPLACED = (
    *layout.OF_AN_ATTEMPT, layout.RESULT, layout.MODEL, layout.EVENTS, layout.METRICS,
    layout.MODEL_REPORT, layout.OUTPUT,
)  # fmt: skip


class Merged(NamedTuple):
    """What came of a merge: keys of runs, and lines to tell."""

    came: list[str]  # finished, and brought home
    were: list[str]  # finished, and there before
    failed: list[str]  # no attempt finished: why it failed was brought home
    twice: list[str]  # lines about runs that were made more than once, to the same bits
    damaged: list[str]  # lines about attempts whose files are not those that they wrote
    lost: list[str]  # lines about runs of which nothing there could be brought home
    apart: list[str]  # lines about runs that were made to other bits: not brought home
    busy: list[str]  # lines about runs that a process here is at
    sweeps: list[str]  # names of those that were told of

    @property
    def is_whole(self) -> bool:
        """Whether all that is there is home."""
        return not (self.lost or self.apart or self.busy)


class _Attempt(NamedTuple):
    """An attempt that was fetched."""

    published: Published
    folder: Path
    result: dict[str, Any] | None  # None: it is not whole, or did not finish
    is_whole: bool

    @property
    def bits(self) -> tuple[Any, ...]:
        """What two attempts at one run must have in common."""
        assert self.result is not None
        return bits_of(self.result)


def bits_of(result: Mapping[str, Any]) -> tuple[Any, ...]:
    """What was learned and what was scored. What was logged may tell the time, too."""
    scored = {n: f["sha256"] for n, f in result["files"].items()
              if n in (layout.EVALS, layout.TEST_EVALS)}  # fmt: skip
    return result.get("weights"), tuple(sorted(scored.items()))


def merge(bucket: Bucket, store: Store, tick: Callable[[int, int], None]) -> Merged:
    """Bring home every run, sweep and record of Sacred's.

    :param tick: is told how many of how many runs were looked at.
    :raises UserError: if nothing is there, or it cannot be read.
    """
    merged = Merged(*([] for _ in Merged._fields))
    attempts = grouped((each.key, each) for each in published(bucket))
    _sweeps(bucket, store, merged)
    if not attempts and not merged.sweeps and not merged.lost:
        raise UserError.of(bucket.url, "no runs are there: name what shards gave as --results")
    for place, same in enumerate(attempts.values()):
        tick(place, len(attempts))
        _run(same, bucket, store, merged)
    _sacred(set(attempts), bucket, store)
    _machines(bucket, store)
    tick(len(attempts), len(attempts))
    return merged


# A run --------------------------------------------------------------------------------------------


def _run(attempts: Sequence[Published], bucket: Bucket, store: Store, merged: Merged) -> None:
    """One run, of which all of the attempts lie there."""
    key, home = attempts[0].key, _home(attempts[0], store)
    for each in attempts:
        if _home(each, store) != home:
            where = f"{bucket}/{each.where}"
            merged.lost.append(f"{where}: a run of that key lies in {home.parent}, too")
            return
    finished = [each for each in attempts if each.outcome == layout.RESULT]
    failed = [each for each in attempts if each.outcome == layout.FAILURE]
    here = run_files.finished(home, deep=True)[0]
    if here and all(each.is_same(home) for each in finished):
        merged.were.append(key)
        return
    with files.temporary(home) as scratch:
        fetched = [_fetched(each, bucket, scratch, store, merged) for each in finished]
        whole = [each for each in fetched if each.result is not None]
        if here and all(each.bits == bits_of(here) for each in whole):
            merged.were.append(key)
            if others := [each for each in whole if each.result != here]:
                merged.twice.append(f"{key}: here, and {len(others)} times in {bucket}")
            return
        if len({*(each.bits for each in whole), *([bits_of(here)] if here else [])}) > 1:
            merged.apart.append(_apart(key, whole, here, home, bucket))
            return
        if whole:
            rest = [each for each in attempts if each != whole[0].published]
            _take(whole[0], _logs(rest, bucket), home, store, merged.came, merged.busy)
            if len(whole) > 1:
                merged.twice.append(f"{key}: {len(whole)} times in {bucket}")
        elif not failed and not here:
            why = "no attempt at it is whole" if finished else "its upload was cut short"
            merged.lost.append(f"{bucket}/{attempts[0].where}: {why}")
        elif not here:
            last = max(failed, key=lambda each: _failed_at(each, bucket))
            if last.is_same(home):
                merged.failed.append(key)
                return
            taken = _fetched(last, bucket, scratch, store, merged)
            if not taken.is_whole:
                merged.lost.append(f"{bucket}/{last.where}: what failed is another run")
                return
            rest = [each for each in attempts if each != last]
            _take(taken, _logs(rest, bucket), home, store, merged.failed, merged.busy)


def _home(attempt: Published, store: Store) -> Path:
    return store.root.joinpath(*PurePosixPath(attempt.where).parts[:4])


def _fetched(
    attempt: Published, bucket: Bucket, scratch: Path, store: Store, merged: Merged
) -> _Attempt:
    """An attempt in a folder of its own, and its result, if it is as the run left it."""
    folder = scratch / str(len(list(scratch.iterdir()))) / attempt.key
    bucket.fetch({f"{attempt.where}/{name}": folder / name for name in attempt.names})
    why = ""
    result, broken = run_files.finished(folder, deep=True)
    if attempt.outcome == layout.RESULT and result is None:
        why = "; ".join(f"{each.path.relative_to(folder)}: {each.why}" for each in broken)
    try:
        spec = run_files.spec(folder)
        if spec.key != attempt.key or store.folder(spec) != _home(attempt, store):
            why = f"it is that of the run {spec.key}"
    except Damaged as error:  # of a finished run, the result tells that it is its own
        if result is None and layout.SPEC in attempt.names:
            why = why or error.damage.why
    if why:
        merged.damaged.append(f"{bucket}/{attempt.where}: {why}")
        return _Attempt(attempt, folder, None, False)
    return _Attempt(attempt, folder, result, True)


def _apart(
    key: str, whole: Sequence[_Attempt], here: Mapping[str, Any] | None, home: Path, bucket: Bucket
) -> str:
    """Where the outcomes of a run lie, and what is known of why they differ."""
    results = {f"{bucket}/{each.published.where}": each.result for each in whole}
    results |= {str(home): dict(here)} if here else {}
    scores = (f"{where}: return {r['final']['mean']:.6g}" for where, r in results.items() if r)
    facts = [name for name in ("sources", "packages", "machine", "device")
             if len({str(r.get(name)) for r in results.values() if r}) > 1]  # fmt: skip
    why = f"made with other {', '.join(facts)}" if facts else "made with the same code and machine"
    return (
        f"{key}: other bits ({why}): {'; '.join(scores)}. Not brought home: remove those that do "
        "not count, or remove all and train it again"
    )


def _failed_at(attempt: Published, bucket: Bucket) -> str:
    try:
        facts = files.parse(bucket.read(f"{attempt.where}/{layout.FAILURE}") or b"")
    except ValueError:
        return ""
    return str(facts.get("at", ""))


def _logs(attempts: Iterable[Published], bucket: Bucket) -> Iterator[bytes]:
    """What other attempts wrote down of their starts."""
    for attempt in attempts:
        if layout.ATTEMPTS in attempt.names:
            yield bucket.read(f"{attempt.where}/{layout.ATTEMPTS}") or b""


def _take(
    attempt: _Attempt,
    others: Iterable[bytes],
    home: Path,
    store: Store,
    taken: list[str],
    busy: list[str],
) -> None:
    """Put what was fetched in the place of what is there of the run, the outcome last."""
    last = attempt.published.outcome
    writer.clear_way(home, store.root)
    try:
        with writer.claimed(home):
            if run_files.finished(home)[0]:  # meanwhile
                return
            writer.set_aside(home, deep=True)
            log = _starts(attempt.folder / layout.ATTEMPTS, [*others, _read(home)])
            checkpoint.discard(home)
            for name in _REPLACED:
                _remove(home / name)
            if log:
                files.write_whole(home / layout.ATTEMPTS, log)
                (attempt.folder / layout.ATTEMPTS).unlink(missing_ok=True)
            for path in sorted(attempt.folder.iterdir(), key=lambda each: each.name == last):
                _remove(home / path.name)
                path.replace(home / path.name)
            taken.append(attempt.published.key)
    except writer.Busy:
        busy.append(f"{attempt.published.key}: a process here is at it")


def _read(home: Path) -> bytes:
    with suppress(Damaged):
        return files.read(home / layout.ATTEMPTS) or b""
    return b""


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _starts(path: Path, others: Iterable[bytes]) -> bytes:
    """A log of attempts, after those of other logs that it does not tell of: each was paid for."""
    own = path.read_bytes() if path.is_file() else b""
    seen, lost = set(own.splitlines()), dict[tuple[str, bytes], list[bytes]]()
    for other in others:
        of: list[bytes] | None = None  # the lines of an attempt that the log does not tell of
        for line in other.splitlines():
            if started := _started(line):
                of = None if line in seen else lost.setdefault((started, line), [line])
            elif of is not None and line not in of:
                of.append(line)
    lines = [line for key in sorted(lost) for line in lost[key]]
    return b"".join(line + b"\n" for line in lines) + own


def _started(line: bytes) -> str:
    """When the attempt was started whose first line it is; empty: it is another line."""
    try:
        return str(files.parse(line).get("started", ""))
    except ValueError:
        return ""


# What lies beside runs ----------------------------------------------------------------------------


def _sacred(keys: set[str], bucket: Bucket, store: Store) -> None:
    """Sacred's records of attempts at these runs."""
    records: dict[str, list[str]] = {}
    for name in bucket.names(SACRED):
        parts = PurePosixPath(name).parts
        if len(parts) > 2 and parts[1].rpartition("-")[0] in keys:
            records.setdefault(parts[1], []).append(name)
    for record, names in records.items():
        home = store.root / SACRED / record
        if home.exists():
            continue
        files.make_way(home.parent)
        with files.temporary(home) as scratch:
            new = scratch / record
            bucket.fetch({n: new.joinpath(*PurePosixPath(n).parts[2:]) for n in names})
            new.replace(home)


def _machines(bucket: Bucket, store: Store) -> None:
    """What was found of machines of which nothing is known here."""
    for name in bucket.names(machines.ROOM):
        home = store.root / machines.ROOM / PurePosixPath(name).name
        if name.count("/") == 1 and name.endswith(".json") and not home.exists():
            files.make_way(home.parent)
            home.parent.mkdir(exist_ok=True)
            files.write_whole(home, bucket.read(name) or b"")


def _sweeps(bucket: Bucket, store: Store, merged: Merged) -> None:
    """What sweeps are, if nothing here says so, and when each was declared."""
    sweeps: dict[str, dict[str, bytes]] = {}  # by name: when each was declared, and what it is
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, what, histories in declared(bucket):
        content = bucket.read(what) or b""
        why = _no_sweep(name, content)
        lines = [row for each in histories for row in _rows(bucket.read(each) or b"")]
        if why or not lines:
            merged.lost.append(f"{bucket}/{what}: {why or 'nothing says when it was declared'}")
            continue
        rows.setdefault(name, []).extend(lines)
        sweeps.setdefault(name, {})[max(row["at"] for row in lines)] = content
    for name, by_time in sweeps.items():
        folder = store.sweep_folder(name)
        files.make_way(folder.parent, folder)
        files.make_folder(folder)
        with writer.declaring(folder):
            _add_changes(store.history(name), rows[name], folder)
            if not (folder / SWEEP).exists():
                files.write_whole(folder / SWEEP, by_time[max(by_time)])
        merged.sweeps.append(name)


def _no_sweep(name: str, content: bytes) -> str:
    """Why it is not what a sweep was resolved to; empty: it is."""
    try:
        facts = files.parse(content)
        if not files.is_sealed(facts):
            return "it was altered after it was written, or is cut short"
        del facts[files.SEAL]
        is_ours = is_name(name) and ResolvedSweep.model_validate(facts).name == name
    except ValidationError:
        return "it is no sweep of this version"
    except ValueError as error:
        return str(error)
    return "" if is_ours else "it is that of another sweep"


def _rows(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        with suppress(ValueError):
            row = files.parse(line)
            if not wrong_change(row):
                yield row


def _add_changes(here: files.Log, rows: Iterable[dict[str, Any]], folder: Path) -> None:
    """Add changes of a sweep to its history, each at its earliest time."""
    if here.damage:  # the sweep says so when it is started
        return
    known = {row["sha256"]: row["at"] for row in here.rows if "sha256" in row}
    new: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["at"]):
        new.setdefault(str(row.get("sha256")), row)
    new = {h: row for h, row in new.items() if h not in known or row["at"] < known[h]}
    if new:
        lines = sorted([*here.rows, *new.values()], key=lambda row: row["at"])
        files.write_lines(folder / HISTORY, lines)
