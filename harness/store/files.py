"""Files that are read whole or named as damaged, and written whole or not at all.

The one place that knows how the store spells JSON: a value that is replaced in one step and sealed
with its own hash, and a log of lines that is only ever appended to.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil

from harness.config.strict import Problem, UserError
from harness.config.tree import canonical

SEAL = "sha256"  # the key under which a sealed value holds its own hash
TORN = b" torn"  # ends a line that a crash cut short
MOST = 2**28  # bytes of a file of JSON; what is larger is none of ours
GLANCES = 20  # tries to take a lock: `lock_is_held` has it for a moment
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux's renameat2
WRITTEN = ".written.json"  # in a folder that `replacing` made: the names of its files
ROOMS = {
    "runs",
    "sweeps",
    "searches",
    "sacred",
    "boards",
    "machines",
}  # of a results folder, in which all else lies

Kinds = Mapping[str, type | tuple[type, ...]]  # the keys that a value must have, and their types
T = TypeVar("T")


class Damage(NamedTuple):
    """A file that is not what it should be, and why."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class Damaged(UserError):
    """A file of the store cannot be used."""

    def __init__(self, path: Path, why: str) -> None:
        self.damage = Damage(path, why)
        super().__init__([Problem(str(path), None, "", why)])


# Links --------------------------------------------------------------------------------------------


def astray(path: Path) -> Damage | None:
    """The link that takes `path` out of its results folder, as an unpacked archive may bring one.

    The results folder itself may be a link. Of a path in none, its last part alone is looked at.
    """
    parts = path.parts
    rooms = [i for i, part in enumerate(parts) if part in ROOMS]
    depth = rooms[-1] if rooms else len(parts) - 1
    place = root = os.path.join(*parts[:depth], "")
    for part in parts[depth:]:  # words, for each file that is read comes here
        place = os.path.join(place, part)
        if not os.path.islink(place):
            continue
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(root)):
            why = "it is a link out of the results folder, which is not followed"
            return Damage(Path(place), why)
    return None


def no_folder(place: Path) -> Damage | None:
    """What stands in the place of a folder, where something else does."""
    if not os.path.lexists(place):
        return None
    if not place.is_dir():
        return Damage(place, "it stands in the place of a folder")
    return astray(place)


def make_way(*places: Path) -> list[str]:
    """Set aside what stands in the place of folders, the outer first; told in a line each."""
    damages = (damage for place in places if (damage := no_folder(place)))
    return [f"{damage}; set aside as {set_aside(damage.path).name}" for damage in damages]


# Reading ------------------------------------------------------------------------------------------


