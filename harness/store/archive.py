"""A zip that lists what it holds: the same bytes of the same files, unpacked whole or not at all.

Its first file lists all others with their sizes and hashes, sealed like every file of the store.
Nothing is believed before it is compared with that list, and only what the list names is unpacked.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from harness.config.strict import UserError
from harness.store import files
from harness.store.digest import sha256
from harness.store.files import SEAL

LIST = "bundle.json"
FORMAT = 1  # raise it when an older harness could not read what is packed
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can name
MOST_OF_LIST = 2**27  # bytes
MOST_TIMES = 200  # what is unpacked is no more than this times the archive, and
FREELY = 2**24  # ... these bytes: JSON and logs shrink to a tenth
CHUNK = 2**20
_FILE: files.Kinds = {"sha256": str, "size": int}


def pack(contents: Mapping[str, bytes | Path], facts: Mapping[str, Any], to: Path) -> None:
    """Write an archive in one step.

    :param contents: by name: bytes, or the file that holds them.
    :param facts: what else its list says.
    """
    listed = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        if isinstance(content, bytes)
        else {"sha256": sha256(content), "size": content.stat().st_size}
        for name, content in sorted(contents.items())
    }
    with files.temporary(to) as scratch:
        with zipfile.ZipFile(scratch / "zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
            _add(made, LIST, files.spelled({"format": FORMAT, **facts, "files": listed}))
            for name in listed:
                _add(made, name, contents[name])
        (scratch / "zip").replace(to)


def _add(made: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    about = zipfile.ZipInfo(name, EPOCH)
    about.create_system, about.external_attr = 3, (stat.S_IFREG | 0o644) << 16
    about.compress_type = zipfile.ZIP_DEFLATED
    if isinstance(content, bytes):
        made.writestr(about, content)
        return
    about.file_size = content.stat().st_size
    with content.open("rb") as file, made.open(about, "w") as entry:
        shutil.copyfileobj(file, entry, CHUNK)


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """Unpack into an empty folder, each file compared with the list; return what the list says.

    :raises UserError: if it is no such archive, or cut short, or altered.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            listed = _listed(packed, archive, folder)
            for name, facts in listed["files"].items():
                path = folder.joinpath(*PurePosixPath(name).parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                _copy(packed, name, facts, path)
    except FileNotFoundError:
        raise UserError.of(archive, "there is no such file") from None
    except IsADirectoryError:
        raise UserError.of(archive, "it is a folder; name the archive itself") from None
    except _Flaw as flaw:
        raise UserError.of(archive, str(flaw)) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        why = f"it is no zip, or is cut short or damaged ({error})"
        raise UserError.of(archive, why) from None
    return listed


class _Flaw(Exception):
    """Why an archive is not unpacked."""


def _listed(packed: zipfile.ZipFile, archive: Path, folder: Path) -> dict[str, Any]:
    """What the list of an archive says, once all of it is as it should be."""
    entries = packed.infolist()
    listed = _list(packed, entries)
    flaw = next(_flaws(listed["files"]), "")
    if flaw:
        raise _Flaw(flaw)
    names = [each.filename for each in entries if each.filename != LIST]
    odd = [each.filename for each in entries if _is_link(each) or each.flag_bits & 1]
    more = sorted({*names} - {*listed["files"]}) + sorted(
        {n for n in names if names.count(n) > 1} if len(names) != len({*names}) else ()
    )
    if odd or more:
        raise _Flaw(f"it holds {(odd + more)[0]!r}, which its list does not name as a file")
    if gone := sorted(listed["files"].keys() - {*names}):
        raise _Flaw(f"it lacks {gone[0]}, which its list names")
    size = sum(facts["size"] for facts in listed["files"].values())
    if size > MOST_TIMES * archive.stat().st_size + FREELY:
        raise _Flaw(f"it would unpack to {size:,} bytes, too many for an archive of its size")
    if size > (free := shutil.disk_usage(folder).free):
        raise _Flaw(f"it unpacks to {size:,} bytes, and {free:,} are free in {folder.parent}")
    return listed


def _list(packed: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, Any]:
    about = next((each for each in entries if each.filename == LIST), None)
    if about is None:
        raise _Flaw(f"it is no archive of `harness bundle`: it has no {LIST}")
    if about.file_size > MOST_OF_LIST:
        raise _Flaw(f"its {LIST} is larger than any list of ours")
    with packed.open(about) as entry:
        content = entry.read(MOST_OF_LIST + 1)
    try:
        listed = files.parse(content)
    except ValueError as error:
        raise _Flaw(f"its {LIST} cannot be read: {error}") from None
    if not isinstance(listed.get("format"), int) or not isinstance(listed.get("files"), dict):
        raise _Flaw(f"its {LIST} is none of `harness bundle`")
    if listed["format"] != FORMAT:
        raise _Flaw(
            f"it is of version {listed['format']} of such archives, and this harness reads "
            f"version {FORMAT}: install the harness that made it ({listed.get('harness')})"
        )
    if not files.is_sealed(listed):
        raise _Flaw(f"its {LIST} was altered after the archive was made")
    del listed[SEAL]
    return listed


def _flaws(listed: Mapping[str, Any]) -> Iterator[str]:
    for name, facts in listed.items():
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts):
            yield f"its list names {name!r}, which leads elsewhere"
        elif not name.isprintable() or files.unlike(facts, _FILE) or facts["size"] < 0:
            yield f"its list tells of {name!r} what it tells of no file"


def _is_link(about: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(about.external_attr >> 16)
    return kind not in (0, stat.S_IFREG) or about.is_dir()


def _copy(packed: zipfile.ZipFile, name: str, facts: Mapping[str, Any], path: Path) -> None:
    """No more than the list says, whatever the entry holds."""
    digest, left = hashlib.sha256(), facts["size"]
    with packed.open(name) as entry, path.open("xb") as file:
        while chunk := entry.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            file.write(chunk)
    if left or digest.hexdigest() != facts["sha256"]:
        raise _Flaw(f"{name} in it was altered after the archive was made")