def size(path: Path) -> int | None:
    """The bytes of a plain file; None if there is nothing of that name.

    :raises Damaged: if something else stands in its place, or a link leads out to it.
    """
    if stray := astray(path):
        raise Damaged(*stray)
    try:
        facts = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise Damaged(path, "it is a link to nothing") from None
        return None
    except OSError as error:
        raise Damaged(path, f"it cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(facts.st_mode):
        raise Damaged(path, "a folder stands in its place")
    if not stat.S_ISREG(facts.st_mode):
        raise Damaged(path, "it is no plain file")
    return facts.st_size


def read(path: Path) -> bytes | None:
    """What a plain file holds; None if there is nothing of that name.

    :raises Damaged: if something else stands in its place, or it cannot be read.
    """
    length = size(path)
    if length is None:
        return None
    if length > MOST:
        raise Damaged(path, f"{length:,} bytes are too many for it")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(path, f"it cannot be read: {error.strerror}") from None


def read_json(path: Path, kinds: Kinds, sealed: bool = True) -> dict[str, Any] | None:
    """The keys and values of a JSON file; None if there is none of that name.

    :param sealed: `write_json` wrote it with its own hash, which must hold.
    :raises Damaged: if it holds anything else.
    """
    content = read(path)
    if content is None:
        return None
    if not content.strip():
        raise Damaged(path, "it is empty")
    try:
        value = parse(content)
    except ValueError as error:
        raise Damaged(path, str(error)) from None
    flaw = unlike(value, kinds)
    if flaw:
        raise Damaged(path, flaw)
    if sealed and not is_sealed(value):
        raise Damaged(path, "it was altered after it was written")
    if sealed:
        del value[SEAL]
    return value


def parse(content: bytes) -> dict[str, Any]:
    """The keys and values that JSON spells.

    :raises ValueError: in words that follow the name of the file.
    """
    try:
        value = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        whole = content.rstrip().endswith(b"}")
        why = "it is not JSON" if whole or not content.startswith(b"{") else "it is cut short"
        raise ValueError(f"{why} (line {error.lineno}, column {error.colno})") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON that this program writes") from None
    if flaw := unlike(value, {}):
        raise ValueError(flaw)
    return dict(value)


def is_sealed(value: Mapping[str, Any]) -> bool:
    """Whether it holds its own hash, as `write_json` writes it."""
    return SEAL in value and value[SEAL] == _seal({k: v for k, v in value.items() if k != SEAL})


def unless_damaged(damages: list[Damage], read: Callable[..., T], *of: Any) -> T | None:
    """What `read` returns; where it raises Damaged, None, and why among the damages."""
    try:
        return read(*of)
    except Damaged as error:
        damages.append(error.damage)
        return None


def _called(value: Any) -> str:
    names = {list: "a list", str: "a text", type(None): "nothing", bool: "a truth value"}
    names[dict] = "keys and values"
    return names.get(type(value), "a number")


def unlike(value: Any, kinds: Kinds) -> str:
    """Which key a value lacks or holds something else under; empty: none."""
    if not isinstance(value, Mapping):
        return f"it holds {_called(value)} where keys and values belong"
    for key, kind in kinds.items():
        if key not in value:
            return f"it has no key '{key}'"
        numeric = kind in (int, float, (int, float))
        if not isinstance(value[key], kind) or (numeric and isinstance(value[key], bool)):
            return f"'{key}' is {_called(value[key])}"
    return ""


class Log(NamedTuple):
    """The lines of a file that is only ever appended to."""

    rows: list[dict[str, Any]]
    damage: Damage | None  # why some of it could not be read
    torn: bool = False  # a crash cut its last line short


def read_lines(path: Path, flaw: Any = None) -> Log:
    """The whole lines of a log. A torn last line is none, nor is one that `append_json` ended.

    :param flaw: tells what is wrong with a row; empty: nothing.
    """
    try:
        content = read(path)
    except Damaged as error:
        return Log([], error.damage)
    rows, why = [], ""
    *lines, rest = (content or b"").split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line.endswith(TORN):
            continue
        try:
            row = parse(line)
            wrong = flaw(row) if flaw else ""
        except ValueError as error:
            wrong = str(error)
        if wrong:
            why = why or f"line {number}: {wrong}"
        else:
            rows.append(row)
    if content is not None and not content:
        why = "it is empty"
    return Log(rows, Damage(path, why) if why else None, bool(rest))


# Writing ------------------------------------------------------------------------------------------


def write_json(
    path: Path, value: Mapping[str, Any], sealed: bool = True, sync: bool = True
) -> None:
    """Replace a file in one step: after a crash it is the old one or the new one, whole.

    :param sealed: with its own hash under "sha256", so that a reader sees whether it was altered.
    """
    write_whole(path, spelled(value, sealed), sync)


def spelled(value: Mapping[str, Any], sealed: bool = True) -> bytes:
    """What `write_json` writes."""
    whole = {**value, SEAL: _seal(value)} if sealed else dict(value)
    return (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode()


def write_whole(path: Path, content: bytes, sync: bool = True) -> None:
    """Replace a file in one step. A folder in its place is set aside."""
    scratch = _scratch(path)
    try:
        with scratch.open("wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if path.is_dir() and not path.is_symlink():
            set_aside(path)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    for left in _left(path):
        left.unlink(missing_ok=True)


def _seal(value: Mapping[str, Any]) -> str:
    """The hash of its canonical JSON; empty for a number that JSON cannot hold."""
    try:  # as it reads back: a tuple is a list then, and a number that is a key is a text
        text = canonical(json.loads(json.dumps(value)))
    except ValueError:
        return ""
    return hashlib.sha256(text.encode()).hexdigest()


def append_json(path: Path, value: Any, sync: bool = True) -> None:
    """Add a line. A torn last line, which only a crash can leave, is ended first."""
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(TORN + b"\n")
        file.write(json.dumps(value).encode() + b"\n")
        if sync:
            file.flush()
            os.fsync(file.fileno())


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace a log by one of these rows."""
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock. The kernel frees it when this process dies, however it dies.

    :raises BlockingIOError: if another process holds it, and this one is not to wait.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        for left in reversed(range(1 if wait else GLANCES)):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not left:
                    raise
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def lock_is_held(path: Path) -> bool:
    """Whether some process holds the lock. Others may ask at once, and nobody is turned away."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # there is none, or nothing that could be held
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _scratch(path: Path) -> Path:
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")


def _left(path: Path) -> Iterator[Path]:
    """What processes of this machine that are gone left of writing `path`."""
    start = f".{path.name}.{socket.gethostname()}."
    for name in os.listdir(path.parent):
        pid = name.removeprefix(start)
        if name.startswith(start) and pid.isdigit() and not psutil.pid_exists(int(pid)):
            yield path.with_name(name)


def set_aside(path: Path) -> Path:
    """Rename what is damaged, so that it is kept and no longer in the way; return where it is."""
    names = (path.with_name(f"{path.name}.damaged-{i}") for i in count(1))
    return path.rename(next(name for name in names if not os.path.lexists(name)))


def mend_lines(path: Path, log: Log) -> str:
    """Set a damaged log aside and leave its readable lines in its place; say so in one line."""
    aside = set_aside(path)
    if log.rows:
        write_lines(path, log.rows)
    return f"{log.damage}; its readable lines are kept, and all of it in {aside.name}"


def was_set_aside(path: Path) -> bool:
    """Whether something of this name was ever damaged."""
    return any(path.parent.glob(f"{path.name}.damaged-*"))


# A folder as a whole ------------------------------------------------------------------------------


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty folder to write into, which takes the place of `folder` in one step at the end.

    Files in `folder` that an earlier one did not write are the user's, and are kept. If anything
    goes wrong the old folder stays as it is.
    """
    for left in folder.parent.glob(f".{folder.name}.*.old"):  # see `_swap`
        if not os.path.lexists(folder):
            left.rename(folder)
    with temporary(folder) as new:
        yield new
        write_json(new / WRITTEN, {"files": sorted(_files(new))})
        make_way(folder)
        if folder.is_dir():
            _keep_the_users(folder, new)
        _swap(new, folder)


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, removed at the end; what killed processes left goes too."""
    make_folder(folder.parent)
    for left in _left(folder):
        shutil.rmtree(left, ignore_errors=True)
    scratch = _scratch(folder)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _files(folder: Path) -> Iterable[str]:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()


def _keep_the_users(old: Path, new: Path) -> None:
    """Bring the files that no report wrote into the new folder, by links where that is possible."""
    manifest = unless_damaged([], read_json, old / WRITTEN, {"files": list}) or {}
    written = set(manifest.get("files", ()))
    for name in _files(old):
        if name in written or name == WRITTEN or os.path.lexists(new / name):
            continue
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(old / name, new / name, follow_symlinks=False)
        except OSError:
            shutil.copy2(old / name, new / name, follow_symlinks=False)


def _swap(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`; what stood there is then at `new`, if anything did."""
    if not old.is_dir():
        new.rename(old)
        return
    if not _exchanged(new, old):
        # Elsewhere than on Linux, and on some network disks, there is a moment without either.
        aside = new.with_name(f"{new.name}.old")
        old.rename(aside)
        new.rename(old)
        aside.rename(new)


def _exchanged(first: Path, second: Path) -> bool:
    """Whether the kernel exchanged the two in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(first), os.fsencode(second)
    return hasattr(libc, "renameat2") and not libc.renameat2(
        AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE
    )


# What a disk refuses ------------------------------------------------------------------------------

FULL = {errno.ENOSPC, errno.EDQUOT}
REFUSED = {
    errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP,
    errno.ENAMETOOLONG,
}  # fmt: skip


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, where they are not there.

    :raises OSError: one that `refused` knows. Where nothing can be made, as in /proc, the system
        says that there is no such folder, which it says of much else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:
        raise PermissionError(errno.EPERM, "no folder can be made there", str(folder)) from None


def refused(error: OSError) -> str | None:
    """What the user can do where a disk does not take a file, in one line; None: it is no such
    error.
    """
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in FULL:
        return f"{where}the disk is full; what was finished is kept: free some space, then repeat"
    if error.errno in REFUSED:
        way_out = "give a folder that can be written to, such as --results ELSEWHERE"
        return f"{where}{(error.strerror or '').lower()}: {way_out}"
    return None
